#include "pool.h"

#include "error.h"
#include "pool_parts.h"

#include <stdlib.h>
#include <string.h>

/* --- Making and freeing ----------------------------------------------------------- */

covet_pool *covet_pool_new(const covet_pool_config *config)
{
  covet_pool *pool = calloc(1, sizeof(*pool));

  if (pool == NULL) {
    return NULL;
  }
  pool->config = *config;
  pool->due_us = UINT64_MAX;
  pool->random = config->seed != 0 ? config->seed : 0x9E3779B97F4A7C15U;
  for (int i = 0; i < COVET_SLOT_STATES; i++) {
    queue_init(&pool->lists[i]);
  }
  queue_init(&pool->todo);
  queue_init(&pool->waiters);
  queue_init(&pool->answers);
  covet_pool_set_warm_at(pool);
  return pool;
}

void covet_pool_free(covet_pool *pool)
{
  if (pool == NULL) {
    return;
  }
  for (uint32_t i = 0; i < pool->slot_count; i++) {
    free(pool->slots[i]);
  }
  free(pool->slots);
  free(pool);
}

void covet_pool_warm(covet_pool *pool, uint64_t now_us)
{
  pool->warm = true;
  covet_pool_start(pool, now_us);
}

void covet_pool_start(covet_pool *pool, uint64_t now_us)
{
  pool->ended = false;
  pool->news &= ~(1U << COVET_POOL_DRAINED | 1U << COVET_POOL_CLOSED);
  pool->state = COVET_POOL_RUNS;
  covet_pool_settle(pool, now_us);
}

/* --- The end of a loan --------------------------------------------------------------- */

static void settle_if_needed(covet_pool *pool, uint64_t now_us)
{
  if (!queue_empty(&pool->waiters) || pool->state != COVET_POOL_RUNS ||
      (pool->warm && slots_kept(pool) < pool->config.min_size)) {
    covet_pool_settle(pool, now_us);
  }
}

int covet_pool_release(covet_pool *pool, uint64_t now_us, covet_lease lease,
                       covet_pool_verdict verdict)
{
  covet_slot *slot = covet_slot_find(pool, lease);

  if (slot == NULL) {
    return COVET_EUSAGE;
  }
  pool->stats.total_checkins++;
  if (verdict == COVET_POOL_BROKEN && slot->reason == COVET_POOL_REASON_NONE) {
    slot->reason = COVET_POOL_REASON_BROKEN;
  }
  slot->dirty = slot->dirty || verdict == COVET_POOL_DIRTY;
  if (--slot->shares == 0) {
    covet_slot_give_back(pool, now_us, slot);
  }
  settle_if_needed(pool, now_us);
  return 0;
}

static void reclaim(covet_pool *pool, uint64_t now_us, covet_slot *slot)
{
  pool->stats.reclaimed++;
  pool->stats.total_checkins += slot->shares;
  slot->shares = 0;
  if (pool->config.reset == COVET_POOL_RESET_NEVER || !pool->config.can_reset) {
    slot->reason = COVET_POOL_REASON_RECLAIMED;
  }
  slot->dirty = true;
  covet_slot_give_back(pool, now_us, slot);
  covet_slot_act(pool, slot, COVET_POOL_RECLAIMED);
}

int covet_pool_reclaim(covet_pool *pool, uint64_t now_us, covet_lease lease)
{
  covet_slot *slot = covet_slot_find(pool, lease);

  if (slot == NULL) {
    return COVET_EUSAGE;
  }
  reclaim(pool, now_us, slot);
  settle_if_needed(pool, now_us);
  return 0;
}

uint32_t covet_pool_owner_died(covet_pool *pool, uint64_t now_us,
                               uint64_t owner)
{
  const covet_queue *lent = &pool->lists[COVET_SLOT_LENT];
  covet_node *node = owner == 0 ? NULL : queue_first(lent);
  uint32_t count = 0;

  while (node != NULL) {
    covet_slot *slot = slot_of(node);

    node = queue_after(lent, node);
    if (slot->owner == owner) {
      reclaim(pool, now_us, slot);
      count++;
    }
  }
  if (count > 0) {
    settle_if_needed(pool, now_us);
  }
  return count;
}

bool covet_pool_find(const covet_pool *pool, covet_lease lease,
                     covet_pool_slot_id *slot)
{
  const covet_slot *found = covet_slot_find(pool, lease);

  if (found != NULL) {
    *slot = found->id;
  }
  return found != NULL;
}

/* --- What the carrier tells ------------------------------------------------------------ */

/* An answer may come for a slot that has moved on: then it is no news. Nor is it
 * when the question was not told yet: it answers an older one. */
static covet_slot *expect(const covet_pool *pool, covet_pool_slot_id id,
                          covet_slot_state state,
                          covet_pool_action_type question)
{
  covet_slot *slot = id < pool->slot_count ? pool->slots[id] : NULL;

  return slot != NULL && slot->state == state &&
                 (slot->actions & (1U << question)) == 0
             ? slot
             : NULL;
}

void covet_pool_connected(covet_pool *pool, uint64_t now_us,
                          covet_pool_slot_id id, covet_pool_liveness liveness)
{
  covet_slot *slot = expect(pool, id, COVET_SLOT_OPENING, COVET_POOL_OPEN);

  if (slot == NULL) {
    return;
  }
  pool->stats.created_connections++;
  covet_pool_note_connected(pool);
  slot->created = true;
  slot->liveness = liveness;
  slot->used_us = now_us;
  slot->checked_us = now_us;
  slot->expires_us = pool->config.max_lifetime_us == 0
                         ? UINT64_MAX
                         : covet_pool_lifetime_end(pool, now_us);
  covet_slot_rest(pool, slot);
  covet_pool_settle(pool, now_us);
}

void covet_pool_connect_failed(covet_pool *pool, uint64_t now_us,
                               covet_pool_slot_id id, bool permanent,
                               const covet_error *error)
{
  covet_slot *slot = expect(pool, id, COVET_SLOT_OPENING, COVET_POOL_OPEN);

  if (slot == NULL) {
    return;
  }
  if (error != NULL) {
    pool->last_error = *error;
  }
  covet_slot_set_state(pool, slot, COVET_SLOT_FREE);
  covet_pool_set_warm_at(pool);
  covet_pool_note_failure(pool, now_us, slot, permanent);
  covet_pool_settle(pool, now_us);
}

void covet_pool_pinged(covet_pool *pool, uint64_t now_us, covet_pool_slot_id id,
                       bool alive)
{
  covet_slot *slot = expect(pool, id, COVET_SLOT_PINGING, COVET_POOL_PING);

  if (slot == NULL) {
    return;
  }
  if (alive) {
    slot->checked_us = now_us;
    covet_slot_rest(pool, slot);
  } else {
    pool->stats.validation_errors++;
    covet_slot_close(pool, now_us, slot, COVET_POOL_REASON_PING);
  }
  covet_pool_settle(pool, now_us);
}

void covet_pool_was_reset(covet_pool *pool, uint64_t now_us,
                          covet_pool_slot_id id, bool clean)
{
  covet_slot *slot = expect(pool, id, COVET_SLOT_RESETTING, COVET_POOL_RESET);

  if (slot == NULL) {
    return;
  }
  if (clean) {
    slot->used_us = now_us;
    covet_slot_rest(pool, slot);
  } else {
    covet_slot_close(pool, now_us, slot, COVET_POOL_REASON_RESET);
  }
  covet_pool_settle(pool, now_us);
}

void covet_pool_closed(covet_pool *pool, uint64_t now_us, covet_pool_slot_id id)
{
  covet_slot *slot = expect(pool, id, COVET_SLOT_CLOSING, COVET_POOL_CLOSE);

  if (slot == NULL) {
    return;
  }
  covet_slot_set_state(pool, slot, COVET_SLOT_FREE);
  covet_pool_settle(pool, now_us);
}

void covet_pool_lost(covet_pool *pool, uint64_t now_us, covet_pool_slot_id id)
{
  covet_slot *slot = id < pool->slot_count ? pool->slots[id] : NULL;

  if (slot == NULL) {
    return;
  }
  switch (slot->state) {
  case COVET_SLOT_LENT:
    if (slot->reason == COVET_POOL_REASON_NONE) {
      slot->reason = COVET_POOL_REASON_LOST;
    }
    return;
  case COVET_SLOT_IDLE:
  case COVET_SLOT_PINGING:
  case COVET_SLOT_RESETTING:
    covet_slot_close(pool, now_us, slot, COVET_POOL_REASON_LOST);
    covet_pool_settle(pool, now_us);
    return;
  case COVET_SLOT_FREE:
  case COVET_SLOT_OPENING:
  case COVET_SLOT_CLOSING:
  case COVET_SLOT_STATES:
    return;
  }
}

/* --- The pool as a whole ----------------------------------------------------------------- */

static void close_all(covet_pool *pool, uint64_t now_us, covet_slot_state state,
                      covet_pool_reason reason)
{
  covet_slot *slot;

  while ((slot = slot_of(queue_first(&pool->lists[state]))) != NULL) {
    covet_slot_close(pool, now_us, slot, reason);
  }
}

/* All that nobody has. */
static void close_unlent(covet_pool *pool, uint64_t now_us,
                         covet_pool_reason reason)
{
  close_all(pool, now_us, COVET_SLOT_OPENING, reason);
  close_all(pool, now_us, COVET_SLOT_IDLE, reason);
  close_all(pool, now_us, COVET_SLOT_PINGING, reason);
  close_all(pool, now_us, COVET_SLOT_RESETTING, reason);
}

void covet_pool_evict(covet_pool *pool, uint64_t now_us)
{
  pool->generation++;
  close_unlent(pool, now_us, COVET_POOL_REASON_EVICTED);
  covet_pool_settle(pool, now_us);
}

void covet_pool_drain(covet_pool *pool, uint64_t now_us)
{
  if (pool->state == COVET_POOL_RUNS) {
    pool->state = COVET_POOL_DRAINS;
    pool->warm = false;
  }
  covet_pool_settle(pool, now_us);
}

void covet_pool_close(covet_pool *pool, uint64_t now_us, uint64_t deadline_us)
{
  if (pool->state != COVET_POOL_CLOSES) {
    pool->state = COVET_POOL_CLOSES;
    pool->warm = false;
    pool->ended = false;
    pool->news &= ~(1U << COVET_POOL_DRAINED);
    pool->close_deadline_us = UINT64_MAX;
  }
  if (deadline_us < pool->close_deadline_us) {
    pool->close_deadline_us = deadline_us;
  }
  note_due(pool, pool->close_deadline_us);
  covet_waiters_fail(pool, COVET_POOL_SHUT);
  close_unlent(pool, now_us, COVET_POOL_REASON_CLOSED);
  covet_pool_settle(pool, now_us);
}

int covet_pool_configure(covet_pool *pool, uint64_t now_us,
                         const covet_pool_config *config, covet_error *error)
{
  int status = covet_pool_config_check(config, error);

  if (status != 0) {
    return status;
  }
  pool->config = *config;
  covet_pool_set_warm_at(pool);
  pool->due_us = now_us; /* the next tick sees what the new times mean */
  covet_pool_settle(pool, now_us);
  return 0;
}

/* --- Actions ---------------------------------------------------------------------------- */

static void fill_slot_action(covet_slot *slot, covet_pool_action *action)
{
  action->slot = slot->id;
  action->reason =
      action->type == COVET_POOL_ABANDON ? slot->abandoned : slot->reason;
  if (action->type == COVET_POOL_LEAK) {
    action->lease = slot->lease;
    action->owner = slot->owner;
    action->us = slot->leak_us;
  } else if (action->type == COVET_POOL_LEAK_OVER ||
             action->type == COVET_POOL_RECLAIMED) {
    action->lease = slot->over;
    action->owner = slot->over_owner;
    action->us = slot->over_us;
  } else if (action->type == COVET_POOL_OPEN) {
    slot->data = NULL;
  }
}

static bool next_of_slots(covet_pool *pool, covet_pool_action *action)
{
  static const covet_pool_action_type order[] = {
      COVET_POOL_LEAK_OVER, COVET_POOL_RECLAIMED, COVET_POOL_LEAK,
      COVET_POOL_ABANDON,   COVET_POOL_OPEN,      COVET_POOL_PING,
      COVET_POOL_RESET,     COVET_POOL_CLOSE};
  covet_slot *slot;
  size_t i = 0;

  if (queue_empty(&pool->todo)) {
    return false;
  }
  slot = COVET_CONTAINER(queue_first(&pool->todo), covet_slot, todo);
  while ((slot->actions & (1U << order[i])) == 0) {
    i++;
  }
  action->type = order[i];
  fill_slot_action(slot, action);
  covet_slot_drop(pool, slot, order[i]);
  return true;
}

static bool next_of_pool(covet_pool *pool, covet_pool_action *action)
{
  static const covet_pool_action_type order[] = {
      COVET_POOL_BREAKER, COVET_POOL_DRAINED, COVET_POOL_CLOSED};

  for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
    if (pool->news & (1U << order[i])) {
      pool->news &= ~(1U << order[i]);
      action->type = order[i];
      return true;
    }
  }
  return false;
}

bool covet_pool_has_next(const covet_pool *pool)
{
  return !queue_empty(&pool->answers) || !queue_empty(&pool->todo) ||
         pool->news != 0;
}

bool covet_pool_next(covet_pool *pool, covet_pool_action *action)
{
  covet_pool_waiter *waiter = waiter_of(queue_pop(&pool->answers));

  memset(action, 0, sizeof(*action));
  if (waiter == NULL) {
    return next_of_slots(pool, action) || next_of_pool(pool, action);
  }
  waiter->state = COVET_WAITER_NONE;
  action->waiter = waiter;
  action->type = COVET_POOL_FAIL;
  if (waiter->failure == COVET_POOL_NO_FAILURE) {
    action->type = COVET_POOL_GRANT;
    action->slot = waiter->slot;
    action->lease = waiter->lease;
  }
  return true;
}
