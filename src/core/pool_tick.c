/* What time brings: deadlines, lifetimes, leaks, checks. */
#include "error.h"
#include "pool_parts.h"

uint64_t covet_pool_due_us(const covet_pool *pool)
{
  return pool->due_us;
}

static void expire_waiters(covet_pool *pool, uint64_t now_us)
{
  while (pool->deadlines.first != NULL &&
         pool->deadlines.first->key <= now_us) {
    covet_waiter_answer(
        pool,
        COVET_CONTAINER(pool->deadlines.first, covet_pool_waiter, deadline),
        COVET_POOL_TIMEOUT);
  }
}

/* --- The carrier's answers ------------------------------------------------------- */

static void abandon(covet_pool *pool, covet_slot *slot)
{
  slot->abandoned = slot->reason;
  covet_slot_drop(pool, slot, COVET_POOL_CLOSE);
  covet_slot_act(pool, slot, COVET_POOL_ABANDON);
  covet_slot_set_state(pool, slot, COVET_SLOT_FREE);
}

/* One that took too long to open is a failed attempt; it may still come, and is
 * closed then. */
static void overdue(covet_pool *pool, uint64_t now_us, covet_slot *slot)
{
  switch (slot->state) {
  case COVET_SLOT_OPENING:
    covet_error_set(&pool->last_error, COVET_ERROR_TIMEOUT,
                    "connecting took longer than %.3g s",
                    (double) pool->config.connect_timeout_us / 1e6);
    covet_slot_close(pool, now_us, slot, COVET_POOL_REASON_CONNECT);
    covet_pool_note_failure(pool, now_us, slot, false);
    break;
  case COVET_SLOT_PINGING:
    pool->stats.validation_errors++;
    covet_slot_close(pool, now_us, slot, COVET_POOL_REASON_PING);
    break;
  case COVET_SLOT_RESETTING:
    covet_slot_close(pool, now_us, slot, COVET_POOL_REASON_RESET);
    break;
  case COVET_SLOT_CLOSING:
    abandon(pool, slot);
    break;
  case COVET_SLOT_FREE:
  case COVET_SLOT_IDLE:
  case COVET_SLOT_LENT:
  case COVET_SLOT_STATES:
    break;
  }
}

/* Slots whose answer is overdue. Answers when the next one will be. */
static uint64_t check_answers(covet_pool *pool, uint64_t now_us,
                              covet_slot_state state)
{
  const covet_queue *list = &pool->lists[state];
  covet_node *node = queue_first(list);
  uint64_t next = UINT64_MAX;

  while (node != NULL) {
    covet_slot *slot = slot_of(node);

    node = queue_after(list, node);
    if (slot->deadline_us <= now_us) {
      overdue(pool, now_us, slot);
    } else if (slot->deadline_us < next) {
      next = slot->deadline_us;
    }
  }
  return next;
}

/* --- What is lent, what is idle ----------------------------------------------------- */

/* The oldest loans stand first: after one that is young enough all are. */
static uint64_t find_leaks(covet_pool *pool, uint64_t now_us)
{
  const covet_queue *lent = &pool->lists[COVET_SLOT_LENT];
  uint64_t timeout = pool->config.leak_timeout_us;

  if (!pool->config.leak_detection || timeout == 0) {
    return UINT64_MAX;
  }
  for (covet_node *node = queue_first(lent); node != NULL;
       node = queue_after(lent, node)) {
    covet_slot *slot = slot_of(node);

    if (slot->leaked || slot->passing || slot->shareable) {
      continue;
    }
    if (slot->since_us + timeout > now_us) {
      return slot->since_us + timeout;
    }
    slot->leaked = true;
    slot->leak_us = now_us - slot->since_us;
    pool->stats.leaks++;
    covet_slot_act(pool, slot, COVET_POOL_LEAK);
  }
  return UINT64_MAX;
}

/* Idle ones that are too old, or were not heard of for too long. */
static uint64_t check_idle(covet_pool *pool, uint64_t now_us)
{
  const covet_queue *idle = &pool->lists[COVET_SLOT_IDLE];
  covet_node *node = queue_first(idle);
  uint64_t next = UINT64_MAX;

  while (node != NULL) {
    covet_slot *slot = slot_of(node);
    covet_pool_reason reason = covet_slot_outlived(pool, now_us, slot);
    uint64_t check_us = covet_slot_check_at(pool, slot);

    node = queue_after(idle, node);
    if (reason != COVET_POOL_REASON_NONE) {
      covet_slot_close(pool, now_us, slot, reason);
    } else if (check_us <= now_us) {
      covet_slot_check(pool, now_us, slot, COVET_SLOT_PINGING);
    } else {
      next = slot->expires_us < next ? slot->expires_us : next;
      next = check_us < next ? check_us : next;
    }
  }
  return next;
}

/* --- The end ---------------------------------------------------------------------- */

/* The time for closing is over: whatever is left is given up. */
static void force_close(covet_pool *pool, uint64_t now_us)
{
  covet_slot *slot;

  while ((slot = slot_of(queue_first(&pool->lists[COVET_SLOT_LENT]))) != NULL) {
    pool->stats.total_checkins += slot->shares;
    covet_waiters_disappoint(pool, slot->lease);
    covet_slot_close(pool, now_us, slot, COVET_POOL_REASON_CLOSED);
  }
  while ((slot = slot_of(queue_first(&pool->lists[COVET_SLOT_CLOSING]))) !=
         NULL) {
    abandon(pool, slot);
  }
}

void covet_pool_tick(covet_pool *pool, uint64_t now_us)
{
  static const covet_slot_state transient[] = {
      COVET_SLOT_OPENING, COVET_SLOT_PINGING, COVET_SLOT_RESETTING,
      COVET_SLOT_CLOSING};

  pool->due_us = UINT64_MAX; /* found anew by all that follows */
  expire_waiters(pool, now_us);
  for (size_t i = 0; i < sizeof(transient) / sizeof(transient[0]); i++) {
    note_due(pool, check_answers(pool, now_us, transient[i]));
  }
  note_due(pool, find_leaks(pool, now_us));
  note_due(pool,
           check_idle(pool, now_us)); /* those that go in any case first */
  note_due(pool, covet_pool_shrink(pool, now_us));
  if (pool->state == COVET_POOL_CLOSES) {
    if (pool->close_deadline_us <= now_us) {
      force_close(pool, now_us);
    }
    note_due(pool,
             slots_taken(pool) > 0 ? pool->close_deadline_us : UINT64_MAX);
  }
  covet_pool_settle(pool, now_us);
  if (pool->deadlines.first != NULL) {
    note_due(pool, pool->deadlines.first->key);
  }
}
