/* Legs: what is sent for a request up to a Sync. The first leg of a statement that
 * nobody knows yet asks what it is like, one for types may follow, then it runs.
 * Where nothing stands against it, one leg does all. */
#include "../core/error.h"
#include "postgres_request.h"

#include <stdlib.h>
#include <string.h>

enum { FETCH_ROWS = 1000 };

/* While answers are to come libpq does not say. */
bool pg_in_transaction(const pg_connection *connection)
{
  PGTransactionStatusType status = PQtransactionStatus(connection->pq);

  return status == PQTRANS_ACTIVE
             ? connection->was_in_transaction
             : status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

/* It runs as text does, and its columns are known with its rows. */
static bool cannot_be_described(const covet_op *op)
{
  return op->param_count > PG_MOST_DESCRIBED &&
         (op->flags & (COVET_QUERY_MANY | COVET_QUERY_DESCRIBE)) == 0;
}

static bool send_describe_leg(pg_request *request)
{
  request->stage = PG_STAGE_DESCRIBE;
  pg_request_join(request);
  return (request->statement->prepared || pg_send_prepare(request)) &&
         pg_send_describe(request) && pg_send_sync(request->connection);
}

bool pg_send_types_leg(pg_request *request, char *oids)
{
  bool fine;

  request->stage = PG_STAGE_TYPES;
  pg_request_join(request);
  fine = pg_send_types(request, oids) && pg_send_sync(request->connection);
  free(oids);
  return fine;
}

static bool wants_rows_singly(const pg_request *request)
{
  const covet_op *op = request->op;

  if (op->flags & COVET_QUERY_STREAM) {
    return true;
  }
  return (op->flags & COVET_QUERY_ROWS) && !(op->flags & COVET_QUERY_ONE) &&
         !request->statement->few_rows && !request->shared;
}

/* In a transaction a stream that ends early must not end it, which a cancel would:
 * its rows come from a cursor, chunk by chunk. */
static bool wants_cursor(const pg_request *request)
{
  return (request->op->flags & COVET_QUERY_STREAM) && !request->wrapped &&
         PQtransactionStatus(request->connection->pq) == PQTRANS_INTRANS &&
         (request->statement->verb == PG_VERB_SELECT ||
          (request->statement->verb == PG_VERB_WITH &&
           request->statement->reads));
}

uint32_t pg_rows_of_fetch(const pg_request *request)
{
  return request->op->chunk == 0 ? FETCH_ROWS : request->op->chunk;
}

/* Everything of the leg that runs the statement but its Sync. */
bool pg_send_run(pg_request *request)
{
  pg_statement *statement = request->statement;

  request->stage = PG_STAGE_RUN;
  request->format = statement->resolved && statement->binary ? PG_FORMAT_BINARY
                                                             : PG_FORMAT_TEXT;
  request->single = wants_rows_singly(request);
  pg_request_join(request);
  if (wants_cursor(request)) {
    request->single = false;
    request->cursor = ++request->connection->cursor_number;
    return pg_send_declare(request) &&
           pg_send_fetch(request, pg_rows_of_fetch(request));
  }
  if (request->wrapped &&
      !pg_send_control(request, "BEGIN TRANSACTION READ ONLY")) {
    return false;
  }
  if (!statement->prepared) {
    if (!pg_send_prepare(request) ||
        (!statement->described && !cannot_be_described(request->op) &&
         !pg_send_describe(request))) {
      return false;
    }
  }
  return pg_send_execute(request) &&
         (!request->wrapped || pg_send_control(request, "COMMIT"));
}

static bool check_counts(pg_request *request)
{
  covet_op *op = request->op;
  const pg_statement *statement = request->statement;
  uint32_t given = op->flags & COVET_QUERY_MANY ? op->width : op->param_count;

  if ((op->flags & COVET_QUERY_DESCRIBE) || !statement->described ||
      given == statement->param_count) {
    return true;
  }
  pg_refuse(
      op, COVET_ERROR_USAGE, "the statement takes %u parameter%s, %u %s given",
      (unsigned) statement->param_count, statement->param_count == 1 ? "" : "s",
      (unsigned) given, given == 1 ? "was" : "were");
  return false;
}

/* Whether texts of values say all that their binary form does. */
static bool has_exact_texts(const pg_connection *connection)
{
  const char *dates = PQparameterStatus(connection->pq, "DateStyle");
  const char *intervals = PQparameterStatus(connection->pq, "IntervalStyle");

  return connection->adapter->options.keeps_formats && dates != NULL &&
         strncmp(dates, "ISO", 3) == 0 &&
         (intervals == NULL || strcmp(intervals, "postgres") == 0);
}

bool pg_runs_blind(const pg_request *request)
{
  const covet_op *op = request->op;
  unsigned known = COVET_QUERY_STREAM | COVET_QUERY_MANY | COVET_QUERY_DESCRIBE;

  return cannot_be_described(op) ||
         (op->param_count == 0 && (op->flags & known) == 0 &&
          (!(op->flags & COVET_QUERY_ROWS) ||
           has_exact_texts(request->connection)));
}

/* Its types: PG_LEG_RUN: all are known. */
static pg_leg resolve(pg_request *request)
{
  char *oids = NULL;
  int status = request->statement->described
                   ? pg_statement_resolve(request->statement, &oids)
                   : 0;

  if (status == 1) {
    return pg_send_types_leg(request, oids) ? PG_LEG_SENT : PG_LEG_FAILED;
  }
  if (status != 0) {
    pg_refuse(request->op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    return PG_LEG_FAILED;
  }
  return PG_LEG_RUN;
}

pg_leg pg_send_first(pg_request *request)
{
  covet_op *op = request->op;
  pg_leg next;

  if (!pg_statement_known(request->statement, op) && !pg_runs_blind(request)) {
    return send_describe_leg(request) ? PG_LEG_SENT : PG_LEG_FAILED;
  }
  if (!check_counts(request)) {
    return PG_LEG_FAILED;
  }
  next = resolve(request);
  if (next != PG_LEG_RUN) {
    return next;
  }
  if (op->flags & COVET_QUERY_DESCRIBE) {
    return PG_LEG_NONE;
  }
  return pg_encode(request) == 0 ? PG_LEG_RUN : PG_LEG_FAILED;
}

static const covet_shape *parameter_shape(const pg_statement *statement)
{
  covet_shape_table *table =
      &statement->connection->base.adapter->runtime->shapes;
  uint32_t count = statement->param_count;
  covet_column *columns = calloc(count + 1, sizeof(*columns));
  const covet_shape *shape = NULL;

  for (uint32_t i = 0; columns != NULL && i < count; i++) {
    columns[i].name = "";
    columns[i].type = statement->types[i]->name;
    columns[i].type_length = (uint32_t) strlen(columns[i].type);
    columns[i].kind = statement->types[i]->kind;
    columns[i].type_id = statement->types[i]->oid;
  }
  if (columns != NULL && count > 0) {
    shape = covet_shape_intern(table, columns, count);
  }
  free(columns);
  return shape;
}

void pg_tell_description(pg_request *request)
{
  const pg_statement *statement = request->statement;
  covet_result *result = &request->op->result;

  if (statement->shape != NULL) {
    result->shape = covet_shape_retain(statement->shape);
  }
  result->parameters = parameter_shape(statement);
  result->parameter_count = statement->param_count;
  result->read_only =
      statement->verb == PG_VERB_SELECT || statement->verb == PG_VERB_SHOW;
  result->described = 1;
}

/* Go on with a request of which nothing is under way. */
void pg_request_go_on(pg_request *request)
{
  pg_connection *connection = request->connection;
  pg_leg next = PG_LEG_FAILED;

  if (!connection->lost) {
    next = pg_send_first(request);
  }
  if (next == PG_LEG_RUN) {
    next = pg_send_run(request) && pg_send_sync(connection) ? PG_LEG_SENT
                                                            : PG_LEG_FAILED;
  }
  if (next == PG_LEG_NONE) {
    pg_tell_description(request);
  }
  if (next == PG_LEG_FAILED && request->op->error == NULL) {
    pg_lose(connection);
    return;
  }
  if (next != PG_LEG_SENT) {
    request->has_error = request->op->error != NULL;
    request->stage = PG_STAGE_DESCRIBE;
    pg_request_finish(request);
    return;
  }
  pg_flush(connection);
}
