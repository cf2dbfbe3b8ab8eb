/**
 * The workloads on the sqlite3 library itself, as a careful C program that may
 * block uses it: one connection, prepared statements, WAL, synchronous NORMAL.
 *
 *   covet_bench_sqlite prepare PATH ITEMS WIDE
 *   covet_bench_sqlite W1|W2|W3|W4|W5|W6|W8 PATH COUNT
 *   covet_bench_sqlite version PATH
 *
 * A workload prints one line of JSON. W5 and W6 write to PATH-reference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../measure.h"
#include "calls.h"
#include "prepare.h"

/* W1, W2: point selects in random order, each a transaction of its own. */
static void run_point_selects(const char *path, long count,
                              measure_result *result)
{
  sqlite3 *db = db_open(path);
  long items = (long) db_number(db, "select items from about");
  sqlite3_stmt *select =
      db_prepare(db, "select id, name, price from items where id = ?");
  long long random = 1;
  double start = measure_now();

  for (long i = 1; i <= count; i++) {
    random = measure_random(random);
    sqlite3_bind_int64(select, 1, random % items + 1);
    if (sqlite3_step(select) != SQLITE_ROW) {
      db_fail("W1: a row is missing", db);
    }
    result->check += (double) sqlite3_column_int64(select, 0);
    if (sqlite3_column_text(select, 1) != NULL) {
      result->check += sqlite3_column_bytes(select, 1);
    }
    result->check += sqlite3_column_double(select, 2);
    sqlite3_reset(select);
  }
  result->seconds = measure_now() - start;
  result->count = count;
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

/* The empty table that W5 and W6 write to, in a file of its own. */
static sqlite3 *open_events(const char *path)
{
  char name[4096];
  sqlite3 *db;

  snprintf(name, sizeof(name), "%s-reference", path);
  db = db_open_fresh(name);
  db_exec(db, "create table events (id bigint not null,"
              " name text not null, city text not null,"
              " score double not null)");
  return db;
}

/* Insert `count` records; whether in one transaction is the caller's choice. */
static void insert_events(sqlite3 *db, long count, const measure_texts *texts)
{
  sqlite3_stmt *insert =
      db_prepare(db, "insert into events values (?, ?, ?, ?)");

  for (long i = 1; i <= count; i++) {
    const char *name = texts->text[i % MEASURE_TEXT_COUNT];
    const char *city = texts->text[i % 97];
    sqlite3_bind_int64(insert, 1, i);
    sqlite3_bind_text(insert, 2, name, (int) strlen(name), SQLITE_STATIC);
    sqlite3_bind_text(insert, 3, city, (int) strlen(city), SQLITE_STATIC);
    sqlite3_bind_double(insert, 4, (double) (i % 1000) * 0.25);
    db_run(db, insert);
  }
  sqlite3_finalize(insert);
}

static void run_writes(const char *path, long count, int in_one,
                       measure_result *result)
{
  static measure_texts texts;
  sqlite3 *db = open_events(path);
  double start;

  measure_make_texts(&texts);
  start = measure_now();
  if (in_one) {
    db_exec(db, "begin immediate");
  }
  insert_events(db, count, &texts);
  if (in_one) {
    db_exec(db, "commit");
  }
  result->seconds = measure_now() - start;
  result->count = count;
  result->check = db_number(
      db, "select sum(id + length(name) + length(city) + score) from events");
  sqlite3_close(db);
}

/* W5: single inserts, each a transaction of its own. */
static void run_inserts(const char *path, long count, measure_result *result)
{
  run_writes(path, count, 0, result);
}

/* W6: a bulk load in one transaction. */
static void run_load(const char *path, long count, measure_result *result)
{
  run_writes(path, count, 1, result);
}

/* W8: open `count` connections, several times; closing is not measured. */
static void run_connections(const char *path, long count,
                            measure_result *result)
{
  static sqlite3 *connections[MEASURE_MAX_CONNECTIONS];

  if (count > MEASURE_MAX_CONNECTIONS) {
    fprintf(stderr, "W8: at most %d connections\n", MEASURE_MAX_CONNECTIONS);
    exit(EXIT_FAILURE);
  }
  for (int round = 0; round < MEASURE_W8_ROUNDS; round++) {
    double start = measure_now();
    for (long i = 0; i < count; i++) {
      connections[i] = db_open(path);
    }
    result->seconds += measure_now() - start;
    result->count += count;
    for (long i = 0; i < count; i++) {
      sqlite3_close(connections[i]);
    }
  }
}

static const measure_workload workloads[] = {
    {"W1", run_point_selects}, {"W2", run_point_selects}, {"W3", run_rows},
    {"W4", run_rows},          {"W5", run_inserts},       {"W6", run_load},
    {"W8", run_connections},
};

int main(int argc, char **argv)
{
  if (argc == 3 && strcmp(argv[1], "version") == 0) {
    printf("SQLite %s\n", sqlite3_libversion());
    return 0;
  }
  if (argc == 5 && strcmp(argv[1], "prepare") == 0) {
    prepare_database(argv[2], measure_count(argv[3]), measure_count(argv[4]));
    return 0;
  }
  return measure_main(workloads, sizeof(workloads) / sizeof(workloads[0]), argc,
                      argv);
}
