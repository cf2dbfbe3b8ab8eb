#include "write.h"

#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "prepare.h"

enum { ARRAY = 2000 };

static const char insert[] = "insert into events values (?, ?, ?, ?)";

static double sum_events(MYSQL *mysql)
{
  return db_number(
      mysql,
      "select sum(id + length(name) + length(city) + score) from events");
}

static void execute(MYSQL_STMT *statement)
{
  if (mysql_stmt_execute(statement) != 0) {
    db_fail("insert", mysql_stmt_error(statement));
  }
}

static void insert_one(MYSQL_STMT *statement, long i,
                       const measure_texts *texts)
{
  const char *name = texts->text[i % MEASURE_TEXT_COUNT];
  const char *city = texts->text[i % 97];
  long long id = i;
  double score = (double) (i % 1000) * 0.25;
  MYSQL_BIND bind[4];

  memset(bind, 0, sizeof(bind));
  bind[0].buffer_type = MYSQL_TYPE_LONGLONG;
  bind[0].buffer = &id;
  bind[1].buffer_type = MYSQL_TYPE_STRING;
  bind[1].buffer = (void *) name;
  bind[1].buffer_length = strlen(name);
  bind[2].buffer_type = MYSQL_TYPE_STRING;
  bind[2].buffer = (void *) city;
  bind[2].buffer_length = strlen(city);
  bind[3].buffer_type = MYSQL_TYPE_DOUBLE;
  bind[3].buffer = &score;
  mysql_stmt_bind_param(statement, bind);
  execute(statement);
}

void run_inserts(const char *url, long count, measure_result *result)
{
  static measure_texts texts;
  MYSQL *mysql = db_open(url);
  MYSQL_STMT *statement;
  double start;

  measure_make_texts(&texts);
  prepare_events(mysql);
  statement = db_prepare(mysql, insert);
  start = measure_now();
  for (long i = 1; i <= count; i++) {
    insert_one(statement, i, &texts);
  }
  result->seconds = measure_now() - start;
  result->count = count;
  result->check = sum_events(mysql);
  mysql_stmt_close(statement);
  mysql_close(mysql);
}

/* The columns of many records. */
typedef struct record_array {
  long long id[ARRAY];
  const char *name[ARRAY];
  const char *city[ARRAY];
  unsigned long name_length[ARRAY];
  unsigned long city_length[ARRAY];
  double score[ARRAY];
} record_array;

static unsigned fill_array(record_array *array, long first, long count,
                           const measure_texts *texts)
{
  unsigned n = 0;

  for (long i = first; i <= count && n < ARRAY; i++, n++) {
    array->id[n] = i;
    array->name[n] = texts->text[i % MEASURE_TEXT_COUNT];
    array->city[n] = texts->text[i % 97];
    array->name_length[n] = strlen(array->name[n]);
    array->city_length[n] = strlen(array->city[n]);
    array->score[n] = (double) (i % 1000) * 0.25;
  }
  return n;
}

static void bind_array(MYSQL_STMT *statement, record_array *array)
{
  MYSQL_BIND bind[4];

  memset(bind, 0, sizeof(bind));
  bind[0].buffer_type = MYSQL_TYPE_LONGLONG;
  bind[0].buffer = array->id;
  bind[1].buffer_type = MYSQL_TYPE_STRING;
  bind[1].buffer = array->name;
  bind[1].length = array->name_length;
  bind[2].buffer_type = MYSQL_TYPE_STRING;
  bind[2].buffer = array->city;
  bind[2].length = array->city_length;
  bind[3].buffer_type = MYSQL_TYPE_DOUBLE;
  bind[3].buffer = array->score;
  mysql_stmt_bind_param(statement, bind);
}

void run_bulk(const char *url, long count, measure_result *result)
{
  static measure_texts texts;
  static record_array array;
  MYSQL *mysql = db_open(url);
  MYSQL_STMT *statement;
  double start;
  unsigned n;

  measure_make_texts(&texts);
  prepare_events(mysql);
  statement = db_prepare(mysql, insert);
  start = measure_now();
  db_exec(mysql, "start transaction");
  for (long i = 1; i <= count; i += n) {
    n = fill_array(&array, i, count, &texts);
    mysql_stmt_attr_set(statement, STMT_ATTR_ARRAY_SIZE, &n);
    bind_array(statement, &array);
    execute(statement);
  }
  db_exec(mysql, "commit");
  result->seconds = measure_now() - start;
  result->count = count;
  result->check = sum_events(mysql);
  mysql_stmt_close(statement);
  mysql_close(mysql);
}
