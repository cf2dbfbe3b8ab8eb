#include "../core/batch.h"
#include "../core/error.h"
#include "sqlite.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- Text -------------------------------------------------------------------------- */

/* The first byte that is no blank (to SQLite a byte order mark is one), comment
 * or semicolon. */
static const char *skip_blank(const char *sql, const char *end)
{
  for (;;) {
    while (sql < end && (isspace((unsigned char) *sql) || *sql == ';')) {
      sql++;
    }
    if (end - sql >= 3 && memcmp(sql, "\xEF\xBB\xBF", 3) == 0) {
      sql += 3;
      continue;
    }
    if (end - sql >= 2 && sql[0] == '-' && sql[1] == '-') {
      while (sql < end && *sql != '\n') {
        sql++;
      }
    } else if (end - sql >= 2 && sql[0] == '/' && sql[1] == '*') {
      for (sql += 2; end - sql >= 2 && !(sql[0] == '*' && sql[1] == '/');
           sql++) {
      }
      sql = end - sql >= 2 ? sql + 2 : end;
    } else {
      return sql;
    }
  }
}

/* --- Columns ------------------------------------------------------------------------ */

/* Declared types are free text in SQLite; these few have a meaning to covet. */
static covet_kind declared_kind(const char *type, size_t length)
{
  static const struct {
    const char *name;
    covet_kind kind;
  } kinds[] = {
      {"boolean", COVET_BOOLEAN},
      {"bool", COVET_BOOLEAN},
      {"json", COVET_JSON},
      {"jsonb", COVET_JSON},
      {"date", COVET_DATE},
      {"time", COVET_TIME},
      {"datetime", COVET_TIMESTAMP},
      {"timestamp", COVET_TIMESTAMP},
      {"timestamptz", COVET_TIMESTAMP},
  };

  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
    if (strlen(kinds[i].name) == length &&
        strncasecmp(kinds[i].name, type, length) == 0) {
      return kinds[i].kind;
    }
  }
  return COVET_NULL;
}

static void describe_column(sqlite3_stmt *handle, int index,
                            covet_column *column)
{
  const char *name = sqlite3_column_name(handle, index);
  const char *type = sqlite3_column_decltype(handle, index);

  column->name = name == NULL ? "" : name;
  column->type = type == NULL ? "" : type;
  column->name_length = (uint32_t) strlen(column->name);
  column->type_length = (uint32_t) strlen(column->type);
  column->kind = declared_kind(column->type, column->type_length);
  column->type_id = 0;
}

bool sqlite_statement_shape(sqlite_connection *connection,
                            sqlite_statement *statement)
{
  int count = sqlite3_column_count(statement->handle);
  int prepared =
      sqlite3_stmt_status(statement->handle, SQLITE_STMTSTATUS_REPREPARE, 0);
  covet_column *columns;

  if (count == 0 ||
      (statement->shape != NULL && statement->prepared == prepared)) {
    return true;
  }
  columns = malloc(sizeof(*columns) * (size_t) count);
  if (columns == NULL) {
    return false;
  }
  for (int i = 0; i < count; i++) {
    describe_column(statement->handle, i, &columns[i]);
  }
  covet_shape_release(statement->shape);
  statement->shape = covet_shape_intern(
      &connection->adapter->base->runtime->shapes, columns, (uint32_t) count);
  statement->prepared = prepared;
  free(columns);
  return statement->shape != NULL;
}

/* --- Preparing ----------------------------------------------------------------------- */

void sqlite_statement_destroy(covet_stmt *stmt)
{
  sqlite_statement *statement = (sqlite_statement *) (void *) stmt;

  (void) sqlite3_finalize(statement->handle);
  covet_shape_release(statement->shape);
  free(statement->base.sql);
  free(statement);
}

static sqlite_statement *refuse(covet_op *op, const char *text)
{
  covet_error_set(covet_op_fault(op), COVET_ERROR_USAGE, "%s", text);
  op->error->phase = COVET_PHASE_QUERY;
  return NULL;
}

static sqlite_statement *make(covet_op *op)
{
  sqlite_statement *statement = calloc(1, sizeof(*statement));
  char *text = malloc(op->sql_length + 1);

  if (statement == NULL || text == NULL) {
    free(statement);
    free(text);
    (void) covet_op_fault(op);
    return refuse(op, "out of memory");
  }
  memcpy(text, op->sql, op->sql_length);
  text[op->sql_length] = '\0';
  statement->base.sql = text;
  statement->base.length = op->sql_length;
  statement->base.hash = op->sql_hash;
  return statement;
}

int sqlite_prepare_text(sqlite_connection *connection, const covet_op *op,
                        const char *sql, size_t length, unsigned flags,
                        sqlite3_stmt **handle, const char **tail)
{
  int code;

  if (length >= INT_MAX) {
    return SQLITE_TOOBIG;
  }
  connection->actions = 0;
  connection->preparing = true;
  code = sqlite3_prepare_v3(connection->db, sql, (int) length + 1, flags,
                            handle, tail);
  connection->preparing = false;
  if (op->lease != 0 && (connection->actions & SQLITE_DOES_ALTER_SESSION)) {
    connection->dirty = true;
  }
  return code;
}

/* A DELETE that looks at no column deletes all rows, and SQLite empties the table
 * in one step of its machine, however large it is. */
static void note_actions(sqlite_statement *statement, unsigned actions)
{
  statement->alters_session = (actions & SQLITE_DOES_ALTER_SESSION) != 0;
  statement->clears =
      (actions & (SQLITE_DOES_DELETE | SQLITE_DOES_READ)) == SQLITE_DOES_DELETE;
}

static sqlite_statement *prepare_new(sqlite_connection *connection,
                                     covet_op *op)
{
  uint64_t start = covet_now_us();
  sqlite_statement *statement = make(op);
  const char *tail = NULL;
  const char *text_end;
  int code;

  if (statement == NULL) {
    return NULL;
  }
  text_end = statement->base.sql + op->sql_length;
  if (memchr(op->sql, '\0', op->sql_length) != NULL) {
    sqlite_statement_destroy(&statement->base);
    return refuse(op, "a NUL byte in the SQL text");
  }
  code =
      sqlite_prepare_text(connection, op, statement->base.sql, op->sql_length,
                          SQLITE_PREPARE_PERSISTENT, &statement->handle, &tail);
  if (code != SQLITE_OK) {
    if (connection->on_loop) { /* a lock, a function: the worker will say */
      connection->reloading |= code == SQLITE_TOOBIG;
      connection->over_budget = true;
    } else {
      sqlite_fault(connection, op, code, 0);
    }
  } else if (statement->handle == NULL) {
    refuse(op, "the SQL text holds no statement");
  } else if (skip_blank(tail, text_end) != text_end) {
    refuse(op, "several statements in one text are for execute, without "
               "parameters");
  } else if (!sqlite_statement_shape(connection, statement)) {
    refuse(op, "out of memory");
  } else {
    uint64_t now = covet_now_us();

    connection->prepare_us = now - start;
    statement->read_only = sqlite3_stmt_readonly(statement->handle);
    note_actions(statement, connection->actions);
    statement->verb = sqlite_verb_of(op->sql, op->sql_length);
    statement->base.in_use = 1;
    statement->cached =
        covet_stmt_cache_add(&connection->statements, &statement->base, now);
    return statement;
  }
  sqlite_statement_destroy(&statement->base);
  return NULL;
}

sqlite_statement *sqlite_prepare(sqlite_connection *connection, covet_op *op)
{
  uint64_t now = connection->on_loop
                     ? connection->adapter->base->runtime->turn_us
                     : covet_now_us();
  covet_stmt *found = covet_stmt_cache_find(&connection->statements, op->sql,
                                            op->sql_length, op->sql_hash, now);
  sqlite_statement *statement = (sqlite_statement *) (void *) found;

  connection->prepare_us = 0;
  if (found == NULL) {
    return prepare_new(connection, op);
  }
  found->in_use = 1;
  connection->dirty |= op->lease != 0 && statement->alters_session;
  return statement;
}

void sqlite_statement_end(sqlite_connection *connection,
                          sqlite_statement *statement)
{
  (void) connection;
  (void) sqlite3_reset(statement->handle);
  statement->base.in_use = 0;
  if (!statement->cached) {
    sqlite_statement_destroy(&statement->base);
  }
}

/* --- Binding -------------------------------------------------------------------------- */

/* What the cells point to lives longer than the run: nothing is copied. */
static int bind_cell(sqlite3_stmt *handle, int index, const covet_cell *cell)
{
  switch (cell->kind) {
  case COVET_INTEGER:
  case COVET_BOOLEAN:
    return sqlite3_bind_int64(handle, index, cell->integer);
  case COVET_FLOAT:
    return sqlite3_bind_double(handle, index, cell->number);
  case COVET_TEXT:
    return sqlite3_bind_text(handle, index, cell->bytes, cell->length,
                             SQLITE_STATIC);
  case COVET_BLOB:
    return sqlite3_bind_blob(handle, index,
                             cell->length == 0 ? "" : cell->bytes, cell->length,
                             SQLITE_STATIC);
  default:
    return sqlite3_bind_null(handle, index);
  }
}

/* SQLite would turn NaN into NULL without a word. */
static int refuse_nan(covet_op *op, uint32_t index)
{
  covet_error_set(covet_op_fault(op), COVET_ERROR_INVALID_VALUE,
                  "parameter %u: SQLite cannot hold NaN", index + 1);
  op->error->phase = op->phase;
  return SQLITE_MISMATCH;
}

int sqlite_bind(covet_op *op, sqlite_statement *statement,
                const covet_cell *cells, uint32_t count)
{
  for (uint32_t i = 0; i < count; i++) {
    int code;

    if (cells[i].kind == COVET_FLOAT && isnan(cells[i].number)) {
      return refuse_nan(op, i);
    }
    code = bind_cell(statement->handle, (int) i + 1, &cells[i]);
    if (code != SQLITE_OK) {
      return code;
    }
  }
  return SQLITE_OK;
}

/* --- Verbs ------------------------------------------------------------------------------ */

sqlite_verb sqlite_verb_of(const char *sql, size_t length)
{
  static const struct {
    const char *word;
    sqlite_verb verb;
  } verbs[] = {
      {"select", SQLITE_VERB_SELECT},     {"values", SQLITE_VERB_SELECT},
      {"with", SQLITE_VERB_WITH},         {"insert", SQLITE_VERB_INSERT},
      {"replace", SQLITE_VERB_INSERT},    {"update", SQLITE_VERB_CHANGE},
      {"delete", SQLITE_VERB_CHANGE},     {"begin", SQLITE_VERB_BEGIN},
      {"commit", SQLITE_VERB_COMMIT},     {"end", SQLITE_VERB_COMMIT},
      {"rollback", SQLITE_VERB_ROLLBACK}, {"savepoint", SQLITE_VERB_SAVEPOINT},
      {"release", SQLITE_VERB_SAVEPOINT}, {"pragma", SQLITE_VERB_PRAGMA},
      {"attach", SQLITE_VERB_ATTACH},     {"detach", SQLITE_VERB_ATTACH},
      {"vacuum", SQLITE_VERB_VACUUM},     {"explain", SQLITE_VERB_EXPLAIN},
  };
  const char *end = sql + length;
  size_t word = 0;

  sql = skip_blank(sql, end);
  while (sql + word < end && isalpha((unsigned char) sql[word])) {
    word++;
  }
  for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
    if (strlen(verbs[i].word) == word &&
        strncasecmp(verbs[i].word, sql, word) == 0) {
      return verbs[i].verb;
    }
  }
  return SQLITE_VERB_OTHER;
}
