#include "prepare.h"

#include <stdio.h>

#include "calls.h"

static const char layout[] =
    "set client_min_messages = warning;"
    "drop table if exists items, wide, about;"
    "create table items (id bigint primary key, name text not null,"
    " price double precision not null);"
    "create table wide (id bigint not null, name text not null,"
    " city text not null, active boolean not null,"
    " score double precision not null, created_at timestamptz not null,"
    " note text);"
    "create table about (items bigint, wide bigint);"
    /* else a scan may begin where another one is, with other rows */
    "do $$ begin execute format("
    " 'alter database %I set synchronize_seqscans = off', current_database());"
    "end $$";

static const char fill[] =
    "insert into items select i, 'item ' || i, i %% 1000 * 0.25"
    " from generate_series(1, %ld) as i;"
    "insert into wide select i, 'customer ' || i, 'city ' || i %% 997,"
    " i %% 3 = 0, i %% 1000 * 0.25,"
    " make_timestamptz(2026, i %% 12 + 1, i %% 28 + 1, i %% 24, i / 60 %% 60,"
    "   i %% 60, 'UTC'),"
    " case when i %% 4 > 0 then 'a note of some length, ' || i end"
    " from generate_series(1, %ld) as i;"
    "insert into about values (%ld, %ld)";

static int is_prepared(PGconn *connection, long items, long wide)
{
  char sql[128];

  if (db_number(connection, "select count(to_regclass('about'))") == 0) {
    return 0;
  }
  snprintf(sql, sizeof(sql),
           "select count(*) from about where items = %ld and wide = %ld", items,
           wide);
  return db_number(connection, sql) == 1;
}

void prepare_database(const char *url, long items, long wide)
{
  PGconn *connection = db_open(url);
  char sql[1024];

  if (!is_prepared(connection, items, wide)) {
    db_exec(connection, layout);
    snprintf(sql, sizeof(sql), fill, items, wide, items, wide);
    db_exec(connection, sql);
    db_exec(connection, "vacuum (freeze, analyze) items");
    db_exec(connection, "vacuum (freeze, analyze) wide");
  }
  PQfinish(connection);
}

void prepare_events(PGconn *connection)
{
  db_exec(connection, "set client_min_messages = warning;"
                      "drop table if exists events;"
                      "create table events (id bigint not null,"
                      " name text not null, city text not null,"
                      " score double precision not null)");
}
