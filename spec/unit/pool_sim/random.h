/** Chance from a seed: the same everywhere (splitmix64). */
#ifndef COVET_POOL_SIM_RANDOM_H
#define COVET_POOL_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct sim_random {
  uint64_t state;
} sim_random;

static inline uint64_t random_next(sim_random *random)
{
  uint64_t x = random->state += UINT64_C(0x9E3779B97F4A7C15);

  x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
  return x ^ (x >> 31);
}

/** A stream of its own for each pair of numbers. */
static inline sim_random random_of(uint64_t seed, uint64_t index)
{
  sim_random random = {seed ^ (index * UINT64_C(0xD1342543DE82EF95))};

  random.state = random_next(&random);
  return random;
}

/** From `least` to `most`, both included. */
static inline uint64_t random_range(sim_random *random, uint64_t least,
                                    uint64_t most)
{
  return least + (random_next(random) >> 16) % (most - least + 1);
}

static inline bool random_chance(sim_random *random, unsigned percent)
{
  return random_range(random, 0, 99) < percent;
}

#endif
