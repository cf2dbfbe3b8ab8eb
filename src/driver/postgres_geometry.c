/* Readers of geometric types: floats between brackets. */
#include "postgres_float.h"
#include "postgres_read.h"

#include <string.h>

/* A text under way, in the batch and large enough. */
typedef struct shape_text {
  char *start;
  char *to;
  const char *from; /* the floats that are still to be written */
} shape_text;

static bool start_text(const pg_reader *reader, const char *from, size_t floats,
                       shape_text *text)
{
  if (floats > INT32_MAX / (PG_FLOAT_BYTES + 8)) {
    return false; /* no cell could hold it */
  }
  text->start =
      covet_batch_alloc(reader->batch, floats * (PG_FLOAT_BYTES + 4) + 8);
  text->to = text->start;
  text->from = from;
  return text->start != NULL;
}

static void put(shape_text *text, char byte)
{
  *text->to++ = byte;
}

static void put_float(shape_text *text)
{
  uint64_t bits = pg_get64(text->from);
  double value;

  memcpy(&value, &bits, sizeof(value));
  text->from += 8;
  text->to += pg_float_write(value, false, text->to);
}

static void put_point(shape_text *text)
{
  put(text, '(');
  put_float(text);
  put(text, ',');
  put_float(text);
  put(text, ')');
}

static void put_points(shape_text *text, uint32_t count)
{
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0) {
      put(text, ',');
    }
    put_point(text);
  }
}

static pg_read_status finish(const shape_text *text, covet_cell *cell)
{
  cell->bytes = text->start;
  cell->length = (int32_t) (text->to - text->start);
  cell->kind = COVET_TEXT;
  return PG_READ_OK;
}

/* A shape of so many points: between brackets, or none when `open` is 0. */
static pg_read_status read_points(const pg_reader *reader, const char *bytes,
                                  uint32_t count, const char *brackets,
                                  covet_cell *cell)
{
  shape_text text;

  if (!start_text(reader, bytes, (size_t) count * 2, &text)) {
    return PG_READ_NO_MEMORY;
  }
  if (brackets != NULL) {
    put(&text, brackets[0]);
  }
  put_points(&text, count);
  if (brackets != NULL) {
    put(&text, brackets[1]);
  }
  return finish(&text, cell);
}

pg_read_status pg_point_binary(pg_reader *reader, const pg_type *type,
                               const char *bytes, uint32_t length,
                               covet_cell *cell)
{
  (void) type;
  return length != 16 ? PG_READ_MALFORMED
                      : read_points(reader, bytes, 1, NULL, cell);
}

pg_read_status pg_lseg_binary(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  (void) type;
  return length != 32 ? PG_READ_MALFORMED
                      : read_points(reader, bytes, 2, "[]", cell);
}

pg_read_status pg_box_binary(pg_reader *reader, const pg_type *type,
                             const char *bytes, uint32_t length,
                             covet_cell *cell)
{
  (void) type;
  return length != 32 ? PG_READ_MALFORMED
                      : read_points(reader, bytes, 2, NULL, cell);
}

static bool read_count(const char *bytes, uint32_t length, uint32_t *count)
{
  pg_wire wire = {bytes, bytes + length};
  int32_t points;

  if (!pg_wire_int32(&wire, &points) || points < 0 ||
      (int64_t) points * 16 != wire.end - wire.at) {
    return false;
  }
  *count = (uint32_t) points;
  return true;
}

pg_read_status pg_path_binary(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  uint32_t count;

  (void) type;
  if (length < 1 || !read_count(bytes + 1, length - 1, &count)) {
    return PG_READ_MALFORMED;
  }
  return read_points(reader, bytes + 5, count, bytes[0] != 0 ? "()" : "[]",
                     cell);
}

pg_read_status pg_polygon_binary(pg_reader *reader, const pg_type *type,
                                 const char *bytes, uint32_t length,
                                 covet_cell *cell)
{
  uint32_t count;

  (void) type;
  if (!read_count(bytes, length, &count)) {
    return PG_READ_MALFORMED;
  }
  return read_points(reader, bytes + 4, count, "()", cell);
}

pg_read_status pg_line_binary(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  shape_text text;

  (void) type;
  if (length != 24) {
    return PG_READ_MALFORMED;
  }
  if (!start_text(reader, bytes, 3, &text)) {
    return PG_READ_NO_MEMORY;
  }
  put(&text, '{');
  put_float(&text);
  put(&text, ',');
  put_float(&text);
  put(&text, ',');
  put_float(&text);
  put(&text, '}');
  return finish(&text, cell);
}

pg_read_status pg_circle_binary(pg_reader *reader, const pg_type *type,
                                const char *bytes, uint32_t length,
                                covet_cell *cell)
{
  shape_text text;

  (void) type;
  if (length != 24) {
    return PG_READ_MALFORMED;
  }
  if (!start_text(reader, bytes, 3, &text)) {
    return PG_READ_NO_MEMORY;
  }
  put(&text, '<');
  put_point(&text);
  put(&text, ',');
  put_float(&text);
  put(&text, '>');
  return finish(&text, cell);
}
