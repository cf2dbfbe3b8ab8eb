/**
 * How long a program takes from start to end, and the most memory it has.
 *
 *   covet_bench_start COUNT PROGRAM [ARGUMENT...]
 *
 * Runs the program COUNT times, one after the other, with its output thrown
 * away, and prints one line of JSON.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void)
{
  struct timespec time;

  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

/* Run the program once; answers its peak memory in KB, -1 if it failed. */
static long run_once(char **command)
{
  posix_spawn_file_actions_t actions;
  struct rusage usage = {0};
  pid_t pid;
  int status;
  int code;

  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  code = posix_spawnp(&pid, command[0], &actions, NULL, command, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0) {
    fprintf(stderr, "%s: %s\n", command[0], strerror(code));
    return -1;
  }
  if (wait4(pid, &status, 0, &usage) < 0 || status != 0) {
    fprintf(stderr, "%s: ended with status %d\n", command[0], status);
    return -1;
  }
  return usage.ru_maxrss;
}

int main(int argc, char **argv)
{
  long count = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
  long peak = 0;
  double start = now();
  double seconds;

  if (count <= 0) {
    fprintf(stderr, "usage: %s COUNT PROGRAM [ARGUMENT...]\n", argv[0]);
    return 2;
  }
  for (long i = 0; i < count; i++) {
    long kb = run_once(argv + 2);
    if (kb < 0) {
      return EXIT_FAILURE;
    }
    peak = kb > peak ? kb : peak;
  }
  seconds = now() - start;
  printf("{\"workload\":\"start\",\"seconds\":%.6f,\"count\":%ld,"
         "\"milliseconds\":%.3f,\"peak_rss_kb\":%ld}\n",
         seconds, count, seconds / (double) count * 1000, peak);
  return 0;
}
