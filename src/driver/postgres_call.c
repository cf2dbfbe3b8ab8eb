/* What only PostgreSQL can do, found by its name. */
#include "../core/error.h"
#include "postgres.h"

#include <stdlib.h>
#include <string.h>

typedef struct pg_named_call {
  const char *name;
  covet_step (*run)(pg_connection *connection, covet_op *op);
} pg_named_call;

static const pg_named_call calls[] = {
    {"copy_begin", pg_copy_begin}, {"copy_data", pg_copy_data},
    {"copy_rows", pg_copy_rows},   {"copy_end", pg_copy_end},
    {"copy_out", pg_copy_out},
};

covet_step pg_call(pg_connection *connection, covet_op *op)
{
  for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
    if (strcmp(op->sql, calls[i].name) == 0) {
      if (op->lease == 0 && strcmp(op->sql, "copy_out") != 0) {
        pg_refuse(op, COVET_ERROR_USAGE, "%s needs a leased connection",
                  op->sql);
        return COVET_STEP_DONE;
      }
      return calls[i].run(connection, op);
    }
  }
  pg_refuse(op, COVET_ERROR_UNSUPPORTED, "PostgreSQL has no call %.60s",
            op->sql);
  return COVET_STEP_DONE;
}

/* --- Without a connection -------------------------------------------------------------- */

const char *pg_text_param(covet_op *op, uint32_t index)
{
  const covet_cell *cell = index < op->param_count ? &op->params[index] : NULL;

  if (cell == NULL || cell->kind != COVET_TEXT ||
      memchr(cell->bytes, '\0', (size_t) cell->length) != NULL) {
    return NULL;
  }
  return covet_arena_copy(&op->arena, cell->bytes, (size_t) cell->length);
}

covet_step pg_misused(covet_op *op, const char *text)
{
  pg_refuse(op, COVET_ERROR_USAGE, "%s", text);
  return COVET_STEP_DONE;
}

covet_step pg_no_memory(covet_op *op)
{
  pg_refuse(op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  return COVET_STEP_DONE;
}

static covet_step set_password(pg_adapter *adapter, covet_op *op)
{
  const char *text = pg_text_param(op, 0);
  char *copy = text == NULL ? NULL : strdup(text);
  bool is_new;

  if (copy == NULL) {
    return pg_misused(op, "the password must be a string without NUL bytes");
  }
  is_new = adapter->password == NULL || strcmp(adapter->password, copy) != 0;
  free(adapter->password);
  adapter->password = copy;
  covet_openings_answered(adapter->base, is_new);
  return COVET_STEP_DONE;
}

static covet_step set_codec(pg_adapter *adapter, covet_op *op)
{
  const char *name = pg_text_param(op, 0);
  const char *format = pg_text_param(op, 1);

  if (name == NULL || format == NULL) {
    return pg_misused(op, "a codec has the name of a type, and a format");
  }
  if (pg_types_set_custom(adapter->types, name,
                          strcmp(format, "binary") == 0) != 0) {
    return pg_no_memory(op);
  }
  adapter->epoch++;
  return COVET_STEP_DONE;
}

static covet_step forget_types(pg_adapter *adapter)
{
  pg_types_forget(adapter->types);
  adapter->epoch++;
  return COVET_STEP_DONE;
}

covet_step pg_call_apart(covet_adapter *base, covet_op *op)
{
  pg_adapter *adapter = pg_of(base);
  const char *name = op->sql;

  if (strcmp(name, "set_password") == 0) {
    return set_password(adapter, op);
  }
  if (strcmp(name, "set_codec") == 0) {
    return set_codec(adapter, op);
  }
  if (strcmp(name, "forget_types") == 0) {
    return forget_types(adapter);
  }
  if (strcmp(name, "builtin_types") == 0) {
    return pg_tell_builtins(op);
  }
  if (strcmp(name, "listen") == 0) {
    return pg_listen(adapter, op, pg_text_param(op, 0));
  }
  if (strcmp(name, "unlisten") == 0) {
    return pg_unlisten(adapter, op,
                       op->param_count == 0 ? "*" : pg_text_param(op, 0));
  }
  if (strcmp(name, "notifications") == 0) {
    return pg_notifications(adapter, op);
  }
  return COVET_STEP_MOVE;
}
