/**
 * libpq as a careful program uses it: calls that end the process when they
 * fail, values in their binary form, the statements of the workloads.
 */
#ifndef COVET_BENCH_POSTGRESQL_CALLS_H
#define COVET_BENCH_POSTGRESQL_CALLS_H

#include <libpq-fe.h>

#define DB_BINARY 1

#define DB_WIDE                                                                \
  "select id, name, city, active, score, created_at, note from wide"           \
  " limit "

/** Say what failed, on the standard error, and exit with status 1. */
_Noreturn void db_fail(const char *what, PGconn *connection);

/** Connect and wait for it. */
PGconn *db_open(const char *url);

/** `result` if it has this status; else ends the process. The caller clears it. */
PGresult *db_check(PGconn *connection, PGresult *result, ExecStatusType status);

/** The result of the one statement that was sent, waited for by asking the socket again
 *  and again: the processor stays awake. */
PGresult *db_spin(PGconn *connection);

/** Run statements that give no rows. */
void db_exec(PGconn *connection, const char *sql);

/** The number that a query of one row and one column gives. */
double db_number(PGconn *connection, const char *sql);

/** Prepare the point select by the name `item`; its parameter is binary. */
void db_prepare_item(PGconn *connection);

/** The parameter of the next point select, in a random order of `items`. */
void db_next_item(long long *random, long items, char bytes[8]);

/** What the row of a point select adds to `check`; clears the result. */
double db_take_item(PGconn *connection, PGresult *result);

/**
 * What one row of the wide table, in binary, adds to `check`. Its timestamp counts
 * as 22: the length of its text in UTC, which others receive.
 */
double db_wide_sum(const PGresult *result, int row);

/** Put a number in network order. */
void db_put_int(char *bytes, long long number, int size);
void db_put_double(char bytes[8], double number);

#endif
