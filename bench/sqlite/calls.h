/**
 * SQLite as a careful program uses it: calls that end the process when they
 * fail, and the connection's settings.
 */
#ifndef COVET_BENCH_SQLITE_CALLS_H
#define COVET_BENCH_SQLITE_CALLS_H

#include <sqlite3.h>

/** Say what failed, on the standard error, and exit with status 1. */
void db_fail(const char *what, sqlite3 *db);

/** Open `path` for reading and writing: WAL, synchronous = NORMAL. */
sqlite3 *db_open(const char *path);

/** As db_open, after removing what stands at `path`. */
sqlite3 *db_open_fresh(const char *path);

/** Run statements that give no rows. */
void db_exec(sqlite3 *db, const char *sql);

/** Prepare a statement that is kept. The caller finalizes it. */
sqlite3_stmt *db_prepare(sqlite3 *db, const char *sql);

/** Step a statement to its end and reset it. */
void db_run(sqlite3 *db, sqlite3_stmt *statement);

/** The number that a query of one row and one column gives. */
double db_number(sqlite3 *db, const char *sql);

/** Prepare the point select. The caller finalizes it. */
sqlite3_stmt *db_prepare_item(sqlite3 *db);

/** Select the item `id`; what its row adds to `check`. */
double db_select_item(sqlite3 *db, sqlite3_stmt *select, long long id);

#endif
