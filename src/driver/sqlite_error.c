#include "../core/error.h"
#include "sqlite.h"

#include <errno.h>
#include <string.h>

/* "a, b" -> the first word; "t.c" -> table and column. */
static void split_columns(covet_error *error, const char *names)
{
  const char *dot = strchr(names, '.');
  const char *end = strchr(names, ',');

  if (end == NULL) {
    end = names + strlen(names);
  }
  if (dot != NULL && dot < end) {
    covet_error_text(error->table, sizeof(error->table), names,
                     (size_t) (dot - names));
    covet_error_text(error->column, sizeof(error->column), dot + 1,
                     (size_t) (end - dot - 1));
  }
}

static const char *after(const char *text, const char *prefix)
{
  size_t length = strlen(prefix);

  return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

static covet_error_kind constraint_kind(int code)
{
  switch (code) {
  case SQLITE_CONSTRAINT_UNIQUE:
  case SQLITE_CONSTRAINT_PRIMARYKEY:
  case SQLITE_CONSTRAINT_ROWID:
    return COVET_ERROR_UNIQUE_VIOLATION;
  case SQLITE_CONSTRAINT_FOREIGNKEY:
    return COVET_ERROR_FOREIGN_KEY_VIOLATION;
  case SQLITE_CONSTRAINT_NOTNULL:
    return COVET_ERROR_NOT_NULL_VIOLATION;
  case SQLITE_CONSTRAINT_DATATYPE:
    return COVET_ERROR_DATATYPE_MISMATCH;
  default:
    return COVET_ERROR_CHECK_VIOLATION;
  }
}

static void constraint_names(covet_error *error)
{
  const char *rest = strstr(error->message, "constraint failed: ");
  const char *index;

  if (rest == NULL) {
    return;
  }
  rest += strlen("constraint failed: ");
  index = after(rest, "index '");
  if (index != NULL) {
    covet_error_text(error->constraint, sizeof(error->constraint), index,
                     strcspn(index, "'"));
  } else if (error->kind == COVET_ERROR_CHECK_VIOLATION) {
    covet_error_text(error->constraint, sizeof(error->constraint), rest,
                     strlen(rest));
  } else {
    covet_error_text(error->constraint, sizeof(error->constraint), rest,
                     strlen(rest));
    split_columns(error, rest);
  }
}

/* SQLITE_ERROR covers everything that is wrong with a statement; its (never
 * translated) texts tell which. */
static void statement_kind(covet_error *error)
{
  static const struct {
    const char *text;
    covet_error_kind kind;
  } texts[] = {
      {"no such table: ", COVET_ERROR_UNDEFINED_TABLE},
      {"no such view: ", COVET_ERROR_UNDEFINED_TABLE},
      {"no such index: ", COVET_ERROR_UNDEFINED_TABLE},
      {"no such column: ", COVET_ERROR_UNDEFINED_COLUMN},
      {"no such function: ", COVET_ERROR_UNDEFINED_FUNCTION},
      {"wrong number of arguments to function ",
       COVET_ERROR_UNDEFINED_FUNCTION},
      {"ambiguous column name: ", COVET_ERROR_AMBIGUOUS_COLUMN},
      {"near ", COVET_ERROR_SYNTAX_ERROR},
      {"incomplete input", COVET_ERROR_SYNTAX_ERROR},
      {"unrecognized token", COVET_ERROR_SYNTAX_ERROR},
      {"integer overflow", COVET_ERROR_NUMERIC_OUT_OF_RANGE},
      {"malformed JSON", COVET_ERROR_INVALID_VALUE},
  };
  const char *text = error->message;

  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    const char *name = after(text, texts[i].text);

    if (name == NULL) {
      continue;
    }
    error->kind = texts[i].kind;
    if (error->kind == COVET_ERROR_UNDEFINED_TABLE) {
      covet_error_text(error->table, sizeof(error->table), name, strlen(name));
    } else if (error->kind == COVET_ERROR_UNDEFINED_COLUMN ||
               error->kind == COVET_ERROR_AMBIGUOUS_COLUMN) {
      covet_error_text(error->column, sizeof(error->column), name,
                       strlen(name));
    }
    return;
  }
  if (strstr(text, "has no column named ") != NULL) {
    const char *name = strstr(text, "named ") + strlen("named ");

    error->kind = COVET_ERROR_UNDEFINED_COLUMN;
    covet_error_text(error->column, sizeof(error->column), name, strlen(name));
  } else if (strstr(text, " values were supplied") != NULL ||
             (strstr(text, " values for ") != NULL &&
              strstr(text, "columns") != NULL)) {
    error->kind = COVET_ERROR_SYNTAX_ERROR;
  }
}

static covet_error_kind io_kind(sqlite3 *db)
{
  int system = sqlite3_system_errno(db);

  if (system == ENOSPC || system == EDQUOT) {
    return COVET_ERROR_DISK_FULL;
  }
  return COVET_ERROR_DATABASE_ERROR;
}

static void set_kind(covet_error *error, sqlite3 *db, int code)
{
  error->kind = COVET_ERROR_DATABASE_ERROR;
  switch (code & 0xFF) {
  case SQLITE_ERROR:
    statement_kind(error);
    break;
  case SQLITE_CONSTRAINT:
    error->kind = constraint_kind(code);
    constraint_names(error);
    break;
  case SQLITE_BUSY:
    error->retry = COVET_RETRY_SAFE;
    error->kind = code == SQLITE_BUSY_SNAPSHOT
                      ? COVET_ERROR_SERIALIZATION_FAILURE
                      : COVET_ERROR_LOCK_TIMEOUT;
    break;
  case SQLITE_LOCKED:
    error->retry = COVET_RETRY_SAFE;
    error->kind = COVET_ERROR_LOCK_TIMEOUT;
    break;
  case SQLITE_SCHEMA:
    error->retry = COVET_RETRY_SAFE;
    break;
  case SQLITE_NOMEM:
    error->kind = COVET_ERROR_OUT_OF_MEMORY;
    break;
  case SQLITE_READONLY:
    error->kind = COVET_ERROR_READ_ONLY;
    break;
  case SQLITE_INTERRUPT:
    error->kind = COVET_ERROR_INTERRUPTED;
    break;
  case SQLITE_ABORT:
    error->kind = COVET_ERROR_TRANSACTION_ABORTED;
    break;
  case SQLITE_IOERR:
    error->kind = io_kind(db);
    break;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    error->kind = COVET_ERROR_CORRUPT;
    break;
  case SQLITE_FULL:
    error->kind = COVET_ERROR_DISK_FULL;
    break;
  case SQLITE_CANTOPEN:
    error->kind = COVET_ERROR_CONNECTION_FAILED;
    break;
  case SQLITE_TOOBIG:
    error->kind = COVET_ERROR_STRING_TOO_LONG;
    break;
  case SQLITE_MISMATCH:
    error->kind = COVET_ERROR_DATATYPE_MISMATCH;
    break;
  case SQLITE_RANGE:
    error->kind = COVET_ERROR_USAGE;
    break;
  case SQLITE_AUTH:
  case SQLITE_PERM:
    error->kind = COVET_ERROR_PERMISSION_DENIED;
    break;
  default:
    break;
  }
}

void sqlite_error_fill(covet_error *error, sqlite3 *db, int code)
{
  const char *text = db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db);

  memset(error, 0, sizeof(*error));
  covet_error_text(error->message, sizeof(error->message), text, strlen(text));
  error->code = code;
  set_kind(error, db, code);
  if ((code & 0xFF) == SQLITE_IOERR && db != NULL &&
      sqlite3_system_errno(db) != 0) {
    const char *reason = strerror(sqlite3_system_errno(db));

    covet_error_text(error->detail, sizeof(error->detail), reason,
                     strlen(reason));
  }
}

void sqlite_fault(sqlite_connection *connection, covet_op *op, int code,
                  size_t offset)
{
  covet_error *error;
  int at = sqlite3_error_offset(connection->db);

  /* a stopped operation's wait for a lock ends as if the lock was not given */
  if (((code & 0xFF) == SQLITE_INTERRUPT || (code & 0xFF) == SQLITE_BUSY ||
       (code == SQLITE_ERROR && connection->called)) &&
      covet_op_stop_reason(op) != COVET_STOP_NONE) {
    covet_op_fault_stopped(op);
    return;
  }
  error = covet_op_fault(op);
  if (error == &op->runtime->out_of_memory || error->kind != COVET_ERROR_NONE) {
    return;
  }
  sqlite_error_fill(error, connection->db, code);
  error->phase = op->phase;
  if (at >= 0) {
    error->position = (int64_t) offset + at + 1;
  }
  if (code == SQLITE_BUSY && connection->lock_us == 0) {
    /* it did not even wait: two transactions that read want to write */
    error->kind = COVET_ERROR_DEADLOCK;
    covet_error_text(error->hint, sizeof(error->hint),
                     "begin it with mode = \"immediate\"", SIZE_MAX);
  } else if (error->kind == COVET_ERROR_LOCK_TIMEOUT) {
    covet_error_text(error->detail, sizeof(error->detail),
                     "another process holds the lock", SIZE_MAX);
  }
}
