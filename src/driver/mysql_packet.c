#include "mysql_packet.h"

#include <math.h>
#include <string.h>

#include <mysql.h> /* in front of the other */

#include <mariadb_com.h>

enum {
  PACKET_HEAD = 4,              /* its length in three bytes, its number */
  COMMAND_HEAD = 1 + 4 + 1 + 4, /* command, statement, flags, times */
  TYPE_BYTES = 2,
  UNSIGNED_TYPE = 0x8000,
  LENGTH_1 = 251, /* texts from here on have two bytes of length more */
  LENGTH_2 = 0xFC
};

static size_t value_size(const covet_cell *cell)
{
  size_t length = cell->length > 0 ? (size_t) cell->length : 0;

  switch (cell->kind) {
  case COVET_INTEGER:
  case COVET_BOOLEAN:
  case COVET_UNSIGNED:
  case COVET_FLOAT:
    return 8;
  case COVET_TEXT:
  case COVET_BLOB:
    return length + (length < LENGTH_1 ? 1 : 3);
  default:
    return 0;
  }
}

size_t my_packet_size(const covet_op *op, size_t most)
{
  size_t size = PACKET_HEAD + COMMAND_HEAD;

  if (op->param_count > 0) {
    size += (op->param_count + 7) / 8 + 1 + op->param_count * TYPE_BYTES;
  }
  for (uint32_t i = 0; i < op->param_count && size <= most; i++) {
    const covet_cell *cell = &op->params[i];

    if (cell->kind == COVET_FLOAT && !isfinite(cell->number)) {
      return 0;
    }
    size += value_size(cell);
  }
  return size <= most ? size : 0;
}

static unsigned type_of(const covet_cell *cell)
{
  switch (cell->kind) {
  case COVET_INTEGER:
  case COVET_BOOLEAN:
    return MYSQL_TYPE_LONGLONG;
  case COVET_UNSIGNED:
    return MYSQL_TYPE_LONGLONG | UNSIGNED_TYPE;
  case COVET_FLOAT:
    return MYSQL_TYPE_DOUBLE;
  case COVET_TEXT:
    return MYSQL_TYPE_VAR_STRING;
  case COVET_BLOB:
    return MYSQL_TYPE_BLOB;
  default:
    return MYSQL_TYPE_NULL;
  }
}

static unsigned char *put(unsigned char *at, uint64_t value, unsigned size)
{
  for (unsigned i = 0; i < size; i++) {
    at[i] = (unsigned char) (value >> 8 * i);
  }
  return at + size;
}

static unsigned char *put_value(unsigned char *at, const covet_cell *cell)
{
  size_t length = cell->length > 0 ? (size_t) cell->length : 0;

  switch (type_of(cell) & ~(unsigned) UNSIGNED_TYPE) {
  case MYSQL_TYPE_LONGLONG:
    return put(at, (uint64_t) cell->integer, 8);
  case MYSQL_TYPE_DOUBLE:
    memcpy(at, &cell->number, 8); /* little-endian, as the protocol has it */
    return at + 8;
  case MYSQL_TYPE_NULL:
    return at;
  default:
    if (length < LENGTH_1) {
      at = put(at, length, 1);
    } else {
      at = put(put(at, LENGTH_2, 1), length, 2);
    }
    memcpy(at, cell->bytes, length);
    return at + length;
  }
}

void my_packet_write(unsigned char *at, size_t size, const covet_op *op,
                     unsigned long statement)
{
  unsigned char *nulls;

  at = put(at, size - PACKET_HEAD, 3);
  at = put(at, 0, 1);
  at = put(at, COM_STMT_EXECUTE, 1);
  at = put(at, statement, 4);
  at = put(at, CURSOR_TYPE_NO_CURSOR, 1);
  at = put(at, 1, 4);
  if (op->param_count == 0) {
    return;
  }
  nulls = at;
  memset(nulls, 0, (op->param_count + 7) / 8);
  at += (op->param_count + 7) / 8;
  at = put(at, 1, 1); /* types follow */
  for (uint32_t i = 0; i < op->param_count; i++) {
    unsigned type = type_of(&op->params[i]);

    if (type == MYSQL_TYPE_NULL) {
      nulls[i / 8] |= (unsigned char) (1U << i % 8);
    }
    at = put(at, type, TYPE_BYTES);
  }
  for (uint32_t i = 0; i < op->param_count; i++) {
    at = put_value(at, &op->params[i]);
  }
}
