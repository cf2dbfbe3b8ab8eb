/* Any bytes as a statement and as what the server says of it: what covet looks for
 * in them. The first byte chooses the error, a zero byte parts the two. */
#include "mysql_message.h"
#include "mysql_fuzz.h"

static const struct {
  int code;
  covet_error_kind kind;
} errors[] = {
    {1048, COVET_ERROR_NOT_NULL_VIOLATION},
    {1052, COVET_ERROR_AMBIGUOUS_COLUMN},
    {1054, COVET_ERROR_UNDEFINED_COLUMN},
    {1062, COVET_ERROR_UNIQUE_VIOLATION},
    {1064, COVET_ERROR_SYNTAX_ERROR},
    {1091, COVET_ERROR_UNDEFINED_COLUMN},
    {1146, COVET_ERROR_UNDEFINED_TABLE},
    {1292, COVET_ERROR_INVALID_VALUE},
    {1366, COVET_ERROR_INVALID_VALUE},
    {1406, COVET_ERROR_STRING_TOO_LONG},
    {1451, COVET_ERROR_FOREIGN_KEY_VIOLATION},
    {4025, COVET_ERROR_CHECK_VIOLATION},
    {1305, COVET_ERROR_UNDEFINED_FUNCTION},
};

enum { ERRORS = sizeof(errors) / sizeof(errors[0]) };

static void require_text(const char *field, size_t size)
{
  require(memchr(field, '\0', size) != NULL);
}

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
  error.code = errors[data[0] % ERRORS].code;
  error.kind = errors[data[0] % ERRORS].kind;
  if (part != NULL) {
    size_t rest = size - length - 2;

    rest = rest < sizeof(error.message) ? rest : sizeof(error.message) - 1;
    memcpy(error.message, part + 1, rest);
  }
  my_message_read(&error, sql, length, (data[0] & 128) != 0);
  require(error.position >= 0 && error.position <= (int64_t) length);
  require_text(error.table, sizeof(error.table));
  require_text(error.column, sizeof(error.column));
  require_text(error.constraint, sizeof(error.constraint));
  free(sql);
  return 0;
}
