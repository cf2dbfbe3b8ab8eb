#include "sqlite.h"

#include "../core/error.h"

#include <stdlib.h>
#include <string.h>

enum { HABITS = 2000, HABIT_LENGTH = 64 * 1024, GROUP_MOST = 256 };

/* --- Adapters ----------------------------------------------------------------------- */

static bool is_memory(const char *path)
{
  return path[0] == '\0' || strcmp(path, ":memory:") == 0 ||
         (strncmp(path, "file:", 5) == 0 &&
          (strstr(path, "mode=memory") != NULL ||
           strncmp(path + 5, ":memory:", 8) == 0));
}

/* The one that writes is opened first and stays: what is in memory would be gone
 * with it. */
static int make_pools(covet_adapter *base, const sqlite_adapter *adapter)
{
  covet_pool_config writer = adapter->options.pool;
  int status;

  writer.min_size = 1;
  writer.max_size = 1;
  writer.idle_timeout_us = 0;
  writer.max_lifetime_us = 0;
  status = covet_lane_set_pool(&base->lanes[SQLITE_WRITER], &writer);
  if (status == 0 && !adapter->memory) {
    status = covet_lane_set_pool(&base->lanes[SQLITE_READERS],
                                 &adapter->options.pool);
  }
  return status;
}

static void adapter_deinit(covet_adapter *base)
{
  sqlite_adapter *adapter = sqlite_of(base);

  covet_stmt_cache_deinit(&adapter->habits);
  sqlite_functions_free(adapter);
  uv_mutex_destroy(&adapter->functions_lock);
  free(adapter);
}

static int adapter_init(covet_adapter *base, const covet_url *url,
                        const covet_option *options, size_t count,
                        covet_error *error)
{
  sqlite_adapter *adapter = calloc(1, sizeof(*adapter));
  int status;

  if (adapter == NULL || covet_stmt_cache_init(&adapter->habits, HABITS,
                                               HABIT_LENGTH, 0, NULL) != 0) {
    free(adapter);
    covet_error_set(error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    return COVET_ENOMEM;
  }
  status = sqlite_options_read(&adapter->options, &base->arena, url, options,
                               count, error);
  if (status != 0 || uv_mutex_init(&adapter->functions_lock) != 0) {
    covet_stmt_cache_deinit(&adapter->habits);
    free(adapter);
    return status == 0 ? COVET_ESYSTEM : status;
  }
  adapter->base = base;
  adapter->memory = is_memory(adapter->options.path);
  base->driver_data = adapter;
  if (make_pools(base, adapter) != 0) {
    adapter_deinit(base);
    covet_error_set(error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    return COVET_ENOMEM;
  }
  return 0;
}

/* --- Connections ---------------------------------------------------------------------- */

static covet_connection *connection_new(covet_adapter *base, unsigned lane)
{
  sqlite_adapter *adapter = sqlite_of(base);
  sqlite_connection *connection = calloc(1, sizeof(*connection));

  if (connection == NULL) {
    return NULL;
  }
  if (covet_stmt_cache_init(
          &connection->statements, adapter->options.cache_size,
          adapter->options.cache_max_length, adapter->options.cache_lifetime_us,
          sqlite_statement_destroy) != 0) {
    free(connection);
    return NULL;
  }
  if (sqlite_worker_init(connection) != 0) {
    covet_stmt_cache_deinit(&connection->statements);
    free(connection);
    return NULL;
  }
  queue_init(&connection->group);
  connection->adapter = adapter;
  connection->role = lane;
  return &connection->base;
}

static void connection_free(covet_connection *base)
{
  sqlite_connection *connection = sqlite_connection_of(base);

  sqlite_worker_deinit(connection);
  covet_stmt_cache_deinit(&connection->statements);
  free(connection);
}

static void run_open(sqlite_job *job)
{
  memset(&job->connection->error, 0, sizeof(job->connection->error));
  (void) sqlite_open(job->connection);
}

/* The writer first: it makes the file and sets the journal mode. */
static void connect_next(sqlite_adapter *adapter, sqlite_connection *opened,
                         const covet_error *error)
{
  if (error != NULL || adapter->memory || opened->role == SQLITE_INLINE) {
    adapter->connecting = false;
    if (error == NULL && !adapter->memory) {
      covet_lane_warm(&adapter->base->lanes[SQLITE_READERS]);
    }
    covet_adapter_connected(adapter->base, error);
  } else if (covet_lane_open(&adapter->base->lanes[SQLITE_INLINE]) == NULL) {
    adapter->connecting = false;
    covet_adapter_connected(adapter->base,
                            &adapter->base->runtime->out_of_memory);
  }
}

static void on_opened(sqlite_job *job)
{
  sqlite_connection *connection = job->connection;
  sqlite_adapter *adapter = connection->adapter;
  covet_error error = connection->error;
  bool failed = error.kind != COVET_ERROR_NONE;
  unsigned role = connection->role;
  sqlite_connection opened = {.role = role};
  bool next =
      adapter->connecting && (role == SQLITE_WRITER || role == SQLITE_INLINE);

  if (!failed && role == SQLITE_WRITER) {
    adapter->writer = connection;
  }
  if (!failed && role == SQLITE_INLINE) {
    adapter->reader = connection;
  }
  if (!failed && role == SQLITE_CHECKPOINTER) {
    adapter->checkpointer = connection;
  }
  if (failed && next) {
    connect_next(adapter, &opened, &error);
    next = false; /* the adapter may go with its last connection */
  }
  covet_connection_opened(&connection->base, failed ? &error : NULL);
  if (next) {
    connect_next(adapter, &opened, NULL);
  }
}

static void fail_thread(covet_error *error)
{
  covet_error_set(error, COVET_ERROR_CONNECTION_FAILED,
                  "a thread for the connection cannot be started");
  error->phase = COVET_PHASE_CONNECT;
}

static void on_no_thread(covet_post *post)
{
  on_opened(COVET_CONTAINER(post, sqlite_job, post));
}

/* The loop's reader needs a worker only to be opened and closed, and for its
 * schema: the writer's does that too. */
static sqlite_connection *worker_of(sqlite_connection *connection)
{
  sqlite_connection *writer = connection->adapter->writer;

  return connection->role == SQLITE_INLINE && writer != NULL &&
                 (writer->base.state != COVET_CONNECTION_CLOSING ||
                  connection->checkpointing)
             ? writer
             : connection;
}

static void open_connection(covet_connection *base)
{
  sqlite_connection *connection = sqlite_connection_of(base);

  connection->job.connection = connection;
  connection->job.run = run_open;
  connection->job.done = on_opened;
  if (!sqlite_worker_submit(worker_of(connection), &connection->job)) {
    fail_thread(&connection->error);
    connection->job.post.run = on_no_thread;
    covet_runtime_post(base->adapter->runtime, &connection->job.post);
  }
}

static void connect_adapter(covet_adapter *base)
{
  sqlite_of(base)->connecting = true;
  covet_lane_warm(&base->lanes[SQLITE_WRITER]);
  if (base->lanes[SQLITE_WRITER].count == 0) {
    sqlite_of(base)->connecting = false;
    covet_adapter_connected(base, &base->runtime->out_of_memory);
  }
}

static void run_close(sqlite_job *job)
{
  sqlite_close(job->connection);
}

static void on_closed(sqlite_job *job)
{
  if (job->connection == job->connection->adapter->writer) {
    job->connection->adapter->writer = NULL;
  }
  covet_connection_closed(&job->connection->base);
}

/* A thread that cannot be started has nothing open: nothing is lost by closing
 * here. */
static void close_here(covet_post *post)
{
  sqlite_job *job = COVET_CONTAINER(post, sqlite_job, post);

  job->run(job);
  job->done(job);
}

static void close_connection(covet_connection *base)
{
  sqlite_connection *connection = sqlite_connection_of(base);
  sqlite_adapter *adapter = connection->adapter;

  if (connection == adapter->reader) {
    sqlite_end_sharing(adapter);
    adapter->reader = NULL;
  }
  if (connection == adapter->checkpointer) {
    adapter->checkpointer = NULL;
  }
  connection->job.run = run_close;
  connection->job.done = on_closed;
  if (!sqlite_worker_submit(worker_of(connection), &connection->job)) {
    connection->job.post.run = close_here;
    covet_runtime_post(base->adapter->runtime, &connection->job.post);
  }
}

/* --- Operations ------------------------------------------------------------------------- */

static unsigned lease_lane(covet_adapter *base, bool read_only)
{
  return read_only && !sqlite_of(base)->memory ? SQLITE_READERS : SQLITE_WRITER;
}

static unsigned choose_lane(covet_adapter *base, const covet_op *op)
{
  sqlite_adapter *adapter = sqlite_of(base);
  sqlite_habit *habit;

  if (adapter->memory) {
    return SQLITE_WRITER;
  }
  if (op->type == COVET_OP_CALL) {
    return strcmp(op->sql, "backup") == 0 ? SQLITE_READERS : SQLITE_WRITER;
  }
  habit = sqlite_habit_of(adapter, op);
  if (habit == NULL || (op->flags & (COVET_QUERY_SCRIPT | COVET_QUERY_MANY)) ||
      habit->verb == SQLITE_VERB_PRAGMA) {
    return SQLITE_WRITER;
  }
  if (habit->known) {
    return habit->read_only ? SQLITE_READERS : SQLITE_WRITER;
  }
  return habit->verb == SQLITE_VERB_SELECT || habit->verb == SQLITE_VERB_WITH ||
                 habit->verb == SQLITE_VERB_EXPLAIN
             ? SQLITE_READERS
             : SQLITE_WRITER;
}

/* A small write that may share its commit with others. */
static bool is_groupable(const covet_op *op)
{
  const unsigned alone = COVET_QUERY_SCRIPT | COVET_QUERY_MANY |
                         COVET_QUERY_DESCRIBE | COVET_QUERY_STREAM |
                         COVET_QUERY_ROWS;
  sqlite_habit *habit;

  if (op->type != COVET_OP_QUERY || op->lease != 0 || (op->flags & alone)) {
    return false;
  }
  habit = sqlite_habit_of(sqlite_of(op->adapter), op);
  return habit != NULL && habit->known && !habit->read_only &&
         (habit->verb == SQLITE_VERB_INSERT ||
          habit->verb == SQLITE_VERB_CHANGE || habit->verb == SQLITE_VERB_WITH);
}

static bool gathers(covet_adapter *base, const covet_op *op)
{
  return sqlite_of(base)->options.group_commit && op->lane == SQLITE_WRITER &&
         is_groupable(op);
}

static bool comes_along(const covet_op *op, void *context)
{
  (void) context;
  return is_groupable(op);
}

/* The operations that wait behind this one, as far as they can share. */
static void gather(sqlite_connection *connection, covet_op *op)
{
  queue_push(&connection->group, &op->node);
  while (connection->group.count < GROUP_MOST) {
    covet_op *other =
        covet_connection_take(&connection->base, comes_along, NULL);

    if (other == NULL) {
      return;
    }
    queue_push(&connection->group, &other->node);
  }
}

/* Tell all but the first, whose step the lane settles. */
static void tell_group(sqlite_connection *connection, covet_op *first)
{
  covet_node *node;

  while ((node = queue_pop(&connection->group)) != NULL) {
    covet_op *op = COVET_CONTAINER(node, covet_op, node);

    if (op != first) {
      covet_op_finish(op);
    }
  }
}

static covet_step step_of(sqlite_outcome outcome)
{
  switch (outcome) {
  case SQLITE_PAUSED:
    return COVET_STEP_SUSPENDED;
  case SQLITE_TO_WRITER:
    return COVET_STEP_MOVE;
  case SQLITE_RAN:
  case SQLITE_ELSEWHERE:
    break;
  }
  return COVET_STEP_DONE;
}

/* After a run, on either thread; on the loop's thread. */
static covet_step after_run(sqlite_connection *connection, covet_op *op,
                            sqlite_outcome outcome)
{
  connection->op = NULL;
  sqlite_note_cache(connection);
  if (connection->role == SQLITE_WRITER) {
    sqlite_note_write(connection->adapter);
    sqlite_checkpoint_if_due(connection);
  }
  tell_group(connection, op);
  return step_of(outcome);
}

static void run_job(sqlite_job *job)
{
  sqlite_connection *connection = job->connection;
  uint64_t start = covet_now_us();

  connection->on_loop = false;
  connection->lock_us = 0;
  if (connection->role == SQLITE_WRITER) {
    sqlite_checkpoint_in_writer(connection);
  }
  connection->outcome = queue_empty(&connection->group)
                            ? sqlite_run(connection)
                            : sqlite_run_group(connection);
  connection->took_us = covet_now_us() - start;
}

static void on_ran(sqlite_job *job)
{
  sqlite_connection *connection = job->connection;
  covet_op *op = connection->op;

  if (!queue_empty(&connection->group)) {
    sqlite_learn_group(connection->adapter, connection->took_us,
                       connection->group.count);
    connection->took_us /= connection->group.count;
  }
  sqlite_learn(connection, op);
  covet_connection_report(&connection->base, op,
                          after_run(connection, op, connection->outcome));
}

static bool is_clean(covet_connection *base)
{
  const sqlite_connection *connection = sqlite_connection_of(base);

  return !connection->dirty && connection->blobs == NULL &&
         connection->db != NULL && sqlite3_get_autocommit(connection->db);
}

static covet_step execute(covet_connection *base, covet_op *op)
{
  sqlite_connection *connection = sqlite_connection_of(base);
  sqlite_outcome outcome = SQLITE_ELSEWHERE;

  if (op->type == COVET_OP_RELEASE && is_clean(base)) {
    return COVET_STEP_DONE;
  }
  if (gathers(op->adapter, op)) {
    gather(connection, op);
    if (sqlite_group_fits_loop(connection)) {
      outcome = sqlite_run_group_on_loop(connection);
    }
  } else if (sqlite_fits_loop(connection, op)) {
    outcome = sqlite_run_on_loop(connection, op);
  }
  if (outcome != SQLITE_ELSEWHERE) {
    return after_run(connection, op, outcome);
  }
  connection->op = op;
  connection->job.run = run_job;
  connection->job.done = on_ran;
  if (!sqlite_worker_submit(connection, &connection->job)) {
    fail_thread(covet_op_fault(op));
    return after_run(connection, op, SQLITE_RAN);
  }
  return COVET_STEP_PENDING;
}

/* The operation's own flag is what ends it; SQLite's interrupt only makes that
 * quicker inside long steps. */
static void cancel(covet_connection *base, covet_op *op)
{
  (void) op;
  sqlite_worker_stop(sqlite_connection_of(base));
}

static void turn_end(covet_adapter *base)
{
  sqlite_end_sharing(sqlite_of(base));
}

static bool awaits_turn_end(const covet_adapter *base)
{
  const sqlite_adapter *adapter = base->driver_data;

  return adapter->sharing;
}

const covet_driver covet_sqlite_driver = {
    .name = "sqlite",
    .lane_count = 4,
    .fixed_lanes = 1U << SQLITE_WRITER,
    .liveness = COVET_POOL_CERTAIN,
    .adapter_init = adapter_init,
    .adapter_deinit = adapter_deinit,
    .connect = connect_adapter,
    .run_now = sqlite_run_now,
    .choose_lane = choose_lane,
    .lease_lane = lease_lane,
    .gathers = gathers,
    .connection_new = connection_new,
    .connection_free = connection_free,
    .open = open_connection,
    .close = close_connection,
    .execute = execute,
    .is_clean = is_clean,
    .cancel = cancel,
    .turn_end = turn_end,
    .awaits_turn_end = awaits_turn_end,
    .add_function = sqlite_add_function,
};
