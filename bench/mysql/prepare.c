#include "prepare.h"

#include <stdio.h>

#include "calls.h"

static const char layout[] =
    "drop table if exists items, wide, about;"
    "create table items (id bigint primary key, name varchar(50) not null,"
    " price double not null);"
    "create table wide (id bigint primary key, name varchar(50) not null,"
    " city varchar(50) not null, active boolean not null,"
    " score double not null, created_at datetime not null, note varchar(100));"
    "create table about (items bigint, wide bigint)";

static const char fill[] =
    "insert into items select seq, concat('item ', seq), seq %% 1000 * 0.25"
    " from seq_1_to_%ld;"
    "insert into wide select seq, concat('customer ', seq),"
    " concat('city ', seq %% 997), seq %% 3 = 0, seq %% 1000 * 0.25,"
    " timestamp(date_add(makedate(2026, seq %% 365 + 1), interval"
    "   seq %% 86400 second)),"
    " if(seq %% 4 > 0, concat('a note of some length, ', seq), null)"
    " from seq_1_to_%ld;"
    "insert into about values (%ld, %ld);"
    "analyze table items, wide";

static int is_prepared(MYSQL *mysql, long items, long wide)
{
  char sql[128];

  if (db_number(mysql,
                "select count(*) from information_schema.tables where "
                "table_schema = database() and table_name = 'about'") == 0) {
    return 0;
  }
  snprintf(sql, sizeof(sql),
           "select count(*) from about where items = %ld and wide = %ld", items,
           wide);
  return db_number(mysql, sql) == 1;
}

void prepare_database(const char *url, long items, long wide)
{
  MYSQL *mysql = db_open(url);
  char sql[1024];

  if (!is_prepared(mysql, items, wide)) {
    db_exec(mysql, layout);
    snprintf(sql, sizeof(sql), fill, items, wide, items, wide);
    db_exec(mysql, sql);
  }
  mysql_close(mysql);
}

void prepare_events(MYSQL *mysql)
{
  db_exec(mysql, "drop table if exists events;"
                 "create table events (id bigint not null,"
                 " name varchar(50) not null, city varchar(50) not null,"
                 " score double not null)");
}
