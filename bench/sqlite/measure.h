/**
 * What the workloads of the SQLite reference share: a clock, a connection as a
 * careful program opens it, and calls that end the process when they fail.
 */
#ifndef COVET_BENCH_MEASURE_H
#define COVET_BENCH_MEASURE_H

#include <sqlite3.h>

/** What one run of a workload found. */
typedef struct measure_result {
  double seconds; /* the measured part only */
  long count;     /* units done in it: statements, rows or connections */
  double check;   /* what the data came to; the same on both sides */
} measure_result;

/** Monotonic time in seconds. */
double measure_now(void);

/** Most memory that the process has had resident, in KB; 0 if not known. */
long measure_peak_rss_kb(void);

/** Print the result as one line of JSON on the standard output. */
void measure_print(const char *workload, const measure_result *result);

/** Say what failed, on the standard error, and exit with status 1. */
void measure_fail(const char *what, sqlite3 *db);

/** Open `path` for reading and writing: WAL, synchronous = NORMAL. */
sqlite3 *measure_open(const char *path);

/** As measure_open, after removing what stands at `path`. */
sqlite3 *measure_open_fresh(const char *path);

/** Run statements that give no rows. */
void measure_exec(sqlite3 *db, const char *sql);

/** Prepare a statement that is kept. The caller finalizes it. */
sqlite3_stmt *measure_prepare(sqlite3 *db, const char *sql);

/** Step a statement to its end and reset it. */
void measure_run(sqlite3 *db, sqlite3_stmt *statement);

/** The number that a query of one row and one column gives. */
double measure_number(sqlite3 *db, const char *sql);

#endif
