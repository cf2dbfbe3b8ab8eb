/* Prepared statements: found by their text, closed when they are not kept. */
#include "mysql_connection.h"

#include <stdlib.h>
#include <string.h>

static my_statement *statement_of(covet_stmt *stmt)
{
  return (my_statement *) (void *) stmt;
}

/* Without the server: it is told, or gone. */
static void free_statement(my_statement *statement)
{
  my_columns_deinit(&statement->columns);
  free(statement->base.sql);
  free(statement);
}

static my_statement *new_statement(my_connection *connection, const char *sql,
                                   size_t length, uint32_t hash)
{
  my_statement *statement = calloc(1, sizeof(*statement));

  if (statement == NULL) {
    return NULL;
  }
  statement->connection = connection;
  statement->base.sql = malloc(length + 1);
  statement->handle = mysql_stmt_init(connection->mysql);
  if (statement->base.sql == NULL || statement->handle == NULL) {
    if (statement->handle != NULL) {
      (void) mysql_stmt_close(statement->handle); /* nothing is sent for it */
    }
    free_statement(statement);
    return NULL;
  }
  memcpy(statement->base.sql, sql, length);
  statement->base.sql[length] = '\0';
  statement->base.length = length;
  statement->base.hash = hash;
  statement->base.in_use = 1;
  return statement;
}

my_statement *my_statement_get(my_connection *connection, const char *sql,
                               size_t length, uint32_t hash)
{
  uint64_t now_us = covet_now_us();
  covet_stmt *found =
      covet_stmt_cache_find(&connection->statements, sql, length, hash, now_us);

  if (found != NULL) {
    connection->base.adapter->cache_hits++;
    found->in_use++;
    return statement_of(found);
  }
  connection->base.adapter->cache_misses++;
  return new_statement(connection, sql, length, hash);
}

/* Its connection closes it before the next operation. */
static void discard(my_statement *statement)
{
  queue_push(&statement->connection->unwanted, &statement->node);
}

void my_statement_destroy(covet_stmt *stmt)
{
  my_statement *statement = statement_of(stmt);

  statement->cached = false;
  if (stmt->in_use == 0) {
    discard(statement);
  }
}

void my_statement_end(my_statement *statement, bool keep)
{
  my_connection *connection = statement->connection;

  statement->base.in_use--;
  if (!statement->cached && keep &&
      (statement->prepared || statement->text_only)) {
    statement->cached =
        covet_stmt_cache_add(&connection->statements, &statement->base,
                             covet_now_us()) != 0;
  } else if (statement->cached && !keep) {
    covet_stmt_cache_evict(&connection->statements, &statement->base);
    return;
  }
  if (!statement->cached && statement->base.in_use == 0) {
    discard(statement);
  }
}

/* --- Closing ------------------------------------------------------------------------ */

static void on_closed(my_connection *connection)
{
  my_done done = connection->closed_all;

  free_statement(connection->closing_statement);
  connection->closing_statement = NULL;
  if (!my_statements_close(connection, done)) {
    done(connection);
  }
}

bool my_statements_close(my_connection *connection, my_done done)
{
  covet_node *node = queue_pop(&connection->unwanted);

  if (node == NULL) {
    return false;
  }
  connection->closing_statement = COVET_CONTAINER(node, my_statement, node);
  connection->closed_all = done;
  my_make(connection, &my_call_close, on_closed);
  return true;
}

/* The library does not know the server's any more: nothing is sent. */
static void drop_unwanted(my_connection *connection)
{
  covet_node *node;

  if (connection->closing_statement != NULL) {
    /* the library has freed its part of it, or is about to */
    free_statement(connection->closing_statement);
    connection->closing_statement = NULL;
  }
  while ((node = queue_pop(&connection->unwanted)) != NULL) {
    my_statement *statement = COVET_CONTAINER(node, my_statement, node);

    (void) mysql_stmt_close(statement->handle);
    free_statement(statement);
  }
}

void my_statements_forget(my_connection *connection)
{
  covet_stmt_cache_clear(&connection->statements);
  drop_unwanted(connection);
}

void my_statements_free(my_connection *connection)
{
  covet_stmt_cache_deinit(&connection->statements);
  drop_unwanted(connection);
}
