#include "../core/error.h"
#include "postgres.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct state_kind {
  const char *state; /* SQLSTATE, or its first two characters */
  covet_error_kind kind;
} state_kind;

/* https://www.postgresql.org/docs/15/errcodes-appendix.html */
static const state_kind kinds[] = {
    {"23505", COVET_ERROR_UNIQUE_VIOLATION},
    {"23503", COVET_ERROR_FOREIGN_KEY_VIOLATION},
    {"23502", COVET_ERROR_NOT_NULL_VIOLATION},
    {"23514", COVET_ERROR_CHECK_VIOLATION},
    {"23P01", COVET_ERROR_EXCLUSION_VIOLATION},
    {"40001", COVET_ERROR_SERIALIZATION_FAILURE},
    {"40P01", COVET_ERROR_DEADLOCK},
    {"55P03", COVET_ERROR_LOCK_TIMEOUT},
    {"42601", COVET_ERROR_SYNTAX_ERROR},
    {"42P01", COVET_ERROR_UNDEFINED_TABLE},
    {"42703", COVET_ERROR_UNDEFINED_COLUMN},
    {"42883", COVET_ERROR_UNDEFINED_FUNCTION},
    {"42702", COVET_ERROR_AMBIGUOUS_COLUMN},
    {"42804", COVET_ERROR_DATATYPE_MISMATCH},
    {"42846", COVET_ERROR_DATATYPE_MISMATCH},
    {"42P18", COVET_ERROR_DATATYPE_MISMATCH},
    {"22003", COVET_ERROR_NUMERIC_OUT_OF_RANGE},
    {"22001", COVET_ERROR_STRING_TOO_LONG},
    {"22012", COVET_ERROR_DIVISION_BY_ZERO},
    {"42501", COVET_ERROR_PERMISSION_DENIED},
    {"28P01", COVET_ERROR_AUTHENTICATION_FAILED},
    {"28000", COVET_ERROR_AUTHENTICATION_FAILED},
    {"3D000", COVET_ERROR_UNKNOWN_DATABASE},
    {"25006", COVET_ERROR_READ_ONLY},
    {"53300", COVET_ERROR_TOO_MANY_CONNECTIONS},
    {"53200", COVET_ERROR_OUT_OF_MEMORY},
    {"53100", COVET_ERROR_DISK_FULL},
    {"57014", COVET_ERROR_INTERRUPTED},
    {"25P02", COVET_ERROR_TRANSACTION_ABORTED},
    {"25P03", COVET_ERROR_CONNECTION_LOST}, /* idle in transaction too long */
    {"57P05", COVET_ERROR_CONNECTION_LOST}, /* idle session too long */
    {"57P01", COVET_ERROR_CONNECTION_LOST},
    {"57P02", COVET_ERROR_CONNECTION_LOST},
    {"57P03", COVET_ERROR_CONNECTION_FAILED},
    {"0A000", COVET_ERROR_UNSUPPORTED},
    {"22", COVET_ERROR_INVALID_VALUE},
    {"08P01", COVET_ERROR_PROTOCOL_ERROR},
    {"08", COVET_ERROR_CONNECTION_LOST},
    {"28", COVET_ERROR_AUTHENTICATION_FAILED},
    {"53", COVET_ERROR_SYSTEM},
    {"58", COVET_ERROR_SYSTEM},
    {"XX001", COVET_ERROR_CORRUPT},
    {"XX002", COVET_ERROR_CORRUPT},
};

static covet_error_kind kind_of(const char *state)
{
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
    if (strncmp(state, kinds[i].state, strlen(kinds[i].state)) == 0) {
      return kinds[i].kind;
    }
  }
  return COVET_ERROR_DATABASE_ERROR;
}

/* The statement failed, and what it did was rolled back; so trying again is
 * safe. Whether it helps is another question. */
static covet_retry retry_of(covet_error_kind kind)
{
  switch (kind) {
  case COVET_ERROR_SERIALIZATION_FAILURE:
  case COVET_ERROR_DEADLOCK:
  case COVET_ERROR_LOCK_TIMEOUT:
  case COVET_ERROR_INTERRUPTED:
  case COVET_ERROR_TOO_MANY_CONNECTIONS:
  case COVET_ERROR_OUT_OF_MEMORY:
  case COVET_ERROR_CONNECTION_FAILED:
    return COVET_RETRY_SAFE;
  case COVET_ERROR_CONNECTION_LOST:
    return COVET_RETRY_IDEMPOTENT_ONLY;
  default:
    return COVET_RETRY_NO;
  }
}

static void copy_field(char *field, size_t size, const PGresult *result,
                       int code)
{
  const char *text = PQresultErrorField(result, code);

  if (text != NULL) {
    covet_error_text(field, size, text, strlen(text));
  }
}

static bool has_field(const PGresult *result, int code, const char *value)
{
  const char *text = PQresultErrorField(result, code);

  return text != NULL && strcmp(text, value) == 0;
}

/* "unnamed portal parameter $2", and perhaps its value behind that. */
static void name_parameter(covet_error *error, const PGresult *result)
{
  static const char before[] = " parameter $";
  const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
  const char *at = context == NULL ? NULL : strstr(context, before);
  char message[sizeof(error->message)];

  if (at == NULL || (strncmp(context, "unnamed portal", 14) != 0 &&
                     strncmp(context, "portal", 6) != 0)) {
    return;
  }
  (void) snprintf(message, sizeof(message), "parameter %lu: %.480s",
                  strtoul(at + sizeof(before) - 1, NULL, 10), error->message);
  covet_error_text(error->message, sizeof(error->message), message,
                   strlen(message));
}

void pg_error_fill(covet_error *error, const PGresult *result)
{
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
  covet_error_kind kind =
      state == NULL ? COVET_ERROR_DATABASE_ERROR : kind_of(state);

  if (state != NULL && strcmp(state, "42601") == 0 &&
      has_field(result, PG_DIAG_SOURCE_FUNCTION, "exec_parse_message")) {
    kind = COVET_ERROR_USAGE; /* several statements with parameters */
  }
  if (message == NULL) {
    message = PQresultErrorMessage(result);
  }
  covet_error_set(error, kind, "%s", "");
  covet_error_text(error->message, sizeof(error->message), message,
                   strcspn(message, "\n") == 0 ? strlen(message)
                                               : strcspn(message, "\n"));
  error->retry = retry_of(kind);
  if (position != NULL) {
    error->position = strtoll(position, NULL, 10);
  }
  copy_field(error->sqlstate, sizeof(error->sqlstate), result,
             PG_DIAG_SQLSTATE);
  copy_field(error->constraint, sizeof(error->constraint), result,
             PG_DIAG_CONSTRAINT_NAME);
  copy_field(error->table, sizeof(error->table), result, PG_DIAG_TABLE_NAME);
  copy_field(error->column, sizeof(error->column), result, PG_DIAG_COLUMN_NAME);
  copy_field(error->hint, sizeof(error->hint), result, PG_DIAG_MESSAGE_HINT);
  copy_field(error->detail, sizeof(error->detail), result,
             PG_DIAG_MESSAGE_DETAIL);
  name_parameter(error, result);
}

void pg_error_lost(covet_error *error, const pg_connection *connection)
{
  const char *text;

  (void) PQisBusy(connection->pq); /* reads what has come, for on_notice */
  if (connection->farewell != NULL) {
    *error = *connection->farewell;
    return;
  }
  text = connection->pq == NULL ? "" : PQerrorMessage(connection->pq);
  covet_error_set(error, COVET_ERROR_CONNECTION_LOST, "%s", "");
  if (text[0] == '\0') {
    text = "the server closed the connection";
  }
  covet_error_text(error->message, sizeof(error->message), text,
                   strcspn(text, "\n"));
  error->retry = COVET_RETRY_IDEMPOTENT_ONLY;
}

/* What failed while connecting. */
typedef struct open_failure {
  const char *words; /* without what stands in quotes */
  covet_error_kind kind;
  const char *sqlstate; /* with which the server says this, or "" */
} open_failure;

/* libpq gives no SQLSTATE of what failed while connecting, but words: its own and
 * OpenSSL's, and the server's, if that speaks English. */
static const open_failure *failure_of_words(const char *text)
{
  static const open_failure failures[] = {
      {"database \"\" does not exist", COVET_ERROR_UNKNOWN_DATABASE, "3D000"},
      {"role \"\" does not exist", COVET_ERROR_AUTHENTICATION_FAILED, "28000"},
      {"password authentication failed", COVET_ERROR_AUTHENTICATION_FAILED,
       "28P01"},
      {"no password supplied", COVET_ERROR_AUTHENTICATION_FAILED, ""},
      {"authentication failed", COVET_ERROR_AUTHENTICATION_FAILED, "28000"},
      {"no pg_hba.conf entry", COVET_ERROR_AUTHENTICATION_FAILED, "28000"},
      {"pg_hba.conf rejects", COVET_ERROR_AUTHENTICATION_FAILED, "28000"},
      {"authentication method requirement", COVET_ERROR_AUTHENTICATION_FAILED,
       ""},
      {"is not permitted to log in", COVET_ERROR_AUTHENTICATION_FAILED,
       "28000"},
      {"channel binding", COVET_ERROR_AUTHENTICATION_FAILED, ""},
      {"too many connections", COVET_ERROR_TOO_MANY_CONNECTIONS, "53300"},
      {"too many clients", COVET_ERROR_TOO_MANY_CONNECTIONS, "53300"},
      {"remaining connection slots", COVET_ERROR_TOO_MANY_CONNECTIONS, "53300"},
      {"valid client certificate", COVET_ERROR_AUTHENTICATION_FAILED, "28000"},
      {"expected authentication request", COVET_ERROR_PROTOCOL_ERROR, ""},
      {"received invalid response", COVET_ERROR_PROTOCOL_ERROR, ""},
      {"SSL", COVET_ERROR_TLS_ERROR, ""},
      {"certificate", COVET_ERROR_TLS_ERROR, ""},
      {"private key", COVET_ERROR_TLS_ERROR, ""},
      {"invalid port number", COVET_ERROR_USAGE, ""},
      {"", COVET_ERROR_CONNECTION_FAILED, ""},
  };
  const open_failure *failure = failures;

  while (strstr(text, failure->words) == NULL) {
    failure++;
  }
  return failure;
}

/* What stands in quotes is a name of the user's. */
static const open_failure *open_failure_of(const char *text)
{
  char plain[4096];
  size_t length = 0;
  bool quoted = false;

  for (; *text != '\0' && length + 1 < sizeof(plain); text++) {
    if (!quoted || *text == '"') {
      plain[length++] = *text;
    }
    quoted ^= *text == '"';
  }
  plain[length] = '\0';
  return failure_of_words(plain);
}

/* The SQLSTATE in a verbose message, NULL: there is none. */
static const char *state_in(const char *text)
{
  for (text = strstr(text, ":  "); text != NULL; text = strstr(text, ":  ")) {
    text += 3;
    if (strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 &&
        strncmp(text + 5, ": ", 2) == 0) {
      return text;
    }
  }
  return NULL;
}

bool pg_is_foreign(const char *text)
{
  return strstr(text, ":  ") != NULL &&
         open_failure_of(text)->kind == COVET_ERROR_CONNECTION_FAILED;
}

/* Copy a message of libpq's but for the question that follows some of its lines.
 * Returns the length. */
static size_t copy_lines(char *to, const char *text)
{
  char *start = to;

  while (*text != '\0') {
    size_t length = strcspn(text, "\n");

    length += text[length] == '\n';
    if (strncmp(text, "\tIs the server running", 22) != 0) {
      memcpy(to, text, length);
      to += length;
    }
    text += length;
  }
  while (to > start && to[-1] == '\n') {
    to--;
  }
  *to = '\0';
  return (size_t) (to - start);
}

/* The length of the whole lines that fit into so many bytes; all of a first line
 * that does not. */
static size_t whole_lines(const char *text, size_t length, size_t room)
{
  while (length >= room) {
    const char *end = memrchr(text, '\n', length);

    if (end == NULL) {
      return length;
    }
    length = (size_t) (end - text);
  }
  return length;
}

/* libpq has a line for each attempt. Those that do not fit go on in the detail. */
static void set_attempts(covet_error *error, const char *text)
{
  char *lines = malloc(strlen(text) + 1);
  size_t length;
  size_t first;

  if (lines == NULL) {
    return;
  }
  length = copy_lines(lines, text);
  first = whole_lines(lines, length, sizeof(error->message));
  covet_error_text(error->message, sizeof(error->message), lines, first);
  if (first < length) {
    covet_error_text(error->detail, sizeof(error->detail), lines + first + 1,
                     length - first - 1);
  }
  free(lines);
}

void pg_error_open(covet_error *error, PGconn *pq, const char *said)
{
  const char *text = pq == NULL ? "out of memory" : PQerrorMessage(pq);
  const char *state = said == NULL ? NULL : state_in(text);
  const open_failure *failure;

  text = said == NULL ? text : said;
  failure = open_failure_of(text);
  covet_error_set(error, failure->kind, "%s", "the connection failed");
  covet_error_text(error->sqlstate, sizeof(error->sqlstate), failure->sqlstate,
                   strlen(failure->sqlstate));
  if (state != NULL) {
    covet_error_text(error->sqlstate, sizeof(error->sqlstate), state, 5);
    error->kind = kind_of(error->sqlstate);
  }
  set_attempts(error, text);
  error->phase = COVET_PHASE_CONNECT;
  error->retry = error->kind == COVET_ERROR_CONNECTION_LOST
                     ? COVET_RETRY_SAFE /* nothing was asked for yet */
                     : retry_of(error->kind);
}

/* A server that has become a standby says so to writes only; its connections are
 * of no use to a pool that wants to write. */
static bool is_demoted(const pg_connection *connection,
                       const covet_error *error)
{
  const char *standby = PQparameterStatus(connection->pq, "in_hot_standby");
  const char *read_only =
      PQparameterStatus(connection->pq, "default_transaction_read_only");

  return error->kind == COVET_ERROR_READ_ONLY && connection->opened_writable &&
         ((standby != NULL && strcmp(standby, "on") == 0) ||
          (read_only != NULL && strcmp(read_only, "on") == 0));
}

static void note_for_transaction(pg_connection *connection, covet_error *error)
{
  if (error->kind == COVET_ERROR_TRANSACTION_ABORTED) {
    if (connection->first_error[0] != '\0') {
      (void) snprintf(error->detail, sizeof(error->detail),
                      "its first error was: %.220s", connection->first_error);
    }
  } else {
    covet_error_text(connection->first_error, sizeof(connection->first_error),
                     error->message, strlen(error->message));
  }
}

/* The server counts characters. */
static int64_t byte_of(const char *sql, size_t length, int64_t character)
{
  size_t at = 0;

  while (character > 1 && at < length) {
    at++;
    while (at < length && ((unsigned char) sql[at] & 0xc0) == 0x80) {
      at++;
    }
    character--;
  }
  return (int64_t) at + 1;
}

/* `before`: characters that were sent in front. Of a COPY the SQL is its first
 * parameter. */
static void place(const covet_op *op, size_t before, covet_error *error)
{
  int64_t position = error->position - (int64_t) before;

  if (error->position == 0) {
    return;
  }
  if (op->type == COVET_OP_QUERY) {
    error->position =
        position > 0 ? byte_of(op->sql, op->sql_length, position) : 0;
  } else if (op->type == COVET_OP_CALL && op->param_count > 0 &&
             op->params[0].kind == COVET_TEXT) {
    error->position =
        byte_of(op->params[0].bytes, (size_t) op->params[0].length, position);
  }
}

void pg_fault(pg_connection *connection, covet_op *op, const PGresult *result,
              size_t before)
{
  covet_error *error = covet_op_fault(op);

  if (error == &op->runtime->out_of_memory) {
    return;
  }
  if (PQresultErrorField(result, PG_DIAG_SQLSTATE) == NULL &&
      PQstatus(connection->pq) == CONNECTION_BAD) {
    pg_error_lost(error, connection); /* libpq's own words */
  } else {
    pg_error_fill(error, result);
  }
  error->phase = op->phase;
  place(op, before, error);
  note_for_transaction(connection, error);
  if (is_demoted(connection, error)) {
    connection->base.broken = true;
    if (connection->base.lane->pool != NULL) {
      covet_pool_evict(connection->base.lane->pool, covet_now_us());
    }
  }
}

void pg_name_row(covet_error *error, uint64_t row)
{
  char detail[sizeof(error->detail)];

  (void) snprintf(detail, sizeof(detail), "in row %llu of the list%s%.200s",
                  (unsigned long long) row,
                  error->detail[0] == '\0' ? "" : ": ", error->detail);
  covet_error_text(error->detail, sizeof(error->detail), detail,
                   strlen(detail));
}

/* Behind the line's number stands `, column a`, and behind that nothing, or the
 * value: `: "text"`. */
static void name_copied_column(covet_error *error, const char *line)
{
  static const char before[] = ", column ";
  const char *name = line + strcspn(line, ",:");
  const char *end;

  if (error->column[0] != '\0' ||
      strncmp(name, before, sizeof(before) - 1) != 0) {
    return;
  }
  name += sizeof(before) - 1;
  end = strstr(name, ": \"");
  covet_error_text(error->column, sizeof(error->column), name,
                   end == NULL ? strcspn(name, "\n") : (size_t) (end - name));
}

/* The server counts the lines of a COPY. */
void pg_name_copied_row(covet_error *error, const PGresult *result)
{
  const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
  const char *line = context == NULL ? NULL : strstr(context, ", line ");

  if (line != NULL && strncmp(context, "COPY ", 5) == 0) {
    pg_name_row(error, strtoull(line + 7, NULL, 10));
    name_copied_column(error, line + 7);
  }
}

void pg_refuse(covet_op *op, covet_error_kind kind, const char *format, ...)
{
  covet_error *error = covet_op_fault(op);
  char text[sizeof(error->message)];
  va_list arguments;

  va_start(arguments, format);
  (void) vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  if (error != &op->runtime->out_of_memory) {
    covet_error_set(error, kind, "%s", text);
    error->phase = op->phase;
  }
}
