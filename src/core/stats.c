#include "adapter.h"

#include <string.h>

static uint64_t larger(uint64_t a, uint64_t b)
{
  return a > b ? a : b;
}

static void add_pool(covet_pool_stats *sum, const covet_pool_stats *one)
{
  sum->min_size += one->min_size;
  sum->max_size += one->max_size;
  sum->total_connections += one->total_connections;
  sum->idle_connections += one->idle_connections;
  sum->active_connections += one->active_connections;
  sum->opening += one->opening;
  sum->closing += one->closing;
  sum->waiting += one->waiting;
  sum->oldest_wait_us = larger(sum->oldest_wait_us, one->oldest_wait_us);
  sum->avg_checkout_us =
      sum->total_checkouts + one->total_checkouts == 0
          ? 0
          : (sum->avg_checkout_us * sum->total_checkouts +
             one->avg_checkout_us * one->total_checkouts) /
                (sum->total_checkouts + one->total_checkouts);
  sum->total_checkouts += one->total_checkouts;
  sum->total_checkins += one->total_checkins;
  sum->failed_checkouts += one->failed_checkouts;
  sum->timeouts += one->timeouts;
  sum->refused += one->refused;
  sum->deadlocks += one->deadlocks;
  sum->connection_errors += one->connection_errors;
  sum->validation_errors += one->validation_errors;
  sum->created_connections += one->created_connections;
  sum->destroyed_connections += one->destroyed_connections;
  sum->recycled_connections += one->recycled_connections;
  for (int i = 0; i < COVET_POOL_REASON_COUNT; i++) {
    sum->closed_by[i] += one->closed_by[i];
  }
  sum->leaks += one->leaks;
  sum->reclaimed += one->reclaimed;
  sum->max_checkout_us = larger(sum->max_checkout_us, one->max_checkout_us);
  sum->p50_checkout_us = larger(sum->p50_checkout_us, one->p50_checkout_us);
  sum->p95_checkout_us = larger(sum->p95_checkout_us, one->p95_checkout_us);
  sum->p99_checkout_us = larger(sum->p99_checkout_us, one->p99_checkout_us);
  sum->retry_after_us = larger(sum->retry_after_us, one->retry_after_us);
  if (one->breaker != COVET_BREAKER_CLOSED) {
    sum->breaker = one->breaker;
  }
}

void covet_adapter_sum_pools(const covet_adapter *adapter,
                             covet_pool_stats *stats)
{
  uint64_t now_us = covet_now_us();

  memset(stats, 0, sizeof(*stats));
  for (unsigned i = 0; i < adapter->driver->lane_count; i++) {
    covet_pool_stats one;

    if (adapter->lanes[i].pool != NULL) {
      covet_pool_get_stats(adapter->lanes[i].pool, now_us, &one);
      add_pool(stats, &one);
    }
  }
  stats->waiting += (uint32_t) adapter->waiting.count;
}

static void sum_calls(const covet_adapter *adapter,
                      const covet_pool_stats *pools, covet_adapter_stats *stats)
{
  memset(stats, 0, sizeof(*stats));
  stats->size = pools->total_connections;
  stats->free = pools->idle_connections;
  stats->used = stats->size - stats->free;
  stats->opening = pools->opening;
  stats->waiting = pools->waiting;
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

typedef struct figures {
  covet_question question;
  const covet_adapter *adapter;
  covet_pool_stats pools;
  covet_adapter_stats calls;
} figures;

static void collect(covet_question *question)
{
  figures *self = COVET_CONTAINER(question, figures, question);

  covet_adapter_sum_pools(self->adapter, &self->pools);
  sum_calls(self->adapter, &self->pools, &self->calls);
}

void covet_adapter_get_figures(covet_adapter *adapter, covet_pool_stats *pools,
                               covet_adapter_stats *calls)
{
  figures self = {.question = {.answer = collect}, .adapter = adapter};

  covet_runtime_ask(adapter->runtime, &self.question);
  *pools = self.pools;
  *calls = self.calls;
}

void covet_adapter_get_stats(covet_adapter *adapter, covet_adapter_stats *stats)
{
  covet_pool_stats pools;

  covet_adapter_get_figures(adapter, &pools, stats);
}
