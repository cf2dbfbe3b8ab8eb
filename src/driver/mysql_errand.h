/** Connections that helper threads open: those that are to be used, and those that a
 *  query is killed by. */
#ifndef COVET_DRIVER_MYSQL_ERRAND_H
#define COVET_DRIVER_MYSQL_ERRAND_H

#include "mysql_connection.h"

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

/* --- mysql_cancel.c ------------------------------------------------------------- */

/** Have the server stop what it is at; told early, closed at last. */
void my_cancel(covet_connection *base, covet_op *op);

/** The same, for what nobody waits for any more. */
void my_kill(my_connection *connection);

/** The same, unless it ends by itself before long. */
void my_kill_soon(my_connection *connection);

/** MY_CLOCK_ENDING ticks. */
void my_cancel_tick(my_connection *connection);

/** The connection's work has ended: whether it can be used, or has to wait. */
void my_cancel_settled(my_connection *connection);

/** Whether a kill is on its way, or its effect. */
bool my_is_killing(const my_connection *connection);
void my_cancel_forget(my_connection *connection);

#endif
