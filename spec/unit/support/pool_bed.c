#include "pool_bed.h"

#include <string.h>

pool_bed bed;

int bed_set_up(void **state)
{
  (void) state;
  bed_init(&bed);
  return 0;
}

int bed_tear_down(void **state)
{
  (void) state;
  bed_free(&bed);
  return 0;
}

void bed_init(pool_bed *self)
{
  memset(self, 0, sizeof(*self));
  self->now_us = 1000 * BED_SECOND;
  covet_pool_config_init(&self->config);
  self->config.min_size = 0;
  self->config.max_size = 4;
  self->config.auto_scale = false;
  self->config.lifetime_jitter = 0;
  self->config.retry_jitter = false;
}

void bed_start(pool_bed *self)
{
  covet_error error;

  assert_int_equal(covet_pool_config_check(&self->config, &error), 0);
  self->pool = covet_pool_new(&self->config);
  assert_non_null(self->pool);
  for (uint32_t i = 0; i < BED_WAITERS; i++) {
    self->waiters[i].owner = i + 1;
  }
  covet_pool_warm(self->pool, self->now_us);
  bed_run(self);
}

void bed_free(pool_bed *self)
{
  assert_null(covet_pool_check(self->pool));
  covet_pool_free(self->pool);
}

static void answer_open(const pool_bed *self, covet_pool_slot_id slot)
{
  covet_error error = {.kind = COVET_ERROR_CONNECTION_LOST};

  if (self->down) {
    covet_pool_connect_failed(self->pool, self->now_us, slot, self->permanent,
                              &error);
  } else {
    covet_pool_connected(self->pool, self->now_us, slot, self->liveness);
  }
}

static void answer(const pool_bed *self, const covet_pool_action *action)
{
  if (action->type == COVET_POOL_OPEN && !self->slow_open) {
    answer_open(self, action->slot);
  } else if (action->type == COVET_POOL_PING && !self->slow_check) {
    covet_pool_pinged(self->pool, self->now_us, action->slot, !self->dead);
  } else if (action->type == COVET_POOL_RESET && !self->slow_check) {
    covet_pool_was_reset(self->pool, self->now_us, action->slot, !self->dead);
  } else if (action->type == COVET_POOL_CLOSE && !self->slow_close) {
    covet_pool_closed(self->pool, self->now_us, action->slot);
  }
}

void bed_run(pool_bed *self)
{
  covet_pool_action action;

  while (covet_pool_next(self->pool, &action)) {
    self->count[action.type]++;
    self->last[action.type] = action;
    answer(self, &action);
    assert_null(covet_pool_check(self->pool));
  }
}

void bed_pass(pool_bed *self, uint64_t us)
{
  uint64_t end_us = self->now_us + us;
  uint64_t due_us;

  while ((due_us = covet_pool_due_us(self->pool)) <= end_us) {
    self->now_us = due_us > self->now_us ? due_us : self->now_us;
    covet_pool_tick(self->pool, self->now_us);
    bed_run(self);
  }
  self->now_us = end_us;
}

void bed_forget(pool_bed *self)
{
  memset(self->count, 0, sizeof(self->count));
}

covet_pool_answer bed_ask(pool_bed *self, uint32_t waiter)
{
  covet_pool_answer given;

  self->waiters[waiter].lease = 0;
  given = covet_pool_acquire(self->pool, self->now_us, &self->waiters[waiter]);
  bed_run(self);
  return given;
}

void bed_ask_many(pool_bed *self, uint32_t count)
{
  for (uint32_t i = 0; i < count; i++) {
    (void) bed_ask(self, i);
  }
}

void bed_give(pool_bed *self, uint32_t waiter, covet_pool_verdict verdict)
{
  assert_int_equal(covet_pool_release(self->pool, self->now_us,
                                      self->waiters[waiter].lease, verdict),
                   0);
  bed_run(self);
}

bool bed_has(const pool_bed *self, uint32_t waiter)
{
  covet_pool_slot_id slot;

  return covet_pool_find(self->pool, self->waiters[waiter].lease, &slot);
}

covet_pool_stats bed_stats(const pool_bed *self)
{
  covet_pool_stats stats;

  covet_pool_get_stats(self->pool, self->now_us, &stats);
  return stats;
}
