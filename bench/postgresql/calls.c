#include "calls.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../measure.h"

#define TIMESTAMP_LENGTH 22 /* 2026-01-02 03:04:05+00 */

void db_fail(const char *what, PGconn *connection)
{
  fprintf(stderr, "%s: %s\n", what, PQerrorMessage(connection));
  exit(EXIT_FAILURE);
}

PGconn *db_open(const char *url)
{
  PGconn *connection = PQconnectdb(url);

  if (PQstatus(connection) != CONNECTION_OK) {
    db_fail("connect", connection);
  }
  return connection;
}

PGresult *db_check(PGconn *connection, PGresult *result, ExecStatusType status)
{
  if (PQresultStatus(result) != status) {
    db_fail(PQresStatus(PQresultStatus(result)), connection);
  }
  return result;
}

static PGresult *next_result(PGconn *connection)
{
  while (PQisBusy(connection)) {
    if (!PQconsumeInput(connection)) {
      db_fail("receive", connection);
    }
  }
  return PQgetResult(connection);
}

PGresult *db_spin(PGconn *connection)
{
  PGresult *result = next_result(connection);

  PQclear(next_result(connection)); /* NULL: the statement's end */
  return result;
}

void db_exec(PGconn *connection, const char *sql)
{
  PQclear(db_check(connection, PQexec(connection, sql), PGRES_COMMAND_OK));
}

double db_number(PGconn *connection, const char *sql)
{
  PGresult *result =
      db_check(connection, PQexec(connection, sql), PGRES_TUPLES_OK);
  double number = strtod(PQgetvalue(result, 0, 0), NULL);

  PQclear(result);
  return number;
}

void db_put_int(char *bytes, long long number, int size)
{
  for (int i = size - 1; i >= 0; i--) {
    bytes[i] = (char) (number & 0xff);
    number >>= 8;
  }
}

void db_put_double(char bytes[8], double number)
{
  int64_t bits;

  memcpy(&bits, &number, sizeof(bits));
  db_put_int(bytes, bits, 8);
}

static int64_t get_int64(const char *bytes)
{
  uint64_t bits;

  memcpy(&bits, bytes, sizeof(bits));
  return (int64_t) __builtin_bswap64(bits);
}

static double get_double(const char *bytes)
{
  int64_t bits = get_int64(bytes);
  double number;

  memcpy(&number, &bits, sizeof(number));
  return number;
}

void db_prepare_item(PGconn *connection)
{
  PGresult *result =
      PQprepare(connection, "item",
                "select id, name, price from items where id = $1", 0, NULL);

  PQclear(db_check(connection, result, PGRES_COMMAND_OK));
}

void db_next_item(long long *random, long items, char bytes[8])
{
  *random = measure_random(*random);
  db_put_int(bytes, *random % items + 1, 8);
}

double db_take_item(PGconn *connection, PGresult *result)
{
  double sum;

  db_check(connection, result, PGRES_TUPLES_OK);
  if (PQntuples(result) != 1) {
    db_fail("a row is missing", connection);
  }
  sum = (double) get_int64(PQgetvalue(result, 0, 0)) +
        PQgetlength(result, 0, 1) + get_double(PQgetvalue(result, 0, 2));
  PQclear(result);
  return sum;
}

/* Bytes of a text, 0 for NULL; its first byte is looked at. */
static double text_length(const PGresult *result, int row, int column)
{
  return PQgetvalue(result, row, column)[0] != '\0'
             ? PQgetlength(result, row, column)
             : 0;
}

double db_wide_sum(const PGresult *result, int row)
{
  int64_t created_at = get_int64(PQgetvalue(result, row, 5));

  return (double) get_int64(PQgetvalue(result, row, 0)) +
         text_length(result, row, 1) + text_length(result, row, 2) +
         PQgetvalue(result, row, 3)[0] +
         get_double(PQgetvalue(result, row, 4)) +
         (created_at % 1000000 == 0 ? TIMESTAMP_LENGTH : 0) +
         text_length(result, row, 6);
}
