#include "mysql_error.h"
#include "../core/error.h"
#include "mysql_connection.h"
#include "mysql_message.h"
#include "mysql_session.h"

#include <errmsg.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

typedef struct code_kind {
  unsigned code;
  covet_error_kind kind;
} code_kind;

/* https://mariadb.com/kb/en/mariadb-error-codes/, and MySQL's from 3000 on. */
static const code_kind kinds[] = {
    {1022, COVET_ERROR_UNIQUE_VIOLATION},
    {1062, COVET_ERROR_UNIQUE_VIOLATION},
    {1169, COVET_ERROR_UNIQUE_VIOLATION},
    {1586, COVET_ERROR_UNIQUE_VIOLATION},
    {1859, COVET_ERROR_UNIQUE_VIOLATION},
    {1216, COVET_ERROR_FOREIGN_KEY_VIOLATION},
    {1217, COVET_ERROR_FOREIGN_KEY_VIOLATION},
    {1451, COVET_ERROR_FOREIGN_KEY_VIOLATION},
    {1452, COVET_ERROR_FOREIGN_KEY_VIOLATION},
    {1761, COVET_ERROR_FOREIGN_KEY_VIOLATION},
    {1762, COVET_ERROR_FOREIGN_KEY_VIOLATION},
    {1048, COVET_ERROR_NOT_NULL_VIOLATION},
    {1263, COVET_ERROR_NOT_NULL_VIOLATION},
    {1364, COVET_ERROR_NOT_NULL_VIOLATION},
    {3819, COVET_ERROR_CHECK_VIOLATION},
    {4025, COVET_ERROR_CHECK_VIOLATION},
    {1020, COVET_ERROR_SERIALIZATION_FAILURE},
    {1213, COVET_ERROR_DEADLOCK},
    {1614, COVET_ERROR_DEADLOCK},
    {1205, COVET_ERROR_LOCK_TIMEOUT},
    {1613, COVET_ERROR_LOCK_TIMEOUT},
    {3572, COVET_ERROR_LOCK_TIMEOUT}, /* NOWAIT */
    {1058, COVET_ERROR_SYNTAX_ERROR},
    {1064, COVET_ERROR_SYNTAX_ERROR},
    {1065, COVET_ERROR_SYNTAX_ERROR},
    {1102, COVET_ERROR_SYNTAX_ERROR},
    {1103, COVET_ERROR_SYNTAX_ERROR},
    {1110, COVET_ERROR_SYNTAX_ERROR},
    {1136, COVET_ERROR_SYNTAX_ERROR},
    {1149, COVET_ERROR_SYNTAX_ERROR},
    {1222, COVET_ERROR_SYNTAX_ERROR},
    {1241, COVET_ERROR_SYNTAX_ERROR},
    {1051, COVET_ERROR_UNDEFINED_TABLE},
    {1109, COVET_ERROR_UNDEFINED_TABLE},
    {1146, COVET_ERROR_UNDEFINED_TABLE},
    {4092, COVET_ERROR_UNDEFINED_TABLE}, /* a view */
    {1054, COVET_ERROR_UNDEFINED_COLUMN},
    {1072, COVET_ERROR_UNDEFINED_COLUMN},
    {1091, COVET_ERROR_UNDEFINED_COLUMN},
    {1128, COVET_ERROR_UNDEFINED_FUNCTION},
    {1305, COVET_ERROR_UNDEFINED_FUNCTION},
    {1318, COVET_ERROR_UNDEFINED_FUNCTION},
    {1582, COVET_ERROR_UNDEFINED_FUNCTION},
    {1630, COVET_ERROR_UNDEFINED_FUNCTION},
    {1052, COVET_ERROR_AMBIGUOUS_COLUMN},
    {1267, COVET_ERROR_DATATYPE_MISMATCH},
    {1270, COVET_ERROR_DATATYPE_MISMATCH},
    {1271, COVET_ERROR_DATATYPE_MISMATCH},
    {4078, COVET_ERROR_DATATYPE_MISMATCH},
    {4079, COVET_ERROR_DATATYPE_MISMATCH},
    {1153, COVET_ERROR_INVALID_VALUE}, /* larger than max_allowed_packet */
    {1265, COVET_ERROR_INVALID_VALUE},
    {1139, COVET_ERROR_INVALID_VALUE}, /* a regular expression */
    {1231, COVET_ERROR_INVALID_VALUE}, /* of a variable of the server's */
    {1292, COVET_ERROR_INVALID_VALUE},
    {1298, COVET_ERROR_INVALID_VALUE}, /* a time zone */
    {1300, COVET_ERROR_INVALID_VALUE},
    {1366, COVET_ERROR_INVALID_VALUE},
    {1367, COVET_ERROR_INVALID_VALUE},
    {1411, COVET_ERROR_INVALID_VALUE},
    {1416, COVET_ERROR_INVALID_VALUE},
    {1525, COVET_ERROR_INVALID_VALUE},
    {3140, COVET_ERROR_INVALID_VALUE},
    {4037, COVET_ERROR_INVALID_VALUE},
    {4038, COVET_ERROR_INVALID_VALUE},
    {1264, COVET_ERROR_NUMERIC_OUT_OF_RANGE},
    {1690, COVET_ERROR_NUMERIC_OUT_OF_RANGE},
    {1916, COVET_ERROR_NUMERIC_OUT_OF_RANGE},
    {1406, COVET_ERROR_STRING_TOO_LONG},
    {1365, COVET_ERROR_DIVISION_BY_ZERO},
    {1044, COVET_ERROR_PERMISSION_DENIED},
    {1142, COVET_ERROR_PERMISSION_DENIED},
    {1143, COVET_ERROR_PERMISSION_DENIED},
    {1227, COVET_ERROR_PERMISSION_DENIED},
    {1370, COVET_ERROR_PERMISSION_DENIED},
    {1410, COVET_ERROR_PERMISSION_DENIED},
    {1045, COVET_ERROR_AUTHENTICATION_FAILED},
    {1130, COVET_ERROR_AUTHENTICATION_FAILED},
    {1251, COVET_ERROR_AUTHENTICATION_FAILED},
    {1524, COVET_ERROR_AUTHENTICATION_FAILED},
    {1698, COVET_ERROR_AUTHENTICATION_FAILED},
    {1820, COVET_ERROR_AUTHENTICATION_FAILED},
    {1862, COVET_ERROR_AUTHENTICATION_FAILED},
    {3118, COVET_ERROR_AUTHENTICATION_FAILED},
    {3159, COVET_ERROR_TLS_ERROR}, /* secure transport only */
    {4151, COVET_ERROR_AUTHENTICATION_FAILED},
    {1049, COVET_ERROR_UNKNOWN_DATABASE},
    {1290, COVET_ERROR_READ_ONLY}, /* see is_demotion */
    {1792, COVET_ERROR_READ_ONLY},
    {1836, COVET_ERROR_READ_ONLY},
    {1040, COVET_ERROR_TOO_MANY_CONNECTIONS},
    {1129, COVET_ERROR_TOO_MANY_CONNECTIONS},
    {1203, COVET_ERROR_TOO_MANY_CONNECTIONS},
    {1226, COVET_ERROR_TOO_MANY_CONNECTIONS},
    {1037, COVET_ERROR_OUT_OF_MEMORY},
    {1038, COVET_ERROR_OUT_OF_MEMORY},
    {1041, COVET_ERROR_OUT_OF_MEMORY},
    {1021, COVET_ERROR_DISK_FULL},
    {1114, COVET_ERROR_DISK_FULL},
    {1034, COVET_ERROR_CORRUPT},
    {1035, COVET_ERROR_CORRUPT},
    {1194, COVET_ERROR_CORRUPT},
    {1712, COVET_ERROR_CORRUPT},
    {1317, COVET_ERROR_INTERRUPTED},
    {1907, COVET_ERROR_INTERRUPTED},
    {1969, COVET_ERROR_TIMEOUT}, /* max_statement_time */
    {3024, COVET_ERROR_TIMEOUT}, /* max_execution_time */
    {1053, COVET_ERROR_CONNECTION_LOST},
    {1080, COVET_ERROR_CONNECTION_LOST},
    {1152, COVET_ERROR_CONNECTION_LOST},
    {1184, COVET_ERROR_CONNECTION_LOST},
    {1927, COVET_ERROR_CONNECTION_LOST},
    {4031, COVET_ERROR_CONNECTION_LOST}, /* idle for too long */
    {1235, COVET_ERROR_UNSUPPORTED},
    {1295, COVET_ERROR_UNSUPPORTED},
    {1148, COVET_ERROR_UNSUPPORTED},
    {3948, COVET_ERROR_UNSUPPORTED}, /* LOCAL is off */
    {4166, COVET_ERROR_UNSUPPORTED},
    /* the library's */
    {CR_SOCKET_CREATE_ERROR, COVET_ERROR_CONNECTION_FAILED},
    {CR_CONNECTION_ERROR, COVET_ERROR_CONNECTION_FAILED},
    {CR_CONN_HOST_ERROR, COVET_ERROR_CONNECTION_FAILED},
    {CR_IPSOCK_ERROR, COVET_ERROR_CONNECTION_FAILED},
    {CR_UNKNOWN_HOST, COVET_ERROR_CONNECTION_FAILED},
    {CR_SERVER_GONE_ERROR, COVET_ERROR_CONNECTION_LOST},
    {CR_SERVER_LOST, COVET_ERROR_CONNECTION_LOST},
    {CR_SERVER_LOST_EXTENDED, COVET_ERROR_CONNECTION_LOST},
    {CR_OUT_OF_MEMORY, COVET_ERROR_OUT_OF_MEMORY},
    {CR_NET_PACKET_TOO_LARGE, COVET_ERROR_INVALID_VALUE},
    {CR_SSL_CONNECTION_ERROR, COVET_ERROR_TLS_ERROR},
    {CR_MALFORMED_PACKET, COVET_ERROR_PROTOCOL_ERROR},
    {CR_COMMANDS_OUT_OF_SYNC, COVET_ERROR_PROTOCOL_ERROR},
    {CR_VERSION_ERROR, COVET_ERROR_PROTOCOL_ERROR},
    {CR_WRONG_HOST_INFO, COVET_ERROR_PROTOCOL_ERROR},
    {CR_AUTH_PLUGIN_CANNOT_LOAD, COVET_ERROR_AUTHENTICATION_FAILED},
    {CR_AUTH_PLUGIN_ERR, COVET_ERROR_AUTHENTICATION_FAILED},
    {CR_SECURE_AUTH, COVET_ERROR_AUTHENTICATION_FAILED},
    {CR_CANT_READ_CHARSET, COVET_ERROR_USAGE},
};

/* Where the number is not known its SQLSTATE tells something. */
static covet_error_kind kind_of_state(const char *state)
{
  static const struct {
    const char *state;
    covet_error_kind kind;
  } classes[] = {
      {"08", COVET_ERROR_CONNECTION_LOST},
      {"22", COVET_ERROR_INVALID_VALUE},
      {"28", COVET_ERROR_AUTHENTICATION_FAILED},
      {"40", COVET_ERROR_SERIALIZATION_FAILURE},
      {"70100", COVET_ERROR_INTERRUPTED},
  };

  for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
    if (strncmp(state, classes[i].state, strlen(classes[i].state)) == 0) {
      return classes[i].kind;
    }
  }
  return COVET_ERROR_DATABASE_ERROR;
}

covet_error_kind my_kind_of(unsigned code, const char *state)
{
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
    if (kinds[i].code == code) {
      return kinds[i].kind;
    }
  }
  return kind_of_state(state);
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
  case COVET_ERROR_TIMEOUT:
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

/* What is to be changed, where the message does not say so. */
static const char *hint_of(unsigned code)
{
  switch (code) {
  case 1461:
    return "the server's clients have prepared as many statements as its "
           "max_prepared_stmt_count allows: raise it, or lower "
           "statement_cache_size";
  default:
    return NULL;
  }
}

static void fill(covet_error *error, unsigned code, const char *state,
                 const char *message)
{
  covet_error_kind kind = my_kind_of(code, state);

  if (code == 1305 && strncmp(message, "SAVEPOINT", 9) == 0) {
    kind = COVET_ERROR_USAGE;
  } else if (code == 1290 && strstr(message, "read") == NULL) {
    kind = COVET_ERROR_UNSUPPORTED; /* another option of the server's */
  } else if (code == 1226 && strstr(message, "_connections") == NULL) {
    kind = COVET_ERROR_DATABASE_ERROR; /* another resource */
  }
  covet_error_set(error, kind, "%s", "");
  covet_error_text(error->message, sizeof(error->message), message,
                   strlen(message));
  error->code = (int) code;
  if (strcmp(state, "00000") != 0) {
    covet_error_text(error->sqlstate, sizeof(error->sqlstate), state,
                     strlen(state));
  }
  error->retry = retry_of(kind);
  if (hint_of(code) != NULL) {
    covet_error_text(error->hint, sizeof(error->hint), hint_of(code),
                     strlen(hint_of(code)));
  }
}

/* --- While queries run ------------------------------------------------------------------ */

/* Statements have errors of their own, in the binary protocol. */
static MYSQL_STMT *failed_statement(const my_connection *connection)
{
  const my_request *request = &connection->request;

  if (request->text || request->statement == NULL ||
      request->stage == MY_STAGE_BEFORE || request->stage == MY_STAGE_AFTER ||
      mysql_stmt_errno(request->statement->handle) == 0) {
    return NULL;
  }
  return request->statement->handle;
}

unsigned my_last_error(const my_connection *connection)
{
  MYSQL_STMT *statement = failed_statement(connection);

  return statement != NULL ? mysql_stmt_errno(statement)
                           : mysql_errno(connection->mysql);
}

/* Whether the server has become a replica: it says so to writes only, and its
 * connections are of no use to a pool that wants to write. */
static bool is_demotion(const my_connection *connection, unsigned code)
{
  if (connection->facts.read_only) {
    return false;
  }
  return code == 1290 || code == 1836 ||
         (code == 1792 && !connection->read_only &&
          !connection->request.wrapped);
}

static void evict(my_connection *connection)
{
  connection->base.broken = true;
  covet_pool_evict(connection->base.lane->pool, covet_now_us());
}

void my_fault(my_connection *connection, covet_op *op)
{
  covet_error *error = covet_op_fault(op);
  MYSQL_STMT *statement = failed_statement(connection);

  if (error == &op->runtime->out_of_memory) {
    return;
  }
  if (statement != NULL) {
    fill(error, mysql_stmt_errno(statement), mysql_stmt_sqlstate(statement),
         mysql_stmt_error(statement));
  } else {
    fill(error, mysql_errno(connection->mysql),
         mysql_sqlstate(connection->mysql), mysql_error(connection->mysql));
  }
  error->phase = op->phase;
  my_message_read(error, op->sql, op->sql_length,
                  !mariadb_connection(connection->mysql));
  if (error->kind == COVET_ERROR_READ_ONLY &&
      is_demotion(connection, (unsigned) error->code)) {
    evict(connection);
  } else if (error->kind == COVET_ERROR_CONNECTION_LOST ||
             error->kind == COVET_ERROR_PROTOCOL_ERROR) {
    connection->base.broken = true;
  }
}

/* Errors that undo the whole transaction, not their statement alone. */
void my_note_error(my_connection *connection)
{
  unsigned code = my_last_error(connection);
  bool undone = code == 1213 || code == 1614 || code == 1613 || code == 1206 ||
                (code == 1205 && connection->facts.timeout_rolls_back);

  if (!undone || !connection->in_transaction) {
    return;
  }
  connection->undone = true;
  connection->in_transaction = false;
  covet_error_text(connection->first_error, sizeof(connection->first_error),
                   mysql_error(connection->mysql),
                   strlen(mysql_error(connection->mysql)));
}

void my_error_lost(covet_error *error, const my_connection *connection)
{
  unsigned code =
      connection->mysql == NULL ? 0 : mysql_errno(connection->mysql);

  covet_error_set(error, COVET_ERROR_CONNECTION_LOST, "%s",
                  "the server closed the connection");
  if (code != 0 && my_kind_of(code, "") == COVET_ERROR_CONNECTION_LOST &&
      code < CR_MIN_ERROR) {
    covet_error_text(error->message, sizeof(error->message),
                     mysql_error(connection->mysql),
                     strlen(mysql_error(connection->mysql)));
  }
  error->code = code == 0 ? CR_SERVER_LOST : (int) code;
  error->retry = COVET_RETRY_IDEMPOTENT_ONLY;
}

/* --- While connecting ------------------------------------------------------------------- */

static void hint(covet_error *error, const char *text)
{
  covet_error_text(error->hint, sizeof(error->hint), text, strlen(text));
}

/* What stands in the place of a socket. */
static void explain_socket(covet_error *error, const my_options *options)
{
  struct sockaddr_un address;
  struct stat found;

  if (options->unix_socket == NULL ||
      error->kind != COVET_ERROR_CONNECTION_FAILED) {
    return;
  }
  if (strlen(options->unix_socket) >= sizeof(address.sun_path)) {
    (void) snprintf(error->hint, sizeof(error->hint),
                    "the option unix_socket is longer than a socket's path can "
                    "be: %zu bytes",
                    sizeof(address.sun_path) - 1);
  } else if (stat(options->unix_socket, &found) != 0) {
    hint(error, "nothing is there: the option unix_socket");
  } else if (!S_ISSOCK(found.st_mode)) {
    hint(error, "what is there is no socket: the option unix_socket");
  }
}

/* The library names no port; and of what it has waited for it tells that it waits
 * (EINPROGRESS), not how that ended. */
static void explain_address(covet_error *error, const my_options *options)
{
  char *waits = strstr(error->message, " (115)");

  if (options->unix_socket != NULL ||
      error->kind != COVET_ERROR_CONNECTION_FAILED) {
    return;
  }
  if (waits != NULL && waits[6] == '\0') {
    *waits = '\0';
  }
  (void) snprintf(error->detail, sizeof(error->detail), "%.200s, port %u",
                  options->host, options->port);
}

void my_error_open(covet_error *error, MYSQL *mysql, const my_options *options)
{
  fill(error, mysql_errno(mysql), mysql_sqlstate(mysql), mysql_error(mysql));
  if (error->kind == COVET_ERROR_CONNECTION_LOST) {
    error->kind = COVET_ERROR_CONNECTION_FAILED;
  } else if (error->kind == COVET_ERROR_PERMISSION_DENIED) {
    error->kind = COVET_ERROR_UNKNOWN_DATABASE; /* not this user's, if any */
  }
  explain_socket(error, options);
  explain_address(error, options);
  error->phase = COVET_PHASE_CONNECT;
  error->retry = COVET_RETRY_SAFE;
}

/* --- Of covet's own ------------------------------------------------------------------------ */

void my_name_row(covet_error *error, uint64_t row)
{
  char detail[sizeof(error->detail)];

  (void) snprintf(detail, sizeof(detail), "in row %llu of the list%s%.200s",
                  (unsigned long long) row,
                  error->detail[0] == '\0' ? "" : ": ", error->detail);
  covet_error_text(error->detail, sizeof(error->detail), detail,
                   strlen(detail));
}

void my_refuse(covet_op *op, covet_error_kind kind, const char *format, ...)
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
