/* What a statement may do where it stands, and what it leaves behind. */
#define _GNU_SOURCE /* strcasestr */

#include "../core/error.h"
#include "sqlite.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* --- May it run? ----------------------------------------------------------------- */

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
  if (verb == SQLITE_VERB_SESSION && !connection->adapter->memory) {
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

/* --- What it leaves -------------------------------------------------------------- */

/* PRAGMA name(value): these take an argument and change nothing. */
static bool only_tells(const char *name)
{
  static const char *const names[] = {
      "table_",       "index_",   "foreign_key_",   "integrity_check",
      "quick_check",  "optimize", "wal_checkpoint", "incremental_vacuum",
      "function_list"};

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (strncasecmp(name, names[i], strlen(names[i])) == 0) {
      return true;
    }
  }
  return false;
}

static bool sets_something(const char *sql)
{
  const char *name = strcasestr(sql, "pragma");
  const char *dot;
  size_t word;

  if (name == NULL || strchr(sql, '=') != NULL) {
    return name != NULL;
  }
  name += strlen("pragma");
  name += strspn(name, " \t\r\n");
  word = strcspn(name, " \t\r\n(;");
  dot = memchr(name, '.', word); /* PRAGMA schema.name */
  return strchr(name, '(') != NULL && !only_tells(dot == NULL ? name : dot + 1);
}

void sqlite_note_session(sqlite_connection *connection,
                         const sqlite_statement *statement)
{
  const char *sql = statement->base.sql;

  if (statement->verb == SQLITE_VERB_SESSION ||
      (statement->verb == SQLITE_VERB_PRAGMA && sets_something(sql)) ||
      (statement->verb == SQLITE_VERB_OTHER &&
       strcasestr(sql, "temp") != NULL)) {
    connection->dirty = true;
  }
  if (statement->verb == SQLITE_VERB_BEGIN) {
    connection->changes_before = sqlite3_total_changes64(connection->db);
  }
}
