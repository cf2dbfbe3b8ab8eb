/*
 * covet_pool_sim: random schedules for the pool, for whoever changes it.
 *
 *   --schedules N   so many (1000)
 *   --events N      of so many events each (200)
 *   --seed N|fresh  of the chance they are made by (1)
 *   --schedule K    only this one
 *   --trace         print it, event by event
 *   --skip A,B-C,.. without these events: as a shrunk schedule is printed
 *
 * A failure ends the run: the schedule is shrunk and printed, and the status is
 * 1. Bad options: 2.
 */
#include "sim.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct campaign {
  sim_options options;
  uint64_t schedules;
  uint64_t first;
  bool skip[SIM_EVENTS];
} campaign;

static simulation present;

/* --- Crashes ----------------------------------------------------------------- */

/* The pool aborts on an illegal move: say which schedule it was. */
static void on_crash(int number)
{
  char text[128];
  int length = snprintf(text, sizeof(text),
                        "\nCRASHED  signal %d, --seed %llu --schedule %llu\n",
                        number, (unsigned long long) present.options->seed,
                        (unsigned long long) present.schedule);

  if (write(STDERR_FILENO, text, (size_t) length) < 0) {
    _exit(3);
  }
  (void) signal(number, SIG_DFL);
  (void) raise(number);
}

/* --- Shrinking ------------------------------------------------------------------ */

static bool fails(const campaign *run, uint64_t schedule)
{
  return !sim_run(&present, &run->options, schedule);
}

static void find_prefix(campaign *run, uint64_t schedule)
{
  uint32_t most = run->options.events;

  for (uint32_t n = 0; n < most; n++) {
    run->options.events = n;
    if (fails(run, schedule)) {
      return;
    }
  }
  run->options.events = most;
}

static void drop_events(campaign *run, uint64_t schedule)
{
  for (uint32_t i = run->options.events; i-- > 0;) {
    if (!run->skip[i]) {
      run->skip[i] = true;
      run->skip[i] = fails(run, schedule);
    }
  }
}

static uint32_t count_events(const campaign *run)
{
  uint32_t count = 0;

  for (uint32_t i = 0; i < run->options.events; i++) {
    count += !run->skip[i];
  }
  return count;
}

static void shrink(campaign *run, uint64_t schedule)
{
  uint32_t before;

  find_prefix(run, schedule);
  do {
    before = count_events(run);
    drop_events(run, schedule);
  } while (count_events(run) < before);
}

static void print_replay(const campaign *run, uint64_t schedule)
{
  const char *separator = " --skip ";
  uint32_t i = 0;

  printf("replay: covet_pool_sim --seed %llu --schedule %llu --events %u",
         (unsigned long long) run->options.seed, (unsigned long long) schedule,
         run->options.events);
  while (i < run->options.events) {
    uint32_t first = i++;

    if (run->skip[first]) {
      while (i < run->options.events && run->skip[i]) {
        i++;
      }
      printf("%s%u-%u", separator, first, i - 1);
      separator = ",";
    }
  }
  printf(" --trace\n");
}

static void report(campaign *run, uint64_t schedule)
{
  printf("FAILED  invariant: %s\n", present.failure);
  printf("        --seed %llu --schedule %llu --events %u\n",
         (unsigned long long) run->options.seed, (unsigned long long) schedule,
         run->options.events);
  (void) fflush(stdout);
  if (!run->options.trace) {
    shrink(run, schedule);
    run->options.trace = true;
    (void) fails(run, schedule);
    printf("\nshrunk to %u events\n", count_events(run));
  }
  print_replay(run, schedule);
  sim_print_config(&present);
}

/* --- Running --------------------------------------------------------------------- */

/* Of the processor: others may use it, too. */
static double seconds(void)
{
  struct timespec now;

  (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static int run_all(campaign *run)
{
  double start = seconds();
  uint64_t calls = 0;
  double took;

  for (uint64_t i = 0; i < run->schedules; i++) {
    if (fails(run, run->first + i)) {
      report(run, run->first + i);
      return 1;
    }
    calls += present.calls;
  }
  took = seconds() - start;
  printf("\n%llu schedules of %u events, seed %llu: all invariants hold\n",
         (unsigned long long) run->schedules, run->options.events,
         (unsigned long long) run->options.seed);
  printf("%.1f million events in %.1f s, %.2f million a second\n",
         (double) calls / 1e6, took, (double) calls / 1e6 / took);
  return 0;
}

/* --- Options ----------------------------------------------------------------------- */

static uint64_t fresh_seed(void)
{
  struct timespec now;

  (void) clock_gettime(CLOCK_REALTIME, &now);
  return ((uint64_t) now.tv_sec * 1000003U + (uint64_t) now.tv_nsec) %
         1000000000U;
}

static bool parse_skip(campaign *run, const char *text)
{
  while (*text != '\0') {
    char *end = NULL;
    unsigned long first = strtoul(text, &end, 10);
    unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;

    if (end == text || last >= SIM_EVENTS) {
      return false;
    }
    for (unsigned long event = first; event <= last; event++) {
      run->skip[event] = true;
    }
    text = *end == ',' ? end + 1 : end;
  }
  return true;
}

static bool parse_option(campaign *run, const char *name, const char *value)
{
  char *end = NULL;
  uint64_t number = strtoull(value, &end, 10);
  bool good = end != value && *end == '\0';

  if (strcmp(name, "--skip") == 0) {
    return parse_skip(run, value);
  }
  if (strcmp(name, "--seed") == 0) {
    bool fresh = strcmp(value, "fresh") == 0;

    run->options.seed = fresh ? fresh_seed() : number;
    return fresh || good;
  }
  if (strcmp(name, "--schedules") == 0) {
    run->schedules = number;
  } else if (strcmp(name, "--events") == 0) {
    run->options.events = (uint32_t) number;
    good = good && number <= SIM_EVENTS;
  } else if (strcmp(name, "--schedule") == 0) {
    run->first = number;
    run->schedules = 1;
  } else {
    return false;
  }
  return good;
}

static bool parse(campaign *run, int count, char **arguments)
{
  for (int i = 1; i < count; i++) {
    if (strcmp(arguments[i], "--trace") == 0) {
      run->options.trace = true;
    } else if (i + 1 == count ||
               !parse_option(run, arguments[i], arguments[i + 1])) {
      return false;
    } else {
      i++;
    }
  }
  return true;
}

int main(int count, char **arguments)
{
  static campaign run = {.options = {.seed = 1, .events = 200},
                         .schedules = 1000};

  run.options.skip = run.skip;
  if (!parse(&run, count, arguments)) {
    (void) fprintf(stderr,
                   "usage: covet_pool_sim [--schedules N] [--events N] "
                   "[--seed N|fresh]\n"
                   "         [--schedule K] [--trace] [--skip A,B,...]\n");
    return 2;
  }
  (void) signal(SIGABRT, on_crash);
  (void) signal(SIGSEGV, on_crash);
  return run_all(&run);
}
