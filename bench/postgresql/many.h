/** W2: many point selects at a time over several connections. */
#ifndef COVET_BENCH_POSTGRESQL_MANY_H
#define COVET_BENCH_POSTGRESQL_MANY_H

#include "../measure.h"

/** One statement in flight on each of 16 connections. */
void run_many(const char *url, long count, measure_result *result);

/**
 * 16 in flight on each of 16 connections, each with a Sync of its own, so that
 * one that fails is alone; what a turn sends leaves together (TCP_CORK).
 */
void run_many_pipelined(const char *url, long count, measure_result *result);

#endif
