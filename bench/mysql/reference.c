/**
 * The workloads on libmariadb itself, as a careful C program uses it: prepared
 * statements, values in binary.
 *
 *   covet_bench_mysql prepare URL ITEMS WIDE
 *   covet_bench_mysql WORKLOAD URL COUNT
 *   covet_bench_mysql version URL
 *
 * All but W2 block. W3 and W4 are the same here: rows are taken one by one. W5 and
 * W6 write to a table `events` that is made anew. A workload prints one line of
 * JSON.
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

static void run_point_selects(const char *url, long count,
                              measure_result *result)
{
  MYSQL *mysql = db_open(url);
  long items = (long) db_number(mysql, "select items from about");
  long long random = 1;
  double *moments = measure_moments(count);
  db_item item;

  db_item_init(&item, mysql);
  moments[0] = measure_now();
  for (long i = 1; i <= count; i++) {
    random = measure_random(random);
    item.wanted = random % items + 1;
    if (mysql_stmt_execute(item.statement) != 0 ||
        mysql_stmt_fetch(item.statement) != 0) {
      db_fail("select", mysql_stmt_error(item.statement));
    }
    result->check += db_item_sum(&item);
    mysql_stmt_free_result(item.statement);
    moments[i] = measure_now();
  }
  measure_units(moments, count, result);
  mysql_stmt_close(item.statement);
  mysql_close(mysql);
}

static void run_rows(const char *url, long count, measure_result *result)
{
  MYSQL *mysql = db_open(url);
  MYSQL_STMT *statement;
  char sql[128];
  db_wide wide;
  double start = measure_now();

  snprintf(sql, sizeof(sql), DB_WIDE "%ld", count);
  statement = db_prepare(mysql, sql);
  db_wide_bind(&wide, statement);
  if (mysql_stmt_execute(statement) != 0) {
    db_fail("select", mysql_stmt_error(statement));
  }
  while (mysql_stmt_fetch(statement) == 0) {
    result->check += db_wide_sum(&wide);
    result->count++;
  }
  result->seconds = measure_now() - start;
  mysql_stmt_close(statement);
  mysql_close(mysql);
}

static void *open_one(const char *url)
{
  return db_open(url);
}

static void close_one(void *connection)
{
  mysql_close(connection);
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
  MYSQL *mysql = db_open(url);

  printf("{\"server\":\"%s\",\"libmariadb\":\"%s\"}\n",
         mysql_get_server_info(mysql), mysql_get_client_info());
  mysql_close(mysql);
}

static const measure_workload workloads[] = {
    {"W1", run_point_selects}, {"W2", run_many},      {"W3", run_rows},
    {"W4", run_rows},          {"W5", run_inserts},   {"W6", run_bulk},
    {"W8", run_opening},       {"W9-idle", run_idle},
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
