/** Errors of the server and of the library, as covet has them. */
#ifndef COVET_DRIVER_MYSQL_ERROR_H
#define COVET_DRIVER_MYSQL_ERROR_H

#include "../core/adapter.h"
#include "mysql_options.h"

typedef struct my_connection my_connection;

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

#endif
