/**
 * A connection of the driver of MySQL and MariaDB, and its adapter.
 *
 * Connections are opened, and queries killed, by helper threads (mysql_errand.h); all
 * else happens on the loop's thread. One call of the library at a time is under way on a
 * connection (mysql_call.h). What an operation needs is a row of calls, which its request
 * goes through (mysql_request.h); what a session keeps between two of them is noted, and
 * made as new (mysql_session.h).
 */
#ifndef COVET_DRIVER_MYSQL_CONNECTION_H
#define COVET_DRIVER_MYSQL_CONNECTION_H

#include "../core/spin.h"
#include "mysql_options.h"
#include "mysql_request.h"

typedef struct my_adapter my_adapter;
typedef struct my_errand my_errand;

enum { MY_MAIN };

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

/** What a connection's timer runs for; one thing at a time. */
typedef enum my_clock {
  MY_CLOCK_NONE,
  MY_CLOCK_OPENING, /* until it is open, or given up */
  MY_CLOCK_ENDING,  /* a query is to end: it ticks */
  MY_CLOCK_LEFT,    /* until a query that nobody waits for is to end */
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
  bool savepoint_is_set; /* by a list, for the one that comes next */
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

  struct my_ahead *ahead; /* what was sent behind the request; NULL: never */

  my_errand *opening;
  my_errand *killing;
  unsigned ticks;   /* since the query is to end */
  bool kill_futile; /* another would be refused as the last one was */
  bool kill_echoes; /* one was sent, and may still be about to come to effect */
  uint64_t sent_us; /* the last request */
  uint64_t looked_us; /* whether its server is there, without one */
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

/** Whether the server hangs on to a call. */
static inline bool my_is_calling(const my_connection *connection)
{
  return connection->call != NULL;
}

/** Whether the connection can be used no more after the last call. */
bool my_is_gone(const my_connection *connection);

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

/* --- mysql_infile.c ------------------------------------------------------------- */

/** Refuse the server's requests for files, or those that no statement of the
 *  connection (NULL: there is none yet) made. */
void my_infile_guard(MYSQL *mysql, my_connection *connection);

#endif
