/* Random events: time, what is done to the pool as a whole, and which of all
 * comes next. */
#include "events.h"

void sim_begin(simulation *sim)
{
  sim->before = sim->stats;
  sim->asking = NULL;
  sim->failed_now = false;
  sim->connected_now = false;
  sim->granted_now = false;
  sim->breaker_told = false;
  sim->calls++;
}

void sim_take_actions(simulation *sim, uint32_t most)
{
  covet_pool_action action;

  while (most-- > 0 && !sim_failed(sim)) {
    bool more = covet_pool_has_next(sim->pool);

    if (covet_pool_next(sim->pool, &action) != more) {
      sim_fail(sim, "covet_pool_has_next and covet_pool_next disagree");
    }
    if (!more) {
      return;
    }
    sim_carry_out(sim, &action);
  }
}

void sim_settle(simulation *sim)
{
  covet_pool_get_stats(sim->pool, sim->now_us, &sim->stats);
  sim_observe(sim);
  if (sim->eager || sim->quiet || random_chance(&sim->random, 35)) {
    sim_take_actions(sim, UINT32_MAX);
  } else if (random_chance(&sim->random, 20)) {
    sim_take_actions(sim, 1);
  }
  if (!sim_failed(sim)) {
    sim_check(sim);
  }
}

/* --- Time --------------------------------------------------------------------------- */

/* Those that took too long to open count as failed at this tick. */
static void note_overdue(simulation *sim)
{
  for (uint32_t i = 0; sim->eager && i < sim->slot_count; i++) {
    sim_slot *slot = &sim->slots[i];

    if (slot->place == SIM_OPENING && slot->deadline_us <= sim->now_us) {
      sim_note_connect_failed(sim, slot, false);
    }
  }
}

/* Who was granted a connection and not told yet gets a failure instead. */
static void note_forced(simulation *sim)
{
  for (uint32_t i = 0; i < SIM_WAITERS; i++) {
    sim_waiter *waiter = &sim->waiters[i];

    if (waiter->state == SIM_ANSWERED && waiter->granted) {
      waiter->granted = false;
      sim_note_failure(sim, waiter);
    }
  }
  for (uint32_t i = 0; i < sim->slot_count; i++) {
    if (sim->slots[i].shares > 0) {
      sim->expected.leaks += sim_leak_due(sim, &sim->slots[i]) <= sim->now_us;
      sim_note_taken(sim, &sim->slots[i]);
      sim->slots[i].over_due = false;
    }
  }
}

void sim_tick(simulation *sim)
{
  sim_trace(sim, "tick");
  note_overdue(sim);
  covet_pool_tick(sim->pool, sim->now_us);
  if (sim_is_forced(sim)) {
    note_forced(sim);
  }
  sim->spins =
      covet_pool_due_us(sim->pool) <= sim->now_us && sim->spun_us == sim->now_us
          ? sim->spins + 1
          : 0;
  sim->spun_us = sim->now_us;
  if (sim->spins > 3) { /* it may be too early, but not for ever */
    sim_fail(sim, "each tick leaves something due: the carrier would spin");
  }
  sim_settle(sim);
}

void sim_pass_time(simulation *sim, uint64_t until_us)
{
  sim_slot *slot = sim_next_answer(sim);
  uint64_t answer_us = slot == NULL ? UINT64_MAX : slot->answer_us;
  uint64_t due_us = covet_pool_due_us(sim->pool);
  uint64_t next_us = answer_us < due_us ? answer_us : due_us;

  if (sim->punctual && next_us < until_us) {
    until_us = next_us;
  }
  if (until_us > sim->now_us) {
    sim->now_us = until_us;
  }
  sim_trace_event(sim);
  if (answer_us <= sim->now_us &&
      (answer_us <= due_us || random_chance(&sim->random, 50))) {
    sim_answer(sim, slot);
  } else {
    sim_tick(sim);
  }
}

/* --- The pool as a whole --------------------------------------------------------- */

void sim_warm(simulation *sim)
{
  sim_trace(sim, "warm");
  sim->life = SIM_RUNS;
  sim->warm = true;
  sim->ended = false;
  covet_pool_warm(sim->pool, sim->now_us);
  sim_settle(sim);
}

static void drain(simulation *sim)
{
  sim_trace(sim, "drain");
  if (sim->life == SIM_RUNS) {
    sim->life = SIM_DRAINS;
    sim->warm = false;
  }
  covet_pool_drain(sim->pool, sim->now_us);
  sim_settle(sim);
}

void sim_close(simulation *sim, uint64_t deadline_us)
{
  sim_trace(sim, "close until %.6f", (double) deadline_us / 1e6);
  if (sim->life != SIM_CLOSES) {
    sim->close_deadline_us = UINT64_MAX;
    sim->ended = false;
  }
  sim->life = SIM_CLOSES;
  sim->warm = false;
  if (deadline_us < sim->close_deadline_us) {
    sim->close_deadline_us = deadline_us;
  }
  covet_pool_close(sim->pool, sim->now_us, deadline_us);
  sim_settle(sim);
}

static void close_soon(simulation *sim)
{
  sim_close(sim, sim->now_us + random_range(&sim->random, 1, 2 * SIM_SECOND));
}

static void evict(simulation *sim)
{
  sim_trace(sim, "evict");
  for (uint32_t i = 0; i < sim->slot_count; i++) {
    sim->slots[i].doom |= 1U << COVET_POOL_REASON_EVICTED;
  }
  covet_pool_evict(sim->pool, sim->now_us);
  sim_settle(sim);
}

static void configure(simulation *sim)
{
  covet_error error;
  covet_pool_config bad = sim->config;

  sim_change_config(sim);
  sim_trace(sim, "configure: min_size %u, max_size %u", sim->config.min_size,
            sim->config.max_size);
  bad.min_size = bad.max_size + 1;
  if (covet_pool_configure(sim->pool, sim->now_us, &bad, &error) !=
          COVET_EUSAGE ||
      covet_pool_configure(sim->pool, sim->now_us, &sim->config, &error) != 0) {
    sim_fail(sim, "a bad configuration is taken, or a good one is not");
  }
  sim_settle(sim);
}

static void database_changes(simulation *sim)
{
  sim->database_up = !sim->database_up;
  sim_trace(sim, "the database is %s", sim->database_up ? "up" : "down");
}

static void advance(simulation *sim)
{
  sim_random *r = &sim->random;
  sim_slot *slot = sim_next_answer(sim);
  uint64_t until_us = covet_pool_due_us(sim->pool);
  unsigned pick = (unsigned) random_range(r, 0, 99);

  if (slot != NULL && slot->answer_us < until_us) {
    until_us = slot->answer_us;
  }
  if (pick >= 60 || until_us == UINT64_MAX) {
    until_us = sim->now_us + random_range(r, 0,
                                          pick < 85   ? 30 * SIM_MS
                                          : pick < 97 ? 2 * SIM_SECOND
                                                      : 60 * SIM_SECOND);
  }
  sim_pass_time(sim, until_us);
}

void sim_step(simulation *sim)
{
  static const struct {
    unsigned weight;
    void (*event)(struct simulation *sim);
  } events[] = {{250, event_acquire}, {190, event_release},
                {40, event_cancel},   {15, event_take_waiter},
                {15, event_reject},   {15, event_release_stale},
                {8, event_reclaim},   {8, event_owner_dies},
                {20, event_lose},     {4, evict},
                {3, drain},           {3, close_soon},
                {16, sim_warm},       {8, configure},
                {8, database_changes}};
  unsigned pick = (unsigned) random_range(&sim->random, 0, 999);

  sim_begin(sim);
  for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
    if (pick < events[i].weight) {
      sim_trace_event(sim);
      events[i].event(sim);
      return;
    }
    pick -= events[i].weight;
  }
  advance(sim);
}
