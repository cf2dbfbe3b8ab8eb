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

/*
 * Most memory that the process has had resident, in KB; 0 if not known. Not
 * getrusage: its figure begins with what the forking parent had.
 */
static long peak_rss_kb(void)
{
  FILE *status = fopen("/proc/self/status", "r");
  char line[256];
  long kb = 0;

  if (status == NULL) {
    return 0;
  }
  while (fgets(line, sizeof(line), status) != NULL) {
    if (strncmp(line, "VmHWM:", 6) == 0) {
      kb = strtol(line + 6, NULL, 10);
      break;
    }
  }
  fclose(status);
  return kb;
}

static void print_result(const char *workload, const measure_result *result)
{
  printf("{\"workload\":\"%s\",\"seconds\":%.6f,\"count\":%ld,\"rate\":%.1f,"
         "\"peak_rss_kb\":%ld,\"check\":%.2f}\n",
         workload, result->seconds, result->count,
         (double) result->count / result->seconds, peak_rss_kb(),
         result->check);
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
