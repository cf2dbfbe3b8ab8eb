/**
 * What the references share: a clock, the line of JSON, the program's arguments.
 */
#ifndef COVET_BENCH_MEASURE_H
#define COVET_BENCH_MEASURE_H

#include <stddef.h>

#define MEASURE_TEXT_COUNT 1000

/** What one run of a workload found. */
typedef struct measure_result {
  double seconds; /* the measured part only */
  long count;     /* units done in it: statements, rows or connections */
  double check;   /* what the data came to; the same on both sides */
  double p50_us;  /* how long single units took; 0: not measured */
  double p95_us;
  double p99_us;
  double grown_kb; /* resident memory that the units take; 0: not measured */
} measure_result;

/** A workload: `target` is the path or the URL of the database. */
typedef struct measure_workload {
  const char *name;
  void (*run)(const char *target, long count, measure_result *result);
} measure_workload;

/** The texts of the records that W5 and W6 write. */
typedef struct measure_texts {
  char text[MEASURE_TEXT_COUNT][32];
} measure_texts;

/** Monotonic time in seconds. */
double measure_now(void);

/** The next number of a random order that covet makes as well; begin with 1. */
long long measure_random(long long previous);

/**
 * Room for the moments between `count` units: the first is that before them. Owned
 * by the caller until measure_units takes it.
 */
double *measure_moments(long count);

/** From the moments to seconds, count and percentiles. Takes `moments`. */
void measure_units(double *moments, long count, measure_result *result);

/** Memory that the process has resident, in KB; 0 if not known. */
long measure_rss_kb(void);

/** Make the texts. */
void measure_make_texts(measure_texts *texts);

/** The positive number that `text` is; ends the process if it is none. */
long measure_count(const char *text);

/**
 * Run the workload that `argv` names (WORKLOAD TARGET COUNT) and print its result
 * as one line of JSON. Returns the exit status: 2 if `argv` is not like that.
 */
int measure_main(const measure_workload *workloads, size_t workload_count,
                 int argc, char **argv);

#endif
