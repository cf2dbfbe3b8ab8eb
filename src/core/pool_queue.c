/* The waiters: queued, served, answered. */
#include "pool_parts.h"

/* --- The queue ----------------------------------------------------------------- */

static void leave_queue(covet_pool *pool, covet_pool_waiter *waiter)
{
  queue_remove(&pool->waiters, &waiter->node);
  covet_heap_remove(&pool->deadlines, &waiter->deadline);
  waiter->state = COVET_WAITER_NONE;
}

static void enter_queue(covet_pool *pool, covet_pool_waiter *waiter, bool first)
{
  uint64_t deadline = waiter->deadline.key;

  if (first) {
    queue_push_front(&pool->waiters, &waiter->node);
  } else {
    queue_push(&pool->waiters, &waiter->node);
  }
  covet_heap_add(&pool->deadlines, &waiter->deadline, deadline);
  note_due(pool, deadline);
  waiter->state = COVET_WAITER_QUEUED;
}

/* The deadline stays as it is, however often the waiter has to queue. */
static void set_deadline(const covet_pool *pool, covet_pool_waiter *waiter)
{
  waiter->deadline.key =
      waiter->deadline_us != 0
          ? waiter->deadline_us
          : after(waiter->since_us, pool->config.acquire_timeout_us);
}

static void count_failure(covet_pool *pool, covet_pool_failure failure)
{
  covet_pool_stats *stats = &pool->stats;

  stats->failed_checkouts++;
  stats->timeouts += failure == COVET_POOL_TIMEOUT;
  stats->refused += failure == COVET_POOL_EXHAUSTED;
  stats->deadlocks += failure == COVET_POOL_DEADLOCK;
}

void covet_waiter_answer(covet_pool *pool, covet_pool_waiter *waiter,
                         covet_pool_failure failure)
{
  leave_queue(pool, waiter);
  waiter->failure = failure;
  waiter->state = COVET_WAITER_ANSWERED;
  queue_push(&pool->answers, &waiter->node);
  if (failure != COVET_POOL_NO_FAILURE) {
    count_failure(pool, failure);
  }
}

void covet_waiters_fail(covet_pool *pool, covet_pool_failure failure)
{
  covet_pool_waiter *waiter;

  while ((waiter = covet_pool_first_waiter(pool)) != NULL) {
    covet_waiter_answer(pool, waiter, failure);
  }
}

void covet_waiters_disappoint(covet_pool *pool, covet_lease lease)
{
  covet_node *node = queue_first(&pool->answers);

  while (node != NULL) {
    covet_pool_waiter *waiter = waiter_of(node);

    node = queue_after(&pool->answers, node);
    if (waiter->failure == COVET_POOL_NO_FAILURE && waiter->lease == lease) {
      waiter->failure = COVET_POOL_SHUT;
      count_failure(pool, COVET_POOL_SHUT);
    }
  }
}

covet_pool_waiter *covet_pool_first_waiter(const covet_pool *pool)
{
  return waiter_of(queue_first(&pool->waiters));
}

void covet_pool_take_waiter(covet_pool *pool, covet_pool_waiter *waiter)
{
  leave_queue(pool, waiter);
  pool->due_us = 0; /* the next in the queue may be served now */
}

/* --- Serving ------------------------------------------------------------------- */

/* Whether no connection more can be had for now. */
static bool is_full(const covet_pool *pool)
{
  return slots_coming(pool) == 0 &&
         (slots_taken(pool) >= pool->config.max_size ||
          pool->failures_in_row > 0);
}

/* The busy connection with the fewest grants on which one more may ride. */
static covet_slot *find_share(const covet_pool *pool, uint64_t now_us)
{
  const covet_queue *lent = &pool->lists[COVET_SLOT_LENT];
  covet_slot *best = NULL;

  if (!is_full(pool)) {
    return NULL;
  }
  for (covet_node *node = queue_first(lent); node != NULL;
       node = queue_after(lent, node)) {
    covet_slot *slot = slot_of(node);

    if (slot->shareable && !slot->dirty &&
        slot->reason == COVET_POOL_REASON_NONE &&
        slot->shares < pool->config.share_depth &&
        (best == NULL || slot->shares < best->shares) &&
        covet_slot_outlived(pool, now_us, slot) == COVET_POOL_REASON_NONE) {
      best = slot;
    }
  }
  return best;
}

/* The idle slot that is lent after `node`; the first one for NULL. */
static covet_node *idle_after(const covet_pool *pool, covet_node *node)
{
  const covet_queue *idle = &pool->lists[COVET_SLOT_IDLE];
  const covet_node *from = node == NULL ? &idle->head : node;
  covet_node *next = pool->config.fifo ? from->next : from->prev;

  return next == &idle->head ? NULL : next;
}

/* Idle slots that answer soon whether they can be lent. Those being opened are
 * no reason not to ask: that may take much longer. */
static uint32_t being_checked(const covet_pool *pool)
{
  return count_of(pool, COVET_SLOT_PINGING) +
         count_of(pool, COVET_SLOT_RESETTING);
}

/* An idle slot that can be lent here and now. Those before it that cannot are
 * closed, or pinged as far as somebody waits for them. */
static covet_slot *find_idle(covet_pool *pool, uint64_t now_us)
{
  covet_node *node = idle_after(pool, NULL);

  while (node != NULL) {
    covet_slot *slot = slot_of(node);
    covet_pool_reason reason = covet_slot_outlived(pool, now_us, slot);

    node = idle_after(pool, node);
    if (reason != COVET_POOL_REASON_NONE) {
      covet_slot_close(pool, now_us, slot, reason);
    } else if (!covet_slot_needs_ping(pool, now_us, slot)) {
      return slot;
    } else if (being_checked(pool) < pool->waiters.count) {
      covet_slot_check(pool, now_us, slot, COVET_SLOT_PINGING);
    }
  }
  return NULL;
}

static void serve(covet_pool *pool, uint64_t now_us)
{
  covet_pool_waiter *waiter;

  while ((waiter = covet_pool_first_waiter(pool)) != NULL) {
    covet_slot *slot = find_idle(pool, now_us);

    if (slot == NULL && waiter->shareable) {
      slot = find_share(pool, now_us);
    }
    if (slot == NULL) {
      return;
    }
    covet_slot_lend(pool, now_us, slot, waiter);
    covet_waiter_answer(pool, waiter, COVET_POOL_NO_FAILURE);
  }
}

/* --- Deadlock ------------------------------------------------------------------- */

static bool owner_waits(const covet_pool *pool, uint64_t owner)
{
  covet_node *node = queue_first(&pool->waiters);

  while (node != NULL && waiter_of(node)->owner != owner) {
    node = queue_after(&pool->waiters, node);
  }
  return node != NULL;
}

static bool owner_holds(const covet_pool *pool, uint64_t owner)
{
  const covet_queue *lent = &pool->lists[COVET_SLOT_LENT];
  covet_node *node = owner == 0 ? NULL : queue_first(lent);

  while (node != NULL && slot_of(node)->owner != owner) {
    node = queue_after(lent, node);
  }
  return node != NULL;
}

/* Whether every connection there can be is held by somebody who waits for one
 * more. Mostly the first holder looked at does not. */
static bool is_deadlocked(const covet_pool *pool)
{
  const covet_queue *lent = &pool->lists[COVET_SLOT_LENT];

  if (lent->count < pool->config.max_size || lent->count < slots_taken(pool)) {
    return false;
  }
  for (covet_node *node = queue_first(lent); node != NULL;
       node = queue_after(lent, node)) {
    const covet_slot *slot = slot_of(node);

    if (slot->owner == 0 || !owner_waits(pool, slot->owner)) {
      return false;
    }
  }
  return lent->count > 0;
}

/* The youngest waiter that holds one gives way; it may have stood before one who
 * can share. */
static void break_deadlock(covet_pool *pool, uint64_t now_us)
{
  while (!queue_empty(&pool->waiters) && is_deadlocked(pool)) {
    covet_node *node = pool->waiters.head.prev;

    while (!owner_holds(pool, waiter_of(node)->owner)) {
      node = node->prev;
    }
    covet_waiter_answer(pool, waiter_of(node), COVET_POOL_DEADLOCK);
    serve(pool, now_us);
  }
}

/* --- After each event ------------------------------------------------------------ */

static void end_if_empty(covet_pool *pool)
{
  if (pool->state == COVET_POOL_RUNS || pool->ended || slots_taken(pool) > 0 ||
      !queue_empty(&pool->waiters)) {
    return;
  }
  pool->ended = true;
  pool->news |= 1U << (pool->state == COVET_POOL_DRAINS ? COVET_POOL_DRAINED
                                                        : COVET_POOL_CLOSED);
}

/* A drain closes what nobody waits for any more. */
static void close_unwanted(covet_pool *pool, uint64_t now_us)
{
  covet_slot *slot;

  if (pool->state == COVET_POOL_RUNS || !queue_empty(&pool->waiters)) {
    return;
  }
  while ((slot = covet_slot_next(pool)) != NULL) {
    covet_slot_close(pool, now_us, slot, COVET_POOL_REASON_CLOSED);
  }
  while ((slot = slot_of(queue_first(&pool->lists[COVET_SLOT_OPENING]))) !=
         NULL) {
    covet_slot_close(pool, now_us, slot, COVET_POOL_REASON_CLOSED);
  }
}

/* The maximum was lowered: those used last stay. */
static void close_surplus(covet_pool *pool, uint64_t now_us)
{
  covet_slot *slot;

  while (slots_kept(pool) > pool->config.max_size &&
         (slot = slot_of(queue_first(&pool->lists[COVET_SLOT_IDLE]))) != NULL) {
    covet_slot_close(pool, now_us, slot, COVET_POOL_REASON_RESIZED);
  }
}

void covet_pool_settle(covet_pool *pool, uint64_t now_us)
{
  close_surplus(pool, now_us);
  serve(pool, now_us);
  covet_pool_grow(pool, now_us);
  if (!queue_empty(&pool->waiters)) {
    if (!covet_pool_has_hope(pool, now_us)) {
      covet_waiters_fail(pool, COVET_POOL_BREAKER_OPEN);
    }
    break_deadlock(pool, now_us);
  }
  close_unwanted(pool, now_us);
  end_if_empty(pool);
}

/* --- Asking ---------------------------------------------------------------------- */

static covet_pool_answer refuse(covet_pool *pool, covet_pool_waiter *waiter,
                                covet_pool_failure failure)
{
  waiter->failure = failure;
  count_failure(pool, failure);
  return COVET_POOL_REFUSED;
}

/* Answered within the call: nothing is left to be told. */
static covet_pool_answer take_answer(covet_pool *pool,
                                     covet_pool_waiter *waiter)
{
  queue_remove(&pool->answers, &waiter->node);
  waiter->state = COVET_WAITER_NONE;
  return waiter->failure == COVET_POOL_NO_FAILURE ? COVET_POOL_GRANTED
                                                  : COVET_POOL_REFUSED;
}

static covet_pool_answer wait(covet_pool *pool, uint64_t now_us,
                              covet_pool_waiter *waiter)
{
  enter_queue(pool, waiter, false);
  covet_pool_settle(pool, now_us);
  if (waiter->state == COVET_WAITER_ANSWERED) {
    return take_answer(pool, waiter);
  }
  /* those for whom a connection is coming wait for nobody */
  if (pool->config.max_waiting != 0 &&
      pool->waiters.count > pool->config.max_waiting + slots_coming(pool)) {
    leave_queue(pool, waiter);
    return refuse(pool, waiter, COVET_POOL_EXHAUSTED);
  }
  return COVET_POOL_QUEUED;
}

covet_pool_answer covet_pool_acquire(covet_pool *pool, uint64_t now_us,
                                     covet_pool_waiter *waiter)
{
  covet_slot *slot;

  waiter->failure = COVET_POOL_NO_FAILURE;
  waiter->since_us = now_us;
  set_deadline(pool, waiter);
  if (pool->state != COVET_POOL_RUNS) {
    return refuse(pool, waiter, COVET_POOL_SHUT);
  }
  slot = queue_empty(&pool->waiters) ? covet_slot_next(pool) : NULL;
  if (slot == NULL || covet_slot_needs_ping(pool, now_us, slot) ||
      covet_slot_outlived(pool, now_us, slot) != COVET_POOL_REASON_NONE) {
    return wait(pool, now_us, waiter);
  }
  covet_slot_lend(pool, now_us, slot, waiter);
  if (count_of(pool, COVET_SLOT_LENT) >= pool->warm_at) {
    covet_pool_grow(pool, now_us);
  }
  return COVET_POOL_GRANTED;
}

void covet_pool_cancel(covet_pool *pool, uint64_t now_us,
                       covet_pool_waiter *waiter)
{
  if (waiter->state == COVET_WAITER_QUEUED) {
    leave_queue(pool, waiter);
    covet_pool_settle(pool, now_us);
  } else if (waiter->state == COVET_WAITER_ANSWERED &&
             take_answer(pool, waiter) == COVET_POOL_GRANTED) {
    (void) covet_pool_release(pool, now_us, waiter->lease, COVET_POOL_CLEAN);
  }
}

int covet_pool_reject(covet_pool *pool, uint64_t now_us, covet_lease lease,
                      covet_pool_waiter *waiter)
{
  covet_slot *slot = covet_slot_find(pool, lease);

  if (slot == NULL) {
    return COVET_EUSAGE;
  }
  pool->stats.total_checkouts--;
  pool->stats.validation_errors++;
  slot->reason = COVET_POOL_REASON_REJECTED;
  if (--slot->shares == 0) {
    covet_slot_give_back(pool, now_us, slot);
  }
  waiter->failure = COVET_POOL_NO_FAILURE;
  if (waiter->deadline_us != 0 || waiter->lease != lease) {
    set_deadline(pool, waiter); /* else it is as it was */
  }
  enter_queue(pool, waiter, true);
  if (pool->state == COVET_POOL_CLOSES) {
    covet_waiter_answer(pool, waiter, COVET_POOL_SHUT);
  } else if (waiter->deadline.key <= now_us) {
    covet_waiter_answer(pool, waiter, COVET_POOL_TIMEOUT);
  }
  covet_pool_settle(pool, now_us);
  return 0;
}
