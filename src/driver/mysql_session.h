/** What is known of a connection's session and its transaction, and how it is made as
 *  new. */
#ifndef COVET_DRIVER_MYSQL_SESSION_H
#define COVET_DRIVER_MYSQL_SESSION_H

#include "mysql_call.h"

/** Note what the server says of the session and its transaction. */
void my_note_status(my_connection *connection);

/** Note what an error of the server's has undone. */
void my_note_error(my_connection *connection);

/** Another transaction has begun: it has nothing of the one before. */
void my_forget_transaction(my_connection *connection);

/** Whether there is anything to be reset. */
bool my_needs_reset(const my_connection *connection);

/** Make the session as new: with that ends what the connection runs, or its
 *  quarantine. */
void my_reset(my_connection *connection);

/** MY_CLOCK_RESET has run out. */
void my_reset_overdue(my_connection *connection);

#endif
