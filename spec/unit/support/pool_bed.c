#include "pool_bed.h"

#include <string.h>

void bed_init(pool_bed *bed)
{
  memset(bed, 0, sizeof(*bed));
  bed->now_us = 1000 * BED_SECOND;
  covet_pool_config_init(&bed->config);
  bed->config.min_size = 0;
  bed->config.max_size = 4;
  bed->config.auto_scale = false;
  bed->config.lifetime_jitter = 0;
  bed->config.retry_jitter = false;
}

void bed_start(pool_bed *bed)
{
  covet_error error;

  assert_int_equal(covet_pool_config_check(&bed->config, &error), 0);
  bed->pool = covet_pool_new(&bed->config);
  assert_non_null(bed->pool);
  for (uint32_t i = 0; i < BED_WAITERS; i++) {
    bed->waiters[i].owner = i + 1;
  }
  covet_pool_warm(bed->pool, bed->now_us);
  bed_run(bed);
}

void bed_free(pool_bed *bed)
{
  assert_null(covet_pool_check(bed->pool));
  covet_pool_free(bed->pool);
}

static void answer_open(const pool_bed *bed, covet_pool_slot_id slot)
{
  covet_error error = {.kind = COVET_ERROR_CONNECTION_LOST};

  if (bed->down) {
    covet_pool_connect_failed(bed->pool, bed->now_us, slot, bed->permanent,
                              &error);
  } else {
    covet_pool_connected(bed->pool, bed->now_us, slot, bed->liveness);
  }
}

static void answer(const pool_bed *bed, const covet_pool_action *action)
{
  if (action->type == COVET_POOL_OPEN && !bed->slow_open) {
    answer_open(bed, action->slot);
  } else if (action->type == COVET_POOL_PING && !bed->slow_check) {
    covet_pool_pinged(bed->pool, bed->now_us, action->slot, !bed->dead);
  } else if (action->type == COVET_POOL_RESET && !bed->slow_check) {
    covet_pool_was_reset(bed->pool, bed->now_us, action->slot, !bed->dead);
  } else if (action->type == COVET_POOL_CLOSE && !bed->slow_close) {
    covet_pool_closed(bed->pool, bed->now_us, action->slot);
  }
}

void bed_run(pool_bed *bed)
{
  covet_pool_action action;

  while (covet_pool_next(bed->pool, &action)) {
    bed->count[action.type]++;
    bed->last[action.type] = action;
    answer(bed, &action);
    assert_null(covet_pool_check(bed->pool));
  }
}

void bed_pass(pool_bed *bed, uint64_t us)
{
  uint64_t end_us = bed->now_us + us;
  uint64_t due_us;

  while ((due_us = covet_pool_due_us(bed->pool)) <= end_us) {
    bed->now_us = due_us > bed->now_us ? due_us : bed->now_us;
    covet_pool_tick(bed->pool, bed->now_us);
    bed_run(bed);
  }
  bed->now_us = end_us;
}

void bed_forget(pool_bed *bed)
{
  memset(bed->count, 0, sizeof(bed->count));
}

covet_pool_answer bed_ask(pool_bed *bed, uint32_t waiter)
{
  covet_pool_answer given;

  bed->waiters[waiter].lease = 0;
  given = covet_pool_acquire(bed->pool, bed->now_us, &bed->waiters[waiter]);
  bed_run(bed);
  return given;
}

void bed_give(pool_bed *bed, uint32_t waiter, covet_pool_verdict verdict)
{
  assert_int_equal(covet_pool_release(bed->pool, bed->now_us,
                                      bed->waiters[waiter].lease, verdict),
                   0);
  bed_run(bed);
}

bool bed_has(const pool_bed *bed, uint32_t waiter)
{
  covet_pool_slot_id slot;

  return covet_pool_find(bed->pool, bed->waiters[waiter].lease, &slot);
}

covet_pool_stats bed_stats(const pool_bed *bed)
{
  covet_pool_stats stats;

  covet_pool_get_stats(bed->pool, bed->now_us, &stats);
  return stats;
}
