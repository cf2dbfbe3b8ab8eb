/* How many connections there are: growing, shrinking, failing to connect. */
#include "pool_parts.h"

#include <math.h>

/* --- Chance ------------------------------------------------------------------- */

/* xorshift64*: a number from 0 to 1. */
static double chance(covet_pool *pool)
{
  uint64_t x = pool->random;

  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  pool->random = x;
  return (double) ((x * UINT64_C(2685821657736338717)) >> 11) /
         9007199254740992.0;
}

uint64_t covet_pool_lifetime_end(covet_pool *pool, uint64_t now_us)
{
  double lifetime = (double) pool->config.max_lifetime_us;

  lifetime -= lifetime * pool->config.lifetime_jitter * chance(pool);
  return after(now_us, (uint64_t) lifetime);
}

/* --- The breaker ----------------------------------------------------------------- */

static void set_breaker(covet_pool *pool, covet_breaker_state to)
{
  if (pool->breaker != to) {
    pool->breaker = to;
    pool->news |= 1U << COVET_POOL_BREAKER;
  }
}

static void trip(covet_pool *pool, uint64_t now_us)
{
  pool->breaker_until_us = after(now_us, pool->config.breaker_cooldown_us);
  pool->breaker_count = 0;
  note_due(pool, pool->breaker_until_us);
  set_breaker(pool, COVET_BREAKER_OPEN);
}

static void note_failure_time(covet_pool *pool, uint64_t now_us)
{
  pool->breaker_times_us[pool->breaker_next] = now_us;
  pool->breaker_next = (pool->breaker_next + 1) % COVET_POOL_BREAKER_MOST;
  if (pool->breaker_count < COVET_POOL_BREAKER_MOST) {
    pool->breaker_count++;
  }
}

/* Whether the last `breaker_failures` failures lie within the window that ends
 * now: then the first of these does. */
static bool has_failed_enough(const covet_pool *pool, uint64_t now_us)
{
  const covet_pool_config *config = &pool->config;
  uint32_t first = (pool->breaker_next + COVET_POOL_BREAKER_MOST -
                    config->breaker_failures) %
                   COVET_POOL_BREAKER_MOST;

  return pool->breaker_count >= config->breaker_failures &&
         after(pool->breaker_times_us[first], config->breaker_window_us) >
             now_us;
}

/* Failures in a row; a success between them starts anew. */
static void count_for_breaker(covet_pool *pool, uint64_t now_us)
{
  if (pool->config.breaker_failures == 0 ||
      pool->breaker == COVET_BREAKER_OPEN) {
    return;
  }
  note_failure_time(pool, now_us);
  if (pool->breaker == COVET_BREAKER_HALF_OPEN ||
      has_failed_enough(pool, now_us)) {
    trip(pool, now_us);
  }
}

/* --- Success and failure ------------------------------------------------------------ */

void covet_pool_note_connected(covet_pool *pool)
{
  pool->failures_in_row = 0;
  pool->attempts = 0;
  pool->permanent = false;
  pool->open_after_us = 0;
  pool->breaker_count = 0;
  set_breaker(pool, COVET_BREAKER_CLOSED);
}

static uint64_t backoff(covet_pool *pool)
{
  const covet_pool_config *config = &pool->config;
  double longest = (double) config->retry_max_backoff_us;
  double wait = (double) config->retry_backoff_us *
                pow(2, (double) pool->failures_in_row - 1);

  if (wait > longest && longest > 0) {
    wait = longest;
  }
  if (config->retry_jitter) {
    wait *= 0.5 + chance(pool) / 2;
  }
  return wait < 1e15 ? (uint64_t) wait : UINT64_C(1000000000000000);
}

bool covet_pool_has_live(const covet_pool *pool)
{
  return slots_kept(pool) > count_of(pool, COVET_SLOT_OPENING);
}

static void tell_waiters(covet_pool *pool)
{
  if (pool->attempts < pool->config.retry_attempts && !pool->permanent) {
    return;
  }
  if (!covet_pool_has_live(pool) && /* else one of them may come back */
      count_of(pool, COVET_SLOT_OPENING) == 0) {
    covet_waiters_fail(pool, COVET_POOL_CONNECT_FAILED);
    pool->attempts = 0;
  }
}

void covet_pool_note_failure(covet_pool *pool, uint64_t now_us,
                             const covet_slot *slot, bool permanent)
{
  pool->stats.connection_errors++;
  pool->permanent = permanent;
  if (slot->round ==
      pool->round) { /* else it failed with others of its round */
    pool->round++;
    pool->failures_in_row++;
    pool->attempts++;
    pool->open_after_us = now_us + backoff(pool);
    note_due(pool, pool->open_after_us);
  }
  count_for_breaker(pool, now_us);
  tell_waiters(pool);
}

bool covet_pool_has_hope(const covet_pool *pool, uint64_t now_us)
{
  return pool->breaker != COVET_BREAKER_OPEN ||
         pool->breaker_until_us <= now_us || covet_pool_has_live(pool) ||
         count_of(pool, COVET_SLOT_OPENING) > 0;
}

/* --- Growing ------------------------------------------------------------------------ */

void covet_pool_set_warm_at(covet_pool *pool)
{
  double at = ceil(pool->config.scale_up_threshold * slots_kept(pool));

  pool->warm_at =
      pool->config.auto_scale && at >= 1 ? (uint32_t) at : UINT32_MAX;
}

/* How many are missing; they are opened as far as that is possible. */
static uint32_t missing(const covet_pool *pool)
{
  uint32_t waiting = (uint32_t) pool->waiters.count;
  uint32_t coming = slots_coming(pool);
  uint32_t kept = slots_kept(pool);
  uint32_t count = waiting > coming ? waiting - coming : 0;

  if (pool->state != COVET_POOL_RUNS) {
    return pool->state == COVET_POOL_DRAINS ? count : 0;
  }
  if (pool->warm && kept < pool->config.min_size &&
      pool->config.min_size - kept > count) {
    count = pool->config.min_size - kept;
  }
  if (count == 0 && count_of(pool, COVET_SLOT_LENT) >= pool->warm_at &&
      coming == 0 && pool->failures_in_row == 0) {
    count = 1;
  }
  return count;
}

/* After a failure one at a time, and not before the backoff's end. */
static bool may_open(covet_pool *pool, uint64_t now_us)
{
  uint32_t opening = count_of(pool, COVET_SLOT_OPENING);
  uint32_t most =
      pool->failures_in_row > 0 || pool->breaker != COVET_BREAKER_CLOSED
          ? 1
          : pool->config.connect_parallel;

  if (slots_taken(pool) >= pool->config.max_size || opening >= most) {
    return false;
  }
  if (pool->open_after_us > now_us) {
    note_due(pool, pool->open_after_us);
    return false;
  }
  if (pool->breaker == COVET_BREAKER_OPEN && pool->breaker_until_us > now_us) {
    note_due(pool, pool->breaker_until_us);
    return false;
  }
  return true;
}

void covet_pool_grow(covet_pool *pool, uint64_t now_us)
{
  uint32_t count = missing(pool);

  while (count-- > 0 && may_open(pool, now_us)) {
    if (!covet_slot_open(pool, now_us)) {
      return; /* memory is out; the next event tries again */
    }
    if (pool->breaker == COVET_BREAKER_OPEN) {
      set_breaker(pool, COVET_BREAKER_HALF_OPEN);
    }
  }
}

/* --- Shrinking ------------------------------------------------------------------------ */

/* `busy` are those that were used within the idle timeout. Between the two
 * thresholds the size stays, and never so few are left that the upper one would
 * open them again: the pool does not swing. */
static bool may_shrink(const covet_pool *pool, uint32_t busy)
{
  const covet_pool_config *config = &pool->config;
  double kept = slots_kept(pool);

  if (slots_kept(pool) <= (pool->warm ? config->min_size : 0)) {
    return false;
  }
  return !config->auto_scale || busy == 0 ||
         (busy <= kept * config->scale_down_threshold &&
          busy < (kept - 1) * config->scale_up_threshold);
}

uint64_t covet_pool_shrink(covet_pool *pool, uint64_t now_us)
{
  const covet_queue *idle = &pool->lists[COVET_SLOT_IDLE];
  uint64_t timeout_us = pool->config.idle_timeout_us;
  covet_node *node = queue_first(idle);
  uint32_t stale = 0;
  uint32_t busy;

  while (node != NULL && after(slot_of(node)->used_us, timeout_us) <= now_us) {
    node = queue_after(idle, node);
    stale++;
  }
  busy = slots_kept(pool) - stale;
  while (stale-- > 0 && may_shrink(pool, busy)) {
    covet_slot_close(pool, now_us, slot_of(queue_first(idle)),
                     COVET_POOL_REASON_IDLE);
  }
  return node == NULL ? UINT64_MAX : after(slot_of(node)->used_us, timeout_us);
}
