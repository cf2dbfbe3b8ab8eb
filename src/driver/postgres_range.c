/* Ranges and multiranges. */
#include "postgres_read.h"
#include "postgres_text.h"

/* The bits of the wire are covet_range_flags, but for some that no value has. */
enum {
  KNOWN_FLAGS = COVET_RANGE_EMPTY | COVET_RANGE_LOWER_INCLUSIVE |
                COVET_RANGE_UPPER_INCLUSIVE | COVET_RANGE_LOWER_INFINITE |
                COVET_RANGE_UPPER_INFINITE
};

static covet_nested *make_range(const pg_reader *reader, const pg_type *type,
                                uint32_t flags, covet_cell *cell)
{
  uint32_t count = flags & COVET_RANGE_EMPTY ? 0 : 2;
  covet_nested *nested = pg_read_nested(reader, type, count, 0, cell);

  if (nested != NULL) {
    nested->flags = flags;
  }
  return nested;
}

/* --- Binary -------------------------------------------------------------------------- */

static pg_read_status read_bound(pg_reader *reader, const pg_type *element,
                                 pg_wire *wire, bool infinite, covet_cell *cell)
{
  const char *field = NULL;
  int32_t size;

  if (infinite) {
    pg_read_null(cell);
    return PG_READ_OK;
  }
  if (!pg_wire_field(wire, &field, &size) || size < 0) {
    return PG_READ_MALFORMED;
  }
  return pg_read_part(reader, element, PG_FORMAT_BINARY, field, size, cell);
}

pg_read_status pg_range_binary(pg_reader *reader, const pg_type *type,
                               const char *bytes, uint32_t length,
                               covet_cell *cell)
{
  pg_wire wire = {bytes, bytes + length};
  pg_read_status status = PG_READ_OK;
  const pg_type *element;
  covet_cell *cells;
  uint32_t flags;

  if (length < 1) {
    return PG_READ_MALFORMED;
  }
  element = pg_read_type(reader, type->element);
  if (element == NULL) {
    return PG_READ_UNKNOWN;
  }
  flags = (unsigned char) *wire.at++ & KNOWN_FLAGS;
  if (make_range(reader, type, flags, cell) == NULL) {
    return PG_READ_NO_MEMORY;
  }
  if (!(flags & COVET_RANGE_EMPTY)) {
    cells = pg_read_cells(cell->nested);
    status = read_bound(reader, element, &wire,
                        flags & COVET_RANGE_LOWER_INFINITE, &cells[0]);
    if (status == PG_READ_OK) {
      status = read_bound(reader, element, &wire,
                          flags & COVET_RANGE_UPPER_INFINITE, &cells[1]);
    }
  }
  if (status == PG_READ_OK && wire.at != wire.end) {
    return PG_READ_MALFORMED;
  }
  return status;
}

/* How many ranges follow; each has a length at least. */
pg_read_status pg_multirange_binary(pg_reader *reader, const pg_type *type,
                                    const char *bytes, uint32_t length,
                                    covet_cell *cell)
{
  pg_wire wire = {bytes, bytes + length};
  pg_read_status status = PG_READ_OK;
  const pg_type *element = pg_read_type(reader, type->element);
  covet_cell *cells;
  int32_t count;

  if (element == NULL) {
    return PG_READ_UNKNOWN;
  }
  if (!pg_wire_int32(&wire, &count) || count < 0 ||
      count > (wire.end - wire.at) / 4) {
    return PG_READ_MALFORMED;
  }
  if (pg_read_nested(reader, type, (uint32_t) count, 0, cell) == NULL) {
    return PG_READ_NO_MEMORY;
  }
  cells = pg_read_cells(cell->nested);
  for (int32_t i = 0; i < count && status == PG_READ_OK; i++) {
    const char *field = NULL;
    int32_t size;

    if (!pg_wire_field(&wire, &field, &size) || size < 0) {
      return PG_READ_MALFORMED;
    }
    status =
        pg_read_part(reader, element, PG_FORMAT_BINARY, field, size, &cells[i]);
  }
  if (status == PG_READ_OK && wire.at != wire.end) {
    return PG_READ_MALFORMED;
  }
  return status;
}

/* --- Text ---------------------------------------------------------------------------- */

static const pg_stops lower_stops = {',', ',', ','};
static const pg_stops upper_stops = {']', ')', ','};

static bool is_infinite(const pg_item *item)
{
  return item->length == 0 && !item->quoted;
}

/* What "[a,b)" says, without a look at the bounds. `*at` then stands behind it. */
static bool look(char **at, const char *end, uint32_t *flags)
{
  pg_item lower;
  pg_item upper;
  char opening;

  if (*at == end) {
    return false;
  }
  opening = *(*at)++;
  if ((opening != '[' && opening != '(') ||
      !pg_item_skip(at, end, lower_stops, &lower)) {
    return false;
  }
  ++*at;
  if (!pg_item_skip(at, end, upper_stops, &upper) || **at == ',') {
    return false;
  }
  *flags = (opening == '[' ? COVET_RANGE_LOWER_INCLUSIVE : 0U) |
           (**at == ']' ? COVET_RANGE_UPPER_INCLUSIVE : 0U) |
           (is_infinite(&lower) ? COVET_RANGE_LOWER_INFINITE : 0U) |
           (is_infinite(&upper) ? COVET_RANGE_UPPER_INFINITE : 0U);
  ++*at;
  return true;
}

static pg_read_status take_bound(pg_reader *reader, const pg_type *element,
                                 char **at, const char *end, pg_stops stops,
                                 covet_cell *cell)
{
  pg_item item;

  ++*at; /* the bracket or comma before it */
  if (!pg_item_take(at, end, stops, &item)) {
    return PG_READ_MALFORMED;
  }
  return pg_read_part(reader, element, PG_FORMAT_TEXT, item.bytes,
                      is_infinite(&item) ? -1 : (int64_t) item.length, cell);
}

static pg_read_status read_text(pg_reader *reader, const pg_type *type,
                                char *text, uint32_t length, covet_cell *cell)
{
  const pg_type *element = pg_read_type(reader, type->element);
  char *end = text + length;
  char *at = text;
  pg_read_status status;
  covet_cell *cells;
  uint32_t flags;

  if (element == NULL) {
    return PG_READ_UNKNOWN;
  }
  if (length == 5 && memcmp(text, "empty", 5) == 0) {
    flags = COVET_RANGE_EMPTY;
  } else if (!look(&at, end, &flags) || at != end) {
    return pg_read_as_text(reader, text, length, cell);
  }
  if (make_range(reader, type, flags, cell) == NULL) {
    return PG_READ_NO_MEMORY;
  }
  if (flags & COVET_RANGE_EMPTY) {
    return PG_READ_OK;
  }
  cells = pg_read_cells(cell->nested);
  at = text;
  status = take_bound(reader, element, &at, end, lower_stops, &cells[0]);
  if (status != PG_READ_OK) {
    return status;
  }
  return take_bound(reader, element, &at, end, upper_stops, &cells[1]);
}

pg_read_status pg_range_text(pg_reader *reader, const pg_type *type,
                             const char *bytes, uint32_t length,
                             covet_cell *cell)
{
  bool kept = reader->kept;
  char *text = pg_read_own(reader, bytes, length);
  pg_read_status status = PG_READ_NO_MEMORY;

  if (text != NULL) {
    status = read_text(reader, type, text, length, cell);
  }
  reader->kept = kept;
  return status;
}

/* How many ranges "{[a,b),[c,d)}" has, or -1 when it is no multirange. */
static int64_t count_ranges(char *text, const char *end)
{
  char *at = text + 1;
  int64_t count = 0;
  uint32_t flags;

  if (end - text < 2 || *text != '{') {
    return -1;
  }
  if (end - text == 2 && *at == '}') {
    return 0;
  }
  for (;;) {
    if (!look(&at, end, &flags) || at == end) {
      return -1;
    }
    count++;
    if (*at++ != ',') {
      return at[-1] == '}' && at == end ? count : -1;
    }
  }
}

static pg_read_status read_ranges(pg_reader *reader, const pg_type *type,
                                  char *text, uint32_t length, covet_cell *cell)
{
  const pg_type *element = pg_read_type(reader, type->element);
  char *end = text + length;
  char *at = text + 1;
  int64_t count = count_ranges(text, end);
  pg_read_status status = PG_READ_OK;
  covet_cell *cells;
  uint32_t flags;

  if (element == NULL) {
    return PG_READ_UNKNOWN;
  }
  if (count < 0) {
    return pg_read_as_text(reader, text, length, cell);
  }
  if (pg_read_nested(reader, type, (uint32_t) count, 0, cell) == NULL) {
    return PG_READ_NO_MEMORY;
  }
  cells = pg_read_cells(cell->nested);
  for (int64_t i = 0; i < count && status == PG_READ_OK; i++) {
    char *start = at;

    if (!look(&at, end, &flags)) {
      return PG_READ_MALFORMED;
    }
    status = pg_read_part(reader, element, PG_FORMAT_TEXT, start, at - start,
                          &cells[i]);
    at++;
  }
  return status;
}

pg_read_status pg_multirange_text(pg_reader *reader, const pg_type *type,
                                  const char *bytes, uint32_t length,
                                  covet_cell *cell)
{
  bool kept = reader->kept;
  char *text = pg_read_own(reader, bytes, length);
  pg_read_status status = PG_READ_NO_MEMORY;

  if (text != NULL) {
    status = read_ranges(reader, type, text, length, cell);
  }
  reader->kept = kept;
  return status;
}
