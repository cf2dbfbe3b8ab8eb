#include "histogram.h"

#include "support/support.h"

#include <stdlib.h>

enum { SAMPLES = 20000 };

static int by_value(const void *a, const void *b)
{
  const uint64_t *x = a;
  const uint64_t *y = b;

  return (*x > *y) - (*x < *y);
}

/* The quantile's contract: not below the true one, at most a bucket above. */
static void check_above(uint64_t got, uint64_t exact)
{
  if (got < exact || (double) got > (double) exact * 1.065 + 0.5) {
    fail_msg("%llu for %llu", (unsigned long long) got,
             (unsigned long long) exact);
  }
}

static void test_empty(void **state)
{
  covet_histogram histogram = {0};

  (void) state;
  assert_int_equal(covet_histogram_quantile(&histogram, 0.5), 0);
  assert_int_equal(covet_histogram_quantile(&histogram, 1), 0);
}

/* Each time alone between two others: the bucket's width is the error. */
static void test_error_bound(void **state)
{
  (void) state;
  for (uint64_t us = 0; us < UINT64_C(1) << 36; us = us * 51 / 50 + 1) {
    covet_histogram histogram = {0};

    covet_histogram_add(&histogram, us);
    covet_histogram_add(&histogram, us * 4 + 100);
    check_above(covet_histogram_quantile(&histogram, 0.5), us);
  }
}

static void test_quantiles_against_exact(void **state)
{
  static const double quantiles[] = {0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1};
  covet_histogram histogram = {0};
  uint64_t *samples = calloc(SAMPLES, sizeof(*samples));
  uint64_t sum = 0;
  uint32_t seed = 99;

  (void) state;
  assert_non_null(samples);
  for (int i = 0; i < SAMPLES; i++) {
    seed = seed * 1664525U + 1013904223U;
    samples[i] = (seed >> 8) >> (seed >> 28); /* all sizes */
    sum += samples[i];
    covet_histogram_add(&histogram, samples[i]);
  }
  qsort(samples, SAMPLES, sizeof(*samples), by_value);
  for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
    size_t rank = (size_t) (quantiles[i] * SAMPLES);

    check_above(covet_histogram_quantile(&histogram, quantiles[i]),
                samples[rank == 0 ? 0 : rank - 1]);
  }
  assert_int_equal(histogram.count, SAMPLES);
  assert_int_equal(histogram.sum_us, sum);
  assert_int_equal(histogram.max_us, samples[SAMPLES - 1]);
  free(samples);
}

/* Never above the largest, whatever the bucket's top is. */
static void test_never_above_the_largest(void **state)
{
  covet_histogram histogram = {0};

  (void) state;
  covet_histogram_add(&histogram, 1000001);
  for (double quantile = 0; quantile <= 1; quantile += 0.125) {
    assert_int_equal(covet_histogram_quantile(&histogram, quantile), 1000001);
  }
}

static void test_beyond_the_last_bucket(void **state)
{
  covet_histogram histogram = {0};

  (void) state;
  covet_histogram_add(&histogram, UINT64_MAX);
  covet_histogram_add(&histogram, UINT64_C(1) << 40);
  assert_int_equal(histogram.max_us, UINT64_MAX);
  assert_true(covet_histogram_quantile(&histogram, 1) >= UINT64_C(1) << 36);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_empty),
      cmocka_unit_test(test_error_bound),
      cmocka_unit_test(test_quantiles_against_exact),
      cmocka_unit_test(test_never_above_the_largest),
      cmocka_unit_test(test_beyond_the_last_bucket),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
