/* Readers of booleans, numbers, plain text and bytes. */
#include "../core/number.h"
#include "postgres_read.h"
#include "postgres_text.h"

#include <stdio.h>
#include <string.h>

static pg_read_status set_integer(covet_cell *cell, int64_t value)
{
  cell->integer = value;
  cell->length = 0;
  cell->kind = COVET_INTEGER;
  return PG_READ_OK;
}

static pg_read_status set_number(covet_cell *cell, double value, bool single)
{
  cell->number = value;
  cell->length = single ? 4 : 0;
  cell->kind = COVET_FLOAT;
  return PG_READ_OK;
}

/* --- Booleans and integers ---------------------------------------------------------- */

pg_read_status pg_bool_binary(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  (void) reader;
  (void) type;
  if (length != 1) {
    return PG_READ_MALFORMED;
  }
  set_integer(cell, bytes[0] != 0);
  cell->kind = COVET_BOOLEAN;
  return PG_READ_OK;
}

pg_read_status pg_bool_text(pg_reader *reader, const pg_type *type,
                            const char *bytes, uint32_t length,
                            covet_cell *cell)
{
  (void) type;
  if (length != 1 || (bytes[0] != 't' && bytes[0] != 'f')) {
    return pg_read_as_text(reader, bytes, length, cell);
  }
  set_integer(cell, bytes[0] == 't');
  cell->kind = COVET_BOOLEAN;
  return PG_READ_OK;
}

pg_read_status pg_int2_binary(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  (void) reader;
  (void) type;
  return length != 2 ? PG_READ_MALFORMED
                     : set_integer(cell, (int16_t) pg_get16(bytes));
}

pg_read_status pg_int4_binary(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  (void) reader;
  (void) type;
  return length != 4 ? PG_READ_MALFORMED
                     : set_integer(cell, (int32_t) pg_get32(bytes));
}

pg_read_status pg_int8_binary(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  (void) reader;
  (void) type;
  return length != 8 ? PG_READ_MALFORMED
                     : set_integer(cell, (int64_t) pg_get64(bytes));
}

pg_read_status pg_oid_binary(pg_reader *reader, const pg_type *type,
                             const char *bytes, uint32_t length,
                             covet_cell *cell)
{
  (void) reader;
  (void) type;
  return length != 4 ? PG_READ_MALFORMED
                     : set_integer(cell, (int64_t) pg_get32(bytes));
}

/* A count of transactions: the server is retired long before 2^63. */
pg_read_status pg_xid8_binary(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  return pg_int8_binary(reader, type, bytes, length, cell);
}

pg_read_status pg_integer_text(pg_reader *reader, const pg_type *type,
                               const char *bytes, uint32_t length,
                               covet_cell *cell)
{
  int64_t value;

  (void) type;
  return covet_number_integer(bytes, length, &value)
             ? set_integer(cell, value)
             : pg_read_as_text(reader, bytes, length, cell);
}

pg_read_status pg_oid_text(pg_reader *reader, const pg_type *type,
                           const char *bytes, uint32_t length, covet_cell *cell)
{
  uint64_t value;

  (void) type;
  return covet_number_unsigned(bytes, length, UINT64_MAX, &value)
             ? set_integer(cell, (int64_t) value)
             : pg_read_as_text(reader, bytes, length, cell);
}

/* --- Floats ------------------------------------------------------------------------ */

pg_read_status pg_float4_binary(pg_reader *reader, const pg_type *type,
                                const char *bytes, uint32_t length,
                                covet_cell *cell)
{
  uint32_t bits;
  float value;

  (void) reader;
  (void) type;
  if (length != 4) {
    return PG_READ_MALFORMED;
  }
  bits = pg_get32(bytes);
  memcpy(&value, &bits, sizeof(value));
  return set_number(cell, (double) value, true);
}

pg_read_status pg_float8_binary(pg_reader *reader, const pg_type *type,
                                const char *bytes, uint32_t length,
                                covet_cell *cell)
{
  uint64_t bits;
  double value;

  (void) reader;
  (void) type;
  if (length != 8) {
    return PG_READ_MALFORMED;
  }
  bits = pg_get64(bytes);
  memcpy(&value, &bits, sizeof(value));
  return set_number(cell, value, false);
}

static pg_read_status read_float(const pg_reader *reader, bool single,
                                 const char *bytes, uint32_t length,
                                 covet_cell *cell)
{
  double value;

  return pg_text_float(bytes, length, single, &value)
             ? set_number(cell, value, single)
             : pg_read_as_text(reader, bytes, length, cell);
}

pg_read_status pg_float4_text(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  (void) type;
  return read_float(reader, true, bytes, length, cell);
}

pg_read_status pg_float8_text(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  (void) type;
  return read_float(reader, false, bytes, length, cell);
}

/* --- Text and bytes ---------------------------------------------------------------- */

pg_read_status pg_plain_text(pg_reader *reader, const pg_type *type,
                             const char *bytes, uint32_t length,
                             covet_cell *cell)
{
  (void) type;
  return pg_read_keep(reader, COVET_TEXT, bytes, length, cell);
}

pg_read_status pg_plain_blob(pg_reader *reader, const pg_type *type,
                             const char *bytes, uint32_t length,
                             covet_cell *cell)
{
  (void) type;
  return pg_read_keep(reader, COVET_BLOB, bytes, length, cell);
}

pg_read_status pg_jsonb_binary(pg_reader *reader, const pg_type *type,
                               const char *bytes, uint32_t length,
                               covet_cell *cell)
{
  (void) type;
  if (length < 1 || bytes[0] != 1) {
    return PG_READ_MALFORMED; /* a version that is not known */
  }
  return pg_read_keep(reader, COVET_TEXT, bytes + 1, length - 1, cell);
}

static const char hex[] = "0123456789abcdef";

pg_read_status pg_uuid_binary(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  char text[36];
  char *at = text;

  (void) type;
  if (length != 16) {
    return PG_READ_MALFORMED;
  }
  for (int i = 0; i < 16; i++) {
    unsigned char byte = (unsigned char) bytes[i];

    if (i == 4 || i == 6 || i == 8 || i == 10) {
      *at++ = '-';
    }
    *at++ = hex[byte >> 4];
    *at++ = hex[byte & 15];
  }
  return pg_read_made(reader, text, sizeof(text), cell);
}

pg_read_status pg_lsn_binary(pg_reader *reader, const pg_type *type,
                             const char *bytes, uint32_t length,
                             covet_cell *cell)
{
  char text[24];
  int count;

  (void) type;
  if (length != 8) {
    return PG_READ_MALFORMED;
  }
  count = snprintf(text, sizeof(text), "%X/%X", pg_get32(bytes),
                   pg_get32(bytes + 4));
  return pg_read_made(reader, text, (size_t) count, cell);
}

pg_read_status pg_bit_binary(pg_reader *reader, const pg_type *type,
                             const char *bytes, uint32_t length,
                             covet_cell *cell)
{
  pg_wire wire = {bytes, bytes + length};
  int32_t count;
  char *text;

  (void) type;
  if (!pg_wire_int32(&wire, &count) || count < 0 ||
      ((int64_t) count + 7) / 8 != wire.end - wire.at) {
    return PG_READ_MALFORMED;
  }
  text = covet_batch_alloc(reader->batch, (size_t) count + 1);
  if (text == NULL) {
    return PG_READ_NO_MEMORY;
  }
  for (int32_t i = 0; i < count; i++) {
    text[i] =
        (char) ('0' + (((unsigned char) wire.at[i / 8] >> (7 - i % 8)) & 1));
  }
  cell->bytes = text;
  cell->length = count;
  cell->kind = COVET_TEXT;
  return PG_READ_OK;
}
