/**
 * The SQLite driver's inside.
 *
 * A connection has a worker thread of its own, started with its first job. At
 * any time either the loop's thread or the worker has the connection; it changes
 * hands with a job and with its report, so nothing in it needs a lock.
 *
 * Lanes: one writer, N readers, and two that are never lent: the reader of the
 * loop's thread and the checkpointer. A database in memory has the writer only.
 */
#ifndef COVET_DRIVER_SQLITE_H
#define COVET_DRIVER_SQLITE_H

#include "../core/adapter.h"
#include "../core/stmt_cache.h"

#include <sqlite3.h>

typedef struct sqlite_adapter sqlite_adapter;
typedef struct sqlite_connection sqlite_connection;

enum { SQLITE_WRITER, SQLITE_READERS, SQLITE_INLINE, SQLITE_CHECKPOINTER };

typedef struct sqlite_options {
  const char *path;
  const char *journal_mode;
  const char *synchronous;
  const char *pragmas;    /* statements */
  covet_pool_config pool; /* of the readers */
  bool foreign_keys;
  bool read_only;
  bool group_commit;
  uint64_t busy_timeout_us;
  size_t cache_size;
  size_t cache_max_length;
  uint64_t cache_lifetime_us;
} sqlite_options;

/** The first word of a statement. */
typedef enum sqlite_verb {
  SQLITE_VERB_OTHER,
  SQLITE_VERB_SELECT, /* VALUES too */
  SQLITE_VERB_WITH,
  SQLITE_VERB_INSERT, /* REPLACE too */
  SQLITE_VERB_CHANGE, /* UPDATE, DELETE */
  SQLITE_VERB_BEGIN,
  SQLITE_VERB_COMMIT, /* END too */
  SQLITE_VERB_ROLLBACK,
  SQLITE_VERB_SAVEPOINT, /* RELEASE too */
  SQLITE_VERB_PRAGMA,
  SQLITE_VERB_ATTACH, /* DETACH too */
  SQLITE_VERB_VACUUM,
  SQLITE_VERB_EXPLAIN
} sqlite_verb;

/** What a statement does, as SQLite tells while it is prepared. */
enum {
  SQLITE_DOES_ALTER_SESSION = 1,
  SQLITE_DOES_DELETE = 2,
  SQLITE_DOES_READ = 4
};

/** Bytes of a value that may be handled on the loop's thread. */
enum { SQLITE_LOOP_VALUE = 64 * 1024 };

/** What was learnt about a statement's text; `covet_stmt` comes first. */
typedef struct sqlite_habit {
  covet_stmt base;
  bool known;     /* it has been prepared once: the next two are right */
  bool read_only; /* sqlite3_stmt_readonly */
  bool heavy;     /* it takes long to prepare, or where nothing can stop it:
                     never on the loop's thread */
  bool scans;     /* a write that went through a table */
  sqlite_verb verb;
  bool slow;      /* a read that went over its budget */
  unsigned quick; /* runs in a row that were short */
} sqlite_habit;

/** A prepared statement; `covet_stmt` comes first. */
typedef struct sqlite_statement {
  covet_stmt base;
  sqlite3_stmt *handle;
  const covet_shape *shape;
  bool cached;
  bool read_only;
  bool alters_session; /* it changes what the next borrower would find */
  bool clears;         /* it may empty a table at one blow */
  sqlite_verb verb;
  int64_t total_before; /* changes when it started */
  int64_t id_before;    /* last insert id when it started */
  int64_t rows;         /* it gave */
  int prepared;         /* SQLITE_STMTSTATUS_REPREPARE when `shape` was made */
} sqlite_statement;

/** Something for the worker to do. */
typedef struct sqlite_job {
  covet_node node;
  covet_post post;
  sqlite_connection *connection;
  void (*run)(struct sqlite_job *job);  /* on the worker */
  void (*done)(struct sqlite_job *job); /* on the loop's thread */
} sqlite_job;

/** How running an operation ended, on either thread. */
typedef enum sqlite_outcome {
  SQLITE_RAN,
  SQLITE_PAUSED,    /* a stream is far enough ahead */
  SQLITE_ELSEWHERE, /* over budget or locked: again, on the worker */
  SQLITE_TO_WRITER  /* it writes and stands on a reader */
} sqlite_outcome;

struct sqlite_connection {
  covet_connection base;
  sqlite_adapter *adapter;
  unsigned role; /* the lane */
  sqlite3 *db;
  covet_stmt_cache statements;

  uv_thread_t thread;
  bool has_thread;
  bool quit;       /* under lock */
  uv_mutex_t lock; /* of jobs, quit, interruptible and waiting for a lock */
  uv_cond_t wake;
  covet_queue jobs;
  sqlite_job job;        /* operations, opening, closing */
  sqlite_job checkpoint; /* beside them; the loop's reader: its schema */
  bool checkpointing;    /* `checkpoint` is under way */

  covet_op *op;           /* being run */
  sqlite3_stmt *stepping; /* its statement, NULL: it must not be interrupted */
  bool interruptible;     /* under lock: see sqlite_worker_enter */
  unsigned resting;       /* streams whose statements are open, beside `op` */
  covet_queue group;      /* operations that share a commit */
  bool beginning;         /* all of the group wait for the lock */
  sqlite_outcome outcome;
  covet_error error; /* of opening, or of a function's state */
  bool on_loop;      /* `op` runs on the loop's thread */
  bool over_budget;
  bool locked_out;     /* a lock was not free and there was no waiting */
  bool limited;        /* it has a budget there */
  bool preparing;      /* inside sqlite3_prepare */
  bool reloading;      /* what went over the budget was reading the schema */
  uint64_t budget_us;  /* when it must end; 0: it has not been long yet */
  uint64_t lock_us;    /* since when it waits for a lock; 0: it does not */
  uint64_t took_us;    /* the last operation's time */
  uint64_t prepare_us; /* of the last statement, 0: it was in the cache */
  bool ran_read_only;  /* the last statement was */
  bool ran_clears;     /* the last statement may empty a table at one blow */
  bool scanned;        /* the last statement went through a table */
  bool called;         /* the last operation called a function of the user's */
  bool ran_known;      /* the last operation came as far as a statement */
  int64_t changes_before; /* total changes when the transaction began */
  uint64_t work_us;       /* how long its statements took */
  int wal_frames;
  int checkpointed_frames; /* their number when the last checkpoint began */
  uint64_t patience_us;    /* for a lock, if not 0: less than busy_timeout */
  int overdue_frames;    /* from here on the writer does a checkpoint itself */
  atomic_bool fresh_wal; /* the next write syncs the log's new head */
  unsigned actions;      /* of what was prepared last: SQLITE_DOES_... */
  bool dirty;         /* the session was changed: not for the next borrower */
  unsigned functions; /* how many of the adapter's it has */
  struct sqlite_blob *blobs;
};

/** A function of the user's, for every connection. */
typedef struct sqlite_function {
  covet_function definition;
  struct sqlite_function *next;
} sqlite_function;

struct sqlite_adapter {
  covet_adapter *base;
  sqlite_options options;
  bool memory;
  bool wal;            /* the journal mode that the database really has */
  bool commits_inline; /* a commit does not wait for the disk */
  covet_stmt_cache habits;
  sqlite_connection *writer;
  sqlite_connection *reader; /* of the loop's thread */
  unsigned reads_in_row;
  bool sharing; /* `reader` has a read transaction open */
  uint64_t sharing_since_us;
  uint64_t group_us; /* what a write in a group takes, a moving average */
  sqlite_connection *checkpointer;
  bool connecting;
  uv_mutex_t functions_lock;
  sqlite_function *functions;
  atomic_uint function_count;
  atomic_llong last_blob; /* the id of the blob that was opened last */
};

static inline sqlite_adapter *sqlite_of(covet_adapter *adapter)
{
  return adapter->driver_data;
}

static inline sqlite_connection *sqlite_connection_of(covet_connection *base)
{
  return (sqlite_connection *) (void *) base;
}

/* --- sqlite_options.c --------------------------------------------------------- */

int sqlite_options_read(sqlite_options *options, covet_arena *arena,
                        const covet_url *url, const covet_option *given,
                        size_t count, covet_error *error);

/* --- sqlite_error.c ----------------------------------------------------------- */

/** Fill in `error` from the connection's last failure `code`. */
void sqlite_error_fill(covet_error *error, sqlite3 *db, int code);

/** Set the operation's error; `offset` bytes stand before the statement. */
void sqlite_fault(sqlite_connection *connection, covet_op *op, int code,
                  size_t offset);

/* --- sqlite_worker.c ---------------------------------------------------------- */

int sqlite_worker_init(sqlite_connection *connection);
void sqlite_worker_deinit(sqlite_connection *connection);

/** Have a job (which may be another connection's) done by this connection's
 *  worker; false when the thread cannot be started. */
bool sqlite_worker_submit(sqlite_connection *connection, sqlite_job *job);

/**
 * Have SQLite's interrupt reach `op`, from here to sqlite_worker_leave.
 *
 * It hits every open statement, and lasts until there is none: so it is let in
 * only where the operation's is the only one, and who leaves ends that statement
 * before another is started if the operation was stopped. Nothing is held in
 * between. On the loop's thread, where nobody could stop it, this does nothing.
 *
 * False when the operation was stopped before: it must not start.
 */
bool sqlite_worker_enter(sqlite_connection *connection);

/** No interrupt comes after this. Also without sqlite_worker_enter. */
void sqlite_worker_leave(sqlite_connection *connection);

/** The operation was stopped: wake the worker if it waits for a database lock,
 *  interrupt SQLite if it may be. */
void sqlite_worker_stop(sqlite_connection *connection);

/** Sleep on the worker until the operation is stopped, at most `us`. */
void sqlite_worker_sleep(sqlite_connection *connection, uint64_t us);

/* --- sqlite_open.c ------------------------------------------------------------- */

/** Open and set up; on the worker. Returns 0 or fills `connection->error`. */
int sqlite_open(sqlite_connection *connection);

/** Close; on the worker. */
void sqlite_close(sqlite_connection *connection);

/** Run statements that need no answer. Returns SQLite's code. */
int sqlite_do(sqlite_connection *connection, const char *sql);

/** Make the connection as new for its next borrower; on the worker. False: it
 *  has to be closed. */
bool sqlite_reset(sqlite_connection *connection);

/* --- sqlite_statement.c -------------------------------------------------------- */

/** The operation's statement, from the cache or new; NULL: its error is set, or
 *  it is to be tried again on the worker. */
sqlite_statement *sqlite_prepare(sqlite_connection *connection, covet_op *op);

/** sqlite3_prepare_v3; the operation's lease is dirty when the statement changes
 *  the session, be it only by being prepared, as some pragmas are. */
int sqlite_prepare_text(sqlite_connection *connection, const covet_op *op,
                        const char *sql, size_t length, unsigned flags,
                        sqlite3_stmt **handle, const char **tail);

/** Give a statement back. */
void sqlite_statement_end(sqlite_connection *connection,
                          sqlite_statement *statement);

/** Bring the shape up to date with the statement's columns. False: no memory. */
bool sqlite_statement_shape(sqlite_connection *connection,
                            sqlite_statement *statement);

/** Bind the cells. Returns SQLite's code; the operation's error may be set. */
int sqlite_bind(covet_op *op, sqlite_statement *statement,
                const covet_cell *cells, uint32_t count);

/** Destroy a statement of the cache. */
void sqlite_statement_destroy(covet_stmt *stmt);

/** The first word of a statement. */
sqlite_verb sqlite_verb_of(const char *sql, size_t length);

/* --- sqlite_check.c ---------------------------------------------------------------- */

/** Whether the operation may run this statement; else its error is set. `sql`
 *  is the statement's text. */
bool sqlite_may_run(const sqlite_connection *connection, covet_op *op,
                    const sqlite_statement *statement, const char *sql);

/* --- sqlite_run.c ---------------------------------------------------------------- */

/** Run `connection->op`, on whichever thread has the connection. */
sqlite_outcome sqlite_run(sqlite_connection *connection);

/** sqlite3_step, to be interrupted by the operation's end or its budget. */
int sqlite_step(sqlite_connection *connection, sqlite_statement *statement);

/** Whether what failed on the loop's thread may succeed on the worker. */
bool sqlite_can_run_again(const sqlite_connection *connection);

/** Deliver the next rows of an open statement. */
sqlite_outcome sqlite_run_rows(sqlite_connection *connection, covet_op *op,
                               sqlite_statement *statement);

/** End the statement and let go of it; note what failed. */
sqlite_outcome sqlite_run_end(sqlite_connection *connection, covet_op *op,
                              sqlite_statement *statement, int code);

sqlite_outcome sqlite_run_script(sqlite_connection *connection, covet_op *op);
sqlite_outcome sqlite_run_many(sqlite_connection *connection, covet_op *op,
                               sqlite_statement *statement);
sqlite_outcome sqlite_run_group(sqlite_connection *connection);

/** Whether one of those that wait for the database's lock is to end. */
bool sqlite_any_stopped(const sqlite_connection *connection);

sqlite_outcome sqlite_run_call(sqlite_connection *connection, covet_op *op);

/** Append the statement's present row to a batch, SQLITE_TOOBIG if that makes
 *  more than `most` bytes. Returns SQLITE_ROW or another of SQLite's codes. */
int sqlite_add_row(covet_batch *batch, sqlite3_stmt *handle, size_t most);

/** Fill in affected rows and the insert id. */
void sqlite_note_changes(sqlite_connection *connection, covet_op *op,
                         const sqlite_statement *statement);

/** Refuse an operation with a text of covet's own. */
sqlite_outcome sqlite_refuse(covet_op *op, covet_error_kind kind,
                             const char *text);

/* --- sqlite_inline.c --------------------------------------------------------------- */

/** The text's habit, new if need be; NULL when memory is out. */
sqlite_habit *sqlite_habit_of(sqlite_adapter *adapter, const covet_op *op);

/** Learn from an operation that has run. On the loop's thread. */
void sqlite_learn(sqlite_connection *connection, const covet_op *op);

/** Count what the statement cache was asked. On the loop's thread. */
void sqlite_note_cache(sqlite_connection *connection);

/** Whether the operation may run on the loop's thread on this connection. */
bool sqlite_fits_loop(sqlite_connection *connection, const covet_op *op);

/** Run on the loop's thread; only what sqlite_fits_loop said so of. */
sqlite_outcome sqlite_run_on_loop(sqlite_connection *connection, covet_op *op);

/** The same for the gathered group. */
bool sqlite_group_fits_loop(sqlite_connection *connection);
sqlite_outcome sqlite_run_group_on_loop(sqlite_connection *connection);

/** Learn from a group of `count` that took so long, on either thread. */
void sqlite_learn_group(sqlite_adapter *adapter, uint64_t took_us,
                        size_t count);

/** Driver's run_now. */
bool sqlite_run_now(covet_adapter *adapter, covet_op *op);

/** End the read transaction that reads on the loop's thread share. */
void sqlite_end_sharing(sqlite_adapter *adapter);

/** Before a write is told: reads of all adapters shall see it. */
void sqlite_note_write(sqlite_adapter *adapter);

/* --- sqlite_checkpoint.c -------------------------------------------------------------- */

/** After a write: start a checkpoint beside it when the WAL has grown. */
void sqlite_checkpoint_if_due(sqlite_connection *writer);

/** Whether the next write has to go to the writer's worker: for a checkpoint, or
 *  because it waits for the disk. */
bool sqlite_wal_needs_worker(const sqlite_connection *writer);

/** Note the WAL's size after a commit. */
void sqlite_note_wal(sqlite_connection *writer, int frames);

/** On the writer's worker: stop the WAL from growing for ever. */
void sqlite_checkpoint_in_writer(sqlite_connection *writer);

/* --- sqlite_function.c, sqlite_call.c ---------------------------------------------------- */

int sqlite_add_function(covet_adapter *base, const covet_function *definition);

/** Register what the adapter has and this connection has not; on the worker.
 *  Returns SQLite's code; `connection->error` may say more. */
int sqlite_functions_update(sqlite_connection *connection);
void sqlite_functions_free(sqlite_adapter *adapter);

sqlite_outcome sqlite_blob_call(sqlite_connection *connection, covet_op *op);
void sqlite_blobs_close(sqlite_connection *connection);
sqlite_outcome sqlite_backup(sqlite_connection *connection, covet_op *op);

/** One row as the operation's result: integers, or one blob. */
sqlite_outcome sqlite_answer(sqlite_connection *connection, covet_op *op,
                             const covet_cell *cells, uint32_t count);

extern const covet_driver covet_sqlite_driver;

#endif
