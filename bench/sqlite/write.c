#include "write.h"

#include <stdio.h>
#include <string.h>

#include "calls.h"

static const char create_events[] =
    "create table events (id bigint not null, name text not null,"
    " city text not null, score double not null)";
static const char create_items[] =
    "create table items (id integer primary key, name text not null,"
    " price double not null);"
    "insert into items with recursive n(i) as (select 1 union all select i + 1"
    " from n limit 10000) select i, 'item ' || i, i % 1000 * 0.25 from n";

static sqlite3 *open_events(const char *path)
{
  char name[4096];
  sqlite3 *db;

  snprintf(name, sizeof(name), "%s-reference", path);
  db = db_open_fresh(name);
  db_exec(db, create_events);
  return db;
}

static sqlite3_stmt *prepare_insert(sqlite3 *db)
{
  return db_prepare(db, "insert into events values (?, ?, ?, ?)");
}

static double sum_events(sqlite3 *db)
{
  return db_number(
      db, "select sum(id + length(name) + length(city) + score) from events");
}

static void insert_one(sqlite3 *db, sqlite3_stmt *insert, long i,
                       const measure_texts *texts)
{
  const char *name = texts->text[i % MEASURE_TEXT_COUNT];
  const char *city = texts->text[i % 97];

  sqlite3_bind_int64(insert, 1, i);
  sqlite3_bind_text(insert, 2, name, (int) strlen(name), SQLITE_STATIC);
  sqlite3_bind_text(insert, 3, city, (int) strlen(city), SQLITE_STATIC);
  sqlite3_bind_double(insert, 4, (double) (i % 1000) * 0.25);
  db_run(db, insert);
}

static void write_events(const char *path, long count, int in_one,
                         measure_result *result)
{
  static measure_texts texts;
  sqlite3 *db = open_events(path);
  sqlite3_stmt *insert = prepare_insert(db);
  double start;

  measure_make_texts(&texts);
  start = measure_now();
  if (in_one) {
    db_exec(db, "begin immediate");
  }
  for (long i = 1; i <= count; i++) {
    insert_one(db, insert, i, &texts);
  }
  if (in_one) {
    db_exec(db, "commit");
  }
  result->seconds = measure_now() - start;
  result->count = count;
  result->check = sum_events(db);
  sqlite3_finalize(insert);
  sqlite3_close(db);
}

void run_inserts(const char *path, long count, measure_result *result)
{
  write_events(path, count, 0, result);
}

void run_load(const char *path, long count, measure_result *result)
{
  write_events(path, count, 1, result);
}

void run_mixed(const char *path, long count, measure_result *result)
{
  static measure_texts texts;
  sqlite3 *db = open_events(path);
  sqlite3_stmt *insert = prepare_insert(db), *select;
  double start;

  measure_make_texts(&texts);
  db_exec(db, create_items);
  select = db_prepare_item(db);
  start = measure_now();
  for (long i = 1; i <= count; i++) {
    if (i % 10 == 0) {
      insert_one(db, insert, i, &texts);
    } else {
      result->check += db_select_item(db, select, i % 10000 + 1);
    }
  }
  result->seconds = measure_now() - start;
  result->count = count;
  result->check += sum_events(db);
  sqlite3_finalize(select);
  sqlite3_finalize(insert);
  sqlite3_close(db);
}
