/* Ending a query before its time: a helper connects and says KILL QUERY, and another
 * does so again while the query goes on, for the first may not have come through, or
 * before the query began; who asked for it is told after a short while in any case;
 * and what does not end within the grace time is closed. Until both the query and the
 * kill have ended nobody gets the connection; then a statement of ours takes what may
 * be left of the kill. */
#include "../core/error.h"
#include "mysql_ahead.h"
#include "mysql_connection.h"
#include "mysql_errand.h"
#include "mysql_session.h"

#include <stdio.h>
#include <string.h>

/* While a query is to end, a clock ticks: */
enum {
  TICK_US = 125000,
  PATIENCE = 2, /* ticks until who asked for it is told, come what may, */
  AGAIN = 4,    /* between two kills, */
  GRACE = 42    /* and until the connection is closed */
};

enum { LEFT_US = 50000 /* for an answer that nobody waits for */ };

/* --- On the helper's thread ------------------------------------------------------------ */

/* A name with several addresses, or a balancer, may lead to another server, where the
 * number is another's. */
static bool is_at_victims(my_errand *errand)
{
  MYSQL_RES *result = mysql_query(errand->mysql, "SELECT " MY_SERVER) == 0
                          ? mysql_store_result(errand->mysql)
                          : NULL;
  MYSQL_ROW row = result == NULL ? NULL : mysql_fetch_row(result);
  bool is_same = row != NULL && row[0] != NULL &&
                 strcmp(row[0], errand->facts.server) == 0;

  mysql_free_result(result);
  return is_same;
}

static void work(my_errand *errand)
{
  char text[48];

  if (!my_errand_connect(errand, false)) {
    return;
  }
  if (!is_at_victims(errand)) {
    covet_error_set(&errand->error, COVET_ERROR_CONNECTION_FAILED,
                    "the address leads to another server now");
    return;
  }
  errand->sent = true;
  (void) snprintf(text, sizeof(text), "KILL QUERY %lu", errand->victim);
  if (mysql_query(errand->mysql, text) != 0) {
    covet_error_set(&errand->error, COVET_ERROR_DATABASE_ERROR, "%s",
                    mysql_error(errand->mysql));
  }
}

/* --- On the loop's thread ---------------------------------------------------------------- */

bool my_is_killing(const my_connection *connection)
{
  return connection->killing != NULL || connection->kill_echoes;
}

void my_cancel_forget(my_connection *connection)
{
  if (connection->killing != NULL) {
    my_errand_let_go(connection->killing);
    connection->killing = NULL;
  }
  connection->kill_echoes = false;
}

/* The connection is as if nothing had been. */
static void recover(my_connection *connection)
{
  covet_connection *base = &connection->base;

  my_clock_stop(connection);
  if (my_ahead_resume(connection) || !base->quarantined) {
    return;
  }
  if (base->state == COVET_CONNECTION_BUSY && my_needs_reset(connection)) {
    my_reset(connection);
    return;
  }
  covet_connection_recovered(base);
}

static void on_echo(my_connection *connection)
{
  if (my_is_gone(connection)) {
    my_lose(connection);
    return;
  }
  connection->kill_echoes = false; /* it was hit, or nothing was left */
  my_cancel_settled(connection);
}

static void start_ticking(my_connection *connection)
{
  connection->ticks = 0;
  my_clock_start(connection, MY_CLOCK_ENDING, TICK_US);
}

void my_cancel_settled(my_connection *connection)
{
  if (my_is_calling(connection) || connection->lost || connection->closing) {
    return;
  }
  if (my_is_killing(connection) && connection->clock != MY_CLOCK_ENDING) {
    start_ticking(connection); /* others have run since */
  }
  if (connection->killing != NULL) {
    return;
  }
  if (connection->kill_echoes) {
    my_own(connection, "DO SLEEP(0)", on_echo);
  } else {
    recover(connection);
  }
}

static void ended(my_connection *connection, my_errand *errand)
{
  connection->killing = NULL;
  connection->kill_echoes = connection->kill_echoes || errand->sent;
  connection->kill_futile =
      errand->error.kind == COVET_ERROR_AUTHENTICATION_FAILED;
  my_errand_free(errand);
  my_cancel_settled(connection);
}

/* Not for what stands behind the statement, which undoes it. */
static bool is_to_be_killed(const my_connection *connection)
{
  const my_request *request = &connection->request;

  return request->killed && request->stage != MY_STAGE_AFTER &&
         my_is_calling(connection);
}

static void send_kill(my_connection *connection)
{
  static const my_task task = {work, ended};

  if (connection->killing == NULL && !connection->kill_futile) {
    connection->killing =
        my_errand_start(connection, &task, mysql_thread_id(connection->mysql));
  }
}

void my_cancel_tick(my_connection *connection)
{
  covet_op *op = connection->request.op;

  connection->ticks++;
  if (connection->ticks >= GRACE) {
    my_lose(connection);
    return;
  }
  my_clock_start(connection, MY_CLOCK_ENDING, TICK_US);
  if (connection->ticks % AGAIN == 0 && is_to_be_killed(connection)) {
    send_kill(connection);
  }
  if (connection->ticks == PATIENCE && op != NULL &&
      covet_op_stop_reason(op) != COVET_STOP_NONE) {
    connection->base.overdue = true;
    my_request_disown(
        connection); /* its time is up, whatever the server does */
  }
}

void my_kill(my_connection *connection)
{
  my_request *request = &connection->request;

  if (request->killed || connection->lost) {
    return;
  }
  request->killed = true;
  connection->kill_futile = false;
  send_kill(connection);
  start_ticking(connection);
}

void my_kill_soon(my_connection *connection)
{
  my_clock_start(connection, MY_CLOCK_LEFT, LEFT_US);
}

/* The operation has ended, all but the reset that follows it: its outcome is told
 * without that. */
static bool is_reset_only(const my_connection *connection, const covet_op *op)
{
  return connection->resetting && op == connection->base.running &&
         connection->base.state == COVET_CONNECTION_BUSY;
}

void my_cancel(covet_connection *base, covet_op *op)
{
  my_connection *connection = my_connection_of(base);

  if (covet_op_stop_reason(op) == COVET_STOP_CLOSE) {
    my_lose(connection);
  } else if (op == connection->waiting) {
    my_leave_waiting(connection, op);
  } else if (op == connection->request.op) {
    my_kill(connection);
  } else if (my_ahead_cancel(connection, op)) {
    return;
  } else if (is_reset_only(connection, op)) {
    covet_connection_quarantine(base, op);
  }
}
