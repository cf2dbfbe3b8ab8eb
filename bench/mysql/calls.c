#include "calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIME_LENGTH = 19 /* 2026-01-02 03:04:05 */ };

void db_fail(const char *what, const char *message)
{
  fprintf(stderr, "%s: %s\n", what, message);
  exit(EXIT_FAILURE);
}

typedef struct address {
  char user[64];
  char password[64];
  char host[128];
  char database[64];
  char socket[128]; /* empty: by TCP */
  unsigned port;
} address;

static void read_url(const char *url, address *to)
{
  *to = (address){0};
  if (sscanf(url, "mysql://%63[^:]:%63[^@]@%127[^:]:%u/%63s", to->user,
             to->password, to->host, &to->port, to->database) != 5 &&
      sscanf(url, "mysql://%63[^:]:%63[^@]@/%63[^?]?unix_socket=%127s",
             to->user, to->password, to->database, to->socket) != 4) {
    db_fail("URL", url);
  }
}

static MYSQL *open_with(const char *url, int nonblocking)
{
  address to;
  unsigned protocol;
  MYSQL *mysql = mysql_init(NULL);

  read_url(url, &to);
  protocol = to.socket[0] ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
  mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (nonblocking) {
    mysql_options(mysql, MYSQL_OPT_NONBLOCK, 0);
  }
  if (mysql_real_connect(mysql, to.socket[0] ? NULL : to.host, to.user,
                         to.password, to.database, to.port,
                         to.socket[0] ? to.socket : NULL,
                         CLIENT_MULTI_STATEMENTS) == NULL) {
    db_fail("connect", mysql_error(mysql));
  }
  return mysql;
}

MYSQL *db_open(const char *url)
{
  return open_with(url, 0);
}

MYSQL *db_open_nonblocking(const char *url)
{
  return open_with(url, 1);
}

void db_exec(MYSQL *mysql, const char *sql)
{
  int status = mysql_query(mysql, sql);

  while (status == 0) {
    mysql_free_result(mysql_store_result(mysql));
    status = mysql_next_result(mysql);
  }
  if (status > 0) {
    db_fail(sql, mysql_error(mysql));
  }
}

double db_number(MYSQL *mysql, const char *sql)
{
  MYSQL_RES *result;
  MYSQL_ROW row;
  double number;

  if (mysql_query(mysql, sql) != 0) {
    db_fail(sql, mysql_error(mysql));
  }
  result = mysql_store_result(mysql);
  row = mysql_fetch_row(result);
  number = row == NULL || row[0] == NULL ? 0 : strtod(row[0], NULL);
  mysql_free_result(result);
  return number;
}

MYSQL_STMT *db_prepare(MYSQL *mysql, const char *sql)
{
  MYSQL_STMT *statement = mysql_stmt_init(mysql);

  if (mysql_stmt_prepare(statement, sql, strlen(sql)) != 0) {
    db_fail(sql, mysql_stmt_error(statement));
  }
  return statement;
}

static void bind_text(MYSQL_BIND *bind, char *text, size_t size,
                      unsigned long *length)
{
  bind->buffer_type = MYSQL_TYPE_STRING;
  bind->buffer = text;
  bind->buffer_length = size;
  bind->length = length;
}

static void bind_value(MYSQL_BIND *bind, enum enum_field_types type,
                       void *value)
{
  bind->buffer_type = type;
  bind->buffer = value;
}

void db_item_init(db_item *item, MYSQL *mysql)
{
  memset(item, 0, sizeof(*item));
  item->statement = db_prepare(mysql, DB_ITEM);
  bind_value(&item->param, MYSQL_TYPE_LONGLONG, &item->wanted);
  bind_value(&item->row[0], MYSQL_TYPE_LONGLONG, &item->id);
  bind_text(&item->row[1], item->name, sizeof(item->name), &item->name_length);
  bind_value(&item->row[2], MYSQL_TYPE_DOUBLE, &item->price);
  if (mysql_stmt_bind_param(item->statement, &item->param) != 0 ||
      mysql_stmt_bind_result(item->statement, item->row) != 0) {
    db_fail("bind", mysql_stmt_error(item->statement));
  }
}

double db_item_sum(const db_item *item)
{
  return (double) item->id + (double) item->name_length + item->price;
}

void db_wide_bind(db_wide *wide, MYSQL_STMT *statement)
{
  MYSQL_BIND *row = wide->row;

  memset(wide, 0, sizeof(*wide));
  bind_value(&row[0], MYSQL_TYPE_LONGLONG, &wide->id);
  bind_text(&row[1], wide->name, sizeof(wide->name), &wide->name_length);
  bind_text(&row[2], wide->city, sizeof(wide->city), &wide->city_length);
  bind_value(&row[3], MYSQL_TYPE_TINY, &wide->active);
  bind_value(&row[4], MYSQL_TYPE_DOUBLE, &wide->score);
  bind_value(&row[5], MYSQL_TYPE_DATETIME, &wide->created_at);
  bind_text(&row[6], wide->note, sizeof(wide->note), &wide->note_length);
  row[6].is_null = &wide->note_is_null;
  if (mysql_stmt_bind_result(statement, row) != 0) {
    db_fail("bind", mysql_stmt_error(statement));
  }
}

double db_wide_sum(const db_wide *wide)
{
  return (double) wide->id + (double) wide->name_length +
         (double) wide->city_length + wide->active + wide->score +
         (wide->created_at.year > 0 ? TIME_LENGTH : 0) +
         (wide->note_is_null ? 0 : (double) wide->note_length);
}
