/** W5 and W6: what writes to the table `events`, which is made anew. */
#ifndef COVET_BENCH_POSTGRESQL_WRITE_H
#define COVET_BENCH_POSTGRESQL_WRITE_H

#include "../measure.h"

/** W5: single inserts, each a transaction of its own; synchronous_commit off. */
void run_inserts(const char *url, long count, measure_result *result);

/** The same; no answer is waited for in the kernel. */
void run_inserts_spinning(const char *url, long count, measure_result *result);

/** W6: a bulk load by COPY in its binary format. */
void run_copy(const char *url, long count, measure_result *result);

#endif
