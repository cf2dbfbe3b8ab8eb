/* Prepared statements of a connection, and what all connections learn from
 * one. */
#include "postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- What the server said ---------------------------------------------------------- */

static void free_names(char **names, uint32_t count)
{
  for (uint32_t i = 0; names != NULL && i < count; i++) {
    free(names[i]);
  }
  free(names);
}

static char **copy_names(char *const *names, uint32_t count)
{
  char **copy = calloc(count + 1, sizeof(*copy));

  for (uint32_t i = 0; copy != NULL && i < count; i++) {
    copy[i] = strdup(names[i]);
    if (copy[i] == NULL) {
      free_names(copy, i);
      return NULL;
    }
  }
  return copy;
}

static void forget(pg_statement *statement)
{
  free_names(statement->names, statement->column_count);
  free(statement->oids);
  free(statement->types);
  covet_shape_release(statement->shape);
  statement->names = NULL;
  statement->oids = NULL;
  statement->types = NULL;
  statement->shape = NULL;
  statement->param_count = 0;
  statement->column_count = 0;
  statement->described = false;
  statement->resolved = false;
}

static char **result_names(const PGresult *result, uint32_t count)
{
  char **names = calloc(count + 1, sizeof(*names));

  for (uint32_t i = 0; names != NULL && i < count; i++) {
    const char *name = PQfname(result, (int) i);

    names[i] = strdup(name == NULL ? "" : name);
    if (names[i] == NULL) {
      free_names(names, i);
      return NULL;
    }
  }
  return names;
}

bool pg_statement_describe(pg_statement *statement, const PGresult *result,
                           bool rows)
{
  uint32_t params =
      rows ? statement->param_count : (uint32_t) PQnparams(result);
  uint32_t columns = (uint32_t) PQnfields(result);
  uint32_t *oids = calloc(params + columns + 1, sizeof(*oids));
  char **names = result_names(result, columns);

  if (oids == NULL || names == NULL) {
    free(oids);
    free_names(names, columns);
    return false;
  }
  for (uint32_t i = 0; i < params; i++) {
    oids[i] = rows ? statement->oids[i] : PQparamtype(result, (int) i);
  }
  for (uint32_t i = 0; i < columns; i++) {
    oids[params + i] = PQftype(result, (int) i);
  }
  forget(statement);
  statement->param_count = params;
  statement->column_count = columns;
  statement->oids = oids;
  statement->names = names;
  statement->described = true;
  return true;
}

bool pg_statement_fits(const pg_statement *statement, const PGresult *result)
{
  uint32_t count = (uint32_t) PQnfields(result);
  const uint32_t *oids = statement->oids + statement->param_count;

  if (count != statement->column_count) {
    return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (PQftype(result, (int) i) != oids[i] ||
        strcmp(PQfname(result, (int) i), statement->names[i]) != 0) {
      return false;
    }
  }
  return true;
}

/* --- Types ------------------------------------------------------------------------- */

static char *list_missing(const pg_statement *statement, uint32_t count)
{
  const pg_types *types = statement->connection->adapter->types;
  char *list = malloc((size_t) count * 11 + 3);
  char *to = list;

  if (list == NULL) {
    return NULL;
  }
  *to++ = '{';
  for (uint32_t i = 0; i < count; i++) {
    if (!pg_types_complete(types, statement->oids[i])) {
      to += sprintf(to, "%s%u", to == list + 1 ? "" : ",", statement->oids[i]);
    }
  }
  *to++ = '}';
  *to = '\0';
  return list;
}

static bool make_shape(pg_statement *statement)
{
  covet_shape_table *table =
      &statement->connection->base.adapter->runtime->shapes;
  uint32_t count = statement->column_count;
  covet_column *columns = calloc(count, sizeof(*columns));

  if (columns == NULL) {
    return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    const pg_type *type = statement->types[statement->param_count + i];

    if (type == NULL) {
      free(columns);
      return false; /* never: resolved types are all known */
    }
    columns[i].name = statement->names[i];
    columns[i].name_length = (uint32_t) strlen(statement->names[i]);
    columns[i].type = type->name;
    columns[i].type_length = (uint32_t) strlen(type->name);
    columns[i].kind = type->kind;
    columns[i].type_id = type->oid;
  }
  covet_shape_release(statement->shape);
  statement->shape = covet_shape_intern(table, columns, count);
  free(columns);
  return statement->shape != NULL;
}

int pg_statement_resolve(pg_statement *statement, char **oids)
{
  pg_adapter *adapter = statement->connection->adapter;
  uint32_t count = statement->param_count + statement->column_count;
  bool complete = true;

  *oids = NULL;
  if (statement->resolved && statement->epoch == adapter->epoch) {
    return 0;
  }
  for (uint32_t i = 0; i < count; i++) {
    complete =
        complete && pg_types_complete(adapter->types, statement->oids[i]);
  }
  if (!complete) {
    *oids = list_missing(statement, count);
    return *oids == NULL ? COVET_ENOMEM : 1;
  }
  free(statement->types);
  statement->types = calloc(count + 1, sizeof(pg_type *));
  if (statement->types == NULL) {
    return COVET_ENOMEM;
  }
  statement->binary = true;
  statement->text = true;
  for (uint32_t i = 0; i < count; i++) {
    statement->types[i] = pg_types_find(adapter->types, statement->oids[i]);
    if (i >= statement->param_count) {
      statement->binary &= pg_types_binary(adapter->types, statement->oids[i]);
      statement->text &= pg_types_text(adapter->types, statement->oids[i]);
    }
  }
  if (statement->column_count > 0 && !make_shape(statement)) {
    return COVET_ENOMEM;
  }
  statement->epoch = adapter->epoch;
  statement->resolved = true;
  return 0;
}

bool pg_statement_has_no_columns(pg_statement *statement)
{
  covet_shape_table *table =
      &statement->connection->base.adapter->runtime->shapes;

  statement->shape = covet_shape_intern(table, NULL, 0);
  return statement->shape != NULL;
}

void pg_statement_give_up(pg_statement *statement)
{
  pg_types *types = statement->connection->adapter->types;
  uint32_t count = statement->param_count + statement->column_count;

  for (uint32_t i = 0; i < count; i++) {
    if (!pg_types_complete(types, statement->oids[i])) {
      (void) pg_types_add_unknown(types, statement->oids[i]);
    }
  }
}

/* --- What other connections know ----------------------------------------------------- */

void pg_habit_destroy(covet_stmt *stmt)
{
  pg_habit *habit = (pg_habit *) (void *) stmt;

  free_names(habit->names, habit->column_count);
  free(habit->oids);
  free(habit->base.sql);
  free(habit);
}

static pg_habit *find_habit(pg_adapter *adapter, const covet_op *op)
{
  covet_stmt *found = covet_stmt_cache_find(
      &adapter->habits, op->sql, op->sql_length, op->sql_hash, covet_now_us());

  return (pg_habit *) (void *) found;
}

static bool copy_description(pg_habit *habit, const pg_statement *statement)
{
  size_t count = statement->param_count + statement->column_count;

  habit->param_count = statement->param_count;
  habit->column_count = statement->column_count;
  habit->oids = calloc(count + 1, sizeof(*habit->oids));
  habit->names = copy_names(statement->names, statement->column_count);
  if (habit->oids == NULL || habit->names == NULL) {
    return false;
  }
  memcpy(habit->oids, statement->oids, count * sizeof(*habit->oids));
  return true;
}

void pg_habit_forget(pg_adapter *adapter, const covet_op *op)
{
  pg_habit *habit = find_habit(adapter, op);

  if (habit != NULL) {
    covet_stmt_cache_evict(&adapter->habits, &habit->base);
  }
}

void pg_habit_note(pg_adapter *adapter, const covet_op *op,
                   const pg_statement *statement)
{
  pg_habit *habit;

  pg_habit_forget(adapter, op);
  habit = calloc(1, sizeof(*habit));
  if (habit == NULL) {
    return; /* the next connection asks again */
  }
  habit->base.sql = malloc(op->sql_length + 1);
  if (habit->base.sql == NULL || !copy_description(habit, statement)) {
    pg_habit_destroy(&habit->base);
    return;
  }
  memcpy(habit->base.sql, op->sql, op->sql_length);
  habit->base.sql[op->sql_length] = '\0';
  habit->base.length = op->sql_length;
  habit->base.hash = op->sql_hash;
  habit->stale = adapter->stale;
  habit->shareable = pg_text_shares(op->sql, op->sql_length);
  if (!covet_stmt_cache_add(&adapter->habits, &habit->base, covet_now_us())) {
    pg_habit_destroy(&habit->base);
  }
}

bool pg_habit_shareable(pg_adapter *adapter, const covet_op *op)
{
  const pg_habit *habit = find_habit(adapter, op);

  return habit == NULL ? pg_text_shares(op->sql, op->sql_length)
                       : habit->shareable;
}

bool pg_statement_known(pg_statement *statement, const covet_op *op)
{
  pg_adapter *adapter = statement->connection->adapter;
  const pg_habit *habit;
  size_t count;

  if (statement->described) {
    return true;
  }
  habit = find_habit(adapter, op);
  if (habit == NULL || habit->stale != adapter->stale) {
    return false;
  }
  count = habit->param_count + habit->column_count;
  forget(statement);
  statement->oids = calloc(count + 1, sizeof(*statement->oids));
  statement->names = copy_names(habit->names, habit->column_count);
  if (statement->oids == NULL || statement->names == NULL) {
    forget(statement);
    return false;
  }
  memcpy(statement->oids, habit->oids, count * sizeof(*statement->oids));
  statement->param_count = habit->param_count;
  statement->column_count = habit->column_count;
  statement->described = true;
  return true;
}

/* --- Life -------------------------------------------------------------------------- */

static void note_unwanted(pg_connection *connection, uint64_t number)
{
  if (connection->unwanted_count == connection->unwanted_capacity) {
    uint32_t capacity = connection->unwanted_capacity * 2 + 8;
    uint64_t *grown = realloc(connection->unwanted, capacity * sizeof(*grown));

    if (grown == NULL) {
      return; /* it stays on the server as long as the connection */
    }
    connection->unwanted = grown;
    connection->unwanted_capacity = capacity;
  }
  connection->unwanted[connection->unwanted_count++] = number;
}

void pg_statement_destroy(covet_stmt *stmt)
{
  pg_statement *statement = (pg_statement *) (void *) stmt;

  if (stmt->in_use > 0) {
    statement->cached = false; /* with the last of its holders */
    return;
  }
  if (statement->prepared && statement->number != 0) {
    note_unwanted(statement->connection, statement->number);
  }
  forget(statement);
  free(statement->base.sql);
  free(statement);
}

void pg_statement_name(const pg_statement *statement, char name[24])
{
  if (statement->number == 0) {
    name[0] = '\0';
  } else {
    (void) snprintf(name, 24, "covet_%llu",
                    (unsigned long long) statement->number % 1000000000000000);
  }
}

static pg_statement *new_statement(pg_connection *connection,
                                   const covet_op *op)
{
  pg_statement *statement = calloc(1, sizeof(*statement));

  if (statement == NULL) {
    return NULL;
  }
  statement->base.sql = malloc(op->sql_length + 1);
  if (statement->base.sql == NULL) {
    free(statement);
    return NULL;
  }
  memcpy(statement->base.sql, op->sql, op->sql_length);
  statement->base.sql[op->sql_length] = '\0';
  statement->base.length = op->sql_length;
  statement->base.hash = op->sql_hash;
  statement->connection = connection;
  statement->verb = pg_verb_of(op->sql, op->sql_length);
  statement->changes =
      pg_changes_session(op->sql, op->sql_length, statement->verb);
  statement->reads = pg_text_reads(op->sql, op->sql_length, statement->verb);
  return statement;
}

/* Only what has a plan is worth a name. */
static bool is_worth_keeping(const pg_statement *statement)
{
  return statement->verb == PG_VERB_SELECT || statement->verb == PG_VERB_WITH ||
         statement->verb == PG_VERB_CHANGE;
}

/* A plan was found to be out of date on some connection: all are made anew. */
static void drop_stale(pg_connection *connection)
{
  covet_stmt_cache *cache = &connection->statements;
  covet_node *node;

  if (connection->stale_seen == connection->adapter->stale) {
    return;
  }
  connection->stale_seen = connection->adapter->stale;
  while ((node = queue_first(&cache->entries)) != NULL) {
    covet_stmt_cache_evict(cache, COVET_CONTAINER(node, covet_stmt, node));
  }
}

/* What the server may still refuse is its first user's alone: the others would be
 * told that there is no such statement. */
static bool can_be_shared(const pg_statement *statement)
{
  return statement->base.in_use == 0 || statement->described;
}

pg_statement *pg_statement_get(pg_connection *connection, const covet_op *op)
{
  covet_stmt_cache *cache = &connection->statements;
  covet_stmt *found;
  pg_statement *statement;

  drop_stale(connection);
  found = covet_stmt_cache_share(cache, op->sql, op->sql_length, op->sql_hash,
                                 covet_now_us());
  if (found != NULL && can_be_shared((pg_statement *) (void *) found)) {
    found->in_use++;
    return (pg_statement *) (void *) found;
  }
  statement = new_statement(connection, op);
  if (statement == NULL) {
    return NULL;
  }
  statement->base.in_use = 1;
  if (is_worth_keeping(statement) && op->param_count <= PG_MOST_DESCRIBED &&
      covet_stmt_cache_add(cache, &statement->base, covet_now_us())) {
    statement->cached = true;
    statement->number = ++connection->statement_number;
  }
  return statement;
}

void pg_statement_end(pg_statement *statement, bool keep)
{
  statement->base.in_use--;
  if (!statement->cached) {
    pg_statement_destroy(&statement->base);
  } else if (!keep) {
    covet_stmt_cache_evict(&statement->connection->statements,
                           &statement->base);
  }
}

void pg_statements_note(pg_connection *connection, const char *tag)
{
  covet_node *node = queue_first(&connection->statements.entries);

  if (strcmp(tag, "DISCARD ALL") != 0 && strcmp(tag, "DEALLOCATE ALL") != 0) {
    return;
  }
  for (; node != NULL;
       node = queue_after(&connection->statements.entries, node)) {
    pg_statement *statement = COVET_CONTAINER(node, pg_statement, base.node);

    if (statement->number != 0) { /* the server may have kept the old name */
      statement->number = ++connection->statement_number;
    }
    statement->prepared = false;
  }
  connection->unwanted_count = 0;
}
