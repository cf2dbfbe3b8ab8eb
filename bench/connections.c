#include "connections.h"

#include <stdio.h>
#include <stdlib.h>

enum { AT_A_TIME = 50, MOST = 1000 };

static double open_some(const connection_kind *kind, const char *target,
                        long count, void **connections)
{
  double start = measure_now();

  for (long i = 0; i < count; i++) {
    connections[i] = kind->open(target);
  }
  return measure_now() - start;
}

static void close_some(const connection_kind *kind, long count,
                       void **connections)
{
  for (long i = 0; i < count; i++) {
    kind->close(connections[i]);
  }
}

void open_connections(const connection_kind *kind, const char *target,
                      long count, measure_result *result)
{
  void *connections[AT_A_TIME];

  while (result->count < count) {
    long left = count - result->count;
    long some = left < AT_A_TIME ? left : AT_A_TIME;

    result->seconds += open_some(kind, target, some, connections);
    result->count += some;
    close_some(kind, some, connections);
  }
}

void keep_connections(const connection_kind *kind, const char *target,
                      long count, measure_result *result)
{
  static void *connections[MOST];
  long before;

  if (count > MOST) {
    fprintf(stderr, "at most %d connections\n", MOST);
    exit(EXIT_FAILURE);
  }
  kind->close(kind->open(target)); /* what is loaded once is not theirs */
  before = measure_rss_kb();
  result->seconds = open_some(kind, target, count, connections);
  result->count = count;
  result->grown_kb = (double) (measure_rss_kb() - before);
  close_some(kind, count, connections);
}
