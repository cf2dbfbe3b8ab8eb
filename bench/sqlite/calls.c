#include "calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void db_fail(const char *what, sqlite3 *db)
{
  fprintf(stderr, "%s: %s\n", what,
          db != NULL ? sqlite3_errmsg(db) : "out of memory");
  exit(EXIT_FAILURE);
}

sqlite3 *db_open(const char *path)
{
  sqlite3 *db;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

  if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) {
    db_fail(path, db);
  }
  sqlite3_busy_timeout(db, 5000);
  db_exec(db, "pragma journal_mode = wal;"
              "pragma synchronous = normal;"
              "pragma foreign_keys = on");
  return db;
}

sqlite3 *db_open_fresh(const char *path)
{
  static const char *const suffixes[] = {"", "-wal", "-shm"};
  char name[4096];

  for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
    snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
    unlink(name);
  }
  return db_open(path);
}

void db_exec(sqlite3 *db, const char *sql)
{
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
    db_fail(sql, db);
  }
}

sqlite3_stmt *db_prepare(sqlite3 *db, const char *sql)
{
  sqlite3_stmt *statement;

  if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                         NULL) != SQLITE_OK) {
    db_fail(sql, db);
  }
  return statement;
}

void db_run(sqlite3 *db, sqlite3_stmt *statement)
{
  if (sqlite3_step(statement) != SQLITE_DONE) {
    db_fail(sqlite3_sql(statement), db);
  }
  sqlite3_reset(statement);
}

double db_number(sqlite3 *db, const char *sql)
{
  sqlite3_stmt *statement = db_prepare(db, sql);
  double number;

  if (sqlite3_step(statement) != SQLITE_ROW) {
    db_fail(sql, db);
  }
  number = sqlite3_column_double(statement, 0);
  sqlite3_finalize(statement);
  return number;
}

sqlite3_stmt *db_prepare_item(sqlite3 *db)
{
  return db_prepare(db, "select id, name, price from items where id = ?");
}

double db_select_item(sqlite3 *db, sqlite3_stmt *select, long long id)
{
  double sum;

  sqlite3_bind_int64(select, 1, id);
  if (sqlite3_step(select) != SQLITE_ROW) {
    db_fail("a row is missing", db);
  }
  sum = (double) sqlite3_column_int64(select, 0);
  if (sqlite3_column_text(select, 1) != NULL) {
    sum += sqlite3_column_bytes(select, 1);
  }
  sum += sqlite3_column_double(select, 2);
  sqlite3_reset(select);
  return sum;
}
