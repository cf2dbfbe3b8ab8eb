/* bytea as text: \x and hex digits, or the escapes that older servers write. */
#include "postgres_read.h"

static int hex_value(char digit)
{
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  if (digit >= 'a' && digit <= 'f') {
    return digit - 'a' + 10;
  }
  return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* The number of bytes decoded, or -1. */
static int64_t decode_hex(const char *from, uint32_t length, char *to)
{
  if (length % 2 != 0) {
    return -1;
  }
  for (uint32_t i = 0; i < length; i += 2) {
    int high = hex_value(from[i]);
    int low = hex_value(from[i + 1]);

    if (high < 0 || low < 0) {
      return -1;
    }
    to[i / 2] = (char) (high << 4 | low);
  }
  return length / 2;
}

static bool is_octal(const char *at)
{
  return at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' &&
         at[2] >= '0' && at[2] <= '7';
}

static int64_t decode_escapes(const char *from, uint32_t length, char *to)
{
  int64_t count = 0;

  for (uint32_t i = 0; i < length; i++) {
    char byte = from[i];

    if (byte == '\\' && length - i >= 4 && is_octal(from + i + 1)) {
      byte = (char) ((from[i + 1] - '0') << 6 | (from[i + 2] - '0') << 3 |
                     (from[i + 3] - '0'));
      i += 3;
    } else if (byte == '\\') {
      if (i + 1 == length || from[i + 1] != '\\') {
        return -1;
      }
      i++;
    }
    to[count++] = byte;
  }
  return count;
}

pg_read_status pg_bytea_text(pg_reader *reader, const pg_type *type,
                             const char *bytes, uint32_t length,
                             covet_cell *cell)
{
  bool is_hex = length >= 2 && bytes[0] == '\\' && bytes[1] == 'x';
  char *blob = covet_batch_alloc(reader->batch,
                                 (is_hex ? length / 2 : (size_t) length) + 1);
  int64_t count;

  (void) type;
  if (blob == NULL) {
    return PG_READ_NO_MEMORY;
  }
  count = is_hex ? decode_hex(bytes + 2, length - 2, blob)
                 : decode_escapes(bytes, length, blob);
  if (count < 0) {
    return pg_read_as_text(reader, bytes, length, cell);
  }
  cell->bytes = blob;
  cell->length = (int32_t) count;
  cell->kind = COVET_BLOB;
  return PG_READ_OK;
}
