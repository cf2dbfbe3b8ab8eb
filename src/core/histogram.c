#include "histogram.h"

#include <math.h>

/* Below 16 us each microsecond has its own bucket; above, each power of two has
 * 16: the bucket is the exponent and the four bits after the leading one. */
static unsigned bucket_of(uint64_t us)
{
  unsigned exponent;

  if (us < COVET_HISTOGRAM_STEPS) {
    return (unsigned) us;
  }
  exponent = 63U - (unsigned) __builtin_clzll(us);
  if (exponent >= 36) {
    return COVET_HISTOGRAM_BUCKETS - 1;
  }
  return (exponent - 3) * COVET_HISTOGRAM_STEPS +
         (unsigned) ((us >> (exponent - 4)) & (COVET_HISTOGRAM_STEPS - 1));
}

/* The largest time that falls into the bucket. */
static uint64_t bucket_top(unsigned bucket)
{
  unsigned exponent = bucket / COVET_HISTOGRAM_STEPS + 3;
  uint64_t step = bucket % COVET_HISTOGRAM_STEPS;

  if (bucket < COVET_HISTOGRAM_STEPS) {
    return bucket;
  }
  return ((COVET_HISTOGRAM_STEPS + step + 1) << (exponent - 4)) - 1;
}

void covet_histogram_add(covet_histogram *histogram, uint64_t us)
{
  histogram->count++;
  histogram->sum_us += us;
  if (us > histogram->max_us) {
    histogram->max_us = us;
  }
  histogram->buckets[bucket_of(us)]++;
}

uint64_t covet_histogram_quantile(const covet_histogram *histogram,
                                  double quantile)
{
  uint64_t wanted = (uint64_t) ceil(quantile * (double) histogram->count);
  uint64_t seen = 0;

  wanted = wanted == 0 ? 1 : wanted;
  for (unsigned i = 0; i < COVET_HISTOGRAM_BUCKETS && histogram->count > 0;
       i++) {
    seen += histogram->buckets[i];
    if (seen >= wanted) {
      uint64_t top = bucket_top(i);

      return top < histogram->max_us ? top : histogram->max_us;
    }
  }
  return histogram->max_us;
}
