/* Any bytes as a statement and as what the server says of it: what covet looks for
 * in them. The first byte chooses the error, a zero byte parts the two. */
#include "mysql_driver.h"
#include "mysql_fuzz.h"

static const int codes[] = {1045, 1048, 1054, 1062, 1064, 1146, 1364, 1366,
                            1406, 1451, 1452, 3819, 4025, 1264, 1305};

enum { CODES = sizeof(codes) / sizeof(codes[0]) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  covet_error error = {0};
  const uint8_t *part;
  size_t length;
  char *sql;

  if (size < 1 || size > 4096) {
    return 0;
  }
  part = memchr(data + 1, 0, size - 1);
  length = part == NULL ? size - 1 : (size_t) (part - data) - 1;
  sql = fuzz_copy(data + 1, length);
  error.code = codes[data[0] % CODES];
  if (part != NULL) {
    size_t rest = size - length - 2;

    rest = rest < sizeof(error.message) ? rest : sizeof(error.message) - 1;
    memcpy(error.message, part + 1, rest);
  }
  my_message_read(&error, sql, length);
  (void) my_changes_session(sql, length, my_verb_of(sql, length));
  (void) my_mentions(sql, length, "read only");
  free(sql);
  return 0;
}
