/**
 * The workloads on the sqlite3 library itself, as a careful C program that may
 * block uses it: one connection, prepared statements, WAL, synchronous NORMAL.
 *
 *   covet_bench_sqlite prepare PATH ITEMS WIDE
 *   covet_bench_sqlite WORKLOAD PATH COUNT
 *   covet_bench_sqlite version PATH
 *
 * A workload prints one line of JSON. What writes does so to PATH-reference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../connections.h"
#include "../measure.h"
#include "calls.h"
#include "prepare.h"
#include "write.h"

/* W1, W2: point selects in random order, each a transaction of its own. */
static void run_point_selects(const char *path, long count,
                              measure_result *result)
{
  sqlite3 *db = db_open(path);
  long items = (long) db_number(db, "select items from about");
  sqlite3_stmt *select = db_prepare_item(db);
  long long random = 1;
  double *moments = measure_moments(count);

  moments[0] = measure_now();
  for (long i = 1; i <= count; i++) {
    random = measure_random(random);
    result->check += db_select_item(db, select, random % items + 1);
    moments[i] = measure_now();
  }
  measure_units(moments, count, result);
  sqlite3_finalize(select);
  sqlite3_close(db);
}

/* Bytes of a text, 0 for NULL; its first byte is looked at. */
static double text_length(sqlite3_stmt *select, int column)
{
  const unsigned char *text = sqlite3_column_text(select, column);

  return text != NULL && text[0] != '\0' ? sqlite3_column_bytes(select, column)
                                         : 0;
}

/* W3, W4: one query of `count` rows, every column of each looked at. */
static void run_rows(const char *path, long count, measure_result *result)
{
  sqlite3 *db = db_open(path);
  sqlite3_stmt *select =
      db_prepare(db, "select id, name, city, active, score, created_at, note"
                     " from wide limit ?");
  double start = measure_now();

  sqlite3_bind_int64(select, 1, count);
  while (sqlite3_step(select) == SQLITE_ROW) {
    result->check += (double) sqlite3_column_int64(select, 0) +
                     text_length(select, 1) + text_length(select, 2) +
                     sqlite3_column_int(select, 3) +
                     sqlite3_column_double(select, 4) + text_length(select, 5) +
                     text_length(select, 6);
    result->count++;
  }
  result->seconds = measure_now() - start;
  sqlite3_finalize(select);
  sqlite3_close(db);
}

static void *open_one(const char *path)
{
  return db_open(path);
}

static void close_one(void *connection)
{
  sqlite3_close(connection);
}

static const connection_kind kind = {open_one, close_one};

static void run_opening(const char *path, long count, measure_result *result)
{
  open_connections(&kind, path, count, result);
}

static void run_idle(const char *path, long count, measure_result *result)
{
  keep_connections(&kind, path, count, result);
}

static const measure_workload workloads[] = {
    {"W1", run_point_selects}, {"W2", run_point_selects}, {"W3", run_rows},
    {"W4", run_rows},          {"W5", run_inserts},       {"W6", run_load},
    {"W8", run_opening},       {"W9-idle", run_idle},     {"mixed", run_mixed},
};

int main(int argc, char **argv)
{
  if (argc == 3 && strcmp(argv[1], "version") == 0) {
    printf("{\"SQLite\":\"%s\"}\n", sqlite3_libversion());
    return 0;
  }
  if (argc == 5 && strcmp(argv[1], "prepare") == 0) {
    prepare_database(argv[2], measure_count(argv[3]), measure_count(argv[4]));
    return 0;
  }
  return measure_main(workloads, sizeof(workloads) / sizeof(workloads[0]), argc,
                      argv);
}
