#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double measure_now(void)
{
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* Lehmer: exact in a double too. */
long long measure_random(long long previous)
{
  return previous * 16807 % 2147483647;
}

void measure_make_texts(measure_texts *texts)
{
  for (int i = 0; i < MEASURE_TEXT_COUNT; i++) {
    snprintf(texts->text[i], sizeof(texts->text[i]), "some text %d", i);
  }
}

long measure_count(const char *text)
{
  char *end;
  long count = strtol(text, &end, 10);

  if (*end != '\0' || count <= 0) {
    fprintf(stderr, "not a count: %s\n", text);
    exit(2);
  }
  return count;
}

double *measure_moments(long count)
{
  double *moments = calloc((size_t) count + 1, sizeof(*moments));

  if (moments == NULL) {
    fputs("out of memory\n", stderr);
    exit(EXIT_FAILURE);
  }
  return moments;
}

static int compare_doubles(const void *left, const void *right)
{
  double a = *(const double *) left;
  double b = *(const double *) right;

  return (a > b) - (a < b);
}

/* Of `count` sorted seconds, in microseconds. */
static double percentile(const double *sorted, long count, double fraction)
{
  long index = (long) (fraction * (double) count);

  return sorted[index < count ? index : count - 1] * 1e6;
}

void measure_units(double *moments, long count, measure_result *result)
{
  result->seconds = moments[count] - moments[0];
  result->count = count;
  for (long i = 0; i < count; i++) {
    moments[i] = moments[i + 1] - moments[i];
  }
  qsort(moments, (size_t) count, sizeof(*moments), compare_doubles);
  result->p50_us = percentile(moments, count, 0.50);
  result->p95_us = percentile(moments, count, 0.95);
  result->p99_us = percentile(moments, count, 0.99);
  free(moments);
}

/* A line of the process's status that is a number of KB; 0 if not known. */
static long status_kb(const char *field)
{
  FILE *status = fopen("/proc/self/status", "r");
  size_t length = strlen(field);
  char line[256];
  long kb = 0;

  if (status == NULL) {
    return 0;
  }
  while (kb == 0 && fgets(line, sizeof(line), status) != NULL) {
    if (strncmp(line, field, length) == 0) {
      kb = strtol(line + length, NULL, 10);
    }
  }
  fclose(status);
  return kb;
}

long measure_rss_kb(void)
{
  return status_kb("VmRSS:");
}

/* The peak is not getrusage's: that begins with what the forking parent had. */
static void print_result(const char *workload, const measure_result *result)
{
  printf("{\"workload\":\"%s\",\"seconds\":%.6f,\"count\":%ld,"
         "\"peak_rss_kb\":%ld,\"check\":%.2f",
         workload, result->seconds, result->count, status_kb("VmHWM:"),
         result->check);
  if (result->p50_us > 0) {
    printf(",\"p50_us\":%.3f,\"p95_us\":%.3f,\"p99_us\":%.3f", result->p50_us,
           result->p95_us, result->p99_us);
  }
  if (result->grown_kb > 0) {
    printf(",\"grown_kb\":%.0f", result->grown_kb);
  }
  puts("}");
}

int measure_main(const measure_workload *workloads, size_t workload_count,
                 int argc, char **argv)
{
  measure_result result = {0};

  for (size_t i = 0; argc == 4 && i < workload_count; i++) {
    if (strcmp(workloads[i].name, argv[1]) == 0) {
      workloads[i].run(argv[2], measure_count(argv[3]), &result);
      print_result(argv[1], &result);
      return 0;
    }
  }
  fprintf(stderr,
          "usage: %s WORKLOAD DATABASE COUNT\n"
          "       %s prepare DATABASE ITEMS WIDE\n"
          "       %s version DATABASE\n",
          argv[0], argv[0], argv[0]);
  return 2;
}
