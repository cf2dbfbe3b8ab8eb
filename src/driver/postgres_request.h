/** What the files about requests have in common: postgres_request.c,
 *  postgres_leg.c, postgres_query.c, postgres_pipeline.c, postgres_whole.c,
 *  postgres_answer.c and postgres_end.c. */
#ifndef COVET_DRIVER_POSTGRES_REQUEST_H
#define COVET_DRIVER_POSTGRES_REQUEST_H

#include "postgres.h"

/* --- postgres_request.c ----------------------------------------------------------- */

/** A request for an operation, or (NULL) for nobody. NULL: no memory. */
pg_request *pg_request_new(pg_connection *connection, covet_op *op);

/** Free one that stands in no list. */
void pg_request_drop(pg_request *request);

/** What is sent from here on ends with the next Sync. */
void pg_request_join(pg_request *request);

/** It ends here, and its operation with it; nothing of it is under way. */
void pg_request_finish(pg_request *request);

/* --- postgres_leg.c --------------------------------------------------------------- */

/** How far sending came. */
typedef enum pg_leg {
  PG_LEG_FAILED, /* the operation's error is set, or the connection is lost */
  PG_LEG_NONE,   /* its description was all that was wanted */
  PG_LEG_SENT,   /* something has to be known before it can run */
  PG_LEG_RUN     /* it can: the parameters are encoded */
} pg_leg;

/** Send what has to be known first, with its Sync. */
pg_leg pg_send_first(pg_request *request);

/** Send everything of the leg that runs the statement but its Sync. */
bool pg_send_run(pg_request *request);

/** Ask for types (`oids` is *taken*), with a Sync. */
bool pg_send_types_leg(pg_request *request, char *oids);

/** Go on with a request of which nothing is under way. */
void pg_request_go_on(pg_request *request);

/** Fill in the result of COVET_QUERY_DESCRIBE. */
void pg_tell_description(pg_request *request);

bool pg_in_transaction(const pg_connection *connection);

/** Whether it can be sent although nothing is known of it. */
bool pg_runs_blind(const pg_request *request);

/** Rows that its cursor is asked for at a time. */
uint32_t pg_rows_of_fetch(const pg_request *request);

/* --- postgres_query.c ------------------------------------------------------------- */

/** The request of an operation. NULL: the operation's error is set. */
pg_request *pg_request_for(pg_connection *connection, covet_op *op);

/** Send operations, together as far as `how` allows. */
void pg_send_ops(pg_connection *connection, covet_queue *ops, pg_pipeline how);

/** A stream that nobody reads any more leaves its cursor. */
void pg_close_cursor(pg_request *request);

/* --- postgres_pipeline.c ---------------------------------------------------------- */

/** Whether an operation may be sent behind another caller's. */
bool pg_is_shareable(const covet_op *op);

/** Let the operation wait for the end of the turn, if others may go with it. */
bool pg_collect(pg_connection *connection, const covet_op *op);

/** Look for the answer without sleeping, where that has paid lately. */
void pg_spin_start(pg_connection *connection);
void pg_spin_end(pg_connection *connection);

/* --- postgres_whole.c ------------------------------------------------------------- */

/** Codes of errors: nothing was sent, since the server has to be asked about one
 *  of the statements or its types first. NOT_ONE: no transaction is open that would
 *  make one of them when each is sent by itself. */
enum { PG_CODE_NOT_ONE = -101, PG_CODE_NOT_KNOWN = -102 };

/** Send the operations of one caller with one Sync behind all of them. One that is
 *  not ready is refused, and the others with it. */
void pg_send_whole(pg_connection *connection, covet_queue *ops);

/* --- postgres_end.c --------------------------------------------------------------- */

/** What a request is to do now that its leg has ended. `group_failed`: one that
 *  shared its Sync has failed. */
void pg_end_leg(pg_request *request, bool group_failed);

#endif
