/** Calls of the library: started, continued when the socket is ready, and in a worker
 *  made in one go. One at a time is under way on a connection. */
#ifndef COVET_DRIVER_MYSQL_CALL_H
#define COVET_DRIVER_MYSQL_CALL_H

#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct my_connection my_connection;
typedef struct my_worker my_worker;

/** A call of the library. Each answers what it waits for, 0: it has ended. */
typedef struct my_call {
  int (*start)(my_connection *connection);
  int (*resume)(my_connection *connection, int events);
  void (*block)(my_connection *connection); /* all of it, in a worker */
} my_call;

typedef void (*my_done)(my_connection *connection);

extern const my_call my_call_prepare; /* `text`, with the request's statement */
extern const my_call my_call_execute;
extern const my_call my_call_long_data;
extern const my_call my_call_rows;
extern const my_call my_call_next;
extern const my_call my_call_drop;  /* what is left of its result */
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

#endif
