#include "prepare.h"

#include <stdio.h>

#include "calls.h"

#define LAYOUT_VERSION 1 /* change it when the tables below change */

static const char layout[] =
    "create table items (id integer primary key, name text not null,"
    " price double not null);"
    "create table wide (id bigint not null, name text not null,"
    " city text not null, active boolean not null, score double not null,"
    " created_at timestamptz not null, note text);"
    "create table about (items integer, wide integer)";

/* Whether the file holds these tables in these sizes already. */
static int is_prepared(sqlite3 *db, long items, long wide)
{
  char sql[160];

  if ((int) db_number(db, "pragma user_version") != LAYOUT_VERSION) {
    return 0;
  }
  snprintf(sql, sizeof(sql),
           "select count(*) from about where items = %ld and wide = %ld", items,
           wide);
  return db_number(db, sql) == 1;
}

static void fill_items(sqlite3 *db, long count)
{
  sqlite3_stmt *insert = db_prepare(db, "insert into items values (?, ?, ?)");
  char name[32];

  for (long id = 1; id <= count; id++) {
    int length = snprintf(name, sizeof(name), "item %ld", id);
    sqlite3_bind_int64(insert, 1, id);
    sqlite3_bind_text(insert, 2, name, length, SQLITE_STATIC);
    sqlite3_bind_double(insert, 3, (double) (id % 1000) * 0.25);
    db_run(db, insert);
  }
  sqlite3_finalize(insert);
}

static void bind_wide(sqlite3_stmt *insert, long id)
{
  char text[64];
  int length = snprintf(text, sizeof(text), "customer %ld", id);

  sqlite3_bind_int64(insert, 1, id);
  sqlite3_bind_text(insert, 2, text, length, SQLITE_TRANSIENT);
  length = snprintf(text, sizeof(text), "city %ld", id % 997);
  sqlite3_bind_text(insert, 3, text, length, SQLITE_TRANSIENT);
  sqlite3_bind_int(insert, 4, id % 3 == 0);
  sqlite3_bind_double(insert, 5, (double) (id % 1000) * 0.25);
  length = snprintf(text, sizeof(text), "2026-%02ld-%02ld %02ld:%02ld:%02ld+00",
                    id % 12 + 1, id % 28 + 1, id % 24, id / 60 % 60, id % 60);
  sqlite3_bind_text(insert, 6, text, length, SQLITE_TRANSIENT);
  if (id % 4 == 0) {
    sqlite3_bind_null(insert, 7);
  } else {
    length = snprintf(text, sizeof(text), "a note of some length, %ld", id);
    sqlite3_bind_text(insert, 7, text, length, SQLITE_TRANSIENT);
  }
}

static void fill_wide(sqlite3 *db, long count)
{
  sqlite3_stmt *insert =
      db_prepare(db, "insert into wide values (?, ?, ?, ?, ?, ?, ?)");

  for (long id = 1; id <= count; id++) {
    bind_wide(insert, id);
    db_run(db, insert);
  }
  sqlite3_finalize(insert);
}

void prepare_database(const char *path, long items, long wide)
{
  sqlite3 *db = db_open(path);
  char sql[160];

  if (is_prepared(db, items, wide)) {
    sqlite3_close(db);
    return;
  }
  sqlite3_close(db);
  db = db_open_fresh(path);
  db_exec(db, "begin");
  db_exec(db, layout);
  fill_items(db, items);
  fill_wide(db, wide);
  snprintf(sql, sizeof(sql),
           "insert into about values (%ld, %ld); pragma user_version = %d",
           items, wide, LAYOUT_VERSION);
  db_exec(db, sql);
  db_exec(db, "commit; pragma wal_checkpoint(truncate)");
  sqlite3_close(db);
}
