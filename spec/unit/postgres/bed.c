#include "bed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pg_bed_init(pg_bed *bed)
{
  covet_column column = {.name = "v", .type = "", .name_length = 1};

  memset(bed, 0, sizeof(*bed));
  assert_int_equal(covet_shape_table_init(&bed->shapes), 0);
  bed->shape = covet_shape_intern(&bed->shapes, &column, 1);
  assert_non_null(bed->shape);
  bed->types = pg_types_new();
  assert_non_null(bed->types);
}

void pg_bed_clear(pg_bed *bed)
{
  covet_batch_free(bed->batch);
  bed->batch = NULL;
}

void pg_bed_deinit(pg_bed *bed)
{
  pg_bed_clear(bed);
  PQfinish(bed->connection);
  covet_shape_release(bed->shape);
  covet_shape_table_deinit(&bed->shapes);
  pg_types_free(bed->types);
}

void pg_bed_connect(pg_bed *bed)
{
  const char *url = getenv("COVET_PG_URL");

  if (url == NULL || url[0] == '\0') {
    print_message("no server: COVET_PG_URL is not set\n");
    pg_bed_deinit(bed);
    skip();
  }
  bed->connection = PQconnectdb(url);
  if (PQstatus(bed->connection) != CONNECTION_OK) {
    fail_msg("%s", PQerrorMessage(bed->connection));
  }
  pg_bed_run(bed, "SET client_min_messages = warning; SET DateStyle = ISO;"
                  "SET TimeZone = 'UTC'; SET client_encoding = 'UTF8'");
}

void pg_bed_run(pg_bed *bed, const char *sql)
{
  PGresult *result = PQexec(bed->connection, sql);

  if (PQresultStatus(result) != PGRES_COMMAND_OK &&
      PQresultStatus(result) != PGRES_TUPLES_OK) {
    fail_msg("%s: %s", sql, PQresultErrorMessage(result));
  }
  PQclear(result);
}

PGresult *pg_bed_query(pg_bed *bed, const char *sql, pg_format format)
{
  PGresult *result = PQexecParams(bed->connection, sql, 0, NULL, NULL, NULL,
                                  NULL, (int) format);

  if (PQresultStatus(result) != PGRES_TUPLES_OK) {
    fail_msg("%s: %s", sql, PQresultErrorMessage(result));
  }
  return result;
}

static void add_row(pg_bed *bed, const PGresult *result, int row)
{
  const char *fields[PG_TYPES_COLUMNS];
  int lengths[PG_TYPES_COLUMNS];

  for (int i = 0; i < PG_TYPES_COLUMNS; i++) {
    bool null = PQgetisnull(result, row, i);

    fields[i] = null ? NULL : PQgetvalue(result, row, i);
    lengths[i] = null ? 0 : PQgetlength(result, row, i);
  }
  assert_int_equal(pg_types_add(bed->types, fields, lengths), 0);
}

static void ask(pg_bed *bed, uint32_t oid)
{
  char asked[32];
  const char *values[] = {asked};
  PGresult *result;

  snprintf(asked, sizeof(asked), "{%" PRIu32 "}", oid);
  result = PQexecParams(bed->connection, pg_types_query, 1, NULL, values, NULL,
                        NULL, 0);
  if (PQresultStatus(result) != PGRES_TUPLES_OK) {
    fail_msg("%s", PQresultErrorMessage(result));
  }
  assert_int_equal(PQnfields(result), PG_TYPES_COLUMNS);
  for (int row = 0; row < PQntuples(result); row++) {
    add_row(bed, result, row);
  }
  PQclear(result);
}

const pg_type *pg_bed_type(pg_bed *bed, uint32_t oid)
{
  if (!pg_types_complete(bed->types, oid)) {
    ask(bed, oid);
  }
  assert_true(pg_types_complete(bed->types, oid));
  return pg_types_find(bed->types, oid);
}

covet_cell pg_bed_read(pg_bed *bed, const pg_type *type, pg_format format,
                       const char *bytes, int length)
{
  covet_cell cell;
  uint32_t missing = 0;
  pg_read_status status;

  if (bed->batch == NULL) {
    bed->batch = covet_batch_new(bed->shape, 1);
    assert_non_null(bed->batch);
  }
  status = pg_value_read(bed->types, type, format, bytes, length, bed->batch,
                         &cell, &missing);
  for (int i = 0; status == PG_READ_UNKNOWN && i < 16; i++) {
    pg_bed_type(bed, missing); /* one after another */
    status = pg_value_read(bed->types, type, format, bytes, length, bed->batch,
                           &cell, &missing);
  }
  if (status != PG_READ_OK) {
    fail_msg("%s, format %d: status %d", type->name, (int) format,
             (int) status);
  }
  return cell;
}

static bool equal_nested(const covet_nested *a, const covet_nested *b)
{
  if (a->count != b->count || a->dimensions != b->dimensions ||
      a->flags != b->flags || a->type_id != b->type_id ||
      (a->names == NULL) != (b->names == NULL)) {
    return false;
  }
  if (a->dimensions > 0 &&
      memcmp(a->sizes, b->sizes, sizeof(int32_t) * 2 * a->dimensions) != 0) {
    return false;
  }
  for (uint32_t i = 0; i < a->count; i++) {
    if (!pg_bed_equal(&a->cells[i], &b->cells[i]) ||
        (a->names != NULL && strcmp(a->names[i], b->names[i]) != 0)) {
      return false;
    }
  }
  return true;
}

bool pg_bed_equal(const covet_cell *a, const covet_cell *b)
{
  if (a->kind != b->kind || a->length != b->length) {
    return false;
  }
  switch (a->kind) {
  case COVET_NULL:
    return true;
  case COVET_INTEGER:
  case COVET_BOOLEAN:
  case COVET_FLOAT: /* NaN and -0 too */
    return a->integer == b->integer;
  case COVET_ARRAY:
  case COVET_COMPOSITE:
  case COVET_RANGE:
  case COVET_MULTIRANGE:
  case COVET_MAP:
    return equal_nested(a->nested, b->nested);
  default:
    return memcmp(a->bytes, b->bytes, (size_t) a->length) == 0;
  }
}

static void show_nested(const covet_nested *nested, char *text, size_t size)
{
  size_t at =
      (size_t) snprintf(text, size, "flags %u, dimensions %u, type %u {",
                        nested->flags, nested->dimensions, nested->type_id);

  for (uint32_t i = 0; i < nested->count && at + 8 < size; i++) {
    pg_bed_show(&nested->cells[i], text + at, size - at - 4);
    at += strlen(text + at);
    at += (size_t) snprintf(text + at, size - at, "; ");
  }
  snprintf(text + at, size - at, "}");
}

char *pg_bed_show(const covet_cell *cell, char *text, size_t size)
{
  switch (cell->kind) {
  case COVET_NULL:
    snprintf(text, size, "NULL");
    break;
  case COVET_INTEGER:
  case COVET_BOOLEAN:
    snprintf(text, size, "%" PRId64, cell->integer);
    break;
  case COVET_FLOAT:
    snprintf(text, size, "%.17g", cell->number);
    break;
  case COVET_ARRAY:
  case COVET_COMPOSITE:
  case COVET_RANGE:
  case COVET_MULTIRANGE:
  case COVET_MAP:
    show_nested(cell->nested, text, size);
    break;
  default:
    snprintf(text, size, "%u'%.*s'", cell->kind, cell->length, cell->bytes);
    break;
  }
  return text;
}
