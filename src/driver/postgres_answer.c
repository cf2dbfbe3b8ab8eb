/* What comes back, in the order of what was sent. */
#include "../core/error.h"
#include "postgres_request.h"

#include <stdlib.h>
#include <string.h>

/* What a text that was understood before may be told when a table, a column or a
 * type is another one now. */
static bool is_misunderstood(const char *state)
{
  static const char *const states[] = {"42883", "42804", "42703", "42P01",
                                       "42846", "42P18", NULL};

  for (const char *const *one = states; *one != NULL; one++) {
    if (strcmp(state, *one) == 0) {
      return true;
    }
  }
  return false;
}

/* What an error says of the statement rather than of this run of it. */
static void doubt_statement(pg_request *request, const PGresult *result)
{
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char *routine = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
  pg_statement *statement = request->statement;

  if (state == NULL) {
    return;
  }
  if (strcmp(state, "26000") == 0 && statement->number != 0) {
    request->stale = true; /* the session has lost it, or it never had it */
    statement->prepared = false;
  } else if (strcmp(state, "0A000") == 0 && routine != NULL &&
             strcmp(routine, "RevalidateCachedQuery") == 0) {
    request->stale = true;
    request->outdated = true;
  } else if (request->stage == PG_STAGE_RUN && statement->described &&
             (statement->verb == PG_VERB_CHANGE ||
              statement->verb == PG_VERB_SELECT ||
              statement->verb == PG_VERB_WITH)) {
    request->stale = is_misunderstood(state);
  }
}

static void name_row(pg_request *request)
{
  covet_op *op = request->op;

  if ((op->flags & COVET_QUERY_MANY) && request->stage == PG_STAGE_RUN) {
    pg_name_row(op->error, request->executed + 1);
  }
}

static void take_error(pg_request *request, const PGresult *result)
{
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

  if (request->connection->base.lane->index == PG_LISTENER) {
    pg_listener_error(request->connection, result);
  }
  if (request->has_error) {
    return;
  }
  request->has_error = true;
  if (request->op == NULL) {
    return;
  }
  request->canceled = state != NULL && strcmp(state, "57014") == 0 &&
                      (pg_is_canceling(request->connection) ||
                       request->sync <= request->connection->cancel_sync);
  if (request->canceled &&
      covet_op_stop_reason(request->op) != COVET_STOP_NONE) {
    covet_op_fault_stopped(request->op);
    return;
  }
  doubt_statement(request, result);
  pg_fault(request->connection, request->op, result, pg_sent_before(request));
  if (request->op->error != &request->op->runtime->out_of_memory) {
    name_row(request);
  }
}

static void take_types(pg_request *request, const PGresult *result)
{
  pg_types *types = request->connection->adapter->types;

  for (int row = 0; row < PQntuples(result); row++) {
    const char *fields[PG_TYPES_COLUMNS];
    int lengths[PG_TYPES_COLUMNS];

    for (int i = 0; i < PG_TYPES_COLUMNS; i++) {
      bool is_null = i >= PQnfields(result) || PQgetisnull(result, row, i);

      fields[i] = is_null ? NULL : PQgetvalue(result, row, i);
      lengths[i] = is_null ? 0 : PQgetlength(result, row, i);
    }
    (void) pg_types_add(types, fields, lengths);
  }
}

/* The statement is known now; its rows may have to wait for their types. */
static void take_description(pg_request *request, const PGresult *result)
{
  pg_statement *statement = request->statement;
  char *oids = NULL;

  if (request->op == NULL) {
    return;
  }
  if (!pg_statement_describe(statement, result, false)) {
    pg_refuse(request->op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    request->has_error = true;
    return;
  }
  pg_habit_note(request->connection->adapter, request->op, statement);
  if (pg_statement_resolve(statement, &oids) == 1 ||
      (statement->binary && !statement->text && statement->reads)) {
    request->holding = request->stage == PG_STAGE_RUN;
    free(oids);
  }
}

static void take_tuples(pg_request *request, PGresult *result)
{
  if (request->holding && request->op != NULL) {
    (void) pg_hold_rows(request, result);
    return;
  }
  (void) pg_take_rows(request, result);
  PQclear(result);
}

/* A statement that turned out to be a COPY, inside a DO or the like. */
static void take_copy(pg_connection *connection, pg_request *request)
{
  if (request->op != NULL && !request->has_error) {
    pg_refuse(request->op, COVET_ERROR_UNSUPPORTED, "COPY cannot run here");
    request->has_error = true;
  }
  connection->base.broken = true;
}

static void not_prepared(const pg_command *command)
{
  if (command->kind == PG_COMMAND_PREPARE && command->request != NULL) {
    command->request->statement->prepared = false;
  }
}

static void take_answer(pg_connection *connection, pg_command *command,
                        PGresult *result)
{
  pg_request *request = command->request;

  switch (PQresultStatus(result)) {
  case PGRES_FATAL_ERROR:
  case PGRES_BAD_RESPONSE:
    if (request != NULL) {
      take_error(request, result);
    }
    not_prepared(command);
    break;
  case PGRES_PIPELINE_ABORTED:
    if (request != NULL && !request->has_error) {
      request->refused = true;
    }
    not_prepared(command);
    break;
  case PGRES_SINGLE_TUPLE:
  case PGRES_TUPLES_OK:
    if (command->kind == PG_COMMAND_TYPES) {
      take_types(request, result);
    } else if (command->kind == PG_COMMAND_EXECUTE) {
      if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        pg_note_command(request, result);
      }
      take_tuples(request, result);
      return;
    }
    break;
  case PGRES_COMMAND_OK:
    if (command->kind == PG_COMMAND_DESCRIBE) {
      take_description(request, result);
    } else if (command->kind == PG_COMMAND_EXECUTE) {
      pg_note_command(request, result);
    }
    break;
  case PGRES_COPY_IN:
  case PGRES_COPY_OUT:
  case PGRES_COPY_BOTH:
    take_copy(connection, request);
    break;
  default:
    break;
  }
  PQclear(result);
}

static pg_request *request_of_sync(const pg_connection *connection,
                                   uint64_t number)
{
  covet_node *node = queue_first(&connection->requests);

  while (node != NULL &&
         COVET_CONTAINER(node, pg_request, node)->sync != number) {
    node = queue_after(&connection->requests, node);
  }
  return node == NULL ? NULL : COVET_CONTAINER(node, pg_request, node);
}

/* All requests that this Sync ends. One of several that share it may have undone
 * the others' work. */
static void on_sync(pg_connection *connection, uint64_t number)
{
  covet_node *node = queue_first(&connection->requests);
  bool failed = false;
  unsigned count = 0;

  for (; node != NULL; node = queue_after(&connection->requests, node)) {
    pg_request *request = COVET_CONTAINER(node, pg_request, node);

    if (request->sync == number) {
      failed |= request->has_error;
      count++;
    }
  }
  while (count > 0) {
    pg_request *request = request_of_sync(connection, number);

    if (request == NULL) {
      return; /* the connection was lost meanwhile */
    }
    count--;
    pg_end_leg(request, failed);
  }
}

/* The pipeline is at rest. */
static void on_rest(pg_connection *connection)
{
  if (connection->pinging) {
    connection->pinging = false;
    covet_connection_pinged(&connection->base, true);
    return;
  }
  pg_cancel_settled(connection);
  if (connection->base.lane->index == PG_LISTENER && !connection->lost) {
    pg_listener_rest(connection);
  }
}

/* Reading stands still: its operation goes to sleep. */
static void tell_paused(pg_connection *connection, pg_request *request)
{
  covet_op *op = connection->base.running;

  if (connection->paused) {
    op->driver = request;
    if (connection->stepping != op) {
      covet_connection_report(&connection->base, op, COVET_STEP_SUSPENDED);
    }
  }
}

void pg_take_waiting(pg_connection *connection)
{
  const pg_command *command = pg_command_first(connection);

  if (connection->knows_input && command->kind == PG_COMMAND_EXECUTE &&
      command->request->single && command->request->rows > 0 &&
      !command->request->holding) {
    pg_take_waiting_rows(command->request);
    tell_paused(connection, command->request);
  }
}

void pg_take_result(pg_connection *connection, PGresult *result)
{
  pg_command *command = pg_command_first(connection);

  if (result != NULL && PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
    PQclear(result);
    connection->answered_sync++;
    connection->was_in_transaction = pg_in_transaction(connection);
    pg_command_done(connection);
    pg_spin_end(connection);
    on_sync(connection, connection->answered_sync);
    if (connection->command_count == 0 && !connection->closing) {
      on_rest(connection);
    }
    return;
  }
  if (result != NULL) {
    take_answer(connection, command, result);
    tell_paused(connection, command->request);
    return;
  }
  if (command->kind == PG_COMMAND_EXECUTE) {
    command->request->executed++;
  }
  pg_command_done(connection);
}
