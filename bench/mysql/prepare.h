/** The tables that the reading workloads read. */
#ifndef COVET_BENCH_MYSQL_PREPARE_H
#define COVET_BENCH_MYSQL_PREPARE_H

#include <mysql.h>

/**
 * Make the tables: `items` rows for point selects, `wide` rows of seven columns
 * for results and streams. Tables that are there in these sizes are left alone.
 */
void prepare_database(const char *url, long items, long wide);

/** Make the empty table that W5 and W6 write to. */
void prepare_events(MYSQL *mysql);

#endif
