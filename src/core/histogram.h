/**
 * A histogram of times: logarithmic buckets of about 6 % width from 1 us to
 * hours, fixed size, no allocation. Adding costs some nanoseconds.
 */
#ifndef COVET_HISTOGRAM_H
#define COVET_HISTOGRAM_H

#include <stdint.h>

enum {
  COVET_HISTOGRAM_STEPS = 16, /* buckets for each power of two */
  COVET_HISTOGRAM_BUCKETS = 34 * COVET_HISTOGRAM_STEPS
};

typedef struct covet_histogram {
  uint64_t count;
  uint64_t sum_us;
  uint64_t max_us;
  uint32_t buckets[COVET_HISTOGRAM_BUCKETS];
} covet_histogram;

void covet_histogram_add(covet_histogram *histogram, uint64_t us);

/** The time that `quantile` (0 to 1) of all added ones do not exceed, at most
 *  a bucket's width (6 %) above the true one; 0 when nothing was added. */
uint64_t covet_histogram_quantile(const covet_histogram *histogram,
                                  double quantile);

#endif
