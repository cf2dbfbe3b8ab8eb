#include "adapter.h"

#include <string.h>

static void count_lane(const covet_lane *lane, covet_adapter_stats *stats)
{
  uint32_t idle = (uint32_t) lane->idle.count;

  stats->size += lane->count - lane->opening;
  stats->free += idle;
  stats->opening += lane->opening;
  stats->waiting += (uint32_t) lane->waiting.count;
}

/* In COVET_OWN_THREAD mode the figures are read while the loop goes on: each is
 * right, but they may be of different moments. */
void covet_adapter_get_stats(covet_adapter *adapter, covet_adapter_stats *stats)
{
  memset(stats, 0, sizeof(*stats));
  for (unsigned i = 0; i < adapter->driver->lane_count; i++) {
    if (!adapter->lanes[i].hidden) {
      count_lane(&adapter->lanes[i], stats);
    }
  }
  stats->used = stats->size - stats->free;
  stats->waiting += (uint32_t) adapter->waiting.count;
  stats->created = adapter->created;
  stats->destroyed = adapter->destroyed;
  stats->queries = adapter->queries;
  stats->inline_queries = adapter->inline_queries;
  stats->errors = adapter->errors;
  stats->timeouts = adapter->timeouts;
  stats->cache_hits = adapter->cache_hits;
  stats->cache_misses = adapter->cache_misses;
  stats->p50_us = covet_histogram_quantile(&adapter->times, 0.50);
  stats->p95_us = covet_histogram_quantile(&adapter->times, 0.95);
  stats->p99_us = covet_histogram_quantile(&adapter->times, 0.99);
  stats->max_us = adapter->times.max_us;
}
