/**
 * libmariadb as a careful program uses it: calls that end the process when they
 * fail, values in their binary form, the statements of the workloads.
 */
#ifndef COVET_BENCH_MYSQL_CALLS_H
#define COVET_BENCH_MYSQL_CALLS_H

#include <mysql.h>

#define DB_ITEM "select id, name, price from items where id = ?"
#define DB_WIDE                                                                \
  "select id, name, city, active, score, created_at, note from wide limit "

/**
 * A connection, *owned*, to mysql://user:password@host:port/database, or
 * mysql://user:password@/database?unix_socket=path.
 */
MYSQL *db_open(const char *url);

/** The same, for calls that do not block. */
MYSQL *db_open_nonblocking(const char *url);

/** Say what failed, on the standard error, and exit with status 1. */
_Noreturn void db_fail(const char *what, const char *message);

/** Run statements that give no rows. */
void db_exec(MYSQL *mysql, const char *sql);

/** The number that a query of one row and one column gives. */
double db_number(MYSQL *mysql, const char *sql);

/** A prepared statement, *owned*. */
MYSQL_STMT *db_prepare(MYSQL *mysql, const char *sql);

/** One point select: its statement, its parameter, and where its row goes. */
typedef struct db_item {
  MYSQL_STMT *statement;
  long long wanted;
  long long id;
  char name[64];
  unsigned long name_length;
  double price;
  MYSQL_BIND param;
  MYSQL_BIND row[3];
} db_item;

/** Prepare and bind. */
void db_item_init(db_item *item, MYSQL *mysql);

/** What the row that was fetched adds to `check`. */
double db_item_sum(const db_item *item);

/** A row of the wide table, where it goes. */
typedef struct db_wide {
  long long id;
  char name[64];
  char city[64];
  signed char active;
  double score;
  MYSQL_TIME created_at;
  char note[128];
  unsigned long name_length;
  unsigned long city_length;
  unsigned long note_length;
  my_bool note_is_null;
  MYSQL_BIND row[7];
} db_wide;

/** Bind the columns of a statement. */
void db_wide_bind(db_wide *wide, MYSQL_STMT *statement);

/** What a row adds to `check`: a time counts as 19, the length of its text. */
double db_wide_sum(const db_wide *wide);

#endif
