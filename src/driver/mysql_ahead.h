/**
 * Statements that are sent behind another one, before that is answered.
 *
 * libmariadb reads each answer before it writes the next command, so what goes ahead
 * is written here: single reads of callers that wait for a connection, in the bytes
 * that the library itself would write. They follow the packet of the request that is
 * under way, in one send. When its turn comes each *follower* is an ordinary request,
 * whose packet is kept back by a hook in the library's writing, for it has been sent,
 * and whose answer is read as any other.
 *
 * A follower that nobody waits for any more is read and dropped. One that has to be
 * sent once more (its statement is stale, a kill that was meant for another has hit
 * it) is *put off* until all that was sent is answered.
 *
 * Without it: in TLS, which the hook does not see, and with threads.
 */
#ifndef COVET_DRIVER_MYSQL_AHEAD_H
#define COVET_DRIVER_MYSQL_AHEAD_H

#include "mysql_connection.h"

enum { MY_AHEAD_MOST = 32 };

/** Get ready, after opening. False: there is no memory. */
bool my_ahead_init(my_connection *connection);

/** Behind mysql_close: the library has the hook until then. */
void my_ahead_free(my_connection *connection);

/** The request is about to be executed: take along who can come. */
void my_ahead_gather(my_connection *connection);

/** Whether others are to be answered, or were put off. */
bool my_ahead_is_open(const my_connection *connection);

/** Whether the request has ended before its packet was written. */
bool my_ahead_is_torn(const my_connection *connection);

/** Whether the request, which has to be run again, has to wait for that. */
bool my_ahead_delays(const my_connection *connection);

/** The request has ended, and `op` with it (NULL: it was given up): go on with the
 *  next one. */
void my_ahead_go_on(my_connection *connection, covet_op *op);

/** The request was cleared; its operation is to be run again later. */
void my_ahead_put_off(my_connection *connection, covet_op *op);

/** Nothing is under way any more, and no kill. True: it has gone on with one that was
 *  put off. */
bool my_ahead_resume(my_connection *connection);

/** `op` is to end. False: it is none of these. */
bool my_ahead_cancel(my_connection *connection, covet_op *op);

/** The connection is lost: so are all of them. */
void my_ahead_lost(my_connection *connection);

#endif
