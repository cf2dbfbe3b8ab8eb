/* One schedule: random events, then everything comes to rest. */
#include "sim.h"

#include <string.h>

enum { REST_STEPS = 3000, STEADY_EVERY = 64 };

static void start(simulation *sim, const sim_options *options,
                  uint64_t schedule)
{
  memset(sim, 0, sizeof(*sim));
  sim->options = options;
  sim->schedule = schedule;
  sim->random = random_of(options->seed, schedule * 4096);
  sim->now_us = random_range(&sim->random, 1, 100 * SIM_SECOND);
  sim->eager = random_chance(&sim->random, 70);
  sim->punctual = random_chance(&sim->random, 60);
  sim->database_up = random_chance(&sim->random, 90);
  sim->fault_percent = (unsigned) random_range(&sim->random, 0, 2) * 15;
  sim->slow_percent = (unsigned) random_range(&sim->random, 0, 2) * 20;
  for (uint32_t i = 0; i < SIM_SLOTS; i++) {
    sim->slots[i].answer_us = UINT64_MAX;
  }
  sim_make_config(sim);
}

static void run_events(simulation *sim)
{
  const sim_options *options = sim->options;

  if (random_chance(&sim->random, 70)) {
    sim_begin(sim);
    sim_trace_event(sim);
    sim_warm(sim);
  }
  for (uint32_t i = 0; i < options->events && !sim_failed(sim); i++) {
    sim->event = i;
    if (options->skip == NULL || !options->skip[i]) {
      sim->random = random_of(options->seed, sim->schedule * 4096 + i + 1);
      sim_step(sim);
    }
  }
}

/* --- The end -------------------------------------------------------------------- */

static bool is_at_rest(const simulation *sim, bool over)
{
  const covet_pool_stats *stats = &sim->stats;

  if (stats->waiting > 0 || stats->idle_connections != sim_taken(stats) ||
      covet_pool_has_next(sim->pool)) {
    return false;
  }
  return over ? sim->ended : stats->total_connections >= stats->min_size;
}

static sim_waiter *find_holder(simulation *sim)
{
  for (uint32_t i = 0; i < SIM_WAITERS; i++) {
    if (sim->waiters[i].state == SIM_HOLDS) {
      return &sim->waiters[i];
    }
  }
  return NULL;
}

static uint64_t next_time(simulation *sim)
{
  const sim_slot *slot = sim_next_answer(sim);
  uint64_t due_us = covet_pool_due_us(sim->pool);

  return slot != NULL && slot->answer_us < due_us ? slot->answer_us : due_us;
}

/* Everybody gives back, the clock goes on. `over`: until the pool's end. */
static void come_to_rest(simulation *sim, bool over)
{
  for (int i = 0; i < REST_STEPS && !sim_failed(sim); i++) {
    sim_waiter *holder = find_holder(sim);

    sim_begin(sim);
    if (holder != NULL) {
      sim_trace_event(sim);
      sim_release(sim, holder, COVET_POOL_CLEAN);
    } else if (is_at_rest(sim, over)) {
      return;
    } else if (next_time(sim) == UINT64_MAX) {
      sim_fail(sim,
               "stuck: %u wait, %u opening, %u closing, %u of %u idle, "
               "and nothing is due",
               sim->stats.waiting, sim->stats.opening, sim->stats.closing,
               sim->stats.idle_connections, sim->stats.total_connections);
    } else {
      sim_pass_time(sim, next_time(sim));
    }
  }
  sim_fail(sim, "does not come to rest");
}

/* Without any load only the minimum is left. */
static void shrink(simulation *sim)
{
  uint64_t end_us = sim->now_us + 3 * sim->config.idle_timeout_us;

  while (sim->now_us < end_us && !sim_failed(sim)) {
    uint64_t next_us = next_time(sim);

    sim_begin(sim);
    sim_pass_time(sim, next_us < end_us ? next_us : end_us);
  }
  come_to_rest(sim, false);
  if (sim->config.idle_timeout_us != 0 &&
      sim->stats.total_connections > sim->config.min_size) {
    sim_fail(sim, "%u connections are kept, the minimum is %u",
             sim->stats.total_connections, sim->config.min_size);
  }
}

static void end_pool(simulation *sim)
{
  uint64_t deadline_us = sim->now_us + SIM_SECOND;

  sim_begin(sim);
  sim_trace_event(sim);
  sim_close(sim, deadline_us);
  come_to_rest(sim, true);
  if (sim->now_us > deadline_us) {
    sim_fail(sim, "the pool is closed %.3f s after its deadline",
             (double) (sim->now_us - deadline_us) / 1e6);
  }
}

static void finish(simulation *sim)
{
  bool over = sim->life != SIM_RUNS && random_chance(&sim->random, 50);

  sim->random = random_of(sim->options->seed, sim->schedule * 4096 + 4095);
  sim->quiet = true;
  sim->punctual = true;
  sim->slow_percent = 0;
  sim_begin(sim);
  sim_take_actions(sim, UINT32_MAX);
  if (!over) {
    sim_trace_event(sim);
    sim_warm(sim);
  }
  come_to_rest(sim, over);
  if (over) {
    return;
  }
  if (random_chance(&sim->random, 5)) {
    shrink(sim);
  }
  if (random_chance(&sim->random, 30)) {
    end_pool(sim);
  }
}

bool sim_run(simulation *sim, const sim_options *options, uint64_t schedule)
{
  start(sim, options, schedule);
  sim->pool = covet_pool_new(&sim->config);
  if (sim->pool == NULL) {
    sim_fail(sim, "out of memory");
    return false;
  }
  if (schedule % STEADY_EVERY == STEADY_EVERY - 1) {
    sim_steady(sim);
  } else {
    run_events(sim);
    if (!sim_failed(sim)) {
      finish(sim);
    }
  }
  covet_pool_free(sim->pool);
  return !sim_failed(sim);
}
