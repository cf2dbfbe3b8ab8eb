/**
 * Workloads on connections alone, the same for every database: W8 opens them, W9
 * keeps them.
 */
#ifndef COVET_BENCH_CONNECTIONS_H
#define COVET_BENCH_CONNECTIONS_H

#include "measure.h"

/** How connections of a database are opened, and closed again. */
typedef struct connection_kind {
  void *(*open)(const char *target); /* the connection, *owned* */
  void (*close)(void *connection);
} connection_kind;

/** Open `count` connections, 50 at a time; closing them is not measured. */
void open_connections(const connection_kind *kind, const char *target,
                      long count, measure_result *result);

/** The memory of `count` connections that are open and do nothing. */
void keep_connections(const connection_kind *kind, const char *target,
                      long count, measure_result *result);

#endif
