/* The life of a connection. */
#include "pool_parts.h"

#include <stdlib.h>
#include <string.h>

enum { LEASE_INDEX_BITS = 16, LEASE_SERIAL_BITS = 36 }; /* exact as a double */

/* --- Actions ----------------------------------------------------------------- */

void covet_slot_act(covet_pool *pool, covet_slot *slot,
                    covet_pool_action_type type)
{
  if (slot->actions == 0) {
    queue_push(&pool->todo, &slot->todo);
  }
  slot->actions |= 1U << type;
}

void covet_slot_drop(covet_pool *pool, covet_slot *slot,
                     covet_pool_action_type type)
{
  if ((slot->actions & (1U << type)) == 0) {
    return;
  }
  slot->actions &= ~(1U << type);
  if (slot->actions == 0) {
    queue_remove(&pool->todo, &slot->todo);
  }
}

/* --- States ------------------------------------------------------------------ */

static bool legal(covet_slot_state from, covet_slot_state to)
{
  switch (to) {
  case COVET_SLOT_FREE:
    return from == COVET_SLOT_OPENING || from == COVET_SLOT_CLOSING;
  case COVET_SLOT_OPENING:
    return from == COVET_SLOT_FREE;
  case COVET_SLOT_IDLE:
    return from == COVET_SLOT_OPENING || from == COVET_SLOT_PINGING ||
           from == COVET_SLOT_RESETTING || from == COVET_SLOT_LENT;
  case COVET_SLOT_PINGING:
  case COVET_SLOT_LENT:
    return from == COVET_SLOT_IDLE;
  case COVET_SLOT_RESETTING:
    return from == COVET_SLOT_LENT;
  case COVET_SLOT_CLOSING:
    return from != COVET_SLOT_FREE && from != COVET_SLOT_CLOSING;
  case COVET_SLOT_STATES:
    break;
  }
  return false;
}

/* Idle ones are sorted by their last use: one that was only pinged goes back to
 * where it was. */
static void push_idle(covet_queue *idle, covet_slot *slot)
{
  covet_node *before = idle->head.prev;

  while (before != &idle->head && slot_of(before)->used_us > slot->used_us) {
    before = before->prev;
  }
  queue_link(idle, before, &slot->node);
}

void covet_slot_set_state(covet_pool *pool, covet_slot *slot,
                          covet_slot_state to)
{
  if (!legal(slot->state, to)) {
    abort();
  }
  queue_remove(&pool->lists[slot->state], &slot->node);
  slot->state = to;
  if (to == COVET_SLOT_IDLE) {
    push_idle(&pool->lists[to], slot);
  } else {
    queue_push(&pool->lists[to], &slot->node);
  }
}

uint64_t covet_slot_check_at(const covet_pool *pool, const covet_slot *slot)
{
  uint64_t sure_us =
      slot->checked_us > slot->used_us ? slot->checked_us : slot->used_us;

  return pool->config.can_ping && slot->liveness == COVET_POOL_UNKNOWN
             ? after(sure_us, pool->config.health_check_interval_us)
             : UINT64_MAX;
}

void covet_slot_rest(covet_pool *pool, covet_slot *slot)
{
  covet_slot_set_state(pool, slot, COVET_SLOT_IDLE);
  note_due(pool, slot->expires_us);
  note_due(pool, after(slot->used_us, pool->config.idle_timeout_us));
  note_due(pool, covet_slot_check_at(pool, slot));
}

/* --- Opening ------------------------------------------------------------------- */

static bool grow_table(covet_pool *pool)
{
  uint32_t capacity = pool->slot_capacity == 0 ? 8 : pool->slot_capacity * 2;
  covet_slot **slots;

  if (pool->slot_count < pool->slot_capacity) {
    return true;
  }
  slots = realloc(pool->slots, sizeof(covet_slot *) * capacity);
  if (slots == NULL) {
    return false;
  }
  pool->slots = slots;
  pool->slot_capacity = capacity;
  return true;
}

static covet_slot *free_slot(covet_pool *pool)
{
  covet_slot *slot = slot_of(queue_first(&pool->lists[COVET_SLOT_FREE]));

  if (slot != NULL || !grow_table(pool)) {
    return slot;
  }
  slot = calloc(1, sizeof(*slot));
  if (slot != NULL) {
    slot->id = pool->slot_count;
    pool->slots[pool->slot_count++] = slot;
    queue_push(&pool->lists[COVET_SLOT_FREE], &slot->node);
  }
  return slot;
}

bool covet_slot_open(covet_pool *pool, uint64_t now_us)
{
  covet_slot *slot = free_slot(pool);

  if (slot == NULL) {
    return false;
  }
  slot->generation = pool->generation;
  slot->round = pool->round;
  slot->created = false;
  slot->reason = COVET_POOL_REASON_NONE;
  slot->deadline_us = after(now_us, pool->config.connect_timeout_us);
  note_due(pool, slot->deadline_us);
  covet_slot_set_state(pool, slot, COVET_SLOT_OPENING);
  covet_slot_act(pool, slot, COVET_POOL_OPEN);
  covet_pool_set_warm_at(pool);
  return true;
}

void covet_slot_check(covet_pool *pool, uint64_t now_us, covet_slot *slot,
                      covet_slot_state state)
{
  slot->deadline_us = after(now_us, pool->config.check_timeout_us);
  note_due(pool, slot->deadline_us);
  covet_slot_set_state(pool, slot, state);
  covet_slot_act(pool, slot,
                 state == COVET_SLOT_PINGING ? COVET_POOL_PING
                                             : COVET_POOL_RESET);
}

/* --- Closing ------------------------------------------------------------------- */

static bool is_recycling(covet_pool_reason reason)
{
  return reason != COVET_POOL_REASON_IDLE &&
         reason != COVET_POOL_REASON_RESIZED &&
         reason != COVET_POOL_REASON_CLOSED;
}

static void count_close(covet_pool *pool, const covet_slot *slot)
{
  if (!slot->created) {
    return;
  }
  pool->stats.destroyed_connections++;
  pool->stats.closed_by[slot->reason]++;
  pool->stats.recycled_connections += is_recycling(slot->reason);
}

void covet_slot_close(covet_pool *pool, uint64_t now_us, covet_slot *slot,
                      covet_pool_reason reason)
{
  bool untold = (slot->actions & (1U << COVET_POOL_OPEN)) != 0;

  slot->reason = reason;
  slot->lease = 0;
  slot->leaked = false;
  slot->shares = 0;
  count_close(pool, slot);
  covet_slot_drop(pool, slot, COVET_POOL_LEAK);
  covet_slot_drop(pool, slot, COVET_POOL_OPEN);
  covet_slot_drop(pool, slot, COVET_POOL_PING);
  covet_slot_drop(pool, slot, COVET_POOL_RESET);
  if (untold) { /* the carrier knows nothing of it */
    covet_slot_set_state(pool, slot, COVET_SLOT_FREE);
  } else {
    slot->deadline_us = after(now_us, pool->config.close_timeout_us);
    note_due(pool, slot->deadline_us);
    covet_slot_set_state(pool, slot, COVET_SLOT_CLOSING);
    covet_slot_act(pool, slot, COVET_POOL_CLOSE);
  }
  covet_pool_set_warm_at(pool);
}

/* --- Lending ------------------------------------------------------------------- */

covet_slot *covet_slot_next(const covet_pool *pool)
{
  const covet_queue *idle = &pool->lists[COVET_SLOT_IDLE];

  if (queue_empty(idle)) {
    return NULL;
  }
  return slot_of(pool->config.fifo ? idle->head.next : idle->head.prev);
}

covet_pool_reason covet_slot_outlived(const covet_pool *pool, uint64_t now_us,
                                      const covet_slot *slot)
{
  if (pool->state == COVET_POOL_CLOSES ||
      (pool->state == COVET_POOL_DRAINS && queue_empty(&pool->waiters))) {
    return COVET_POOL_REASON_CLOSED;
  }
  if (slot->generation != pool->generation) {
    return COVET_POOL_REASON_EVICTED;
  }
  if (slot->expires_us <= now_us) {
    return COVET_POOL_REASON_LIFETIME;
  }
  if (slots_kept(pool) > pool->config.max_size) {
    return COVET_POOL_REASON_RESIZED;
  }
  return COVET_POOL_REASON_NONE;
}

bool covet_slot_needs_ping(const covet_pool *pool, uint64_t now_us,
                           const covet_slot *slot)
{
  const covet_pool_config *config = &pool->config;
  uint64_t sure_us =
      slot->checked_us > slot->used_us ? slot->checked_us : slot->used_us;

  /* one that has answered just now may be lent even if fresh_us is 0 */
  if (!config->can_ping || slot->liveness == COVET_POOL_CERTAIN ||
      now_us == sure_us || now_us - sure_us < config->fresh_us) {
    return false;
  }
  return config->test_on_borrow ||
         (config->pre_ping && slot->liveness == COVET_POOL_UNKNOWN);
}

static covet_lease new_lease(covet_slot *slot)
{
  uint64_t mask = (UINT64_C(1) << LEASE_SERIAL_BITS) - 1;

  slot->serial = (slot->serial + 1) & mask;
  if (slot->serial == 0) {
    slot->serial = 1;
  }
  return (slot->serial << LEASE_INDEX_BITS) | slot->id;
}

covet_slot *covet_slot_find(const covet_pool *pool, covet_lease lease)
{
  uint64_t index = lease & ((1U << LEASE_INDEX_BITS) - 1);

  if (lease == 0 || index >= pool->slot_count ||
      pool->slots[index]->lease != lease) {
    return NULL;
  }
  return pool->slots[index];
}

static void begin_loan(covet_pool *pool, uint64_t now_us, covet_slot *slot,
                       const covet_pool_waiter *waiter)
{
  covet_slot_set_state(pool, slot, COVET_SLOT_LENT);
  slot->lease = new_lease(slot);
  slot->owner = waiter->passing ? 0 : waiter->owner;
  slot->passing = waiter->passing;
  slot->dirty = false;
  slot->shareable = waiter->shareable && pool->config.share_depth > 1;
  slot->shares = 0;
  slot->since_us = now_us;
  if (pool->config.leak_detection && !slot->passing && !slot->shareable) {
    note_due(pool, after(now_us, pool->config.leak_timeout_us));
  }
}

void covet_slot_lend(covet_pool *pool, uint64_t now_us, covet_slot *slot,
                     covet_pool_waiter *waiter)
{
  if (slot->state == COVET_SLOT_IDLE) {
    begin_loan(pool, now_us, slot, waiter);
  }
  slot->shares++;
  waiter->slot = slot->id;
  waiter->lease = slot->lease;
  pool->stats.total_checkouts++;
  covet_histogram_add(&pool->checkout_times, now_us - waiter->since_us);
}

static void end_loan(covet_pool *pool, uint64_t now_us, covet_slot *slot)
{
  slot->over = slot->lease;
  slot->over_owner = slot->owner;
  slot->over_us = now_us - slot->since_us;
  if (slot->leaked && (slot->actions & (1U << COVET_POOL_LEAK)) == 0) {
    covet_slot_act(pool, slot, COVET_POOL_LEAK_OVER);
  }
  covet_slot_drop(pool, slot, COVET_POOL_LEAK);
  slot->leaked = false;
  slot->lease = 0;
  slot->used_us = now_us;
}

static bool wants_reset(const covet_pool *pool, bool dirty)
{
  switch (pool->config.reset) {
  case COVET_POOL_RESET_ALWAYS:
    return dirty || pool->config.can_reset;
  case COVET_POOL_RESET_AUTO:
    return dirty;
  case COVET_POOL_RESET_NEVER:
    break;
  }
  return false;
}

void covet_slot_give_back(covet_pool *pool, uint64_t now_us, covet_slot *slot)
{
  covet_pool_reason reason = slot->reason;

  end_loan(pool, now_us, slot);
  if (reason == COVET_POOL_REASON_NONE) {
    reason = covet_slot_outlived(pool, now_us, slot);
  }
  if (reason == COVET_POOL_REASON_NONE && wants_reset(pool, slot->dirty)) {
    if (pool->config.can_reset) {
      covet_slot_check(pool, now_us, slot, COVET_SLOT_RESETTING);
      return;
    }
    reason = COVET_POOL_REASON_RESET;
  }
  if (reason != COVET_POOL_REASON_NONE) {
    covet_slot_close(pool, now_us, slot, reason);
    return;
  }
  covet_slot_rest(pool, slot);
}
