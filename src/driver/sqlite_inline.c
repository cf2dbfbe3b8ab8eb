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
  GROUP_US = 2000, /* of a group of writes, by their usual times */
  HEAVY_PREPARE_US = 1000,
  SMALL_TRANSACTION = 64,     /* changed rows that may be committed here */
  BULKY_BYTES = 64 * 1024,    /* of parameters */
  SHARING_US = 1000,          /* age of a read transaction that reads share */
  LONGEST_VALUE = 1024 * 1024 /* bytes: reading more takes a worker */
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

static void learn_write(sqlite_habit *habit, uint64_t took_us)
{
  uint32_t us = took_us < UINT32_MAX / 4 ? (uint32_t) took_us : UINT32_MAX / 4;

  habit->usual_us = (habit->usual_us * 3 + us) / 4;
  habit->quick = took_us <= QUICK_WRITE_US ? habit->quick + 1 : 0;
}

void sqlite_note_cache(sqlite_connection *connection)
{
  covet_adapter *base = connection->adapter->base;

  base->cache_hits += connection->statements.hits;
  base->cache_misses += connection->statements.misses;
  connection->statements.hits = 0;
  connection->statements.misses = 0;
}

void sqlite_learn(sqlite_connection *connection, const covet_op *op)
{
  sqlite_habit *habit;

  if (op->type != COVET_OP_QUERY || !connection->ran_known ||
      (habit = sqlite_habit_of(connection->adapter, op)) == NULL) {
    return;
  }
  habit->known = true;
  habit->read_only = connection->ran_read_only;
  habit->heavy |=
      connection->called || connection->prepare_us > HEAVY_PREPARE_US;
  if (habit->read_only) {
    learn_read(habit, connection->took_us);
  } else {
    learn_write(habit, connection->took_us - connection->prepare_us);
  }
}

/* --- May it run here? ------------------------------------------------------------------ */

/* A commit writes what the transaction changed: little, and not to the disk. */
static bool transaction_fits(sqlite_connection *connection,
                             const sqlite_habit *habit)
{
  int64_t changes =
      sqlite3_total_changes64(connection->db) - connection->changes_before;

  if (!connection->adapter->commits_inline) {
    return false;
  }
  return habit->verb == SQLITE_VERB_BEGIN ||
         (changes < SMALL_TRANSACTION && !sqlite_wal_needs_worker(connection));
}

/* Many bytes to write take long, however few rows they are. */
static bool is_bulky(const covet_op *op)
{
  size_t bytes = 0;

  for (uint32_t i = 0; i < op->param_count; i++) {
    bytes += op->params[i].length > 0 ? (size_t) op->params[i].length : 0;
  }
  return bytes > BULKY_BYTES;
}

static bool habit_fits(sqlite_connection *connection, const covet_op *op,
                       const sqlite_habit *habit)
{
  const unsigned never =
      COVET_QUERY_SCRIPT | COVET_QUERY_MANY | COVET_QUERY_DESCRIBE;

  if ((op->flags & never) || op->driver != NULL) {
    return false;
  }
  if (op->flags & COVET_QUERY_TRANSACTION) {
    return transaction_fits(connection, habit);
  }
  if (!habit->known || habit->heavy || habit->verb == SQLITE_VERB_PRAGMA ||
      habit->verb == SQLITE_VERB_SESSION || habit->verb == SQLITE_VERB_VACUUM) {
    return false;
  }
  if (habit->read_only) {
    return !habit->slow;
  }
  return connection->adapter->commits_inline && habit->quick >= QUICK_RUNS &&
         !is_bulky(op) &&
         (!sqlite3_get_autocommit(connection->db) ||
          !sqlite_wal_needs_worker(connection));
}

bool sqlite_fits_loop(sqlite_connection *connection, const covet_op *op)
{
  sqlite_habit *habit;

  return op->type == COVET_OP_QUERY &&
         (habit = sqlite_habit_of(connection->adapter, op)) != NULL &&
         habit_fits(connection, op, habit);
}

static covet_op *op_at(covet_node *node)
{
  return node == NULL ? NULL : COVET_CONTAINER(node, covet_op, node);
}

bool sqlite_group_fits_loop(sqlite_connection *connection)
{
  const covet_queue *group = &connection->group;
  uint64_t usual_us = 0;

  for (covet_op *op = op_at(queue_first(group)); op != NULL;
       op = op_at(queue_after(group, &op->node))) {
    sqlite_habit *habit = sqlite_habit_of(connection->adapter, op);

    usual_us += habit == NULL ? GROUP_US : habit->usual_us;
    if (usual_us > GROUP_US || !sqlite_fits_loop(connection, op)) {
      return false;
    }
  }
  return true;
}

/* --- Running here -------------------------------------------------------------------------- */

/* In a transaction a write must not be interrupted: SQLite would roll all of it
 * back. It has proved short, and if it is not this once, it is never again run
 * here. */
static void begin_run(sqlite_connection *connection, covet_op *op)
{
  connection->op = op;
  connection->on_loop = true;
  connection->over_budget = false;
  connection->locked_out = false;
  connection->lock_us = 0;
  connection->budget_us = 0;
}

static void learn_from_run(sqlite_connection *connection, sqlite_habit *habit,
                           sqlite_outcome outcome, uint64_t took_us)
{
  if (habit->read_only) {
    habit->slow |= outcome == SQLITE_ELSEWHERE && connection->over_budget;
    habit->heavy |= connection->called;
    habit->quick = 0;
  } else {
    learn_write(habit,
                outcome == SQLITE_ELSEWHERE ? QUICK_WRITE_US + 1 : took_us);
  }
}

/* Fetching one large value is one step, which no handler interrupts: it fails
 * here and is read by a worker. Answers the limit as it was. */
static int limit_values(sqlite_connection *connection, bool writes)
{
  return sqlite3_limit(connection->db, SQLITE_LIMIT_LENGTH,
                       writes ? -1 : LONGEST_VALUE);
}

static sqlite_outcome run_here(sqlite_connection *connection, covet_op *op,
                               sqlite_habit *habit)
{
  bool writes = !habit->read_only;
  uint64_t start = writes ? covet_now_us() : 0;
  sqlite_outcome outcome;
  int longest;

  begin_run(connection, op);
  connection->limited = !writes || sqlite3_get_autocommit(connection->db);
  op->phase = COVET_PHASE_QUERY;
  longest = limit_values(connection, writes);
  outcome = sqlite_run(connection);
  (void) sqlite3_limit(connection->db, SQLITE_LIMIT_LENGTH, longest);
  if (writes || outcome != SQLITE_RAN) {
    learn_from_run(connection, habit, outcome,
                   writes ? covet_now_us() - start : 0);
  }
  connection->on_loop = false;
  connection->op = NULL;
  sqlite_note_cache(connection);
  return outcome;
}

sqlite_outcome sqlite_run_on_loop(sqlite_connection *connection, covet_op *op)
{
  return run_here(connection, op, sqlite_habit_of(connection->adapter, op));
}

sqlite_outcome sqlite_run_group_on_loop(sqlite_connection *connection)
{
  const covet_queue *group = &connection->group;
  uint64_t start = covet_now_us();
  sqlite_outcome outcome;
  uint64_t took_us;

  begin_run(connection, NULL);
  connection->limited = false;
  outcome = sqlite_run_group(connection);
  connection->on_loop = false;
  took_us = (covet_now_us() - start) / (group->count == 0 ? 1 : group->count);
  for (covet_op *op = op_at(queue_first(group)); op != NULL;
       op = op_at(queue_after(group, &op->node))) {
    sqlite_habit *habit = sqlite_habit_of(connection->adapter, op);

    if (habit != NULL) {
      learn_write(habit, took_us);
    }
  }
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
    return false;
  }
  if (!habit->read_only) {
    sqlite_note_write(adapter);
    sqlite_checkpoint_if_due(connection);
  }
  return true;
}
