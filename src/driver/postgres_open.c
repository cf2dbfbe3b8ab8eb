/* Opening: libpq resolves names, shakes hands and hashes passwords inside one
 * blocking call, which a thread of its own makes. */
#include "../core/error.h"
#include "postgres.h"
#include "postgres_input.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
  SLACK_US = 2000000,
  /* A thread in the middle of a handshake when the process ends may find OpenSSL
   * gone: most are given the time to come to their end. */
  STOP_US = 1000000
};

/* The thread and the loop have one half each; whoever comes last frees it. */
struct pg_opening {
  covet_post post;
  uv_mutex_t lock;
  covet_runtime *runtime;
  pg_connection *connection; /* NULL: given up */
  bool done;
  const char *keywords[PG_MAX_KEYWORDS];
  char *values[PG_MAX_KEYWORDS];
  PGconn *pq;
  char *said; /* its first error, when it had two */
};

static void free_opening(pg_opening *opening)
{
  for (unsigned i = 0; opening->keywords[i] != NULL; i++) {
    free((char *) opening->keywords[i]);
    free(opening->values[i]);
  }
  if (opening->pq != NULL) {
    PQfinish(opening->pq);
  }
  free(opening->said);
  uv_mutex_destroy(&opening->lock);
  free(opening);
}

/* Connect, and once more where the reason of a failure is not understood: libpq
 * tells its SQLSTATE then. */
static PGconn *connect_twice(pg_opening *opening)
{
  PGconn *pq = PQconnectdbParams(opening->keywords,
                                 (const char *const *) opening->values, 0);

  if (PQstatus(pq) == CONNECTION_BAD && pg_is_foreign(PQerrorMessage(pq))) {
    opening->said = strdup(PQerrorMessage(pq));
    (void) PQsetErrorVerbosity(pq, PQERRORS_VERBOSE);
    PQreset(pq);
    (void) PQsetErrorVerbosity(pq, PQERRORS_DEFAULT);
  }
  return pq;
}

static void run(void *argument)
{
  pg_opening *opening = argument;
  PGconn *pq = connect_twice(opening);
  bool wanted;

  uv_mutex_lock(&opening->lock);
  opening->pq = pq;
  opening->done = true;
  wanted = opening->connection != NULL;
  if (wanted) {
    covet_runtime_post(opening->runtime, &opening->post);
  }
  uv_mutex_unlock(&opening->lock);
  if (!wanted) {
    free_opening(opening);
  }
}

static bool copy_options(pg_opening *opening, const pg_adapter *adapter)
{
  const pg_options *options = &adapter->options;

  for (unsigned i = 0; i < options->keyword_count; i++) {
    bool is_password = strcmp(options->keywords[i], "password") == 0;
    const char *value = is_password && adapter->password != NULL
                            ? adapter->password
                            : options->values[i];

    opening->keywords[i] = strdup(options->keywords[i]);
    opening->values[i] = strdup(value);
    if (opening->keywords[i] == NULL || opening->values[i] == NULL) {
      return false;
    }
  }
  if (adapter->password != NULL) {
    unsigned i = 0;

    while (i < options->keyword_count &&
           strcmp(options->keywords[i], "password") != 0) {
      i++;
    }
    if (i == options->keyword_count && i + 1 < PG_MAX_KEYWORDS) {
      opening->keywords[i] = strdup("password");
      opening->values[i] = strdup(adapter->password);
      return opening->keywords[i] != NULL && opening->values[i] != NULL;
    }
  }
  return true;
}

static void opened(pg_connection *connection, const covet_error *error)
{
  pg_adapter *adapter = connection->adapter;

  if (connection->base.lane->index == PG_LISTENER) {
    if (error != NULL) {
      pg_listener_failed(adapter, error); /* the adapter may go with it */
    }
    covet_connection_opened(&connection->base, error);
    if (error == NULL && connection->closing) {
      pg_listener_failed(adapter, NULL);
    } else if (error == NULL) {
      pg_listener_opened(connection);
    }
    return;
  }
  covet_connection_opened(&connection->base, error);
}

static bool is_off(PGconn *pq, const char *name)
{
  const char *value = PQparameterStatus(pq, name);

  return value == NULL || strcmp(value, "off") == 0;
}

/* The server ends a session that does nothing: the next call is told why. */
static void keep_farewell(pg_connection *connection, const covet_error *said)
{
  free(connection->farewell);
  connection->farewell = malloc(sizeof(*said));
  if (connection->farewell != NULL) {
    *connection->farewell = *said;
    connection->farewell->kind = COVET_ERROR_CONNECTION_LOST;
    connection->farewell->retry = COVET_RETRY_IDEMPOTENT_ONLY;
  }
}

static void on_notice(void *argument, const PGresult *result)
{
  pg_connection *connection = argument;
  const char *severity =
      PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  covet_error said;

  if (PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) == NULL) {
    return;
  }
  pg_error_fill(&said, result);
  if (severity != NULL && strcmp(severity, "FATAL") == 0) {
    keep_farewell(connection, &said);
  }
  said.kind = COVET_ERROR_NONE;
  covet_adapter_tell_error(connection->adapter->base, COVET_EVENT_NOTICE,
                           severity, &said);
}

static void set_up(pg_connection *connection, covet_error *error)
{
  PGconn *pq = connection->pq;

  connection->opened_writable = is_off(pq, "in_hot_standby") &&
                                is_off(pq, "default_transaction_read_only");
  PQsetNoticeReceiver(pq, on_notice, connection);
  connection->knows_input = pg_input_known(pq);
  if (PQserverVersion(pq) < 120000) {
    covet_error_set(error, COVET_ERROR_UNSUPPORTED,
                    "the server is PostgreSQL %d.%d; 12 is the oldest that "
                    "is supported",
                    PQserverVersion(pq) / 10000,
                    PQserverVersion(pq) / 100 % 100);
  } else if (PQsetnonblocking(pq, 1) != 0 || PQenterPipelineMode(pq) != 1 ||
             pg_io_start(connection) != 0) {
    covet_error_set(error, COVET_ERROR_CONNECTION_FAILED,
                    "the connection cannot be watched");
  }
  error->phase = COVET_PHASE_CONNECT;
}

static void on_opened(covet_post *post)
{
  pg_opening *opening = COVET_CONTAINER(post, pg_opening, post);
  pg_connection *connection = opening->connection;
  covet_error error = {0};

  connection->opening = NULL;
  pg_timer(connection, 0, NULL);
  connection->pq = opening->pq;
  opening->pq = NULL;
  uv_mutex_lock(&opening->lock); /* the thread has left it */
  uv_mutex_unlock(&opening->lock);
  if (PQstatus(connection->pq) != CONNECTION_OK) {
    pg_error_open(&error, connection->pq, opening->said);
  } else {
    set_up(connection, &error);
  }
  free_opening(opening);
  if (error.kind == COVET_ERROR_NONE) {
    opened(connection, NULL);
  } else if (covet_opening_repeat(&connection->base, &error)) {
    PQfinish(connection->pq);
    connection->pq = NULL;
  } else {
    opened(connection, &error);
  }
}

void pg_fail_opening(covet_connection *base, const covet_error *error)
{
  opened(pg_connection_of(base), error);
}

/* Leave the thread to itself; false: it has ended, its post is on the way. */
static bool let_go(pg_connection *connection)
{
  pg_opening *opening = connection->opening;
  bool done;

  uv_mutex_lock(&opening->lock);
  done = opening->done;
  if (!done) {
    opening->connection = NULL;
  }
  uv_mutex_unlock(&opening->lock);
  if (!done) {
    connection->opening = NULL;
  }
  return !done;
}

/* Names that do not resolve for long, and what nobody waits for. */
static void on_overdue(uv_timer_t *timer)
{
  pg_connection *connection = timer->data;
  covet_error error;

  if (connection->opening == NULL || !let_go(connection)) {
    return;
  }
  covet_error_set(&error, COVET_ERROR_CONNECTION_FAILED,
                  "connecting took too long");
  error.phase = COVET_PHASE_CONNECT;
  error.retry = COVET_RETRY_SAFE;
  opened(connection, &error);
}

void pg_stop_opening(covet_connection *base)
{
  pg_connection *connection = pg_connection_of(base);

  if (connection->opening != NULL) {
    pg_timer(connection, STOP_US, on_overdue);
  }
}

static pg_opening *new_opening(pg_connection *connection)
{
  pg_opening *opening = calloc(1, sizeof(*opening));

  if (opening == NULL) {
    return NULL;
  }
  if (uv_mutex_init(&opening->lock) != 0) {
    free(opening);
    return NULL;
  }
  opening->runtime = connection->base.adapter->runtime;
  opening->connection = connection;
  opening->post.run = on_opened;
  if (!copy_options(opening, connection->adapter)) {
    free_opening(opening);
    return NULL;
  }
  return opening;
}

static void on_not_started(uv_timer_t *timer)
{
  covet_error error;

  covet_error_set(&error, COVET_ERROR_CONNECTION_FAILED,
                  "a thread for connecting cannot be started");
  error.phase = COVET_PHASE_CONNECT;
  error.retry = COVET_RETRY_SAFE;
  opened(timer->data, &error);
}

void pg_open(pg_connection *connection)
{
  const pg_options *options = &connection->adapter->options;
  pg_opening *opening = new_opening(connection);
  uv_thread_t thread;

  if (opening == NULL || uv_thread_create(&thread, run, opening) != 0) {
    if (opening != NULL) {
      free_opening(opening);
    }
    pg_timer(connection, 1, on_not_started);
    return;
  }
  (void) pthread_detach(thread);
  connection->opening = opening;
  if (options->connect_timeout_us > 0) {
    pg_timer(connection,
             options->connect_timeout_us * options->host_count + SLACK_US,
             on_overdue);
  }
}
