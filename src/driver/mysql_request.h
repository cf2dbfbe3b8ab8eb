/** A request: an operation on its connection, and the row of calls that it goes through.
 *  In front of its statement, and behind it, there may be statements of ours. */
#ifndef COVET_DRIVER_MYSQL_REQUEST_H
#define COVET_DRIVER_MYSQL_REQUEST_H

#include "../core/adapter.h"
#include "mysql_statement.h"
#include "mysql_verb.h"

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

/** So often a statement is prepared anew for one run: a table can change once more. */
enum { MY_MOST_TRIES = 5 };

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
  bool was_inside;      /* in a transaction when it began */
  bool has_error;       /* its operation's error is set */
  bool killed;          /* the server was asked to end it */
  bool stale;           /* its statement is to be prepared anew */
  bool outdated;        /* the same, but for this run of it */
  bool shared;          /* sent with others */
  bool dropping;        /* rows that do not fit */
  bool delivered;       /* its operation has rows of it */
  bool hit;             /* by a kill that was for another: it is to run again */
  bool again;           /* it was put off: nothing else is under way */
  unsigned tries;       /* with statements that did not fit */
  bool made_room;       /* the connection's other statements were closed */
  bool greedy;          /* not to be paused: another waits behind it */
  bool keep_rows;       /* of the result that is being read */
  uint32_t sets;        /* results with rows so far */
  uint64_t rows;        /* of all of them */
  uint64_t rows_before; /* of those before the present one */
  uint64_t read_since_us; /* in this turn; 0: not known */
  MYSQL_RES *result;
  my_columns columns; /* of `result` */
  covet_batch *batch;
  covet_cell *row;     /* being read; NULL: none, or dropped */
  uint32_t long_param; /* being sent */
  size_t long_offset;
  struct my_many *many; /* of a list of rows */
} my_request;

/* --- mysql_query.c -------------------------------------------------------------- */

/** Run an operation of the kind QUERY, or go on with it. */
covet_step my_query(my_connection *connection, covet_op *op);

/** Run one once more: it did not get to it, or not to its end. */
void my_query_again(my_connection *connection, covet_op *op);

/** Run one that has waited for a stream in front of it. */
void my_query_start(my_connection *connection, covet_op *op);

/** The operation that waits for a stream in front of it is to end. */
void my_leave_waiting(my_connection *connection, covet_op *op);

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

/** Whether the server did not prepare the statement since it has as many, of all its
 *  clients, as it may. */
bool my_is_server_full(const my_connection *connection);

/** The figures of the last result, for its operation. */
void my_take_figures(my_connection *connection);

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

/* --- mysql_bind.c --------------------------------------------------------------- */

/** Parameters that are longer go piece by piece. */
enum { MY_LONG_PARAM = 1024 * 1024 };

/** Bind the operation's parameters from number `first` on. Returns 0, or a
 *  negative status: its error is set. */
int my_bind(my_connection *connection, covet_op *op, uint32_t first,
            uint32_t count);

/** Bind NULLs to all that the request's statement takes. */
bool my_bind_nothing(my_connection *connection);

/** Whether the values can be sent at all. False: the error is set. */
bool my_check_params(my_connection *connection, covet_op *op);

#endif
