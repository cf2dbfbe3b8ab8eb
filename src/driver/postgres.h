/**
 * The PostgreSQL driver's inside.
 *
 * Connections are opened, and queries cancelled, by helper threads; all else
 * happens on the loop's thread. A connection is in libpq's pipeline mode: what is
 * sent is a list of *commands* (prepare, describe, execute, sync), each of them
 * for a *request*, and what comes back is read in the same order. Scripts, COPY
 * and resets leave that mode for as long as they take.
 */
#ifndef COVET_DRIVER_POSTGRES_H
#define COVET_DRIVER_POSTGRES_H

#include "../core/adapter.h"
#include "../core/spin.h"
#include "../core/stmt_cache.h"
#include "postgres_value.h"

#include <libpq-fe.h>

typedef struct pg_adapter pg_adapter;
typedef struct pg_connection pg_connection;
typedef struct pg_request pg_request;

/** The lanes: connections that are lent, and the one that listens. */
enum { PG_MAIN, PG_LISTENER };

/** Which operations of different callers may be sent together. */
typedef enum pg_pipeline {
  PG_PIPELINE_OFF,
  PG_PIPELINE_EACH, /* a Sync after each */
  PG_PIPELINE_GROUP /* reads share one Sync */
} pg_pipeline;

enum {
  PG_MAX_KEYWORDS = 64,
  PG_MOST_PARAMS = 65535,
  PG_MOST_DESCRIBED = 7000, /* parameters: libpq loses its way behind 7,499 */
  /* of a message, but for what is sent beside the text or the values */
  PG_MOST_BYTES = 0x3fffffff - 0x100000
};

typedef struct pg_options {
  /* libpq's, in the adapter's arena; the last keyword is NULL */
  const char *keywords[PG_MAX_KEYWORDS];
  const char *values[PG_MAX_KEYWORDS];
  unsigned keyword_count;
  unsigned host_count;
  const char *settings; /* SET for each, as `options` has them */
  covet_pool_config pool;
  size_t cache_size;
  size_t cache_max_length;
  uint64_t cache_lifetime_us;
  uint64_t connect_timeout_us;
  pg_pipeline pipeline;
  uint32_t pipeline_depth;
  bool keeps_formats;    /* nothing asks for other texts than covet does */
  bool pgbouncer;        /* no session outlives a transaction */
  uint64_t busy_poll_us; /* the longest spin; 0: none */
} pg_options;

/** What was learnt about a text, for all connections; `covet_stmt` comes
 *  first. */
typedef struct pg_habit {
  covet_stmt base;
  bool shareable; /* of its text: see pg_is_shareable */
  uint32_t stale; /* the adapter's count when it was described */
  uint32_t param_count;
  uint32_t column_count;
  uint32_t *oids; /* of the parameters, then of the columns */
  char **names;   /* of the columns */
} pg_habit;

/** The first words of a statement, as far as they matter here. */
typedef enum pg_verb {
  PG_VERB_OTHER,
  PG_VERB_SELECT, /* VALUES and TABLE too */
  PG_VERB_WITH,
  PG_VERB_CHANGE, /* INSERT, UPDATE, DELETE, MERGE */
  PG_VERB_BEGIN,
  PG_VERB_COMMIT, /* END, PREPARE TRANSACTION and COMMIT PREPARED too */
  PG_VERB_ROLLBACK,
  PG_VERB_SAVEPOINT, /* RELEASE too */
  PG_VERB_COPY,
  PG_VERB_EXPLAIN,
  PG_VERB_SHOW,
  PG_VERB_LISTEN
} pg_verb;

/** A prepared statement of one connection; `covet_stmt` comes first. */
typedef struct pg_statement {
  covet_stmt base;
  pg_connection *connection;
  uint64_t number; /* its name is made of it; 0: the unnamed one */
  pg_verb verb;
  bool cached;
  bool prepared;  /* the server has it */
  bool described; /* oids and names are known */
  bool resolved;  /* and so are their types, of the adapter's `epoch` */
  bool binary;    /* all columns can be read so */
  bool text;      /* and as well as text */
  bool few_rows;  /* the last run gave only some */
  bool changes;   /* it may leave the session changed */
  bool reads;     /* it changes nothing, as far as its text tells */
  uint32_t epoch;
  uint32_t param_count;
  uint32_t column_count;
  uint32_t *oids;           /* of the parameters, then of the columns */
  char **names;             /* of the columns */
  const pg_type **types;    /* of the parameters, then of the columns */
  const covet_shape *shape; /* NULL: it gives no rows */
} pg_statement;

/** How far a request is. */
typedef enum pg_stage {
  PG_STAGE_DESCRIBE, /* prepared and described, not run yet */
  PG_STAGE_TYPES,    /* asking for types that are not known */
  PG_STAGE_RUN,
  PG_STAGE_REST, /* a cursor between two chunks */
  PG_STAGE_DRAIN /* nobody's: what is left is read away */
} pg_stage;

/** One operation on its connection, from sending to the Sync that ends it. */
struct pg_request {
  covet_node node; /* in its connection's requests, in the order of sending */
  pg_connection *connection;
  covet_op *op;            /* NULL: the driver's own, or given up */
  pg_statement *statement; /* NULL: a ping, or statements being dropped */
  pg_stage stage;
  pg_format format; /* of the rows */
  uint64_t sync;    /* the number of the Sync that ends what was sent */
  bool wrapped;     /* in a transaction of its own that only reads */
  bool together;    /* one of its caller's pipeline: all or nothing */
  bool shared;      /* sent with others: it may have to be sent again */
  bool single;      /* row by row */
  bool greedy;      /* not to be paused: others wait behind it */
  uint64_t cursor;  /* the number of its cursor on the server; 0: none */
  uint64_t fetched; /* rows before the last FETCH */
  bool holding;     /* its rows wait for their types */
  bool reread;      /* they came as text, which does not tell all: once more */
  bool has_error;   /* its operation's error is set */
  bool refused;     /* not run, because of a neighbour's error */
  bool canceled;    /* the server says that it was cancelled */
  bool stale;       /* its statement is to be prepared anew */
  bool outdated;    /* and so are those of all connections */
  bool retried;     /* because it was stale */
  unsigned overdue; /* ticks since its operation was to end */
  uint64_t rows;
  uint32_t executed; /* of a list's rows */
  covet_batch *batch;
  PGresult **held;
  size_t held_count;
  size_t held_capacity;
  uint32_t missing; /* a type that a record showed */
};

typedef enum pg_command_kind {
  PG_COMMAND_PREPARE,
  PG_COMMAND_DESCRIBE,
  PG_COMMAND_EXECUTE,
  PG_COMMAND_TYPES,
  PG_COMMAND_CONTROL, /* BEGIN, COMMIT, DEALLOCATE, DECLARE of ours */
  PG_COMMAND_SYNC
} pg_command_kind;

/** Something that was sent and not answered yet. */
typedef struct pg_command {
  pg_command_kind kind;
  uint32_t repeat;     /* so many alike in a row */
  pg_request *request; /* SYNC: NULL */
} pg_command;

/** An encoded parameter. */
typedef struct pg_param {
  size_t offset;
  int length; /* -1: NULL */
  pg_format format;
} pg_param;

/** What a connection does besides commands of the pipeline. */
typedef enum pg_mode {
  PG_MODE_PIPELINE,
  PG_MODE_SCRIPT,  /* several statements, by the simple protocol */
  PG_MODE_RESET,   /* the same, of ours */
  PG_MODE_COPY_IN, /* the server takes data, or will */
  PG_MODE_COPY_OUT
} pg_mode;

typedef struct pg_opening pg_opening;
typedef struct pg_canceling pg_canceling;

struct pg_connection {
  covet_connection base;
  pg_adapter *adapter;
  PGconn *pq;
  uv_poll_t poll;
  int events; /* that are polled for */
  bool has_poll;
  uv_timer_t timer;
  bool has_timer;
  unsigned handles; /* that are open */
  covet_runtime *runtime;
  bool freed; /* as soon as they are closed */
  bool closing;
  bool lost;
  bool flushing; /* not all is sent yet */
  bool paused;   /* a reader has to catch up */
  bool reading;  /* results are being taken */
  bool pinging;
  bool dirty;           /* the session was changed */
  bool opened_writable; /* its server was no standby then */
  bool knows_input;     /* rows can be taken from libpq's buffer */
  bool settled;         /* what `stepping` waits for has come */
  covet_op *stepping;   /* `execute` is at it */
  covet_step step;

  pg_mode mode;
  covet_op *simple; /* the operation of a mode that is not PIPELINE */
  covet_stmt_cache statements;
  uint64_t statement_number;
  uint64_t cursor_number;
  covet_queue requests;
  covet_queue spare;    /* requests to be used again */
  pg_command *commands; /* a ring */
  uint32_t first_command;
  uint32_t command_count;
  uint32_t command_capacity;
  covet_node collecting; /* among the adapter's, until the turn ends */

  pg_opening *opening;
  pg_canceling *canceling;
  uint64_t sync_number;    /* the last one that was sent */
  uint64_t answered_sync;  /* and answered */
  uint64_t cancel_sync;    /* sent when the last cancel was; 0: none was */
  uint64_t canceled_sync;  /* that was being answered then */
  uint64_t looked_sync;    /* of which it is known whether somebody wants it */
  uv_timer_t clock;        /* of what is to end: see postgres_cancel.c */
  uint64_t watch_target;   /* all of that has ended with this one */
  uint64_t watch_seen;     /* the last one that was seen to be answered */
  unsigned watch_ticks;    /* since then */
  bool was_in_transaction; /* when it answered last */
  uint32_t stale_seen;     /* of the adapter's `stale` */
  uint64_t *unwanted;      /* numbers of statements to be dropped */
  uint32_t unwanted_count;
  uint32_t unwanted_capacity;
  bool read_only;        /* the open transaction was begun so */
  char first_error[256]; /* of the transaction that it has aborted */
  covet_error *farewell; /* why the server ends the session, *owned*, or NULL */
  pg_buffer buffer;      /* parameters on their way */
  pg_param *params;      /* where they stand in it */
  uint32_t param_capacity;
  void *arguments; /* of libpq's calls */
  uint32_t argument_capacity;
  struct pg_copy *copy;
  uint64_t sent_us;   /* the last request */
  uint64_t looked_us; /* whether its server is there, without one */
  covet_spin spin;
};

struct pg_adapter {
  covet_adapter *base;
  pg_options options;
  pg_types *types;
  uint32_t epoch; /* of `types` */
  uint32_t stale; /* times that a plan was found to be out of date */
  covet_stmt_cache habits;
  char *password;         /* of set_password, *owned* */
  covet_queue collecting; /* connections */
  struct pg_listener *listener;
};

static inline pg_adapter *pg_of(covet_adapter *adapter)
{
  return adapter->driver_data;
}

static inline pg_connection *pg_connection_of(covet_connection *base)
{
  return (pg_connection *) (void *) base;
}

/** Whether nobody reads on: what is left of it is dropped. */
static inline bool pg_is_stopped_stream(covet_op *op)
{
  return (op->flags & COVET_QUERY_STREAM) &&
         covet_op_stop_reason(op) != COVET_STOP_NONE;
}

/** Whether reading stands still for this operation; it may have ended, and the
 *  connection be another's, by the time that reading stops. */
static inline bool pg_has_paused(const pg_connection *connection,
                                 const covet_op *op)
{
  return connection->paused && connection->base.running == op;
}

/* --- postgres_options.c --------------------------------------------------------- */

int pg_options_read(pg_options *options, covet_arena *arena,
                    const covet_url *url, const covet_option *given,
                    size_t count, covet_error *error);

/* --- postgres_error.c ------------------------------------------------------------ */

/** Fill in `error` from what the server said. */
void pg_error_fill(covet_error *error, const PGresult *result);

/** The connection is gone: what the server said last, else what libpq knows. */
void pg_error_lost(covet_error *error, const pg_connection *connection);

/** Opening failed. `said`: its message, where `pq` has failed once more with
 *  verbose ones; else NULL. */
void pg_error_open(covet_error *error, PGconn *pq, const char *said);

/** Whether a server's message is not understood, which may be in another
 *  language than English. */
bool pg_is_foreign(const char *text);

/** Set the operation's error from a result; noted for the transaction. So many
 *  characters were sent `before` the operation's own text. */
void pg_fault(pg_connection *connection, covet_op *op, const PGresult *result,
              size_t before);

/** Say in the detail which row of a list, or of a COPY, is meant. */
void pg_name_row(covet_error *error, uint64_t row);
void pg_name_copied_row(covet_error *error, const PGresult *result);

/** Set the operation's error with a text of covet's own. */
void pg_refuse(covet_op *op, covet_error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* --- postgres_open.c -------------------------------------------------------------- */

void pg_open(pg_connection *connection);

/** It is not wanted any more. */
void pg_stop_opening(covet_connection *base);
void pg_fail_opening(covet_connection *base, const covet_error *error);

/* --- postgres_cancel.c ------------------------------------------------------------ */

/** Have the server stop what it is at; told early, closed at last. */
void pg_cancel(covet_connection *base, covet_op *op);

/** Have the server stop what it is at: nobody waits for it any more, or not for
 *  long. */
void pg_cancel_drained(pg_connection *connection);

/** Set up the clock's handle. */
void pg_watch_init(pg_connection *connection);

/** What was sent for nobody has to be answered within the grace time. */
void pg_guard(pg_connection *connection);

/** The same, where what the server is at is wanted by nobody. */
void pg_cancel_unwanted(pg_connection *connection);

/** Whether a cancel is on its way, so that nothing may be sent. */
bool pg_is_canceling(const pg_connection *connection);

/** Give up a cancel that is on its way. */
void pg_cancel_forget(pg_connection *connection);

/** The operation ends while a cancel is on its way: nobody gets the connection
 *  before that has come. A release waits for it. */
void pg_end_canceled(pg_connection *connection, covet_op *op);

/** The connection's work has ended: whether it can be used, or has to wait. */
void pg_cancel_settled(pg_connection *connection);

/* --- postgres_io.c ---------------------------------------------------------------- */

/** Make the handles that every connection has. */
bool pg_io_init(pg_connection *connection, covet_runtime *runtime);

/** Watch the socket. Returns 0 or -1. */
int pg_io_start(pg_connection *connection);

/** Watch the socket no more: libpq may have closed it, and its number be that of
 *  another. */
void pg_io_unwatch(pg_connection *connection);

/** Close the handles; covet_connection_closed follows. */
void pg_io_stop(pg_connection *connection);

/** Free the connection as soon as its handles are closed. */
void pg_io_free(pg_connection *connection);

/** Free everything. postgres.c */
void pg_connection_deinit(pg_connection *connection);

/** Send what libpq holds, as far as the socket takes it. */
void pg_flush(pg_connection *connection);

/** Poll for what is wanted now. */
void pg_poll(pg_connection *connection);

/** Take what has come, also what libpq holds already. */
void pg_read(pg_connection *connection);

/** Start, or stop (0), the connection's timer. */
void pg_timer(pg_connection *connection, uint64_t us, uv_timer_cb run);

/** The server is gone: fail all there is. */
void pg_lose(pg_connection *connection);

/** The operation that the core runs here has come so far. */
void pg_settle(pg_connection *connection, covet_op *op, covet_step step);

/* --- postgres_request.c ----------------------------------------------------------- */

/** Run an operation of the kind QUERY, or go on with it. */
covet_step pg_query(pg_connection *connection, covet_op *op);

/** Set the error of an operation of which nothing was sent: the connection was
 *  lost before. */
void pg_fault_unsent(pg_connection *connection, covet_op *op);

/** Send what was collected in this turn: callers that wait for a connection go
 *  with one that has it, and what a caller wants to go together. */
void pg_turn_end(covet_adapter *base);
bool pg_awaits_turn_end(const covet_adapter *base);

/** Statements that nobody waits for, and a Sync. */
bool pg_send_own(pg_connection *connection, const char *const *statements,
                 size_t count);

/** A bare Sync. */
bool pg_send_ping(pg_connection *connection);

/** Take the rows that stand in libpq's buffer. */
void pg_take_waiting(pg_connection *connection);

/** The next result of the pipeline (*taken*), NULL: a command has ended. */
void pg_take_result(pg_connection *connection, PGresult *result);

/** Set the error of an operation that is to end while the server is at it: of a
 *  COMMIT nobody knows whether it happened. */
void pg_fault_stopped(pg_request *request);

/** The operation ends before its request has. */
void pg_disown(pg_connection *connection, covet_op *op);

/** The request of an operation, NULL: it has none here. */
pg_request *pg_request_of(const pg_connection *connection, const covet_op *op);

/** A stream that rests on its cursor is let go of: the connection is lost. */
void pg_drop_resting(covet_op *op);

/** Fail all requests: the connection is lost. */
void pg_requests_lost(pg_connection *connection);

/** `op` has ended, or (NULL) a request without one: see to what comes next. */
void pg_conclude(pg_connection *connection, covet_op *op);

void pg_requests_free(pg_connection *connection);

/* --- postgres_command.c ----------------------------------------------------------- */

/** Encode the operation's parameters, for pg_send_execute. Returns 0, or a
 *  negative status: its error is set, and nothing was sent. */
int pg_encode(pg_request *request);

/* What these send waits for pg_flush. False: it could not be sent, and the
 * connection is lost or memory is out. */
bool pg_send_prepare(pg_request *request);
bool pg_send_describe(pg_request *request);
bool pg_send_execute(pg_request *request);
bool pg_send_types(pg_request *request, const char *oids);
bool pg_send_control(pg_request *request, const char *sql);

/** DECLARE the request's cursor, with the parameters of pg_encode. */
bool pg_send_declare(pg_request *request);

/** Characters that stand before the text of a request where it is sent. */
size_t pg_sent_before(const pg_request *request);

/** Fetch `rows` rows of it. */
bool pg_send_fetch(pg_request *request, uint32_t rows);
bool pg_send_sync(pg_connection *connection);

/** Drop the statements that left the cache. */
bool pg_send_unwanted(pg_connection *connection);

/** The command whose answer comes next, NULL: none does. */
pg_command *pg_command_first(pg_connection *connection);

/** It has been answered. */
void pg_command_done(pg_connection *connection);

/* --- postgres_statement.c --------------------------------------------------------- */

/** The operation's statement, from the cache or new; NULL: no memory. */
pg_statement *pg_statement_get(pg_connection *connection, const covet_op *op);

/** Give it back; else than `keep`: nobody gets it any more. */
void pg_statement_end(pg_statement *statement, bool keep);
void pg_statement_destroy(covet_stmt *stmt);

/** Its name on the server. */
void pg_statement_name(const pg_statement *statement, char name[24]);

/** Take over what the server said of parameters and columns; `rows`: of columns
 *  alone. False: no memory. */
bool pg_statement_describe(pg_statement *statement, const PGresult *result,
                           bool rows);

/** Whether a result has the columns that are known. */
bool pg_statement_fits(const pg_statement *statement, const PGresult *result);

/** Shape and readers. Returns 0, COVET_ENOMEM, or 1: some types are not known,
 *  and `*oids` (to be freed) is what to ask for. */
int pg_statement_resolve(pg_statement *statement, char **oids);

/** It gives rows after all, of no columns. False: no memory. */
bool pg_statement_has_no_columns(pg_statement *statement);

/** Count a type that nobody knows as text. */
void pg_statement_give_up(pg_statement *statement);

/** Whether it is described, if need be by what other connections know. */
bool pg_statement_known(pg_statement *statement, const covet_op *op);

/** Let the other connections know. */
void pg_habit_note(pg_adapter *adapter, const covet_op *op,
                   const pg_statement *statement);
void pg_habit_destroy(covet_stmt *stmt);

/** Whether the operation's text may be sent behind another caller's. */
bool pg_habit_shareable(pg_adapter *adapter, const covet_op *op);

/** What was learnt of a text is not true any more. */
void pg_habit_forget(pg_adapter *adapter, const covet_op *op);

/** A statement with this command tag was run: the server may have none of the
 *  connection's statements any more. */
void pg_statements_note(pg_connection *connection, const char *tag);

/* --- postgres_verb.c -------------------------------------------------------------- */

pg_verb pg_verb_of(const char *sql, size_t length);

/** Whether a statement changes nothing. */
bool pg_text_reads(const char *sql, size_t length, pg_verb verb);

/** Whether it can be sent behind another caller's: it leaves no lock and no change
 *  of the session, and does not wait. */
bool pg_text_shares(const char *sql, size_t length);

/** Whether the text may leave the session changed. */
bool pg_changes_session(const char *sql, size_t length, pg_verb verb);

/** Whether there are more than PG_MOST_DESCRIBED parameters, by their numbers. */
bool pg_has_many_params(const char *sql, size_t length);

/** Whether a word (in lower case) stands in the text, in any case. */
bool pg_mentions(const char *sql, size_t length, const char *word);

/* --- postgres_result.c ------------------------------------------------------------ */

/** Append the result's rows to the request's batch and deliver what is full.
 *  False: the request has failed. */
bool pg_take_rows(pg_request *request, const PGresult *result);

/** Take those of the request's rows that stand in libpq's buffer: its first one
 *  was taken. */
void pg_take_waiting_rows(pg_request *request);

/** Keep a result whose types are not known yet (*taken*). */
bool pg_hold_rows(pg_request *request, PGresult *result);

/** Take the rows that were kept. */
bool pg_take_held(pg_request *request);

/** Hand over the rows that are left, and the result's figures. */
void pg_finish_rows(pg_request *request);

/** Drop them. */
void pg_drop_rows(pg_request *request);

/** Note affected rows. */
void pg_note_command(pg_request *request, PGresult *result);

/* --- postgres_simple.c ------------------------------------------------------------ */

/** Leave the pipeline mode for an operation that needs the simple protocol, and
 *  send it. False: the connection is lost. */
bool pg_enter_mode(pg_connection *connection, pg_mode mode, covet_op *op,
                   const char *sql);

/** Whether the pipeline is at rest, so that it can be left. False: a stream is
 *  open, and the operation's error says so. */
bool pg_check_mode(pg_connection *connection, covet_op *op);

/** Back to it. */
void pg_leave_mode(pg_connection *connection);

covet_step pg_script(pg_connection *connection, covet_op *op);

/** Make the session as new, as far as it was changed; `op` ends with that. */
covet_step pg_reset(pg_connection *connection, covet_op *op);

/** Whether there is anything to be reset. */
bool pg_needs_reset(const pg_connection *connection);

/** Take the next result of such a mode; false: none is there. */
bool pg_take_simple(pg_connection *connection);

/** Fail the operation of such a mode: the connection is lost. */
void pg_simple_lost(pg_connection *connection);

/* --- postgres_copy*.c ------------------------------------------------------------- */

covet_step pg_copy_begin(pg_connection *connection, covet_op *op);
covet_step pg_copy_data(pg_connection *connection, covet_op *op);
covet_step pg_copy_rows(pg_connection *connection, covet_op *op);
covet_step pg_copy_end(pg_connection *connection, covet_op *op);
covet_step pg_copy_out(pg_connection *connection, covet_op *op);

/** Abort a COPY that its borrower has left open. */
void pg_copy_abort(pg_connection *connection, covet_op *op);

/** A result that belongs to a COPY (*taken*), NULL at its end. */
void pg_copy_result(pg_connection *connection, PGresult *result);

/** Whether data come, which pg_copy_take takes. */
bool pg_copy_is_out(const pg_connection *connection);

/** Data that have come; false: no more are there. */
bool pg_copy_take(pg_connection *connection);

/** The socket has taken what was there. */
void pg_copy_writable(pg_connection *connection);
void pg_copy_free(pg_connection *connection);

/* --- postgres_call.c, postgres_listen*.c --------------------------------------------- */

covet_step pg_call(pg_connection *connection, covet_op *op);

/** A parameter as a string in the operation's arena, NULL: it is none, or holds a
 *  NUL byte. */
const char *pg_text_param(covet_op *op, uint32_t index);

/** The call ends: it was made wrongly, or memory is out. */
covet_step pg_misused(covet_op *op, const char *text);
covet_step pg_no_memory(covet_op *op);

/** The call "builtin_types": a row for each type that need not be asked for. */
covet_step pg_tell_builtins(covet_op *op);

/** A call that needs no connection of the pool: see covet_driver.call. */
covet_step pg_call_apart(covet_adapter *base, covet_op *op);

/* A listener's connection tells of these. */
void pg_listener_opened(pg_connection *connection);
void pg_listener_failed(pg_adapter *adapter, const covet_error *error);
void pg_listener_lost(pg_connection *connection);
void pg_listener_rest(pg_connection *connection);
void pg_listener_error(pg_connection *connection, const PGresult *result);
void pg_listener_notified(pg_connection *connection, const PGnotify *notify);

covet_step pg_listen(pg_adapter *adapter, covet_op *op, const char *name);
covet_step pg_unlisten(pg_adapter *adapter, covet_op *op, const char *name);
covet_step pg_notifications(pg_adapter *adapter, covet_op *op);

/** One of the three calls above is to end. */
void pg_listener_cancel(pg_adapter *adapter, covet_op *op);
void pg_listener_free(pg_adapter *adapter);

#endif
