/* Any value as a parameter and as fields of COPY: the first bytes choose the type
 * and the kind. */
#include "postgres_fuzz.h"

static covet_cell make_cell(uint8_t choice, const char *bytes, size_t size)
{
  static const covet_kind kinds[] = {COVET_TEXT,    COVET_BLOB, COVET_INTEGER,
                                     COVET_BOOLEAN, COVET_NULL, COVET_FLOAT};
  covet_cell cell = {.kind = kinds[choice % 6]};
  uint64_t bits = 0;

  memcpy(&bits, bytes, size < sizeof(bits) ? size : sizeof(bits));
  switch (cell.kind) {
  case COVET_TEXT:
  case COVET_BLOB:
    cell.bytes = bytes;
    cell.length = (int32_t) size;
    break;
  case COVET_NULL:
    cell.length = -1;
    break;
  case COVET_BOOLEAN:
    cell.integer = bits & 1;
    break;
  default:
    memcpy(&cell.integer, &bits, sizeof(bits));
    break;
  }
  return cell;
}

static void check_refusal(int status, const covet_error *error,
                          const pg_buffer *buffer)
{
  require(status == COVET_EUSAGE);
  require(strncmp(error->message, "expected ", 9) == 0);
  require(error->kind == COVET_ERROR_USAGE ||
          error->kind == COVET_ERROR_INVALID_VALUE);
  require(buffer->length == 0);
}

static void write_parameter(const pg_type *type, const covet_cell *cell)
{
  pg_buffer buffer = {0};
  pg_format format;
  covet_error error;
  int status = pg_value_write(type, cell, &buffer, &format, &error);

  if (status != 0) {
    check_refusal(status, &error, &buffer);
  } else if (format == PG_FORMAT_TEXT && buffer.length > 0) {
    require(memchr(buffer.bytes, '\0', buffer.length) == NULL);
  }
  pg_buffer_deinit(&buffer);
}

static void write_copy_text(const pg_type *type, const covet_cell *cell)
{
  pg_buffer buffer = {0};
  covet_error error;
  int status = pg_value_write_copy_text(type, cell, &buffer, &error);

  if (status != 0) {
    check_refusal(status, &error, &buffer);
  }
  for (size_t i = 0; i < buffer.length; i++) {
    require(buffer.bytes[i] != '\n' && buffer.bytes[i] != '\t' &&
            buffer.bytes[i] != '\r');
  }
  pg_buffer_deinit(&buffer);
}

/* What is written is a field, and a value of the type. */
static void write_binary(const pg_type *type, const covet_cell *cell)
{
  covet_batch *batch = fuzz_batch();
  pg_buffer buffer = {0};
  covet_error error;
  covet_cell again;
  uint32_t missing;
  int status = pg_value_write_binary(type, cell, &buffer, &error);

  if (status != 0) {
    check_refusal(status, &error, &buffer);
  } else {
    require(buffer.length >= 4);
    require(pg_value_read(
                fuzz_types(), type, PG_FORMAT_BINARY, buffer.bytes + 4,
                cell->kind == COVET_NULL ? -1 : (int32_t) buffer.length - 4,
                batch, &again, &missing) == PG_READ_OK);
    fuzz_look(&again, 0);
  }
  pg_buffer_deinit(&buffer);
  covet_batch_free(batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const pg_type *type;
  covet_cell cell;
  char *bytes;

  if (size < 2 || size > 65536) {
    return 0;
  }
  type = fuzz_type(data[0]);
  bytes = fuzz_copy(data + 2, size - 2);
  cell = make_cell(data[1], bytes, size - 2);
  write_copy_text(type, &cell);
  if (pg_value_writes_binary(type)) {
    write_binary(type, &cell);
  }
  if (cell.kind != COVET_NULL) {
    write_parameter(data[1] > 127 ? NULL : type, &cell);
  }
  free(bytes);
  return 0;
}
