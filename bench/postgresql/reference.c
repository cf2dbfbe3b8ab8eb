/**
 * The workloads on libpq itself, as a careful C program uses it: prepared
 * statements, values in binary.
 *
 *   covet_bench_postgresql prepare URL ITEMS WIDE
 *   covet_bench_postgresql WORKLOAD URL COUNT
 *   covet_bench_postgresql version URL
 *
 * W1, W3, W4 and W5 block, W2 waits with epoll. What is faster and asks for more
 * stands beside them: W1-spinning and W5-spinning wait by asking the socket again and
 * again, W2-pipelined keeps 16 statements in flight on each connection, W3-single and
 * W4-single take the rows one by one. W5 and W6 write to a table `events` that is
 * made anew. A workload prints one line of JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../connections.h"
#include "../measure.h"
#include "calls.h"
#include "many.h"
#include "prepare.h"
#include "write.h"

/* W1: the answer to one statement, waited for in the kernel. */
static PGresult *wait_blocking(PGconn *connection, const char *value)
{
  const int length = 8, format = DB_BINARY;

  return PQexecPrepared(connection, "item", 1, &value, &length, &format,
                        DB_BINARY);
}

/* The same without a wait: the processor stays awake. */
static PGresult *wait_spinning(PGconn *connection, const char *value)
{
  const int length = 8, format = DB_BINARY;

  if (!PQsendQueryPrepared(connection, "item", 1, &value, &length, &format,
                           DB_BINARY)) {
    db_fail("send", connection);
  }
  return db_spin(connection);
}

static void select_items(const char *url, long count,
                         PGresult *(*answer)(PGconn *, const char *),
                         measure_result *result)
{
  PGconn *connection = db_open(url);
  long items = (long) db_number(connection, "select items from about");
  long long random = 1;
  char bytes[8];
  double *moments = measure_moments(count);

  db_prepare_item(connection);
  moments[0] = measure_now();
  for (long i = 1; i <= count; i++) {
    db_next_item(&random, items, bytes);
    result->check += db_take_item(connection, answer(connection, bytes));
    moments[i] = measure_now();
  }
  measure_units(moments, count, result);
  PQfinish(connection);
}

static void run_point_selects(const char *url, long count,
                              measure_result *result)
{
  select_items(url, count, wait_blocking, result);
}

static void run_spinning(const char *url, long count, measure_result *result)
{
  select_items(url, count, wait_spinning, result);
}

/* Every column of every row of a result is looked at. */
static void add_rows(const PGresult *rows, measure_result *result)
{
  for (int row = 0; row < PQntuples(rows); row++) {
    result->check += db_wide_sum(rows, row);
    result->count++;
  }
}

/* W3: one result of `count` rows. */
static void run_result(const char *url, long count, measure_result *result)
{
  PGconn *connection = db_open(url);
  char sql[128];
  double start = measure_now();
  PGresult *rows;

  snprintf(sql, sizeof(sql), DB_WIDE "%ld", count);
  rows = PQexecParams(connection, sql, 0, NULL, NULL, NULL, NULL, DB_BINARY);
  add_rows(db_check(connection, rows, PGRES_TUPLES_OK), result);
  PQclear(rows);
  result->seconds = measure_now() - start;
  PQfinish(connection);
}

/* W3, W4: the same rows, each in a result of its own. */
static void run_single_rows(const char *url, long count, measure_result *result)
{
  PGconn *connection = db_open(url);
  char sql[128];
  double start = measure_now();
  PGresult *row;

  snprintf(sql, sizeof(sql), DB_WIDE "%ld", count);
  if (!PQsendQueryParams(connection, sql, 0, NULL, NULL, NULL, NULL,
                         DB_BINARY) ||
      !PQsetSingleRowMode(connection)) {
    db_fail("send", connection);
  }
  while ((row = PQgetResult(connection)) != NULL) {
    if (PQresultStatus(row) != PGRES_SINGLE_TUPLE) {
      db_check(connection, row, PGRES_TUPLES_OK);
    }
    add_rows(row, result);
    PQclear(row);
  }
  result->seconds = measure_now() - start;
  PQfinish(connection);
}

/* W4: by a cursor, 1,000 rows at a time. */
static void run_cursor(const char *url, long count, measure_result *result)
{
  PGconn *connection = db_open(url);
  char sql[160];
  double start = measure_now();
  int received;

  snprintf(sql, sizeof(sql),
           "begin; declare rows no scroll cursor for " DB_WIDE "%ld", count);
  db_exec(connection, sql);
  do {
    PGresult *rows = PQexecParams(connection, "fetch 1000 from rows", 0, NULL,
                                  NULL, NULL, NULL, DB_BINARY);
    db_check(connection, rows, PGRES_TUPLES_OK);
    received = PQntuples(rows);
    add_rows(rows, result);
    PQclear(rows);
  } while (received > 0);
  db_exec(connection, "commit");
  result->seconds = measure_now() - start;
  PQfinish(connection);
}

static void *open_one(const char *url)
{
  return db_open(url);
}

static void close_one(void *connection)
{
  PQfinish(connection);
}

static const connection_kind kind = {open_one, close_one};

static void run_opening(const char *url, long count, measure_result *result)
{
  open_connections(&kind, url, count, result);
}

static void run_idle(const char *url, long count, measure_result *result)
{
  keep_connections(&kind, url, count, result);
}

static void print_version(const char *url)
{
  PGconn *connection = db_open(url);

  printf("{\"PostgreSQL\":\"%s\",\"libpq\":\"%d.%d\"}\n",
         PQparameterStatus(connection, "server_version"),
         PQlibVersion() / 10000, PQlibVersion() % 10000);
  PQfinish(connection);
}

static const measure_workload workloads[] = {
    {"W1", run_point_selects}, {"W1-spinning", run_spinning},
    {"W2", run_many},          {"W2-pipelined", run_many_pipelined},
    {"W3", run_result},        {"W3-single", run_single_rows},
    {"W4", run_cursor},        {"W4-single", run_single_rows},
    {"W5", run_inserts},       {"W5-spinning", run_inserts_spinning},
    {"W6", run_copy},          {"W8", run_opening},
    {"W9-idle", run_idle},
};

int main(int argc, char **argv)
{
  if (argc == 3 && strcmp(argv[1], "version") == 0) {
    print_version(argv[2]);
    return 0;
  }
  if (argc == 5 && strcmp(argv[1], "prepare") == 0) {
    prepare_database(argv[2], measure_count(argv[3]), measure_count(argv[4]));
    return 0;
  }
  return measure_main(workloads, sizeof(workloads) / sizeof(workloads[0]), argc,
                      argv);
}
