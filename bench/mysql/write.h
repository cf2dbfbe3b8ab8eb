/** W5 and W6: what writes to the table `events`, which is made anew. */
#ifndef COVET_BENCH_MYSQL_WRITE_H
#define COVET_BENCH_MYSQL_WRITE_H

#include "../measure.h"

/** W5: single inserts, each a transaction of its own. */
void run_inserts(const char *url, long count, measure_result *result);

/** W6: arrays of 2,000 records in MariaDB's bulk protocol, in one transaction. */
void run_bulk(const char *url, long count, measure_result *result);

#endif
