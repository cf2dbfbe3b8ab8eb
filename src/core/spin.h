/**
 * Busy polling: after a query was sent the loop looks for its answer without
 * sleeping, where that has paid lately, and tries again after a while where it has
 * not.
 */
#ifndef COVET_CORE_SPIN_H
#define COVET_CORE_SPIN_H

#include "runtime.h"

enum { COVET_SPIN_AUTO_US = 100, COVET_SPIN_MOST_US = 10000 };

/** Of one connection. All zero is a valid one. */
typedef struct covet_spin {
  uint64_t sent_us;
  int gains;       /* how often it was worth it lately */
  unsigned unspun; /* queries since it was given up */
  bool spinning;
} covet_spin;

/** A query was sent at `sent_us`: look for its answer for `most_us` from then on;
 *  0: not at all. */
void covet_spin_start(covet_spin *spin, covet_runtime *rt, uint64_t sent_us,
                      uint64_t most_us);

/** It has come. */
void covet_spin_end(covet_spin *spin, covet_runtime *rt, uint64_t most_us);

#endif
