/**
 * The workloads on the sqlite3 library itself, as a careful C program that may
 * block uses it: one connection, prepared statements, WAL, synchronous NORMAL.
 *
 *   covet_bench_sqlite prepare PATH ITEMS WIDE
 *   covet_bench_sqlite W1|W2|W3|W4|W5|W6|W8 PATH COUNT
 *   covet_bench_sqlite version
 *
 * A workload prints one line of JSON. W5 and W6 write to PATH-reference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "prepare.h"

#define W8_ROUNDS 20
#define W8_MAX_CONNECTIONS 1000
#define TEXT_COUNT 1000

typedef void (*run_workload)(const char *path, long count,
                             measure_result *result);

/* W1, W2: point selects in random order, each a transaction of its own. */
static void run_point_selects(const char *path, long count,
                              measure_result *result)
{
  sqlite3 *db = measure_open(path);
  long items = (long) measure_number(db, "select items from about");
  sqlite3_stmt *select =
      measure_prepare(db, "select id, name, price from items where id = ?");
  long long random = 1;
  double start = measure_now();

  for (long i = 1; i <= count; i++) {
    random = random * 16807 % 2147483647; /* Lehmer: exact in a double too */
    sqlite3_bind_int64(select, 1, random % items + 1);
    if (sqlite3_step(select) != SQLITE_ROW) {
      measure_fail("W1: a row is missing", db);
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
  sqlite3 *db = measure_open(path);
  sqlite3_stmt *select = measure_prepare(
      db, "select id, name, city, active, score, created_at, note"
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
  db = measure_open_fresh(name);
  measure_exec(db, "create table events (id bigint not null,"
                   " name text not null, city text not null,"
                   " score double not null)");
  return db;
}

static void make_texts(char texts[TEXT_COUNT][32])
{
  for (int i = 0; i < TEXT_COUNT; i++) {
    snprintf(texts[i], sizeof(texts[i]), "some text %d", i);
  }
}

/* Insert `count` records; whether in one transaction is the caller's choice. */
static void insert_events(sqlite3 *db, long count, char texts[TEXT_COUNT][32])
{
  sqlite3_stmt *insert =
      measure_prepare(db, "insert into events values (?, ?, ?, ?)");

  for (long i = 1; i <= count; i++) {
    const char *name = texts[i % TEXT_COUNT];
    const char *city = texts[i % 97];
    sqlite3_bind_int64(insert, 1, i);
    sqlite3_bind_text(insert, 2, name, (int) strlen(name), SQLITE_STATIC);
    sqlite3_bind_text(insert, 3, city, (int) strlen(city), SQLITE_STATIC);
    sqlite3_bind_double(insert, 4, (double) (i % 1000) * 0.25);
    measure_run(db, insert);
  }
  sqlite3_finalize(insert);
}

static void run_writes(const char *path, long count, int in_one,
                       measure_result *result)
{
  static char texts[TEXT_COUNT][32];
  sqlite3 *db = open_events(path);
  double start;

  make_texts(texts);
  start = measure_now();
  if (in_one) {
    measure_exec(db, "begin immediate");
  }
  insert_events(db, count, texts);
  if (in_one) {
    measure_exec(db, "commit");
  }
  result->seconds = measure_now() - start;
  result->count = count;
  result->check = measure_number(
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
  static sqlite3 *connections[W8_MAX_CONNECTIONS];

  if (count > W8_MAX_CONNECTIONS) {
    fprintf(stderr, "W8: at most %d connections\n", W8_MAX_CONNECTIONS);
    exit(EXIT_FAILURE);
  }
  for (int round = 0; round < W8_ROUNDS; round++) {
    double start = measure_now();
    for (long i = 0; i < count; i++) {
      connections[i] = measure_open(path);
    }
    result->seconds += measure_now() - start;
    result->count += count;
    for (long i = 0; i < count; i++) {
      sqlite3_close(connections[i]);
    }
  }
}

static const struct {
  const char *name;
  run_workload run;
} workloads[] = {
    {"W1", run_point_selects}, {"W2", run_point_selects}, {"W3", run_rows},
    {"W4", run_rows},          {"W5", run_inserts},       {"W6", run_load},
    {"W8", run_connections},
};

static run_workload find_workload(const char *name)
{
  for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
    if (strcmp(workloads[i].name, name) == 0) {
      return workloads[i].run;
    }
  }
  return NULL;
}

static long check_count(const char *text)
{
  char *end;
  long count = strtol(text, &end, 10);

  if (*end != '\0' || count <= 0) {
    fprintf(stderr, "not a count: %s\n", text);
    exit(2);
  }
  return count;
}

int main(int argc, char **argv)
{
  measure_result result = {0};
  run_workload run;

  if (argc == 2 && strcmp(argv[1], "version") == 0) {
    printf("%s\n", sqlite3_libversion());
    return 0;
  }
  if (argc == 5 && strcmp(argv[1], "prepare") == 0) {
    prepare_database(argv[2], check_count(argv[3]), check_count(argv[4]));
    return 0;
  }
  run = argc == 4 ? find_workload(argv[1]) : NULL;
  if (run == NULL) {
    fprintf(stderr,
            "usage: %s WORKLOAD PATH COUNT\n"
            "       %s prepare PATH ITEMS WIDE\n",
            argv[0], argv[0]);
    return 2;
  }
  run(argv[2], check_count(argv[3]), &result);
  measure_print(argv[1], &result);
  return 0;
}
