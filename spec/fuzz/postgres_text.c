/* Any bytes as the text of a value: the first one chooses the type. What is no
 * text of the type comes as it is. */
#include "postgres_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  covet_batch *batch = fuzz_batch();
  pg_read_status status;
  covet_cell cell;
  uint32_t missing = 0;
  char *bytes;

  if (size < 1 || size > 65536) {
    covet_batch_free(batch);
    return 0;
  }
  bytes = fuzz_copy(data + 1, size - 1);
  status = pg_value_read(fuzz_types(), fuzz_type(data[0]), PG_FORMAT_TEXT,
                         bytes, (int32_t) size - 1, batch, &cell, &missing);
  require(status == PG_READ_OK || status == PG_READ_TOO_DEEP ||
          status == PG_READ_UNKNOWN || status == PG_READ_OUTDATED);
  require(memcmp(bytes, data + 1, size - 1) == 0 || size == 1);
  free(bytes); /* nothing points to them */
  fuzz_look(&cell, 0);
  covet_batch_free(batch);
  return 0;
}
