/**
 * covet: an embedded runtime for databases.
 *
 * The library is a submission queue and a completion queue. An *operation*
 * (connect, query, acquire, sleep...) is made, filled and submitted; when there
 * is news of it (rows, or its end) it stands on the completion queue until it
 * is reaped. The library never calls back.
 *
 * Threads. A runtime belongs to the thread that made it: every function that
 * takes a runtime, an adapter or an operation is called from that thread,
 * unless its comment says otherwise. In COVET_OWN_THREAD mode the loop runs
 * beside it, in a thread of the library's own.
 *
 * Ownership. Each pointer that is handed in is *borrowed for the call* unless
 * its comment says *borrowed until completion* or *taken*. Strings travel with
 * a length and may hold any byte.
 *
 * Errors. A function that can fail returns 0 or a negative covet_status; the
 * text goes into the caller's covet_error. Reporting never allocates.
 *
 * Units. Times are milliseconds when the name ends in `_ms`, microseconds for
 * `_us`; clocks are monotonic.
 */
#ifndef COVET_H
#define COVET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COVET_VERSION "0.1.0"

#if defined(__GNUC__)
#define COVET_EXPORT __attribute__((visibility("default")))
#else
#define COVET_EXPORT
#endif

typedef struct covet_runtime covet_runtime;
typedef struct covet_adapter covet_adapter;
typedef struct covet_op covet_op;

/** A lease: a connection lent to the caller, 0 for none. */
typedef uint64_t covet_lease;

/* --- Status ---------------------------------------------------------------- */

/** What a function answers; everything below zero is a failure. */
typedef enum covet_status {
  COVET_OK = 0,
  COVET_EUSAGE = -1,  /* a mistake of the caller; the text says which */
  COVET_ENOMEM = -2,  /* out of memory */
  COVET_ESYSTEM = -3, /* the operating system refused; the text says what */
  COVET_EUNSUPPORTED = -4, /* not in this build, or not for this database */
  COVET_EFORKED = -5 /* the runtime belongs to the process before a fork */
} covet_status;

/* --- Values, rows, batches -------------------------------------------------- */

/* The part between the two marks is plain C that LuaJIT's FFI reads as well. */
/* ffi: begin */

/** The kind of a cell, and what a column is declared to hold. */
typedef enum covet_kind {
  COVET_NULL = 0,    /* a cell: NULL. A column: nothing is declared */
  COVET_INTEGER = 1, /* `integer` */
  COVET_FLOAT = 2,   /* `number` */
  COVET_TEXT = 3,    /* `bytes` and `length`, UTF-8 by convention */
  COVET_BLOB = 4,    /* `bytes` and `length` */
  COVET_BOOLEAN = 5, /* `integer` is 0 or 1 */
  /* Texts of a meaning. Columns are declared so, and cells within nested values
     have these kinds; a column's own cells are TEXT. */
  COVET_JSON = 6,
  COVET_DATE = 7,
  COVET_TIME = 8,
  COVET_TIMESTAMP = 9,
  COVET_TIMESTAMPTZ = 10,
  COVET_NUMERIC = 11,
  /* Values made of others: `nested`. Columns and cells. */
  COVET_ARRAY = 12,
  COVET_COMPOSITE = 13,
  COVET_RANGE = 14,
  COVET_MULTIRANGE = 15,
  COVET_MAP = 16,
  /* As TEXT or BLOB, for a codec of the user's; columns and nested cells. */
  COVET_CUSTOM = 17,
  /* One more text of a meaning. */
  COVET_INTERVAL = 18,
  /* An integer that has no sign. A column: all its values; a cell: one that 63
     bits do not hold, `natural`, others being INTEGER. */
  COVET_UNSIGNED = 19
} covet_kind;

typedef struct covet_nested covet_nested;

/** One value of one row: 16 bytes. */
typedef struct covet_cell {
  union {
    int64_t integer;
    uint64_t natural;
    double number;
    const char *bytes;          /* borrowed from the batch */
    const covet_nested *nested; /* the same */
  };
  int32_t length; /* bytes of TEXT and BLOB, -1 for NULL, 4 for a FLOAT that is
                     of single precision in the database, else 0 */
  uint32_t kind;  /* covet_kind */
} covet_cell;

/** What bounds a range has. */
typedef enum covet_range_flags {
  COVET_RANGE_EMPTY = 1,
  COVET_RANGE_LOWER_INCLUSIVE = 2,
  COVET_RANGE_UPPER_INCLUSIVE = 4,
  COVET_RANGE_LOWER_INFINITE = 8, /* then the cell of the bound is NULL */
  COVET_RANGE_UPPER_INFINITE = 16
} covet_range_flags;

/**
 * A value made of others. Its `cells` are: of an ARRAY its elements, row-major; of a
 * COMPOSITE its attributes; of a RANGE its lower and upper bound (none when it is
 * empty); of a MULTIRANGE its ranges; of a MAP key, value, key, value...
 */
struct covet_nested {
  const covet_cell *cells;
  const char *const *names; /* COMPOSITE: of the attributes, each with a NUL;
                               NULL: they have none */
  const int32_t *sizes;     /* ARRAY: of each dimension the length and the lower
                               bound */
  uint32_t count;           /* of the cells */
  uint32_t dimensions;      /* ARRAY: 0 when it is empty */
  uint32_t flags;           /* RANGE: covet_range_flags */
  uint32_t type_id;         /* the database's own id of the type */
};

/** One column of a result. */
typedef struct covet_column {
  const char *name; /* `name_length` bytes and a NUL */
  const char *type; /* declared type as the database writes it, "" if none */
  uint32_t name_length;
  uint32_t type_length;
  uint32_t kind;    /* covet_kind that the declared type promises */
  uint32_t type_id; /* the database's own id of the type, 0 if it has none */
} covet_column;

/**
 * The columns of a result. Shapes are interned: two results with the same
 * columns have the same shape, and an id is never used again.
 */
typedef struct covet_shape {
  uint32_t id;
  uint32_t column_count;
  const covet_column *columns;
} covet_shape;

/**
 * A run of rows, row by row: the cell of row r and column c is
 * cells[r * shape->column_count + c]. What the cells point to lives as long as
 * the batch.
 */
typedef struct covet_batch {
  const covet_shape *shape;
  covet_cell *cells;
  struct covet_batch *next; /* the batch after this one in the same delivery */
  uint32_t row_count;
  uint32_t set; /* of several results its number, from 0 */
} covet_batch;

/* ffi: end */

/** Free a batch (not the ones after it). From any thread. NULL is allowed. */
COVET_EXPORT void covet_batch_free(covet_batch *batch);

/* --- Errors ----------------------------------------------------------------- */

/** Every kind of failure, the same in all databases. */
#define COVET_ERROR_KINDS(X)                                                   \
  X(UNIQUE_VIOLATION, "unique_violation")                                      \
  X(FOREIGN_KEY_VIOLATION, "foreign_key_violation")                            \
  X(NOT_NULL_VIOLATION, "not_null_violation")                                  \
  X(CHECK_VIOLATION, "check_violation")                                        \
  X(EXCLUSION_VIOLATION, "exclusion_violation")                                \
  X(SERIALIZATION_FAILURE, "serialization_failure")                            \
  X(DEADLOCK, "deadlock")                                                      \
  X(LOCK_TIMEOUT, "lock_timeout")                                              \
  X(SYNTAX_ERROR, "syntax_error")                                              \
  X(UNDEFINED_TABLE, "undefined_table")                                        \
  X(UNDEFINED_COLUMN, "undefined_column")                                      \
  X(UNDEFINED_FUNCTION, "undefined_function")                                  \
  X(AMBIGUOUS_COLUMN, "ambiguous_column")                                      \
  X(DATATYPE_MISMATCH, "datatype_mismatch")                                    \
  X(INVALID_VALUE, "invalid_value")                                            \
  X(NUMERIC_OUT_OF_RANGE, "numeric_out_of_range")                              \
  X(STRING_TOO_LONG, "string_too_long")                                        \
  X(DIVISION_BY_ZERO, "division_by_zero")                                      \
  X(PERMISSION_DENIED, "permission_denied")                                    \
  X(AUTHENTICATION_FAILED, "authentication_failed")                            \
  X(UNKNOWN_DATABASE, "unknown_database")                                      \
  X(READ_ONLY, "read_only")                                                    \
  X(TOO_MANY_CONNECTIONS, "too_many_connections")                              \
  X(OUT_OF_MEMORY, "out_of_memory")                                            \
  X(DISK_FULL, "disk_full")                                                    \
  X(CORRUPT, "corrupt")                                                        \
  X(INTERRUPTED, "interrupted")                                                \
  X(TIMEOUT, "timeout")                                                        \
  X(CANCELLED, "cancelled")                                                    \
  X(CONNECTION_FAILED, "connection_failed")                                    \
  X(CONNECTION_LOST, "connection_lost")                                        \
  X(COMMIT_UNKNOWN, "commit_unknown")                                          \
  X(TRANSACTION_ABORTED, "transaction_aborted")                                \
  X(PROTOCOL_ERROR, "protocol_error")                                          \
  X(TLS_ERROR, "tls_error")                                                    \
  X(UNSUPPORTED, "unsupported")                                                \
  X(POOL_TIMEOUT, "pool_timeout")                                              \
  X(POOL_EXHAUSTED, "pool_exhausted")                                          \
  X(POOL_CLOSED, "pool_closed")                                                \
  X(BREAKER_OPEN, "breaker_open")                                              \
  X(USAGE, "usage")                                                            \
  X(SYSTEM, "system")                                                          \
  X(DATABASE_ERROR, "database_error")

typedef enum covet_error_kind {
  COVET_ERROR_NONE = 0,
#define COVET_ERROR_ENUM(name, text) COVET_ERROR_##name,
  COVET_ERROR_KINDS(COVET_ERROR_ENUM)
#undef COVET_ERROR_ENUM
      COVET_ERROR_KIND_COUNT
} covet_error_kind;

/** Whether trying again can help, and whether it is safe. */
typedef enum covet_retry {
  COVET_RETRY_NO = 0,          /* the same call fails the same way */
  COVET_RETRY_SAFE,            /* not run, or rolled back */
  COVET_RETRY_IDEMPOTENT_ONLY, /* may have run in part */
  COVET_RETRY_UNKNOWN_OUTCOME  /* a commit that was not answered */
} covet_retry;

/** The part of an operation's life in which something happened. */
typedef enum covet_phase {
  COVET_PHASE_NONE = 0,
  COVET_PHASE_QUEUE,
  COVET_PHASE_CONNECT,
  COVET_PHASE_QUERY,
  COVET_PHASE_FETCH,
  COVET_PHASE_RESET
} covet_phase;

/** An error. Every text ends with a NUL; an empty one means "not known". */
typedef struct covet_error {
  covet_error_kind kind;
  covet_retry retry;
  covet_phase phase;
  int code;         /* the database's own code, 0 if it has none */
  int64_t position; /* byte of the SQL that is meant, from 1; 0: not known */
  char sqlstate[6];
  char constraint[128];
  char table[128];
  char column[128];
  char hint[256];
  char detail[256];
  char message[512];
} covet_error;

/** The kind's name as it stands in documentation; "" for NONE. */
COVET_EXPORT const char *covet_error_kind_name(covet_error_kind kind);

/** The kind of that name, COVET_ERROR_NONE if there is none such. */
COVET_EXPORT covet_error_kind covet_error_kind_find(const char *name);

COVET_EXPORT const char *covet_phase_name(covet_phase phase);
COVET_EXPORT const char *covet_retry_name(covet_retry retry);

/* --- Runtime ----------------------------------------------------------------- */

typedef enum covet_mode {
  COVET_CALLER_LOOP = 0, /* covet_runtime_step drives the loop */
  COVET_OWN_THREAD = 1   /* the loop runs in a thread of the runtime's own */
} covet_mode;

typedef struct covet_runtime_options {
  covet_mode mode;
  /** A uv_loop_t to use in COVET_CALLER_LOOP mode, borrowed until the runtime
   *  is freed; NULL: the runtime makes its own. */
  void *loop;
} covet_runtime_options;

/**
 * Make a runtime. `options` may be NULL: the caller's loop, made here.
 * Returns 0 and sets `*runtime`, else COVET_EUSAGE, COVET_ENOMEM or
 * COVET_ESYSTEM.
 */
COVET_EXPORT int covet_runtime_new(const covet_runtime_options *options,
                                   covet_runtime **runtime, covet_error *error);

/**
 * Close every adapter, cancel what is under way, wait until it has ended (at
 * most `timeout_ms` for what is running; below 0 is 0) and free the runtime. Operations that
 * were not freed are freed. After a fork, in the child, nothing but memory is
 * touched.
 */
COVET_EXPORT void covet_runtime_free(covet_runtime *runtime, int timeout_ms);

/**
 * A descriptor that is readable when covet_runtime_step should be called
 * (COVET_CALLER_LOOP) or when completions stand ready (COVET_OWN_THREAD).
 */
COVET_EXPORT int covet_runtime_fd(const covet_runtime *runtime);

/** How long a caller's own loop may sleep before it calls covet_runtime_step
 *  although the descriptor is silent: ms, 0 for now, -1 for ever. Ask anew after
 *  submitting: some work is put off until the end of the loop's turn, and then
 *  it is 0. */
COVET_EXPORT int covet_runtime_timeout_ms(covet_runtime *runtime);

/**
 * Run the loop once, waiting at most `timeout_ms` (-1: until something
 * happens) for an event. In COVET_OWN_THREAD mode: wait until a completion
 * stands ready. Returns the number of operations under way.
 */
COVET_EXPORT int covet_runtime_step(covet_runtime *runtime, int timeout_ms);

/**
 * Also write a byte to the client of a Unix socket at `path` (made here, mode
 * 0600, unlinked when the client has connected) when completions come to an
 * empty queue, and when it connects while some stand there: for hosts that can
 * wait on sockets only. COVET_OWN_THREAD, once.
 *
 * Returns 0, COVET_EUSAGE, COVET_ENOMEM or COVET_ESYSTEM.
 */
COVET_EXPORT int covet_runtime_listen(covet_runtime *runtime, const char *path,
                                      covet_error *error);

/** Whether the caller's loop has live handles besides the runtime's own. */
COVET_EXPORT int covet_runtime_has_handles(covet_runtime *runtime);

/** Operations submitted and not yet finished and reaped. */
COVET_EXPORT int covet_runtime_pending(const covet_runtime *runtime);

/** Monotonic time in microseconds. From any thread. */
COVET_EXPORT uint64_t covet_now_us(void);

/* --- Adapters ------------------------------------------------------------------ */

typedef struct covet_option {
  const char *name;
  const char *value;
} covet_option;

/**
 * Make an adapter: one database with its connections. Nothing is opened yet;
 * the first operation does, or covet_op_connect.
 *
 * `url` is postgresql://, postgres://, mysql://, mariadb://, sqlite:path or
 * sqlite::memory:; its query part holds options too. `options` come after it
 * and win. An unknown option is COVET_EUSAGE and the text names the nearest
 * one; a database that is not in this build is COVET_EUNSUPPORTED.
 */
COVET_EXPORT int covet_adapter_new(covet_runtime *runtime, const char *url,
                                   const covet_option *options,
                                   size_t option_count, covet_adapter **adapter,
                                   covet_error *error);

/** The database's name: "sqlite", "postgresql", "mysql". */
COVET_EXPORT const char *covet_adapter_database(const covet_adapter *adapter);

/**
 * Give the adapter up. Its connections close when their operations have ended;
 * the memory is freed with the last of them. Disconnect first (below) to wait.
 */
COVET_EXPORT void covet_adapter_free(covet_adapter *adapter);

/**
 * Change the adapter's pool while it runs: sizes, timeouts and thresholds, by the
 * names that covet_adapter_new has for them; what is not named stays as it is.
 * Nothing that is lent is touched: what is too much is closed when it comes
 * back. `options` are checked here and now; in COVET_OWN_THREAD mode the loop's
 * thread takes them over after what was submitted before.
 *
 * Sizes are those of connections that come and go (SQLite: the ones that read).
 * A database in memory has none of these and takes no sizes.
 *
 * Returns 0; COVET_EUSAGE for an option that no pool has, a bad value, options
 * that contradict each other, or a size where there is none: then nothing is
 * changed; or COVET_EFORKED.
 */
COVET_EXPORT int covet_adapter_configure(covet_adapter *adapter,
                                         const covet_option *options,
                                         size_t option_count,
                                         covet_error *error);

/** The same for min_pool_size and max_pool_size. */
COVET_EXPORT int covet_adapter_resize(covet_adapter *adapter, uint32_t min_size,
                                      uint32_t max_size, covet_error *error);

/**
 * Replace the connections that come and go: idle ones now, those in use when they
 * come back. Returns 0; COVET_EUSAGE where there are none (a database in memory
 * is its one connection), or COVET_EFORKED.
 */
COVET_EXPORT int covet_adapter_evict(covet_adapter *adapter,
                                     covet_error *error);

/** What an adapter's connections do at this moment, and did so far. */
typedef struct covet_adapter_stats {
  uint32_t size; /* open connections that can be lent */
  uint32_t free; /* of these, idle */
  uint32_t used; /* of these, lent or at work */
  uint32_t opening;
  uint32_t waiting; /* operations in the queue */
  uint64_t created;
  uint64_t destroyed;
  uint64_t queries;        /* operations carried out */
  uint64_t inline_queries; /* of these, on the loop's thread */
  uint64_t errors;
  uint64_t timeouts;
  uint64_t cache_hits;
  uint64_t cache_misses;
  uint64_t p50_us, p95_us, p99_us, max_us; /* of the operations' time */
} covet_adapter_stats;

/** All figures are of one moment. In COVET_OWN_THREAD mode the loop's thread is
 *  asked for them, and its present turn waited for. */
COVET_EXPORT void covet_adapter_get_stats(covet_adapter *adapter,
                                          covet_adapter_stats *stats);

/** What happens to an adapter's connections by itself. */
typedef enum covet_event_type {
  COVET_EVENT_CONNECT,        /* one was opened */
  COVET_EVENT_CONNECT_FAILED, /* `error`: why */
  COVET_EVENT_CLOSE,     /* `text`: why, as covet_adapter_stats counts it */
  COVET_EVENT_LEAK,      /* `lease` is out for `us` already */
  COVET_EVENT_LEAK_OVER, /* it came back, after `us` */
  COVET_EVENT_BREAKER,   /* `text`: "open", "half_open" or "closed" */
  COVET_EVENT_NOTICE,    /* `error`: what the server said by the way, of no
                            kind; `text`: how serious, "NOTICE", "WARNING"... */
  COVET_EVENT_ASK        /* openings wait: covet_adapter_hold_openings */
} covet_event_type;

typedef struct covet_event {
  covet_event_type type;
  const covet_adapter *adapter; /* to compare: it may have been freed since */
  covet_lease lease;
  uint64_t us;
  char text[32];
  covet_error error;
} covet_event;

/** Whether events of this adapter are to be kept from now on. */
COVET_EXPORT void covet_adapter_watch(covet_adapter *adapter, int watched);

/**
 * Have connections wait before they are opened, from now on: COVET_EVENT_ASK is
 * told, watched or not, once for all that wait. Answer each of these events, by a
 * call (covet_op_call) of "set_password", which opens them all with that password,
 * or of "refuse_openings", which fails them all: its parameters are the kind and
 * the message of the error. A connection whose password the server refuses waits
 * once more. Returns 0, or COVET_EUNSUPPORTED where the database has no passwords.
 */
COVET_EXPORT int covet_adapter_hold_openings(covet_adapter *adapter);

/**
 * The next event of the watched adapters: 1, or 0 when there is none. Of more
 * than 256 that nobody takes the oldest are dropped, but no COVET_EVENT_ASK. Look
 * after each covet_runtime_step.
 */
COVET_EXPORT int covet_runtime_next_event(covet_runtime *runtime,
                                          covet_event *event);

/* --- Operations ----------------------------------------------------------------- */

/**
 * An operation is made by one of the covet_op_... functions, given parameters
 * and options, submitted once, reaped (several times, if it delivers rows in
 * chunks) and freed. Makers return NULL when memory is out. What is set or added
 * after covet_submit is not taken.
 */

/** Finish after `delay_us`. */
COVET_EXPORT covet_op *covet_op_sleep(covet_runtime *runtime,
                                      uint64_t delay_us);

/** Open the adapter's first connections, or report why that fails. The first
 *  operation of an adapter does so by itself; after covet_op_disconnect only
 *  this opens it again. */
COVET_EXPORT covet_op *covet_op_connect(covet_adapter *adapter);

/** Refuse new operations (COVET_ERROR_POOL_CLOSED), let those under way end
 *  until the operation's deadline, then cancel them; close every connection. */
COVET_EXPORT covet_op *covet_op_disconnect(covet_adapter *adapter);

/** Refuse new operations (COVET_ERROR_POOL_CLOSED), serve those that wait already,
 *  close every connection when it has come back. Finishes when nothing is left;
 *  at its deadline with COVET_ERROR_POOL_TIMEOUT, and the draining goes on.
 *  covet_op_connect opens the adapter again, covet_op_disconnect ends what holds
 *  up the drain. */
COVET_EXPORT covet_op *covet_op_drain(covet_adapter *adapter);

/**
 * Run one statement. `sql` is copied. With COVET_QUERY_SCRIPT several
 * statements are allowed, no parameters and no rows.
 */
COVET_EXPORT covet_op *covet_op_query(covet_adapter *adapter, const char *sql,
                                      size_t length, unsigned flags);

typedef enum covet_query_flags {
  COVET_QUERY_ROWS = 1,     /* rows are wanted */
  COVET_QUERY_SCRIPT = 2,   /* several statements */
  COVET_QUERY_ONE = 4,      /* the first row is enough */
  COVET_QUERY_DESCRIBE = 8, /* prepare only: shape and parameter count */
  COVET_QUERY_STREAM = 16,  /* deliver chunk by chunk, as covet_op_next asks */
  COVET_QUERY_MANY = 32,    /* parameters are rows of `width` cells each */
  COVET_QUERY_READ_ONLY = 64,    /* fail if the statement would write */
  COVET_QUERY_TRANSACTION = 128, /* begins, ends or nests a transaction */
  COVET_QUERY_INSIDE = 256,      /* fail unless a transaction is open */
  COVET_QUERY_PIPELINE =
      512,                /* on a lease (PostgreSQL): sent together with those
                                that follow in the same turn, all or nothing */
  COVET_QUERY_SETS = 1024 /* the rows of all results that a procedure gives;
                             else those of the first one */
} covet_query_flags;

/** Lend a connection. `read_only`: one that is not meant to write. */
COVET_EXPORT covet_op *covet_op_acquire(covet_adapter *adapter, int read_only);

/** Give a connection back; what its borrower left open is rolled back. */
COVET_EXPORT covet_op *covet_op_release(covet_adapter *adapter,
                                        covet_lease lease);

/**
 * Lend a connection that is free at this moment, without an operation. Returns 0
 * when there is none, when that cannot be told at once (COVET_OWN_THREAD, a
 * connection that is to be tested first...), or when the loop should run: submit
 * covet_op_acquire then, as trying again may answer 0 for ever. `owner` as for
 * covet_op_set_owner.
 */
COVET_EXPORT covet_lease covet_try_acquire(covet_adapter *adapter,
                                           int read_only, uint64_t owner);

/** Give a connection back on which nothing was left open, without an operation: 1;
 *  0 when that takes covet_op_release. */
COVET_EXPORT int covet_try_release(covet_adapter *adapter, covet_lease lease);

/** Something that only one database can do, by its name ("backup"...): see
 *  docs/c-api.md, "Calls by name". Parameters as for a query; its rows are its
 *  results. */
COVET_EXPORT covet_op *covet_op_call(covet_adapter *adapter, const char *name,
                                     size_t length, unsigned flags);

/** Run a query or a call on a leased connection instead of on any. */
COVET_EXPORT void covet_op_set_lease(covet_op *op, covet_lease lease);

/** Who asks, as a number of the caller's own (a task, a request); 0: nobody in
 *  particular. A holder of leases that would wait for itself, or for others
 *  that wait alike, fails at once with COVET_ERROR_POOL_EXHAUSTED. */
COVET_EXPORT void covet_op_set_owner(covet_op *op, uint64_t owner);

/** Give up after `timeout_ms` from now on, in whichever phase; 0: never. A query or
 *  a call waits for a connection no longer than the adapter's acquire_timeout,
 *  whatever is said here. */
COVET_EXPORT void covet_op_set_timeout(covet_op *op, uint64_t timeout_ms);

/** Rows in each delivered batch; 0: the driver chooses. */
COVET_EXPORT void covet_op_set_chunk(covet_op *op, uint32_t rows);

/** Parameters a row, for COVET_QUERY_MANY: 1 at least, and their number is a
 *  multiple of it; else the operation fails with COVET_ERROR_USAGE. */
COVET_EXPORT void covet_op_set_width(covet_op *op, uint32_t width);

/** Leave `data` with the operation; covet does not look at it. */
COVET_EXPORT void covet_op_set_data(covet_op *op, void *data);
COVET_EXPORT void *covet_op_data(const covet_op *op);

/** Append a parameter. `bytes` are copied by _text and _blob; _borrowed keeps
 *  the pointer: *borrowed until completion*, and takes TEXT and BLOB. NULL is
 *  allowed for no bytes. _unsigned is for integers that 63 bits do not hold, too,
 *  where the database has such: else COVET_EUNSUPPORTED. Return 0, COVET_ENOMEM,
 *  or COVET_EUSAGE for anything else, for 2 GiB and more, and after
 *  covet_submit. */
COVET_EXPORT int covet_op_add_null(covet_op *op);
COVET_EXPORT int covet_op_add_integer(covet_op *op, int64_t value);
COVET_EXPORT int covet_op_add_unsigned(covet_op *op, uint64_t value);
COVET_EXPORT int covet_op_add_number(covet_op *op, double value);
COVET_EXPORT int covet_op_add_boolean(covet_op *op, int value);
COVET_EXPORT int covet_op_add_text(covet_op *op, const char *bytes,
                                   size_t length);
COVET_EXPORT int covet_op_add_blob(covet_op *op, const char *bytes,
                                   size_t length);
COVET_EXPORT int covet_op_add_borrowed(covet_op *op, covet_kind kind,
                                       const char *bytes, size_t length);

/** What names an operation between submission and end; never used again. */
typedef uint64_t covet_token;

/**
 * Submit. The operation is *taken* until it is reaped. Returns 1 when it has
 * finished at once (it is not on the completion queue: look at it now), 0 when
 * it is under way, COVET_EFORKED in a child process, COVET_EUSAGE when it
 * was submitted before. All other failures are the operation's own error.
 */
COVET_EXPORT int covet_submit(covet_op *op);

COVET_EXPORT covet_token covet_op_token(const covet_op *op);

/** The operation of a token, NULL when it has been freed. */
COVET_EXPORT covet_op *covet_op_find(covet_runtime *runtime, covet_token token);

/** Where a call stands among the connections of its adapter. */
typedef struct covet_place {
  unsigned lane; /* of its connection, as the driver counts them */
  unsigned size; /* connections that the lane can have */
  int queued;    /* whether it still waits for one of them */
} covet_place;

/**
 * Tell where a call stands. Returns 0, or COVET_EUNSUPPORTED when it has ended,
 * runs on a lease, or waits for its adapter to be connected. In COVET_OWN_THREAD
 * mode the loop's thread is asked, and its present turn waited for; the call
 * goes on meanwhile.
 */
COVET_EXPORT int covet_op_place(const covet_op *op, covet_place *place);

/** The next operation with news, or NULL. It has rows, or has finished. */
COVET_EXPORT covet_op *covet_reap(covet_runtime *runtime);

/** Whether the operation has ended (all its rows may not be taken yet). */
COVET_EXPORT int covet_op_finished(const covet_op *op);

/** Its error, NULL if there is none or it has not ended. Valid until the operation
 *  is freed. */
COVET_EXPORT const covet_error *covet_op_error(const covet_op *op);

/**
 * Take the batches that stand ready, linked by `next`; NULL if none do. They
 * are the caller's: free each. `*more` says whether others can follow.
 */
COVET_EXPORT covet_batch *covet_op_take(covet_op *op, int *more);

/**
 * Ask for more of an operation that is not finished. Returns 1 when there is
 * news already, 0 when it will stand on the completion queue.
 */
COVET_EXPORT int covet_op_next(covet_op *op);

/** Figures of a finished operation; empty before its end. */
typedef struct covet_result {
  int64_t affected_rows;  /* -1: the statement is not one that counts them */
  int64_t last_insert_id; /* 0 when `has_insert_id` is 0 */
  int has_insert_id;
  int insert_id_is_unsigned; /* it is a uint64_t: MySQL's, beyond INT64_MAX */
  covet_lease lease;         /* of covet_op_acquire */
  const covet_shape *shape;  /* of the rows, NULL when there can be none */
  int described;             /* of COVET_QUERY_DESCRIBE: the next three hold */
  uint32_t parameter_count;
  int read_only;
  const covet_shape *parameters; /* their types, where the database tells them;
                                    else NULL */
  char command[64]; /* the database's own words for what was done, such as
                       "INSERT 0 1"; empty where it has none */
} covet_result;

COVET_EXPORT const covet_result *covet_op_result(const covet_op *op);

/**
 * Ask an operation to end. It finishes as soon as the database lets go of it,
 * with COVET_ERROR_CANCELLED unless it was faster. Does nothing to one that has
 * finished.
 */
COVET_EXPORT void covet_cancel(covet_op *op);

/** Free a finished operation, its error and the batches not taken. An
 *  operation that is under way is cancelled and freed when it has ended. */
COVET_EXPORT void covet_op_free(covet_op *op);

/* --- Functions in SQL -------------------------------------------------------------- */

/**
 * A function that statements may call. Each connection makes a state of its own
 * by `open`, on the thread that runs the statement, and uses it on one thread at
 * a time; the function must not block and must not touch the runtime.
 */
typedef struct covet_function {
  const char *name;
  int arity;         /* -1: any number of arguments */
  int deterministic; /* same arguments, same result */
  int aggregate;     /* `step` for each row, `finish` at the end */
  void *definition;  /* handed to `open`; *taken* when all goes well */
  void *(*open)(void *definition, covet_error *error); /* NULL: it failed */
  /** `result` points to bytes that live until the next call; 0, or an error. */
  int (*call)(void *state, const covet_cell *arguments, int count,
              covet_cell *result, covet_error *error);
  int (*step)(void *state, void **context, const covet_cell *arguments,
              int count, covet_error *error);
  int (*finish)(void *state, void **context, covet_cell *result,
                covet_error *error);
  /** May be NULL. The function should end when `stopped(data)` is not 0: its
   *  statement was cancelled. Valid as long as `state`. */
  void (*watch)(void *state, int (*stopped)(const void *data),
                const void *data);
  void (*close)(void *state);
  void (*release)(void *definition); /* when the adapter goes */
} covet_function;

/**
 * Add a function to every connection that the adapter has and will have (SQLite
 * only). `function->name` (255 bytes at most) is copied. Returns 0, COVET_EUSAGE,
 * COVET_EUNSUPPORTED or COVET_ENOMEM.
 */
COVET_EXPORT int covet_adapter_add_function(covet_adapter *adapter,
                                            const covet_function *function,
                                            covet_error *error);

/* --- LuaJIT ------------------------------------------------------------------ */

/*
 * These two use the LuaJIT that the program itself is linked with or has loaded;
 * everything else here works without one.
 */
struct lua_State;

/**
 * Give a state everything of covet: afterwards `require "covet"` works in it, and
 * its calls run on `runtime`, *borrowed* until the state is closed (NULL: the
 * state makes a runtime of its own when it needs one). A call in Lua waits until
 * it is done and reaps what is ready meanwhile: leave the runtime to the state
 * while Lua runs. Opens Lua's libraries if they are not, and adds the installed
 * modules to package.path if it does not lead to them. Call it in a protected
 * call where LuaJIT may run out of memory.
 *
 * Returns 0, or COVET_EUNSUPPORTED when there is no LuaJIT in the process.
 */
COVET_EXPORT int covet_open_lua(struct lua_State *L, covet_runtime *runtime);

/** The module `covet.core` as a lua_CFunction, on which those in Lua stand. */
COVET_EXPORT int luaopen_covet_core(struct lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
