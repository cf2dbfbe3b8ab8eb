/** What writes, to a file of its own: PATH-reference, which is made anew. */
#ifndef COVET_BENCH_SQLITE_WRITE_H
#define COVET_BENCH_SQLITE_WRITE_H

#include "../measure.h"

/** W5: single inserts, each a transaction of its own. */
void run_inserts(const char *path, long count, measure_result *result);

/** W6: a bulk load in one transaction. */
void run_load(const char *path, long count, measure_result *result);

/** Mixed: nine point selects, then a single insert, and so on. */
void run_mixed(const char *path, long count, measure_result *result);

#endif
