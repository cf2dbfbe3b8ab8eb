/* The carrier's work: opens, pings, resets, closes, and answers after a while or
 * not at all. */
#include "carrier.h"

/* --- Answers ------------------------------------------------------------------ */

static uint64_t latency_us(simulation *sim)
{
  sim_random *r = &sim->random;

  if (random_chance(r, 20)) {
    return 0;
  }
  if (random_chance(r, sim->slow_percent)) {
    return random_range(r, SIM_MS, 3 * SIM_SECOND);
  }
  return random_range(r, 100, 20 * SIM_MS);
}

/* Where there is no timeout the carrier answers in any case. */
static void begin(simulation *sim, sim_slot *slot, uint64_t timeout_us)
{
  sim_random *r = &sim->random;
  bool faulty = !sim->quiet && random_chance(r, sim->fault_percent);

  slot->started_us = sim->now_us;
  slot->deadline_us = sim_after(sim->now_us, timeout_us);
  slot->answer_us = sim->now_us + latency_us(sim);
  slot->answer_good = !faulty && (sim->database_up || sim->quiet);
  slot->answer_permanent = random_chance(r, 15);
  if (faulty && timeout_us != 0 && random_chance(r, 40)) {
    slot->answer_us = UINT64_MAX;
  }
}

sim_slot *sim_next_answer(simulation *sim)
{
  sim_slot *next = NULL;

  for (uint32_t i = 0; i < sim->slot_count; i++) {
    sim_slot *slot = &sim->slots[i];

    if (slot->answer_us != UINT64_MAX &&
        (next == NULL || slot->answer_us < next->answer_us)) {
      next = slot;
    }
  }
  return next;
}

static void answer_open(simulation *sim, sim_slot *slot, covet_pool_slot_id id)
{
  static const covet_pool_liveness kinds[] = {
      COVET_POOL_UNKNOWN, COVET_POOL_UNKNOWN, COVET_POOL_WATCHED,
      COVET_POOL_CERTAIN};
  covet_pool_stats stats;
  bool good = slot->answer_good;

  if (good) {
    slot->liveness = kinds[sim->schedule % 4];
    covet_pool_connected(sim->pool, sim->now_us, id, slot->liveness);
  } else {
    covet_pool_connect_failed(sim->pool, sim->now_us, id,
                              slot->answer_permanent, NULL);
  }
  covet_pool_get_stats(sim->pool, sim->now_us, &stats);
  if (good && (sim->eager ||
               stats.created_connections != sim->before.created_connections)) {
    sim_note_connected(sim, slot);
  } else if (!good && (sim->eager || stats.connection_errors !=
                                         sim->before.connection_errors)) {
    slot->place = SIM_FREE;
    sim_note_connect_failed(sim, slot, slot->answer_permanent);
  } /* else a CLOSE overtook it, and will be taken later */
}

static void answer_work(simulation *sim, sim_slot *slot, covet_pool_slot_id id)
{
  if (slot->work == SIM_PING) {
    slot->work = SIM_NO_WORK;
    covet_pool_pinged(sim->pool, sim->now_us, id, slot->answer_good);
    slot->sure_us = sim->now_us;
    if (!slot->answer_good) {
      slot->doom |= 1U << COVET_POOL_REASON_PING;
      sim->expected.validation_errors++;
    }
    return;
  }
  slot->work = SIM_NO_WORK;
  covet_pool_was_reset(sim->pool, sim->now_us, id, slot->answer_good);
  slot->needs_reset = false;
  slot->used_us = sim->now_us;
  slot->sure_us = sim->now_us;
  if (!slot->answer_good) {
    slot->doom |= 1U << COVET_POOL_REASON_RESET;
  }
}

void sim_answer(simulation *sim, sim_slot *slot)
{
  covet_pool_slot_id id = sim_slot_id(sim, slot);

  slot->answer_us = UINT64_MAX;
  sim_trace(sim, "s%u %s %s", id,
            slot->place == SIM_OPENING   ? "connects"
            : slot->place == SIM_CLOSING ? "closes"
            : slot->work == SIM_PING     ? "is pinged"
                                         : "is reset",
            slot->answer_good ? "well" : "badly");
  if (slot->place == SIM_OPENING) {
    answer_open(sim, slot, id);
  } else if (slot->place == SIM_CLOSING) {
    covet_pool_closed(sim->pool, sim->now_us, id);
    slot->place = SIM_FREE;
  } else {
    answer_work(sim, slot, id);
  }
  sim_settle(sim);
}

/* --- Actions that want an answer ------------------------------------------------ */

void carry_open(simulation *sim, sim_slot *slot, covet_pool_slot_id id)
{
  if (slot->place != SIM_FREE) {
    sim_fail(sim, "a slot is opened that is in use");
  } else if (covet_pool_data(sim->pool, id) != NULL) {
    sim_fail(sim, "a slot is opened with the data of another connection");
  } else if (sim->eager && sim->now_us < sim_backoff_least(sim)) {
    sim_fail(sim, "a connection is opened before the backoff is over");
  } else if (sim->eager && sim->life == SIM_CLOSES) {
    sim_fail(sim, "a connection is opened in a pool that closes");
  }
  covet_pool_set_data(sim->pool, id, slot);
  slot->place = SIM_OPENING;
  slot->work = SIM_NO_WORK;
  slot->round = sim->round;
  slot->doom = 0;
  slot->over_due = false;
  begin(sim, slot, sim->config.connect_timeout_us);
}

void carry_ping(simulation *sim, sim_slot *slot)
{
  const covet_pool_config *config = &sim->config;
  uint64_t check_us =
      sim_after(slot->sure_us, config->health_check_interval_us);

  if (!sim_is_idle(slot)) {
    sim_fail(sim, "a connection is pinged that is not idle");
  } else if (!config->can_ping || slot->liveness == COVET_POOL_CERTAIN) {
    sim_fail(sim, "a connection is pinged that cannot be, or need not");
  } else if (sim->eager && sim->before.waiting == 0 &&
             sim->stats.waiting == 0 && !sim->granted_now &&
             sim->asking == NULL && check_us > sim->now_us) {
    sim_fail(sim, "a connection is pinged before its time");
  }
  slot->work = SIM_PING;
  begin(sim, slot, config->check_timeout_us);
}

void carry_reset(simulation *sim, sim_slot *slot)
{
  if (!sim_is_idle(slot)) {
    sim_fail(sim, "a connection is reset that is not idle");
  } else if (!sim->config.can_reset || !slot->needs_reset) {
    sim_fail(sim, "a connection is reset that need not be");
  }
  slot->work = SIM_RESET;
  begin(sim, slot, sim->config.check_timeout_us);
}

static void count_close(simulation *sim, const sim_slot *slot,
                        covet_pool_reason reason)
{
  if (slot->place == SIM_OPEN) {
    sim->expected.destroyed_connections++;
    sim->expected.closed_by[reason]++;
    sim->expected.recycled_connections += reason != COVET_POOL_REASON_IDLE &&
                                          reason != COVET_POOL_REASON_RESIZED &&
                                          reason != COVET_POOL_REASON_CLOSED;
  }
}

void carry_close(simulation *sim, sim_slot *slot, covet_pool_reason reason)
{
  if (slot->place != SIM_OPENING && slot->place != SIM_OPEN) {
    sim_fail(sim, "a slot is closed that is not open");
  } else if (slot->shares > 0) {
    sim_fail(sim, "a connection is closed under its borrower (%s)",
             covet_pool_reason_name(reason));
  }
  sim_check_close(sim, slot, reason);
  count_close(sim, slot, reason);
  slot->place = SIM_CLOSING;
  slot->work = SIM_NO_WORK;
  begin(sim, slot, sim->config.close_timeout_us);
  slot->answer_good = true;
}

void carry_abandon(simulation *sim, sim_slot *slot, covet_pool_reason reason)
{
  if (reason == COVET_POOL_REASON_NONE) {
    sim_fail(sim, "a connection is abandoned without a reason");
  } else if (slot->shares > 0) {
    sim_fail(sim, "a connection is abandoned under its borrower");
  } else if (sim->eager && !sim_is_forced(sim) &&
             (slot->place != SIM_CLOSING || slot->deadline_us > sim->now_us)) {
    sim_fail(sim, "a connection is abandoned before its time");
  }
  count_close(sim, slot, reason);
  slot->place = SIM_FREE;
  slot->work = SIM_NO_WORK;
  slot->answer_us = UINT64_MAX;
}
