/* Any bytes as the binary form of a value: the first one chooses the type. What is
 * read is written again, where that can be, and then is what it was. */
#include "postgres_fuzz.h"

/* "-0.00": of digits behind the scale, which no server sends. */
static int is_minus_zero(const covet_cell *cell)
{
  if (cell->kind != COVET_TEXT || cell->length < 2 || cell->bytes[0] != '-') {
    return 0;
  }
  for (int32_t i = 1; i < cell->length; i++) {
    if (cell->bytes[i] != '0' && cell->bytes[i] != '.') {
      return 0;
    }
  }
  return 1;
}

static void write_again(const pg_type *type, const covet_cell *cell,
                        covet_batch *batch)
{
  pg_buffer buffer = {0};
  covet_error error;
  covet_cell again;
  uint32_t missing;

  if (!pg_value_writes_binary(type) || is_minus_zero(cell)) {
    return;
  }
  /* texts that are no text, and days beyond the server's, are refused */
  if (pg_value_write_binary(type, cell, &buffer, &error) == 0) {
    require(pg_value_read(fuzz_types(), type, PG_FORMAT_BINARY,
                          buffer.bytes + 4, (int32_t) buffer.length - 4, batch,
                          &again, &missing) == PG_READ_OK);
    require(again.kind == cell->kind && again.length == cell->length);
    if (cell->kind == COVET_TEXT || cell->kind == COVET_BLOB) {
      require(cell->length == 0 ||
              memcmp(again.bytes, cell->bytes, (size_t) cell->length) == 0);
    } else if (cell->kind != COVET_FLOAT || cell->number == cell->number) {
      require(again.integer == cell->integer);
    }
  }
  pg_buffer_deinit(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  covet_batch *batch = fuzz_batch();
  const pg_type *type;
  pg_read_status status;
  covet_cell cell;
  uint32_t missing = 0;
  char *bytes;

  if (size < 1 || size > 65536) {
    covet_batch_free(batch);
    return 0;
  }
  type = fuzz_type(data[0]);
  bytes = fuzz_copy(data + 1, size - 1);
  status = pg_value_read(fuzz_types(), type, PG_FORMAT_BINARY, bytes,
                         (int32_t) size - 1, batch, &cell, &missing);
  require(status != PG_READ_NO_MEMORY);
  free(bytes); /* nothing points to them */
  fuzz_look(&cell, 0);
  if (status == PG_READ_OK) {
    write_again(type, &cell, batch);
  }
  covet_batch_free(batch);
  return 0;
}
