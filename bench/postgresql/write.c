#include "write.h"

#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "prepare.h"

static double sum_events(PGconn *connection)
{
  return db_number(
      connection,
      "select sum(id + length(name) + length(city) + score) from events");
}

/* An INSERT's answer, waited for in the kernel. */
static PGresult *insert(PGconn *connection, const char *const *values,
                        const int *lengths, const int *formats)
{
  return PQexecPrepared(connection, "insert", 4, values, lengths, formats,
                        DB_BINARY);
}

static PGresult *insert_spinning(PGconn *connection, const char *const *values,
                                 const int *lengths, const int *formats)
{
  if (!PQsendQueryPrepared(connection, "insert", 4, values, lengths, formats,
                           DB_BINARY)) {
    db_fail("send", connection);
  }
  return db_spin(connection);
}

typedef PGresult *answer_insert(PGconn *connection, const char *const *values,
                                const int *lengths, const int *formats);

static void insert_singly(const char *url, long count, answer_insert *answer,
                          measure_result *result)
{
  static measure_texts texts;
  PGconn *connection = db_open(url);
  char id[8], score[8];
  const int formats[4] = {DB_BINARY, DB_BINARY, DB_BINARY, DB_BINARY};
  double start;

  measure_make_texts(&texts);
  prepare_events(connection);
  db_exec(connection, "set synchronous_commit = off");
  PQclear(PQprepare(connection, "insert",
                    "insert into events values ($1, $2, $3, $4)", 0, NULL));
  start = measure_now();
  for (long i = 1; i <= count; i++) {
    const char *name = texts.text[i % MEASURE_TEXT_COUNT];
    const char *city = texts.text[i % 97];
    const char *values[4] = {id, name, city, score};
    const int lengths[4] = {8, (int) strlen(name), (int) strlen(city), 8};
    db_put_int(id, i, 8);
    db_put_double(score, (double) (i % 1000) * 0.25);
    PQclear(db_check(connection, answer(connection, values, lengths, formats),
                     PGRES_COMMAND_OK));
  }
  result->seconds = measure_now() - start;
  result->count = count;
  result->check = sum_events(connection);
  PQfinish(connection);
}

void run_inserts(const char *url, long count, measure_result *result)
{
  insert_singly(url, count, insert, result);
}

void run_inserts_spinning(const char *url, long count, measure_result *result)
{
  insert_singly(url, count, insert_spinning, result);
}

static char *put_field(char *at, const char *bytes, int length)
{
  db_put_int(at, length, 4);
  memcpy(at + 4, bytes, (size_t) length);
  return at + 4 + length;
}

/* A record of COPY's binary format; the end of what it wrote. */
static char *put_record(char *at, long i, const measure_texts *texts)
{
  const char *name = texts->text[i % MEASURE_TEXT_COUNT];
  const char *city = texts->text[i % 97];
  char number[8];

  db_put_int(at, 4, 2);
  db_put_int(number, i, 8);
  at = put_field(at + 2, number, 8);
  at = put_field(at, name, (int) strlen(name));
  at = put_field(at, city, (int) strlen(city));
  db_put_double(number, (double) (i % 1000) * 0.25);
  return put_field(at, number, 8);
}

static void copy_records(PGconn *connection, long count,
                         const measure_texts *texts)
{
  static const char header[19] = "PGCOPY\n\377\r\n";
  static char buffer[65536];
  char *at = buffer + sizeof(header);

  memcpy(buffer, header, sizeof(header));
  for (long i = 1; i <= count; i++) {
    at = put_record(at, i, texts);
    if (at > buffer + sizeof(buffer) - 256) {
      PQputCopyData(connection, buffer, (int) (at - buffer));
      at = buffer;
    }
  }
  db_put_int(at, -1, 2);
  PQputCopyData(connection, buffer, (int) (at + 2 - buffer));
  if (PQputCopyEnd(connection, NULL) != 1) {
    db_fail("COPY", connection);
  }
}

void run_copy(const char *url, long count, measure_result *result)
{
  static measure_texts texts;
  PGconn *connection = db_open(url);
  PGresult *end;
  double start;

  measure_make_texts(&texts);
  prepare_events(connection);
  start = measure_now();
  PQclear(db_check(connection,
                   PQexec(connection, "copy events from stdin (format binary)"),
                   PGRES_COPY_IN));
  copy_records(connection, count, &texts);
  end = db_check(connection, PQgetResult(connection), PGRES_COMMAND_OK);
  result->seconds = measure_now() - start;
  result->count = strtol(PQcmdTuples(end), NULL, 10);
  PQclear(end);
  PQclear(PQgetResult(connection));
  result->check = sum_events(connection);
  PQfinish(connection);
}
