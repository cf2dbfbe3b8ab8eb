/* What can be seen of a pool, and its configuration. */
#include "error.h"
#include "pool_parts.h"

#include <string.h>

enum { MOST_CONNECTIONS = 65535 };

#define SECONDS(count) ((count) *UINT64_C(1000000))

/* --- Configuration -------------------------------------------------------------- */

void covet_pool_config_init(covet_pool_config *config)
{
  static const covet_pool_config defaults = {
      .min_size = 5,
      .max_size = 20,
      .acquire_timeout_us = SECONDS(10),
      .idle_timeout_us = SECONDS(300),
      .max_lifetime_us = SECONDS(1800),
      .lifetime_jitter = 0.1,
      .pre_ping = true,
      .test_on_borrow = true,
      .fresh_us = 500000,
      .health_check_interval_us = SECONDS(30),
      .auto_scale = true,
      .scale_up_threshold = 0.8,
      .scale_down_threshold = 0.3,
      .leak_detection = true,
      .leak_timeout_us = SECONDS(300),
      .max_waiting = 1000,
      .connect_parallel = 3,
      .share_depth = 1,
      .reset = COVET_POOL_RESET_AUTO,
      .retry_attempts = 3,
      .retry_backoff_us = 100000,
      .retry_max_backoff_us = SECONDS(5),
      .retry_jitter = true,
      .breaker_failures = 5,
      .breaker_window_us = SECONDS(60),
      .breaker_cooldown_us = SECONDS(15),
      .connect_timeout_us = SECONDS(10),
      .check_timeout_us = SECONDS(5),
      .close_timeout_us = SECONDS(5),
      .can_ping = true,
      .can_reset = true,
  };

  *config = defaults;
}

int covet_pool_config_check(const covet_pool_config *config, covet_error *error)
{
  if (config->max_size == 0 || config->max_size > MOST_CONNECTIONS) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "max_pool_size must be from 1 to %d, not %u",
                    MOST_CONNECTIONS, config->max_size);
  } else if (config->min_size > config->max_size) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "min_pool_size (%u) is larger than max_pool_size (%u)",
                    config->min_size, config->max_size);
  } else if (config->scale_up_threshold <= 0 ||
             config->scale_up_threshold > 1) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "scale_up_threshold must be above 0 and at most 1");
  } else if (config->scale_down_threshold < 0 ||
             config->scale_down_threshold >= config->scale_up_threshold) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "scale_down_threshold (%g) must lie below "
                    "scale_up_threshold (%g), and not below 0",
                    config->scale_down_threshold, config->scale_up_threshold);
  } else if (config->lifetime_jitter < 0 || config->lifetime_jitter > 1) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "lifetime_jitter must be from 0 to 1");
  } else if (config->connect_parallel == 0 || config->share_depth == 0 ||
             config->retry_attempts == 0) {
    covet_error_set(error, COVET_ERROR_USAGE, "%s must be at least 1",
                    config->connect_parallel == 0 ? "connect_parallel"
                    : config->share_depth == 0    ? "pipeline_depth"
                                                  : "retry attempts");
  } else if (config->retry_max_backoff_us < config->retry_backoff_us) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "the retry's max_backoff is less than its backoff");
  } else if (config->breaker_failures > COVET_POOL_BREAKER_MOST) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "the breaker's failures must be at most %d, not %u",
                    COVET_POOL_BREAKER_MOST, config->breaker_failures);
  } else {
    return 0;
  }
  return COVET_EUSAGE;
}

const covet_pool_config *covet_pool_get_config(const covet_pool *pool)
{
  return &pool->config;
}

/* --- Figures --------------------------------------------------------------------- */

void covet_pool_get_stats(const covet_pool *pool, uint64_t now_us,
                          covet_pool_stats *stats)
{
  const covet_histogram *times = &pool->checkout_times;
  const covet_pool_waiter *first = covet_pool_first_waiter(pool);

  *stats = pool->stats;
  stats->min_size = pool->config.min_size;
  stats->max_size = pool->config.max_size;
  stats->opening = count_of(pool, COVET_SLOT_OPENING);
  stats->closing = count_of(pool, COVET_SLOT_CLOSING);
  stats->total_connections = slots_kept(pool) - stats->opening;
  stats->idle_connections = count_of(pool, COVET_SLOT_IDLE);
  stats->active_connections = count_of(pool, COVET_SLOT_LENT);
  stats->waiting = (uint32_t) pool->waiters.count;
  /* who asks for figures may have looked at the clock before who waits */
  stats->oldest_wait_us =
      first == NULL || first->since_us > now_us ? 0 : now_us - first->since_us;
  stats->avg_checkout_us = times->count == 0 ? 0 : times->sum_us / times->count;
  stats->max_checkout_us = times->max_us;
  stats->p50_checkout_us = covet_histogram_quantile(times, 0.50);
  stats->p95_checkout_us = covet_histogram_quantile(times, 0.95);
  stats->p99_checkout_us = covet_histogram_quantile(times, 0.99);
  stats->breaker = pool->breaker;
  if (pool->breaker == COVET_BREAKER_OPEN && pool->breaker_until_us > now_us) {
    stats->retry_after_us = pool->breaker_until_us - now_us;
  }
}

uint32_t covet_pool_waiting(const covet_pool *pool)
{
  return (uint32_t) pool->waiters.count;
}

bool covet_pool_is_filling(const covet_pool *pool)
{
  uint32_t opening = count_of(pool, COVET_SLOT_OPENING);

  return opening > 0 && slots_kept(pool) - opening < pool->config.min_size;
}

const covet_error *covet_pool_last_error(const covet_pool *pool)
{
  return &pool->last_error;
}

uint32_t covet_pool_loans(const covet_pool *pool, covet_pool_loan *loans,
                          uint32_t most)
{
  const covet_queue *lent = &pool->lists[COVET_SLOT_LENT];
  uint32_t count = 0;

  for (covet_node *node = queue_first(lent); node != NULL && count < most;
       node = queue_after(lent, node)) {
    const covet_slot *slot = slot_of(node);

    loans[count].slot = slot->id;
    loans[count].lease = slot->lease;
    loans[count].owner = slot->owner;
    loans[count++].since_us = slot->since_us;
  }
  return count;
}

bool covet_pool_peek(const covet_pool *pool, uint64_t now_us,
                     covet_pool_slot_id *id)
{
  const covet_slot *slot =
      queue_empty(&pool->waiters) ? covet_slot_next(pool) : NULL;

  if (slot == NULL || covet_slot_needs_ping(pool, now_us, slot) ||
      covet_slot_outlived(pool, now_us, slot) != COVET_POOL_REASON_NONE) {
    return false;
  }
  *id = slot->id;
  return true;
}

uint32_t covet_pool_slots(const covet_pool *pool)
{
  return pool->slot_count;
}

void covet_pool_set_data(covet_pool *pool, covet_pool_slot_id slot, void *data)
{
  pool->slots[slot]->data = data;
}

void *covet_pool_data(const covet_pool *pool, covet_pool_slot_id slot)
{
  return pool->slots[slot]->data;
}

const char *covet_pool_reason_name(covet_pool_reason reason)
{
  static const char *const names[] = {
#define COVET_POOL_REASON_TEXT(name, text) text,
      COVET_POOL_REASONS(COVET_POOL_REASON_TEXT)
#undef COVET_POOL_REASON_TEXT
  };

  return (unsigned) reason < COVET_POOL_REASON_COUNT ? names[reason] : "";
}

/* --- Invariants -------------------------------------------------------------------- */

static const char *check_slot(const covet_slot *slot)
{
  bool lent = slot->state == COVET_SLOT_LENT;

  if (lent != (slot->lease != 0)) {
    return "a lease is valid exactly while its slot is lent";
  }
  if (lent && (slot->shares == 0 || (slot->shares > 1 && !slot->shareable))) {
    return "a lent slot has one borrower, or several that share";
  }
  if (lent && (slot->actions & (1U << COVET_POOL_CLOSE | 1U << COVET_POOL_PING |
                                1U << COVET_POOL_RESET)) != 0) {
    return "nothing is done to a connection under its borrower";
  }
  if (slot->state != COVET_SLOT_FREE && slot->deadline_us == 0) {
    return "every answer has a deadline";
  }
  if (node_queued(&slot->todo) != (slot->actions != 0)) {
    return "a slot stands in the list of what is to be done if there is such";
  }
  return NULL;
}

static const char *check_waiters(const covet_pool *pool)
{
  for (covet_node *node = queue_first(&pool->waiters); node != NULL;
       node = queue_after(&pool->waiters, node)) {
    if (waiter_of(node)->state != COVET_WAITER_QUEUED ||
        !waiter_of(node)->deadline.queued) {
      return "who stands in the queue waits, with a deadline";
    }
  }
  if (pool->state == COVET_POOL_CLOSES && !queue_empty(&pool->waiters)) {
    return "nobody waits for a pool that closes";
  }
  return NULL;
}

const char *covet_pool_check(const covet_pool *pool)
{
  size_t sum = 0;

  for (int i = 0; i < COVET_SLOT_STATES; i++) {
    sum += pool->lists[i].count;
  }
  if (sum != pool->slot_count) {
    return "every slot stands in one list";
  }
  for (uint32_t i = 0; i < pool->slot_count; i++) {
    const char *text = check_slot(pool->slots[i]);

    if (text != NULL) {
      return text;
    }
  }
  return check_waiters(pool);
}
