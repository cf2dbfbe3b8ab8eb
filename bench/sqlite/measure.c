#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double measure_now(void)
{
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* Not getrusage: its figure begins with what the forking parent had. */
long measure_peak_rss_kb(void)
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

void measure_print(const char *workload, const measure_result *result)
{
  printf("{\"workload\":\"%s\",\"seconds\":%.6f,\"count\":%ld,\"rate\":%.1f,"
         "\"peak_rss_kb\":%ld,\"check\":%.2f}\n",
         workload, result->seconds, result->count,
         (double) result->count / result->seconds, measure_peak_rss_kb(),
         result->check);
}

void measure_fail(const char *what, sqlite3 *db)
{
  fprintf(stderr, "%s: %s\n", what,
          db != NULL ? sqlite3_errmsg(db) : "out of memory");
  exit(EXIT_FAILURE);
}

sqlite3 *measure_open(const char *path)
{
  sqlite3 *db;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

  if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) {
    measure_fail(path, db);
  }
  sqlite3_busy_timeout(db, 5000);
  measure_exec(db, "pragma journal_mode = wal;"
                   "pragma synchronous = normal;"
                   "pragma foreign_keys = on");
  return db;
}

sqlite3 *measure_open_fresh(const char *path)
{
  static const char *const suffixes[] = {"", "-wal", "-shm"};
  char name[4096];

  for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
    snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
    unlink(name);
  }
  return measure_open(path);
}

void measure_exec(sqlite3 *db, const char *sql)
{
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
    measure_fail(sql, db);
  }
}

sqlite3_stmt *measure_prepare(sqlite3 *db, const char *sql)
{
  sqlite3_stmt *statement;

  if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                         NULL) != SQLITE_OK) {
    measure_fail(sql, db);
  }
  return statement;
}

void measure_run(sqlite3 *db, sqlite3_stmt *statement)
{
  if (sqlite3_step(statement) != SQLITE_DONE) {
    measure_fail(sqlite3_sql(statement), db);
  }
  sqlite3_reset(statement);
}

double measure_number(sqlite3 *db, const char *sql)
{
  sqlite3_stmt *statement = measure_prepare(db, sql);
  double number;

  if (sqlite3_step(statement) != SQLITE_ROW) {
    measure_fail(sql, db);
  }
  number = sqlite3_column_double(statement, 0);
  sqlite3_finalize(statement);
  return number;
}
