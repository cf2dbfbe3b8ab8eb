/**
 * A pool on a clock that the test moves, with a carrier that answers at once
 * unless it is told not to.
 */
#ifndef COVET_SPEC_POOL_BED_H
#define COVET_SPEC_POOL_BED_H

#include "core/pool.h"
#include "support.h"

enum { BED_WAITERS = 24, BED_ACTIONS = COVET_POOL_CLOSED + 1 };

#define BED_MS UINT64_C(1000)
#define BED_SECOND UINT64_C(1000000)

typedef struct pool_bed {
  covet_pool *pool;
  covet_pool_config config; /* set before bed_start */
  uint64_t now_us;
  covet_pool_waiter waiters[BED_WAITERS];

  bool slow_open, slow_check, slow_close; /* the test answers itself */
  bool down;                              /* connecting fails, */
  bool permanent;                         /* for good */
  bool dead;                              /* pings and resets fail */
  covet_pool_liveness liveness;

  uint32_t count[BED_ACTIONS]; /* actions taken since bed_forget */
  covet_pool_action last[BED_ACTIONS];
} pool_bed;

/** The bed of the present test. */
extern pool_bed bed;

/** Make and free it. */
int bed_set_up(void **state);
int bed_tear_down(void **state);

/** A test that has it: the function is called test_`name`. */
#define pool_test(name)                                                        \
  cmocka_unit_test_setup_teardown(test_##name, bed_set_up, bed_tear_down)

/** Defaults but: 0 to 4 connections, no auto_scale, no jitter. */
void bed_init(pool_bed *self);

void bed_start(pool_bed *self);
void bed_free(pool_bed *self);

/** Take all actions and answer them. */
void bed_run(pool_bed *self);

/** Let the clock go on by so much, with a tick whenever the pool wants one. */
void bed_pass(pool_bed *self, uint64_t us);

/** Count actions anew. */
void bed_forget(pool_bed *self);

/** The waiter asks; its owner is its number, and one. */
covet_pool_answer bed_ask(pool_bed *self, uint32_t waiter);

/** The first so many of them ask. */
void bed_ask_many(pool_bed *self, uint32_t count);

/** It gives back what it got. */
void bed_give(pool_bed *self, uint32_t waiter, covet_pool_verdict verdict);

/** What it got, or COVET_POOL_REFUSED with its `failure`. */
bool bed_has(const pool_bed *self, uint32_t waiter);

covet_pool_stats bed_stats(const pool_bed *self);

#endif
