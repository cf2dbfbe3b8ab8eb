/* Rows: of a declared type, whose attributes have names, and of none. */
#include "postgres_read.h"
#include "postgres_text.h"

/* The names of a type's attributes, copied once into a batch: it may outlive the
 * cache of types. */
typedef struct kept_names {
  struct kept_names *next;
  const pg_attribute *attributes;
  const char *names[];
} kept_names;

static kept_names *copy_names(const pg_reader *reader, const pg_type *type)
{
  kept_names *kept = covet_batch_alloc(
      reader->batch,
      sizeof(*kept) + sizeof(kept->names[0]) * type->attribute_count);

  if (kept == NULL) {
    return NULL;
  }
  kept->attributes = type->attributes;
  for (uint32_t i = 0; i < type->attribute_count; i++) {
    const char *name = type->attributes[i].name;

    kept->names[i] = covet_batch_copy(reader->batch, name, strlen(name) + 1);
    if (kept->names[i] == NULL) {
      return NULL;
    }
  }
  return kept;
}

static const char *const *names_of(const pg_reader *reader, const pg_type *type)
{
  void **memo = covet_batch_memo(reader->batch);
  kept_names *kept = *memo;

  while (kept != NULL && kept->attributes != type->attributes) {
    kept = kept->next;
  }
  if (kept == NULL) {
    kept = copy_names(reader, type);
    if (kept == NULL) {
      return NULL;
    }
    kept->next = *memo;
    *memo = kept;
  }
  return kept->names;
}

/* A row of so many attributes. A declared type that has not so many was altered
 * since the server was asked; which names go with what is then not known. */
static pg_read_status make_row(const pg_reader *reader, const pg_type *type,
                               uint32_t count, covet_cell *cell)
{
  bool declared = type->form == PG_FORM_COMPOSITE;
  covet_nested *nested;

  if (declared && count != type->attribute_count) {
    *reader->missing = type->oid;
    return PG_READ_OUTDATED;
  }
  nested = pg_read_nested(reader, type, count, 0, cell);
  if (nested == NULL) {
    return PG_READ_NO_MEMORY;
  }
  if (declared) {
    nested->names = names_of(reader, type);
    if (nested->names == NULL) {
      return PG_READ_NO_MEMORY;
    }
  }
  return PG_READ_OK;
}

/* --- Binary -------------------------------------------------------------------------- */

enum { COLUMN_BYTES = 8 /* its type and its length, at least */ };

static pg_read_status read_column(pg_reader *reader, pg_wire *wire,
                                  covet_cell *cell)
{
  const pg_type *type;
  const char *field = NULL;
  int32_t size;
  int32_t oid;

  if (!pg_wire_int32(wire, &oid) || !pg_wire_field(wire, &field, &size)) {
    return PG_READ_MALFORMED;
  }
  type = pg_read_type(reader, (uint32_t) oid);
  if (type == NULL) {
    return PG_READ_UNKNOWN;
  }
  return pg_read_part(reader, type, PG_FORMAT_BINARY, field, size, cell);
}

pg_read_status pg_record_binary(pg_reader *reader, const pg_type *type,
                                const char *bytes, uint32_t length,
                                covet_cell *cell)
{
  pg_wire wire = {bytes, bytes + length};
  pg_read_status status;
  covet_cell *cells;
  int32_t count;

  if (!pg_wire_int32(&wire, &count) || count < 0 ||
      count > (wire.end - wire.at) / COLUMN_BYTES) {
    return PG_READ_MALFORMED;
  }
  status = make_row(reader, type, (uint32_t) count, cell);
  if (status != PG_READ_OK) {
    return status;
  }
  cells = pg_read_cells(cell->nested);
  for (int32_t i = 0; i < count && status == PG_READ_OK; i++) {
    status = read_column(reader, &wire, &cells[i]);
  }
  if (status == PG_READ_OK && wire.at != wire.end) {
    return PG_READ_MALFORMED;
  }
  return status;
}

pg_read_status pg_composite_binary(pg_reader *reader, const pg_type *type,
                                   const char *bytes, uint32_t length,
                                   covet_cell *cell)
{
  return pg_record_binary(reader, type, bytes, length, cell);
}

/* --- Text ---------------------------------------------------------------------------- */

static const pg_stops stops = {',', ')', ')'};

/* How many columns "(a,,c)" has, or -1 when it is no row. */
static int64_t count_columns(char *text, const char *end)
{
  char *at = text;
  pg_item item;
  int64_t count = 0;

  if (at == end || *at != '(') {
    return -1;
  }
  do {
    at++;
    if (!pg_item_skip(&at, end, stops, &item)) {
      return -1;
    }
    count++;
  } while (*at == ',');
  return at + 1 == end ? count : -1;
}

static pg_read_status take_column(pg_reader *reader, const pg_type *type,
                                  uint32_t index, char **at, const char *end,
                                  covet_cell *cell)
{
  const pg_type *column = NULL;
  pg_item item;
  int64_t length;

  ++*at; /* the parenthesis or comma before it */
  if (!pg_item_take(at, end, stops, &item)) {
    return PG_READ_MALFORMED;
  }
  length = item.length == 0 && !item.quoted ? -1 : (int64_t) item.length;
  if (type->form == PG_FORM_RECORD) {
    if (length < 0) {
      pg_read_null(cell);
      return PG_READ_OK;
    }
    return pg_read_as_text(reader, item.bytes, item.length, cell);
  }
  column = pg_read_type(reader, type->attributes[index].oid);
  if (column == NULL) {
    return PG_READ_UNKNOWN;
  }
  return pg_read_part(reader, column, PG_FORMAT_TEXT, item.bytes, length, cell);
}

static pg_read_status read_text(pg_reader *reader, const pg_type *type,
                                char *text, uint32_t length, covet_cell *cell)
{
  char *end = text + length;
  char *at = text;
  int64_t count = count_columns(text, end);
  pg_read_status status;
  covet_cell *cells;

  if (count < 0) {
    return pg_read_as_text(reader, text, length, cell);
  }
  if (length == 2 && type->form == PG_FORM_COMPOSITE) {
    count = type->attribute_count == 0 ? 0 : 1; /* "()" is either */
  }
  status = make_row(reader, type, (uint32_t) count, cell);
  if (status != PG_READ_OK) {
    return status;
  }
  cells = pg_read_cells(cell->nested);
  for (uint32_t i = 0; i < count && status == PG_READ_OK; i++) {
    status = take_column(reader, type, i, &at, end, &cells[i]);
  }
  return status;
}

pg_read_status pg_record_text(pg_reader *reader, const pg_type *type,
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

pg_read_status pg_composite_text(pg_reader *reader, const pg_type *type,
                                 const char *bytes, uint32_t length,
                                 covet_cell *cell)
{
  return pg_record_text(reader, type, bytes, length, cell);
}
