/* What runs on the loop's thread, because going to a worker and back costs more
 * than the statement itself. */
#include "sqlite.h"

#include <stdlib.h>
#include <string.h>

enum {
  QUICK_RUNS = 3,  /* short ones in a row before a write moves here */
  QUICK_AGAIN = 4, /* short ones in a row before a slow read comes back */
  QUICK_READ_US = 40,
  QUICK_WRITE_US = 200,
  HEAVY_PREPARE_US = 1000,
  GROUP_US = 1000,        /* of the writes that share a commit here */
  GROUP_GUESS_US = 50,    /* what a write takes in a group */
  SMALL_TRANSACTION = 64, /* changed rows that may be committed here */
  SHORT_WORK_US = 1000,   /* of the statements before such a commit */
  SHARING_US = 1000       /* age of a read transaction that reads share */
};

/* --- Habits -------------------------------------------------------------------------- */

static void destroy_habit(covet_stmt *stmt)
{
  free(stmt->sql);
  free(stmt);
}

static sqlite_habit *new_habit(sqlite_adapter *adapter, const covet_op *op)
{
  sqlite_habit *habit = calloc(1, sizeof(*habit));
  char *text = malloc(op->sql_length + 1);

  if (habit == NULL || text == NULL) {
    free(habit);
    free(text);
    return NULL;
  }
  memcpy(text, op->sql, op->sql_length + 1);
  habit->base.sql = text;
  habit->base.length = op->sql_length;
  habit->base.hash = op->sql_hash;
  habit->verb = sqlite_verb_of(op->sql, op->sql_length);
  adapter->habits.destroy = destroy_habit;
  if (!covet_stmt_cache_add(&adapter->habits, &habit->base, 0)) {
    destroy_habit(&habit->base);
    return NULL;
  }
  return habit;
}

sqlite_habit *sqlite_habit_of(sqlite_adapter *adapter, const covet_op *op)
{
  covet_stmt *found = covet_stmt_cache_find(&adapter->habits, op->sql,
                                            op->sql_length, op->sql_hash, 0);

  return found != NULL ? (sqlite_habit *) (void *) found
                       : new_habit(adapter, op);
}

static void learn_read(sqlite_habit *habit, uint64_t took_us)
{
  if (!habit->slow) {
    return;
  }
  habit->quick = took_us <= QUICK_READ_US ? habit->quick + 1 : 0;
  if (habit->quick >= QUICK_AGAIN) {
    habit->slow = false;
    habit->quick = 0;
  }
}

void sqlite_note_cache(sqlite_connection *connection)
{
  covet_adapter *base = connection->adapter->base;

  base->cache_hits += connection->statements.hits;
  base->cache_misses += connection->statements.misses;
  connection->statements.hits = 0;
  connection->statements.misses = 0;
}

/* The time of what a COMMIT will write; waiting for a lock is no work. */
static void note_work(sqlite_connection *connection, const covet_op *op,
                      uint64_t took_us)
{
  if (!(op->flags & COVET_QUERY_TRANSACTION)) {
    connection->work_us += took_us;
  }
}

void sqlite_learn(sqlite_connection *connection, const covet_op *op)
{
  sqlite_habit *habit;

  note_work(connection, op, connection->took_us);
  if (op->type != COVET_OP_QUERY || !connection->ran_known ||
      (habit = sqlite_habit_of(connection->adapter, op)) == NULL) {
    return;
  }
  habit->known = true;
  habit->read_only = connection->ran_read_only;
  habit->heavy |= connection->called || connection->ran_clears ||
                  connection->prepare_us > HEAVY_PREPARE_US;
  habit->scans |= connection->scanned;
  if (habit->read_only) {
    learn_read(habit, connection->took_us);
  } else {
    habit->quick =
        connection->took_us - connection->prepare_us <= QUICK_WRITE_US
            ? habit->quick + 1
            : 0;
  }
}

/* --- May it run here? ------------------------------------------------------------------ */

static bool is_control(sqlite_verb verb)
{
  return verb == SQLITE_VERB_BEGIN || verb == SQLITE_VERB_COMMIT ||
         verb == SQLITE_VERB_ROLLBACK || verb == SQLITE_VERB_SAVEPOINT;
}

/* A commit writes what the transaction changed: little, and not to the disk. It
 * does not take longer than the changes themselves did. */
static bool transaction_fits(sqlite_connection *connection,
                             const sqlite_habit *habit)
{
  int64_t changes =
      sqlite3_total_changes64(connection->db) - connection->changes_before;

  if (!connection->adapter->commits_inline) {
    return false;
  }
  return habit->verb == SQLITE_VERB_BEGIN ||
         (changes < SMALL_TRANSACTION && connection->work_us < SHORT_WORK_US &&
          !sqlite_wal_needs_worker(connection));
}

/* Many bytes to write take long, however few rows they are. */
static bool is_bulky(const covet_op *op)
{
  size_t bytes = 0;

  for (uint32_t i = 0; i < op->param_count; i++) {
    bytes += op->params[i].length > 0 ? (size_t) op->params[i].length : 0;
  }
  return bytes > SQLITE_LOOP_VALUE;
}

/* What changes rows, and nothing else: DROP TABLE IF EXISTS is quick as long as
 * there is none. */
static bool may_write_here(sqlite_verb verb)
{
  return verb == SQLITE_VERB_INSERT || verb == SQLITE_VERB_CHANGE ||
         verb == SQLITE_VERB_WITH;
}

/* A write that has been quick. In a transaction nothing can stop it any more: so
 * it must not be one that goes through a table. */
static bool write_fits(sqlite_connection *connection, const covet_op *op,
                       const sqlite_habit *habit)
{
  if (!connection->adapter->commits_inline || habit->quick < QUICK_RUNS ||
      !may_write_here(habit->verb) || is_bulky(op)) {
    return false;
  }
  return sqlite3_get_autocommit(connection->db)
             ? !sqlite_wal_needs_worker(connection)
             : !habit->scans;
}

static bool habit_fits(sqlite_connection *connection, const covet_op *op,
                       const sqlite_habit *habit)
{
  const unsigned never =
      COVET_QUERY_SCRIPT | COVET_QUERY_MANY | COVET_QUERY_DESCRIBE;

  if ((op->flags & never) || op->driver != NULL) {
    return false;
  }
  if (is_control(habit->verb)) {
    return transaction_fits(connection, habit);
  }
  if (!habit->known || habit->heavy || habit->verb == SQLITE_VERB_PRAGMA ||
      habit->verb == SQLITE_VERB_ATTACH || habit->verb == SQLITE_VERB_VACUUM) {
    return false;
  }
  return habit->read_only ? !habit->slow : write_fits(connection, op, habit);
}

bool sqlite_fits_loop(sqlite_connection *connection, const covet_op *op)
{
  sqlite_habit *habit;

  return op->type == COVET_OP_QUERY &&
         (habit = sqlite_habit_of(connection->adapter, op)) != NULL &&
         habit_fits(connection, op, habit);
}

/* --- Running here -------------------------------------------------------------------------- */

/* SQLite looks at its progress between the steps of its machine; a single step is
 * bounded by the size of the values that it may handle. Answers the limit that
 * end_run puts back. */
static int begin_run(sqlite_connection *connection, covet_op *op, bool limited)
{
  connection->op = op;
  connection->on_loop = true;
  connection->limited = limited;
  connection->reloading = false;
  connection->over_budget = false;
  connection->locked_out = false;
  connection->lock_us = 0;
  connection->budget_us = 0;
  return sqlite3_limit(connection->db, SQLITE_LIMIT_LENGTH,
                       limited ? SQLITE_LOOP_VALUE : -1);
}

static void end_run(sqlite_connection *connection, int limit)
{
  (void) sqlite3_limit(connection->db, SQLITE_LIMIT_LENGTH, limit);
  connection->limited = false;
  connection->on_loop = false;
  connection->op = NULL;
}

static void learn_from_run(sqlite_connection *connection, sqlite_habit *habit,
                           sqlite_outcome outcome, uint64_t took_us)
{
  if (habit->read_only) {
    habit->slow |= outcome == SQLITE_ELSEWHERE && connection->over_budget &&
                   !connection->reloading;
    habit->heavy |= connection->called;
    habit->quick = 0;
  } else if (outcome == SQLITE_ELSEWHERE || took_us > QUICK_WRITE_US) {
    habit->quick = 0;
  }
  habit->scans |= connection->scanned;
}

/* In a transaction a write must not be interrupted: SQLite would roll all of it
 * back. It has proved short, and if it is not this once, it has to prove it
 * anew. */
static sqlite_outcome run_here(sqlite_connection *connection, covet_op *op,
                               sqlite_habit *habit)
{
  bool writes = !habit->read_only || is_control(habit->verb);
  uint64_t start = writes ? covet_now_us() : 0;
  uint64_t took = 0;
  sqlite_outcome outcome;
  int limit = begin_run(connection, op,
                        !writes || sqlite3_get_autocommit(connection->db));

  op->phase = COVET_PHASE_QUERY;
  outcome = sqlite_run(connection);
  if (writes) {
    took = covet_now_us() - start;
    note_work(connection, op, took);
  }
  if (writes || outcome != SQLITE_RAN) {
    learn_from_run(connection, habit, outcome, took);
  }
  end_run(connection, limit);
  sqlite_note_cache(connection);
  return outcome;
}

sqlite_outcome sqlite_run_on_loop(sqlite_connection *connection, covet_op *op)
{
  return run_here(connection, op, sqlite_habit_of(connection->adapter, op));
}

/* --- Groups ---------------------------------------------------------------------- */

bool sqlite_group_fits_loop(sqlite_connection *connection)
{
  uint64_t mean = connection->adapter->group_us;
  covet_node *node = queue_first(&connection->group);

  mean = mean == 0 ? GROUP_GUESS_US : mean;
  if (connection->group.count > 1 &&
      connection->group.count * mean > GROUP_US) {
    return false;
  }
  for (; node != NULL; node = queue_after(&connection->group, node)) {
    if (!sqlite_fits_loop(connection, COVET_CONTAINER(node, covet_op, node))) {
      return false;
    }
  }
  return true;
}

void sqlite_learn_group(sqlite_adapter *adapter, uint64_t took_us, size_t count)
{
  uint64_t mean = took_us / count + 1;

  adapter->group_us =
      adapter->group_us == 0 ? mean : (adapter->group_us * 3 + mean) / 4;
}

/* What takes too long is rolled back, and the worker does all of it: nothing was
 * told yet. */
sqlite_outcome sqlite_run_group_on_loop(sqlite_connection *connection)
{
  uint64_t start = covet_now_us();
  int limit = begin_run(connection, NULL, true);
  sqlite_outcome outcome;

  connection->budget_us = start + GROUP_US;
  outcome = sqlite_run_group(connection);
  end_run(connection, limit);
  sqlite_learn_group(connection->adapter, covet_now_us() - start,
                     outcome == SQLITE_ELSEWHERE ? 1 : connection->group.count);
  return outcome;
}

/* --- Shared read transactions ------------------------------------------------------------- */

/* Taking and giving back the read lock is most of a short read: from the second
 * read in a row on, they share one transaction. It ends before the loop waits
 * and before any write is told, so that everyone sees what they know of. */
static void share(sqlite_adapter *adapter)
{
  if (adapter->sharing &&
      covet_now_us() - adapter->sharing_since_us > SHARING_US) {
    sqlite_end_sharing(adapter); /* the loop has not run for so long */
  }
  if (adapter->sharing || !adapter->wal || ++adapter->reads_in_row < 2) {
    return;
  }
  adapter->reader->on_loop = true; /* no waiting for locks */
  adapter->sharing = sqlite_do(adapter->reader, "BEGIN") == SQLITE_OK;
  adapter->reader->on_loop = false;
  adapter->sharing_since_us = covet_now_us();
}

void sqlite_end_sharing(sqlite_adapter *adapter)
{
  adapter->reads_in_row = 0;
  if (adapter->sharing) {
    adapter->sharing = false;
    adapter->reader->on_loop = true;
    (void) sqlite_do(adapter->reader, "COMMIT");
    adapter->reader->on_loop = false;
  }
}

void sqlite_note_write(sqlite_adapter *adapter)
{
  covet_queue *adapters = &adapter->base->runtime->adapters;
  covet_node *node = queue_first(adapters);

  for (; node != NULL; node = queue_after(adapters, node)) {
    covet_adapter *other = COVET_CONTAINER(node, covet_adapter, node);

    if (other->driver == &covet_sqlite_driver) {
      sqlite_end_sharing(sqlite_of(other)); /* it may be of the same file */
    }
  }
}

/* --- The schema of the loop's reader --------------------------------------------------- */

static void run_reload(sqlite_job *job)
{
  (void) sqlite_do(job->connection, "SELECT 1 FROM sqlite_schema LIMIT 1");
}

static void on_reloaded(sqlite_job *job)
{
  sqlite_connection *reader = job->connection;

  reader->checkpointing = false;
  if (reader->base.state == COVET_CONNECTION_IDLE) {
    reader->adapter->reader = reader;
  }
}

/* The schema has changed and is so large that reading it takes a while: the
 * writer's worker does that, and meanwhile nothing is read here. */
static void reload(sqlite_adapter *adapter)
{
  sqlite_connection *reader = adapter->reader;

  sqlite_end_sharing(adapter);
  if (adapter->writer == NULL) {
    return;
  }
  reader->checkpoint.connection = reader;
  reader->checkpoint.run = run_reload;
  reader->checkpoint.done = on_reloaded;
  if (sqlite_worker_submit(adapter->writer, &reader->checkpoint)) {
    reader->checkpointing = true;
    adapter->reader = NULL;
  }
}

/* --- At once -------------------------------------------------------------------------------- */

/* The connection on which the operation could run at once, or NULL. */
static sqlite_connection *choose(covet_adapter *base, const sqlite_habit *habit)
{
  sqlite_adapter *adapter = sqlite_of(base);

  if (!adapter->memory && habit->read_only) {
    return adapter->reader;
  }
  if (adapter->options.group_commit && !habit->read_only) {
    return NULL;
  }
  return (sqlite_connection *) (void *) covet_lane_idle(
      &base->lanes[SQLITE_WRITER]);
}

bool sqlite_run_now(covet_adapter *base, covet_op *op)
{
  sqlite_adapter *adapter = sqlite_of(base);
  sqlite_habit *habit = sqlite_habit_of(adapter, op);
  sqlite_connection *connection;

  if (habit == NULL || !habit->known ||
      (connection = choose(base, habit)) == NULL ||
      !habit_fits(connection, op, habit)) {
    return false;
  }
  if (connection == adapter->reader) {
    share(adapter);
  }
  if (run_here(connection, op, habit) != SQLITE_RAN) {
    if (connection->reloading && connection == adapter->reader) {
      reload(adapter);
    }
    return false;
  }
  if (!habit->read_only) {
    sqlite_note_write(adapter);
    sqlite_checkpoint_if_due(connection);
  }
  return true;
}
