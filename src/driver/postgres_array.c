/* Arrays of any depth that the server has. */
#include "../core/number.h"
#include "postgres_read.h"
#include "postgres_text.h"

enum { MOST_DIMENSIONS = 6 };

/* Of each dimension the length and the lower bound. */
typedef struct array_head {
  int dimensions;
  int32_t sizes[MOST_DIMENSIONS * 2];
  uint32_t count; /* elements */
} array_head;

/* The value that holds the elements; an array without any has no dimensions. */
static covet_nested *make_array(const pg_reader *reader, const pg_type *type,
                                const array_head *head, covet_cell *cell)
{
  int dimensions = head->count == 0 ? 0 : head->dimensions;
  covet_nested *nested = pg_read_nested(reader, type, head->count,
                                        (uint32_t) dimensions * 2, cell);

  if (nested != NULL && dimensions > 0) {
    nested->dimensions = (uint32_t) dimensions;
    memcpy((int32_t *) nested->sizes, head->sizes,
           sizeof(int32_t) * 2 * (size_t) dimensions);
  }
  return nested;
}

/* --- Binary -------------------------------------------------------------------------- */

/* Dimensions, a flag that nobody needs, the type of the elements; then of each
 * dimension its length and lower bound. Every element takes four bytes at
 * least, so that no more of them are believed in. */
static bool read_head(pg_wire *wire, array_head *head, uint32_t *element)
{
  int32_t flags;
  int32_t oid;
  uint64_t count = 1;

  if (!pg_wire_int32(wire, &head->dimensions) || head->dimensions < 0 ||
      head->dimensions > MOST_DIMENSIONS || !pg_wire_int32(wire, &flags) ||
      !pg_wire_int32(wire, &oid)) {
    return false;
  }
  *element = (uint32_t) oid;
  for (int i = 0; i < head->dimensions; i++) {
    int32_t *size = head->sizes + (ptrdiff_t) i * 2;

    if (!pg_wire_int32(wire, &size[0]) || !pg_wire_int32(wire, &size[1]) ||
        size[0] < 0) {
      return false;
    }
    count *= (uint32_t) size[0];
    if (count > (uint64_t) INT32_MAX) {
      return false;
    }
  }
  head->count = head->dimensions == 0 ? 0 : (uint32_t) count;
  return head->count <= (size_t) (wire->end - wire->at) / 4;
}

pg_read_status pg_array_binary(pg_reader *reader, const pg_type *type,
                               const char *bytes, uint32_t length,
                               covet_cell *cell)
{
  pg_wire wire = {bytes, bytes + length};
  array_head head;
  uint32_t oid;
  const pg_type *element;
  covet_cell *cells;

  if (!read_head(&wire, &head, &oid)) {
    return PG_READ_MALFORMED;
  }
  element = pg_read_type(reader, oid);
  if (element == NULL) {
    return PG_READ_UNKNOWN;
  }
  if (make_array(reader, type, &head, cell) == NULL) {
    return PG_READ_NO_MEMORY;
  }
  cells = pg_read_cells(cell->nested);
  for (uint32_t i = 0; i < head.count; i++) {
    pg_read_status status;
    const char *field = NULL;
    int32_t size;

    if (!pg_wire_field(&wire, &field, &size)) {
      return PG_READ_MALFORMED;
    }
    status =
        pg_read_part(reader, element, PG_FORMAT_BINARY, field, size, &cells[i]);
    if (status != PG_READ_OK) {
      return status;
    }
  }
  return wire.at == wire.end ? PG_READ_OK : PG_READ_MALFORMED;
}

/* --- Text ---------------------------------------------------------------------------- */

/* A walk over "{{a,b},{c,d}}". The first one only looks, the second one reads the
 * elements into `cells`. */
typedef struct array_walk {
  pg_reader *reader;
  const pg_type *element;
  char *at;
  char *end;
  pg_stops stops;
  covet_cell *cells; /* NULL: only look */
  array_head *head;
  int32_t counts[MOST_DIMENSIONS]; /* items of the lists that are open */
  bool known[MOST_DIMENSIONS];     /* whether such a list was closed already */
  int level;
} array_walk;

static bool take_number(array_walk *walk, char stop, int32_t *number)
{
  char *start = walk->at;
  int64_t value;

  while (walk->at < walk->end && *walk->at != stop) {
    walk->at++;
  }
  if (walk->at == walk->end ||
      !covet_number_integer(start, (size_t) (walk->at - start), &value) ||
      value > INT32_MAX || value < INT32_MIN) {
    return false;
  }
  walk->at++;
  *number = (int32_t) value;
  return true;
}

/* "[0:2][1:2]=", where a lower bound is not 1. Sets the lower bounds; `uppers` are
 * to be compared with what the braces hold. */
static bool take_bounds(array_walk *walk, int32_t *uppers, int *declared)
{
  array_head *head = walk->head;

  *declared = 0;
  while (walk->at < walk->end && *walk->at == '[') {
    int i = *declared;

    walk->at++;
    if (i == MOST_DIMENSIONS ||
        !take_number(walk, ':', &head->sizes[(ptrdiff_t) i * 2 + 1]) ||
        !take_number(walk, ']', &uppers[i])) {
      return false;
    }
    ++*declared;
  }
  if (*declared > 0) {
    if (walk->at == walk->end || *walk->at != '=') {
      return false;
    }
    walk->at++;
  }
  return true;
}

static bool bounds_fit(const array_head *head, const int32_t *uppers,
                       int declared)
{
  if (declared > 0 && declared != head->dimensions) {
    return false;
  }
  for (int i = 0; i < declared; i++) {
    const int32_t *size = head->sizes + (ptrdiff_t) i * 2;

    if ((int64_t) uppers[i] - size[1] + 1 != size[0]) {
      return false;
    }
  }
  return true;
}

static int count_braces(const array_walk *walk)
{
  int count = 0;

  while (walk->at + count < walk->end && walk->at[count] == '{') {
    count++;
  }
  return count;
}

/* An element; its text in place. */
static pg_read_status walk_element(array_walk *walk)
{
  pg_item item;
  uint32_t index = walk->head->count++;

  if (walk->cells == NULL) {
    return pg_item_skip(&walk->at, walk->end, walk->stops, &item) &&
                   (item.length > 0 || item.quoted)
               ? PG_READ_OK
               : PG_READ_MALFORMED;
  }
  if (!pg_item_take(&walk->at, walk->end, walk->stops, &item)) {
    return PG_READ_MALFORMED;
  }
  return pg_read_part(walk->reader, walk->element, PG_FORMAT_TEXT, item.bytes,
                      pg_item_is(&item, "NULL") ? -1 : (int64_t) item.length,
                      &walk->cells[index]);
}

/* Lists that end here: all of a level have the same length. */
static bool close_lists(array_walk *walk)
{
  while (walk->level > 0 && walk->at < walk->end && *walk->at == '}') {
    int i = --walk->level;
    int32_t *size = walk->head->sizes + (ptrdiff_t) i * 2;

    if (walk->known[i] && *size != walk->counts[i]) {
      return false;
    }
    *size = walk->counts[i];
    walk->known[i] = true;
    walk->at++;
    if (i > 0) {
      walk->counts[i - 1]++;
    }
  }
  return true;
}

/* What stands in the braces, from the first to the last. */
static pg_read_status walk_lists(array_walk *walk)
{
  walk->head->count = 0;
  for (;;) {
    pg_read_status status;

    while (walk->at < walk->end && *walk->at == '{') {
      if (walk->level == walk->head->dimensions) {
        return PG_READ_MALFORMED;
      }
      walk->counts[walk->level++] = 0;
      walk->at++;
    }
    if (walk->level != walk->head->dimensions) {
      return PG_READ_MALFORMED;
    }
    status = walk_element(walk);
    if (status != PG_READ_OK) {
      return status;
    }
    walk->counts[walk->level - 1]++;
    if (!close_lists(walk)) {
      return PG_READ_MALFORMED;
    }
    if (walk->level == 0) {
      return walk->at == walk->end ? PG_READ_OK : PG_READ_MALFORMED;
    }
    if (walk->at == walk->end || *walk->at++ != walk->stops.first) {
      return PG_READ_MALFORMED;
    }
  }
}

/* Bounds, depth and number of the elements; the walk then stands at the first
 * brace. */
static bool look(array_walk *walk)
{
  int32_t uppers[MOST_DIMENSIONS];
  int declared;
  char *start;

  for (int i = 0; i < MOST_DIMENSIONS; i++) {
    walk->head->sizes[(ptrdiff_t) i * 2 + 1] = 1;
  }
  if (!take_bounds(walk, uppers, &declared)) {
    return false;
  }
  start = walk->at;
  walk->head->dimensions = count_braces(walk);
  if (walk->head->dimensions == 1 && walk->end - start == 2 &&
      start[1] == '}') {
    walk->head->count = 0;
    return true;
  }
  if (walk->head->dimensions < 1 || walk->head->dimensions > MOST_DIMENSIONS ||
      walk_lists(walk) != PG_READ_OK) {
    return false;
  }
  walk->at = start;
  return bounds_fit(walk->head, uppers, declared);
}

pg_read_status pg_array_text(pg_reader *reader, const pg_type *type,
                             const char *bytes, uint32_t length,
                             covet_cell *cell)
{
  array_head head = {0};
  array_walk walk = {.reader = reader, .head = &head};
  bool kept = reader->kept;
  char *text = pg_read_own(reader, bytes, length);
  pg_read_status status = PG_READ_OK;

  if (text == NULL) {
    return PG_READ_NO_MEMORY;
  }
  walk.at = text;
  walk.end = text + length;
  walk.stops = (pg_stops){type->delimiter, '}', '{'};
  walk.element = pg_read_type(reader, type->element);
  if (walk.element == NULL) {
    status = PG_READ_UNKNOWN;
  } else if (!look(&walk)) {
    status = pg_read_as_text(reader, text, length, cell);
  } else if (make_array(reader, type, &head, cell) == NULL) {
    status = PG_READ_NO_MEMORY;
  } else if (head.count > 0) {
    walk.cells = pg_read_cells(cell->nested);
    walk.level = 0;
    status = walk_lists(&walk);
  }
  reader->kept = kept;
  return status;
}
