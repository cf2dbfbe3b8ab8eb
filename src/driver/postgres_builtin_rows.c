/* The types that need not be asked for, as rows: for whoever writes values above
 * the driver. */
#include "../core/batch.h"
#include "postgres.h"
#include "postgres_builtin.h"

#include <string.h>

enum { OID, NAME, FORM, ELEMENT, DELIMITER, BINARY, COLUMNS };

/* By pg_form; the others are "other". */
static const char *const forms[] = {
    [PG_FORM_BOOL] = "boolean",
    [PG_FORM_INT2] = "int2",
    [PG_FORM_INT4] = "int4",
    [PG_FORM_INT8] = "int8",
    [PG_FORM_OID] = "oid",
    [PG_FORM_FLOAT4] = "float",
    [PG_FORM_FLOAT8] = "float",
    [PG_FORM_NUMERIC] = "numeric",
    [PG_FORM_BYTEA] = "bytea",
    [PG_FORM_JSONB] = "json",
    [PG_FORM_TEXT] = "text",
    [PG_FORM_DATE] = "date",
    [PG_FORM_TIME] = "time",
    [PG_FORM_TIMETZ] = "timetz",
    [PG_FORM_TIMESTAMP] = "timestamp",
    [PG_FORM_TIMESTAMPTZ] = "timestamptz",
    [PG_FORM_ARRAY] = "array",
    [PG_FORM_RANGE] = "range",
    [PG_FORM_MULTIRANGE] = "multirange",
};

static const char *form_of(const pg_type *type)
{
  size_t form = (size_t) type->form;

  if (type->kind == COVET_JSON) {
    return "json";
  }
  return form < sizeof(forms) / sizeof(forms[0]) && forms[form] != NULL
             ? forms[form]
             : "other";
}

/* Whether pg_value_write_binary takes whatever the type takes. */
static bool writes_binary(const pg_type *type)
{
  switch (type->form) {
  case PG_FORM_TEXT:
  case PG_FORM_BOOL:
  case PG_FORM_INT2:
  case PG_FORM_INT4:
  case PG_FORM_INT8:
  case PG_FORM_OID:
  case PG_FORM_FLOAT4:
  case PG_FORM_FLOAT8:
  case PG_FORM_NUMERIC:
  case PG_FORM_BYTEA:
  case PG_FORM_JSONB:
  case PG_FORM_UUID:
  case PG_FORM_DATE:
  case PG_FORM_TIME:
  case PG_FORM_TIMESTAMP:
  case PG_FORM_TIMESTAMPTZ:
    return true;
  default:
    return false;
  }
}

/* Of what is there as long as the program. */
static covet_cell text_cell(const char *text, size_t length)
{
  return (covet_cell){
      .bytes = text, .length = (int32_t) length, .kind = COVET_TEXT};
}

static covet_cell integer_cell(uint32_t value)
{
  return (covet_cell){.integer = value, .kind = COVET_INTEGER};
}

static void fill(covet_cell *cells, const pg_type *type)
{
  const char *form = form_of(type);

  cells[OID] = integer_cell(type->oid);
  cells[NAME] = text_cell(type->name, strlen(type->name));
  cells[FORM] = text_cell(form, strlen(form));
  cells[ELEMENT] = integer_cell(type->element);
  cells[DELIMITER] = text_cell(&type->delimiter, 1);
  cells[BINARY] = integer_cell(writes_binary(type));
  cells[BINARY].kind = COVET_BOOLEAN;
}

static const covet_shape *row_shape(covet_shape_table *shapes)
{
  static const covet_column columns[COLUMNS] = {
      [OID] = {.name = "oid", .type = "", .name_length = 3},
      [NAME] = {.name = "name", .type = "", .name_length = 4},
      [FORM] = {.name = "form", .type = "", .name_length = 4},
      [ELEMENT] = {.name = "element_oid", .type = "", .name_length = 11},
      [DELIMITER] = {.name = "delimiter", .type = "", .name_length = 9},
      [BINARY] = {.name = "binary",
                  .type = "",
                  .name_length = 6,
                  .kind = COVET_BOOLEAN},
  };

  return covet_shape_intern(shapes, columns, COLUMNS);
}

covet_step pg_tell_builtins(covet_op *op)
{
  const covet_shape *shape = row_shape(&op->runtime->shapes);
  covet_batch *batch =
      shape == NULL ? NULL : covet_batch_new(shape, pg_builtin_count);

  covet_shape_release(shape);
  for (uint32_t i = 0; batch != NULL && i < pg_builtin_count; i++) {
    covet_cell *cells = covet_batch_add_row(batch);

    if (cells == NULL) {
      covet_batch_free(batch);
      batch = NULL;
    } else {
      fill(cells, &pg_builtins[i].type);
    }
  }
  if (batch == NULL) {
    return pg_no_memory(op);
  }
  covet_op_append(op, batch);
  return COVET_STEP_DONE;
}
