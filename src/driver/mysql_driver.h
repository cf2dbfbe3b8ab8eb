/**
 * The driver of MySQL and MariaDB: its inside.
 *
 * Connections are opened, and queries killed, by helper threads (*errands*); all
 * else happens on the loop's thread. One *call* of the library at a time is under
 * way on a connection: it is started, and continued when its socket is ready. What
 * an operation needs is a row of calls, which its *request* goes through.
 */
#ifndef COVET_DRIVER_MYSQL_DRIVER_H
#define COVET_DRIVER_MYSQL_DRIVER_H

#include "../core/adapter.h"
#include "../core/spin.h"
#include "../core/stmt_cache.h"
#include "mysql_value.h"
#include "mysql_verb.h"

#include <mysql.h>

typedef struct my_adapter my_adapter;
typedef struct my_connection my_connection;
typedef struct my_errand my_errand;
typedef struct my_worker my_worker;

enum { MY_MAIN };

typedef enum my_ssl {
  MY_SSL_ON, /* as the other options say; none is left when all have been read */
  MY_SSL_DISABLE,
  MY_SSL_REQUIRE,
  MY_SSL_VERIFY_CA,
  MY_SSL_VERIFY_FULL
} my_ssl;

/** How a list of rows is sent. */
typedef enum my_bulk {
  MY_BULK_AUTO,    /* as the server can */
  MY_BULK_REWRITE, /* as one INSERT of several rows */
  MY_BULK_OFF      /* row by row */
} my_bulk;

typedef struct my_options {
  /* texts in the adapter's arena; NULL: not given */
  const char *host;
  const char *user;
  const char *password;
  const char *database;
  const char *unix_socket;
  const char *charset;
  const char *init_command;
  const char *time_zone;
  const char *ssl_ca;
  const char *ssl_cert;
  const char *ssl_key;
  const char *ssl_crl;
  const char *ssl_cipher;
  const char *set_up; /* what each session is told first */
  unsigned port;
  my_ssl ssl;
  bool ssl_given;
  bool ssl_verify;
  bool ssl_verify_given;
  bool autocommit;
  bool found_rows;
  bool local_infile;
  bool threads; /* blocking calls in a thread of each connection */
  my_bulk bulk;
  my_zero_dates zero_dates;
  covet_pool_config pool;
  size_t cache_size;
  size_t cache_max_length;
  uint64_t cache_lifetime_us;
  uint64_t connect_timeout_us;
  uint64_t busy_poll_us; /* the longest spin; 0: none */
} my_options;

/* In SQL: numbers are given out anew by each server. */
#define MY_SERVER "CONCAT_WS(':',@@server_id,@@port,LEFT(@@hostname,96))"

/** What a server says of itself. */
typedef struct my_facts {
  uint64_t max_packet;
  uint64_t wait_timeout_us;
  bool timeout_rolls_back; /* a lock that takes too long ends the transaction */
  bool read_only;          /* the server as a whole was */
  bool is_utc;             /* the session's time zone */
  char server[128];        /* what tells it from others, of MY_SERVER */
} my_facts;

/** Whether a statement that the server does not prepare is prepared in a block. */
typedef enum my_block {
  MY_BLOCK_UNTRIED,
  MY_BLOCK_USED,
  MY_BLOCK_REFUSED
} my_block;

/** A prepared statement of one connection; `covet_stmt` comes first. */
typedef struct my_statement {
  covet_stmt base;
  covet_node node; /* among those to be closed */
  my_connection *connection;
  MYSQL_STMT *handle;
  bool cached;
  bool prepared;
  bool described; /* the server told its columns then */
  bool text_only; /* the server does not prepare it */
  my_block block;
  my_columns columns; /* of the last run */
} my_statement;

/** What an operation is at. */
typedef enum my_stage {
  MY_STAGE_NONE,
  MY_STAGE_BEFORE, /* a statement of ours in front of it */
  MY_STAGE_PREPARE,
  MY_STAGE_SEND, /* long parameters */
  MY_STAGE_RUN,  /* the statement itself */
  MY_STAGE_ROWS,
  MY_STAGE_NEXT, /* result */
  MY_STAGE_AFTER /* a statement of ours behind it */
} my_stage;

/** One operation on its connection, from its first call to its last. */
typedef struct my_request {
  covet_op *op; /* NULL: given up, which may be found after each call */
  my_statement *statement; /* NULL: in the text protocol */
  my_verb verb;
  my_stage stage;
  const char *sql; /* what is run */
  size_t sql_length;
  bool text;      /* in the text protocol */
  bool script;    /* several statements */
  bool wrapped;   /* in a transaction or behind a savepoint of ours */
  bool savepoint; /* the latter */
  bool marked;    /* a savepoint in the former tells whether it is still ours */
  bool ran;       /* the server has, or may have, begun the statement */
  bool was_inside; /* in a transaction when it began */
  bool has_error;  /* its operation's error is set */
  bool killed;     /* the server was asked to end it */
  bool stale;      /* its statement is to be prepared anew */
  bool outdated;   /* the same, but for this run of it */
  bool retried;
  bool greedy;            /* not to be paused: another waits behind it */
  bool keep_rows;         /* of the result that is being read */
  uint32_t sets;          /* results with rows so far */
  uint64_t rows;          /* of all of them */
  uint64_t rows_before;   /* of those before the present one */
  uint64_t read_since_us; /* in this turn; 0: not known */
  MYSQL_RES *result;
  my_columns columns; /* of `result` */
  covet_batch *batch;
  covet_cell *row;     /* being read; NULL: none, or dropped */
  uint32_t long_param; /* being sent */
  size_t long_offset;
  struct my_many *many; /* of a list of rows */
} my_request;

/** A call of the library. Each answers what it waits for, 0: it has ended. */
typedef struct my_call {
  int (*start)(my_connection *connection);
  int (*resume)(my_connection *connection, int events);
  void (*block)(my_connection *connection); /* all of it, in a worker */
} my_call;

typedef void (*my_done)(my_connection *connection);

/** What a connection's timer runs for; one thing at a time. */
typedef enum my_clock {
  MY_CLOCK_NONE,
  MY_CLOCK_OPENING, /* until it is open, or given up */
  MY_CLOCK_ENDING,  /* a query is to end: it ticks */
  MY_CLOCK_RESET    /* until the session is as new */
} my_clock;

struct my_connection {
  covet_connection base;
  my_adapter *adapter;
  covet_runtime *runtime;
  MYSQL *mysql;
  my_facts facts;
  uv_poll_t poll;
  int events; /* that are polled for */
  bool has_poll;
  uv_timer_t timer;
  my_clock clock;
  unsigned handles; /* that are open */
  covet_post go_on; /* in the next turn */
  bool posted;
  bool freed; /* as soon as they are closed */
  bool closing;
  bool lost;
  bool settled;       /* what `stepping` waits for has come */
  covet_op *stepping; /* `execute` is at it */
  covet_step step;

  /* the library's */
  const my_call *call; /* under way, NULL: none is */
  my_done done;
  my_done ran;           /* follows the last result of a statement */
  my_done own_done;      /* and that of one of ours */
  unsigned own_warnings; /* of those without rows */
  int waits;             /* for which events it is suspended; 0: it is not */
  bool looping;          /* calls are being made */
  bool paused;           /* a reader has to catch up */
  bool yielding;         /* reading goes on in the next turn */
  int answer;            /* of the call */
  my_bool flag;          /* of the call */
  MYSQL_ROW text_row;
  MYSQL_RES *skipped; /* by a call that is under way */
  const char *text;   /* to be sent, or prepared */
  size_t text_length;
  my_worker *worker; /* NULL: calls do not block */

  my_request request;
  covet_op *waiting; /* for a stream in front of it to be read */
  bool in_transaction;
  bool undone;    /* the server has rolled it back, because of an error */
  bool read_only; /* the open transaction was begun so */
  bool dirty;     /* the session was changed */
  bool pinging;
  bool resetting;
  char *reset_text;      /* being sent */
  char committed_by[32]; /* what ended the transaction behind its back */
  bool ended_by_script;  /* the same, in a script */
  char first_error[256]; /* of what ended it */
  covet_stmt_cache statements;
  covet_queue unwanted; /* statements to be closed, by `node` */
  my_statement *closing_statement;
  my_done closed_all;
  MYSQL_BIND *binds;
  uint32_t bind_capacity;

  my_errand *opening;
  my_errand *killing;
  unsigned ticks;   /* since the query is to end */
  bool kill_futile; /* another would be refused as the last one was */
  bool kill_echoes; /* one was sent, and may still be about to come to effect */
  uint64_t sent_us; /* the last request */
  covet_spin spin;
};

struct my_adapter {
  covet_adapter *base;
  my_options options;
  char *password; /* of set_password, *owned* */
  bool connecting;
};

static inline my_adapter *my_of(covet_adapter *adapter)
{
  return adapter->driver_data;
}

static inline my_connection *my_connection_of(covet_connection *base)
{
  return (my_connection *) (void *) base;
}

/* --- mysql_options.c ------------------------------------------------------------ */

int my_options_read(my_options *options, covet_arena *arena,
                    const covet_url *url, const covet_option *given,
                    size_t count, covet_error *error);

/* --- mysql_error.c -------------------------------------------------------------- */

/** The kind of one of the server's or the library's errors. */
covet_error_kind my_kind_of(unsigned code, const char *state);

/** Set the operation's error from what the server said of the last call. */
void my_fault(my_connection *connection, covet_op *op);

/** The connection is gone, as far as the library knows why. */
void my_error_lost(covet_error *error, const my_connection *connection);

/** Opening failed. */
void my_error_open(covet_error *error, MYSQL *mysql, const my_options *options);

/** Set the operation's error with a text of covet's own. */
void my_refuse(covet_op *op, covet_error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Say in the detail which row of a list is meant. */
void my_name_row(covet_error *error, uint64_t row);

/** What the last call's error is: 0, or the server's or the library's number. */
unsigned my_last_error(const my_connection *connection);

/* --- mysql_errand.c ------------------------------------------------------------- */

/** What a helper thread does: `work` there, then `ended` on the loop's thread,
 *  unless it was let go. */
typedef struct my_task {
  void (*work)(my_errand *errand);
  void (*ended)(my_connection *connection, my_errand *errand);
} my_task;

struct my_errand {
  const my_task *task;
  MYSQL *mysql;         /* NULL: none was made */
  my_facts facts;       /* of the server that is asked, or was */
  covet_error error;    /* kind NONE: it went well */
  unsigned long victim; /* whose query is to be killed */
  bool sent;            /* the server may have been told to */
};

/** Start one, NULL: there is no memory, or no thread. */
my_errand *my_errand_start(my_connection *connection, const my_task *task,
                           unsigned long victim);

/** Connect; false: `error` is set. On the helper's thread. */
bool my_errand_connect(my_errand *errand, bool for_queries);

/** The options that it has of its own. On the helper's thread. */
const my_options *my_errand_options(my_errand *errand);

/** Leave it to itself: it ends soon, and tells nobody. */
void my_errand_let_go(my_errand *base);

/** It has told of its end: free it, and what it has not handed over. */
void my_errand_free(my_errand *base);

/* --- mysql_open.c --------------------------------------------------------------- */

void my_open(my_connection *connection);

/** MY_CLOCK_OPENING has run out. */
void my_open_overdue(my_connection *connection);

/** It is not wanted any more. */
void my_stop_opening(covet_connection *base);
void my_fail_opening(covet_connection *base, const covet_error *error);

/* --- mysql_io.c ----------------------------------------------------------------- */

bool my_io_init(my_connection *connection, covet_runtime *runtime);

/** Watch the socket. Returns 0 or -1. */
int my_io_start(my_connection *connection);

/** Watch it no more. */
void my_io_unwatch(my_connection *connection);

/** Close the handles; covet_connection_closed follows. */
void my_io_stop(my_connection *connection);

/** It goes on with that: what was on its way has come. */
void my_io_close(my_connection *connection);

/** Free the connection as soon as its handles are closed. */
void my_io_free(my_connection *connection);

/** Free everything. mysql.c */
void my_connection_deinit(my_connection *connection);

/** Poll for what is wanted now. */
void my_poll(my_connection *connection);

/** Start the connection's timer, for that alone. */
void my_clock_start(my_connection *connection, my_clock clock, uint64_t us);
void my_clock_stop(my_connection *connection);

/** The server is gone: fail all there is. */
void my_lose(my_connection *connection);

/** It goes on with that: the call that was under way has ended. */
void my_end_lost(my_connection *connection);

/** The operation that the core runs here has come so far. */
void my_settle(my_connection *connection, covet_op *op, covet_step step);

/* --- mysql_call.c --------------------------------------------------------------- */

extern const my_call my_call_prepare; /* `text`, with the request's statement */
extern const my_call my_call_execute;
extern const my_call my_call_long_data;
extern const my_call my_call_rows;
extern const my_call my_call_next;
extern const my_call my_call_query; /* `text` */
extern const my_call my_call_text_rows;
extern const my_call my_call_text_next;
extern const my_call my_call_skip;  /* the rows of the text protocol */
extern const my_call my_call_close; /* `closing_statement` */
extern const my_call my_call_ping;
extern const my_call my_call_reset;

/** Make a call; `done` follows when it has ended, maybe within this one. */
void my_make(my_connection *connection, const my_call *call, my_done done);

/** Go on with what is under way: the socket is ready for `events` of the
 *  library's, or a reader has caught up. */
void my_go_on(my_connection *connection, int events);

/** End the call that is under way, and close the socket. */
void my_abort(my_connection *connection);

/** Whether the server hangs on to a call. */
static inline bool my_is_calling(const my_connection *connection)
{
  return connection->call != NULL;
}

/* --- mysql_worker.c ------------------------------------------------------------- */

/** A thread for the connection's calls. Returns false when there is none. */
bool my_worker_start(my_connection *connection);

/** Have it make the call; my_worker_done follows on the loop's thread. */
void my_worker_make(my_connection *connection);

/** Whether it is at one. */
bool my_worker_is_busy(const my_connection *connection);

/** It is to end; it is not busy. */
void my_worker_stop(my_connection *connection);

/** The call has ended. mysql_call.c */
void my_worker_done(my_connection *connection);

/* --- mysql_query.c -------------------------------------------------------------- */

/** Run an operation of the kind QUERY, or go on with it. */
covet_step my_query(my_connection *connection, covet_op *op);

/** Run one that has waited for a stream in front of it. */
void my_query_start(my_connection *connection, covet_op *op);

/** The operation that waits for a stream in front of it is to end. */
void my_leave_waiting(my_connection *connection, covet_op *op);

/** Another transaction has begun: it has nothing of the one before. */
void my_forget_transaction(my_connection *connection);

/** Run a statement of ours, or several. */
void my_own(my_connection *connection, const char *text, my_done done);

/* --- mysql_request.c ------------------------------------------------------------ */

/** Its statement has ended: what goes with it, and its end. */
void my_request_after(my_connection *connection);

/** The last call has failed: say so to its operation. */
void my_request_fail(my_connection *connection);

/** Whether its operation is to end, or is given up. */
bool my_request_is_stopped(const my_request *request);

/** Whether all was read for the operation, before its turn. */
bool my_request_is_read(const covet_op *op);

/** Its operation ends before it has. */
void my_request_disown(my_connection *connection);

/** The connection is lost. */
void my_request_lost(my_connection *connection);

/** Set the error of an operation that is to end while the server is at it: of a
 *  COMMIT nobody knows whether it happened. */
void my_fault_stopped(my_request *request);

/* --- mysql_run.c ---------------------------------------------------------------- */

/** Prepare, bind, execute, read: the legs of a statement; my_request_after
 *  follows. */
void my_run(my_connection *connection);

/** From where all is bound: execute and read. */
void my_run_execute(my_connection *connection, my_done done);

/** The figures of the last result, for its operation. */
void my_take_figures(my_connection *connection);

/** Note what the server says of the session and its transaction. */
void my_note_status(my_connection *connection);
void my_note_error(my_connection *connection);

/** Whether the connection can be used no more after the last call. */
bool my_is_gone(const my_connection *connection);

/* --- mysql_result.c ------------------------------------------------------------- */

/** A result with rows begins. False: the request has failed. */
bool my_rows_begin(my_connection *connection);

/** A row was read, or there was none (`answer` of the library): whether to read
 *  another one now. */
bool my_rows_go_on(my_connection *connection);

/** A value of the row, in the library's hand. */
void my_rows_value(void *data, unsigned column, unsigned char **bytes);

/** The row of the text protocol that was read. */
void my_rows_text(my_connection *connection);

/** Hand over the rows that are left. */
void my_rows_finish(my_request *request);

/** Drop them. */
void my_rows_drop(my_request *request);

/* --- mysql_statement.c ---------------------------------------------------------- */

/** The operation's statement, from the cache or new; NULL: no memory. */
my_statement *my_statement_get(my_connection *connection, const char *sql,
                               size_t length, uint32_t hash);

/** Give it back; else than `keep`: nobody gets it any more. */
void my_statement_end(my_statement *statement, bool keep);
void my_statement_destroy(covet_stmt *stmt);

/** The server has dropped all of them. */
void my_statements_forget(my_connection *connection);

/** Close those that are not wanted; `done` follows. True: there are some. */
bool my_statements_close(my_connection *connection, my_done done);
void my_statements_free(my_connection *connection);

/* --- mysql_bind.c --------------------------------------------------------------- */

/** Parameters that are longer go piece by piece. */
enum { MY_LONG_PARAM = 1024 * 1024 };

/** Bind the operation's parameters from number `first` on. Returns 0, or a
 *  negative status: its error is set. */
int my_bind(my_connection *connection, covet_op *op, uint32_t first,
            uint32_t count);

/** Whether the values can be sent at all. False: the error is set. */
bool my_check_params(my_connection *connection, covet_op *op);

/* --- mysql_many.c --------------------------------------------------------------- */

/** A list of rows: bulk, rewritten, or one by one. */
void my_many_begin(my_connection *connection);
void my_many_free(my_request *request);

/** The request's present statement is about to be dropped. */
void my_many_leave(my_request *request);

/* --- mysql_reset.c -------------------------------------------------------------- */

/** Whether there is anything to be reset. */
bool my_needs_reset(const my_connection *connection);

/** Make the session as new: with that ends what the connection runs, or its
 *  quarantine. */
void my_reset(my_connection *connection);

/** MY_CLOCK_RESET has run out. */
void my_reset_overdue(my_connection *connection);

/* --- mysql_cancel.c ------------------------------------------------------------- */

/** Have the server stop what it is at; told early, closed at last. */
void my_cancel(covet_connection *base, covet_op *op);

/** The same, for what nobody waits for any more. */
void my_kill(my_connection *connection);

/** MY_CLOCK_ENDING ticks. */
void my_cancel_tick(my_connection *connection);

/** The connection's work has ended: whether it can be used, or has to wait. */
void my_cancel_settled(my_connection *connection);

/** Whether a kill is on its way, or its effect. */
bool my_is_killing(const my_connection *connection);
void my_cancel_forget(my_connection *connection);

/* --- mysql_infile.c ------------------------------------------------------------- */

/** Refuse the server's requests for files, or those that no statement of the
 *  connection (NULL: there is none yet) made. */
void my_infile_guard(MYSQL *mysql, my_connection *connection);

#endif
