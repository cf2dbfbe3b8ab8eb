/* What a borrower leaves behind: a transaction, a session that was changed. */
#include "../core/error.h"
#include "mysql_connection.h"
#include "mysql_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RESET_US = 10000000 };

static bool is_wanted(const my_connection *connection)
{
  covet_pool_reset_mode reset = connection->adapter->options.pool.reset;

  if (reset == COVET_POOL_RESET_NEVER) {
    return false;
  }
  return connection->dirty || reset == COVET_POOL_RESET_ALWAYS;
}

bool my_needs_reset(const my_connection *connection)
{
  return !connection->lost && !connection->base.broken &&
         (connection->in_transaction || connection->undone ||
          is_wanted(connection));
}

/* Nobody sets a deadline for it. */
void my_reset_overdue(my_connection *connection)
{
  my_lose(connection);
}

static void end(my_connection *connection)
{
  covet_connection *base = &connection->base;

  free(connection->reset_text);
  connection->reset_text = NULL;
  connection->resetting = false;
  connection->in_transaction = false;
  connection->undone = false;
  connection->savepoint_is_set = false;
  my_clock_stop(connection);
  if (base->running != NULL) {
    my_settle(connection, base->running, COVET_STEP_DONE);
  } else {
    covet_connection_recovered(base);
  }
}

/* What cannot be made as new is closed. */
static void give_up(my_connection *connection)
{
  connection->base.broken = true;
  end(connection);
}

static void on_ended(my_connection *connection)
{
  if (my_is_gone(connection)) {
    my_lose(connection);
  } else if (connection->answer != 0) {
    give_up(connection);
  } else {
    end(connection);
  }
}

/* --- The session ---------------------------------------------------------------------- */

/* What a reset takes away: the names' character set, covet's settings, the
 * database, and the user's own command. */
static char *set_up_text(const my_connection *connection)
{
  const my_options *options = &connection->adapter->options;
  const char *command = options->init_command;
  const char *database = options->database;
  size_t size = 64 + strlen(options->charset) + strlen(options->set_up) +
                (database == NULL ? 0 : strlen(database) * 2) +
                (command == NULL ? 0 : strlen(command));
  char *text = malloc(size);
  char *to = text;

  if (text == NULL) {
    return NULL;
  }
  to += sprintf(to, "SET NAMES %s; %s", options->charset, options->set_up);
  if (database != NULL) {
    to += sprintf(to, "; USE `");
    for (; *database != '\0'; database++) {
      if (*database == '`') {
        *to++ = '`';
      }
      *to++ = *database;
    }
    to += sprintf(to, "`");
  }
  if (command != NULL) {
    (void) sprintf(to, "; %s", command);
  }
  return text;
}

static void on_set_up(my_connection *connection)
{
  connection->dirty = false; /* all of that was covet's */
  on_ended(connection);
}

static void on_reset(my_connection *connection)
{
  if (connection->answer != 0) {
    on_ended(connection);
    return;
  }
  my_statements_forget(connection);
  connection->reset_text = set_up_text(connection);
  if (connection->reset_text == NULL) {
    give_up(connection);
    return;
  }
  my_own(connection, connection->reset_text, on_set_up);
}

/* A database that was chosen in place of none cannot be left. */
static bool has_left_home(const my_connection *connection)
{
  return connection->adapter->options.database == NULL &&
         connection->mysql->db != NULL;
}

void my_reset(my_connection *connection)
{
  connection->resetting = true;
  my_clock_start(connection, MY_CLOCK_RESET, RESET_US);
  if (!is_wanted(connection)) {
    my_own(connection, "ROLLBACK", on_ended);
  } else if (has_left_home(connection)) {
    give_up(connection);
  } else {
    my_make(connection, &my_call_reset, on_reset);
  }
}
