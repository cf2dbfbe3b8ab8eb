/* What a statement may do where it stands. */
#define _GNU_SOURCE /* strcasestr */

#include "../core/error.h"
#include "sqlite.h"

#include <string.h>

static bool is_control(sqlite_verb verb)
{
  return verb == SQLITE_VERB_BEGIN || verb == SQLITE_VERB_COMMIT ||
         verb == SQLITE_VERB_ROLLBACK || verb == SQLITE_VERB_SAVEPOINT;
}

/* ROLLBACK TO a savepoint does not end the transaction. */
static bool ends_transaction(sqlite_verb verb, const char *sql)
{
  return verb == SQLITE_VERB_BEGIN || verb == SQLITE_VERB_COMMIT ||
         (verb == SQLITE_VERB_ROLLBACK && strcasestr(sql, "to") == NULL);
}

/* What cannot run on a connection that is anybody's, NULL if this can. Within a
 * script a transaction may begin that ends with it. */
static const char *needs_lease(const sqlite_connection *connection,
                               const covet_op *op, sqlite_verb verb)
{
  if (op->lease != 0) {
    return NULL;
  }
  if (is_control(verb) && !(op->flags & COVET_QUERY_SCRIPT)) {
    return "a transaction needs a connection of its own: use db:transaction, "
           "db:begin or db:acquire";
  }
  if (verb == SQLITE_VERB_ATTACH && !connection->adapter->memory) {
    return "an attached database belongs to one connection: use db:acquire, or "
           "the option pragmas to attach it in all";
  }
  return NULL;
}

bool sqlite_may_run(const sqlite_connection *connection, covet_op *op,
                    const sqlite_statement *statement, const char *sql)
{
  const char *text = needs_lease(connection, op, statement->verb);

  if (text == NULL && (op->flags & COVET_QUERY_INSIDE) &&
      !(op->flags & COVET_QUERY_TRANSACTION) &&
      ends_transaction(statement->verb, sql)) {
    text = "a transaction is ended by its methods commit and rollback, not by "
           "statements";
  }
  if (text != NULL) {
    sqlite_refuse(op, COVET_ERROR_USAGE, text);
    return false;
  }
  if (!statement->read_only && (op->flags & COVET_QUERY_READ_ONLY)) {
    sqlite_refuse(op, COVET_ERROR_READ_ONLY,
                  "the statement writes, and the call is read_only");
    return false;
  }
  return true;
}
