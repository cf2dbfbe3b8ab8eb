/** W2: many point selects at a time over several connections. */
#ifndef COVET_BENCH_MYSQL_MANY_H
#define COVET_BENCH_MYSQL_MANY_H

#include "../measure.h"

/** One statement in flight on each of 16 connections, by calls that do not block. */
void run_many(const char *url, long count, measure_result *result);

#endif
