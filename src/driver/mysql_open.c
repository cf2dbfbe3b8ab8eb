/* Opening: a helper connects and sets the session up; then the connection is the
 * loop's. */
#include "../core/error.h"
#include "mysql_ahead.h"
#include "mysql_connection.h"
#include "mysql_errand.h"
#include "mysql_error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  SLACK_US = 2000000,
  STOP_US = 1000000,
  OLDEST_MARIADB = 100200,
  OLDEST_MYSQL = 50700
};

/* --- On the helper's thread ------------------------------------------------------------ */

static bool fail(my_errand *errand, covet_error_kind kind, const char *text)
{
  covet_error_set(&errand->error, kind, "%s", text);
  errand->error.phase = COVET_PHASE_CONNECT;
  return false;
}

/* Files that cannot be read are told by their names: OpenSSL tells less. */
static bool check_files(my_errand *errand, const my_options *options)
{
  const char *const files[][2] = {{"ssl_ca", options->ssl_ca},
                                  {"ssl_cert", options->ssl_cert},
                                  {"ssl_key", options->ssl_key},
                                  {"ssl_crl", options->ssl_crl}};

  for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
    if (files[i][1] != NULL && access(files[i][1], R_OK) != 0) {
      covet_error_set(&errand->error, COVET_ERROR_TLS_ERROR,
                      "the file of %s cannot be read: %.300s", files[i][0],
                      files[i][1]);
      errand->error.phase = COVET_PHASE_CONNECT;
      return false;
    }
  }
  return true;
}

static bool check_version(my_errand *errand)
{
  MYSQL *mysql = errand->mysql;
  unsigned long version = mysql_get_server_version(mysql);
  bool is_mariadb = mariadb_connection(mysql);

  if (version >= (is_mariadb ? OLDEST_MARIADB : OLDEST_MYSQL)) {
    return true;
  }
  covet_error_set(&errand->error, COVET_ERROR_UNSUPPORTED,
                  "the server is %s %.60s; %s is the oldest that is supported",
                  is_mariadb ? "MariaDB" : "MySQL",
                  mysql_get_server_info(mysql), is_mariadb ? "10.2" : "5.7");
  errand->error.phase = COVET_PHASE_CONNECT;
  return false;
}

static uint64_t number_in(char *const *row, unsigned column)
{
  return row[column] == NULL ? 0 : strtoull(row[column], NULL, 10);
}

static void take_facts(my_facts *facts, MYSQL_RES *result)
{
  MYSQL_ROW row =
      mysql_num_fields(result) == 6 ? mysql_fetch_row(result) : NULL;

  if (row != NULL) {
    facts->max_packet = number_in(row, 0);
    facts->wait_timeout_us = number_in(row, 1) * 1000000;
    facts->timeout_rolls_back = number_in(row, 2) != 0;
    facts->read_only = row[3] != NULL && strcmp(row[3], "0") != 0 &&
                       strcmp(row[3], "OFF") != 0;
    (void) snprintf(facts->server, sizeof(facts->server), "%s",
                    row[5] == NULL ? "" : row[5]);
    facts->is_utc = row[4] != NULL && strcmp(row[4], "+00:00") == 0;
  }
}

/* Run one text or several, and take what is to be known of the first rows. A file that
 * is refused has the library answer as if there were no more results. */
static bool run_texts(MYSQL *mysql, const char *text, my_facts *facts)
{
  int status = mysql_query(mysql, text);

  while (status == 0) {
    MYSQL_RES *result = mysql_store_result(mysql);

    if (result != NULL) {
      if (facts != NULL) {
        take_facts(facts, result);
      }
      mysql_free_result(result);
    } else if (mysql_errno(mysql) != 0) {
      return false;
    }
    if (!mysql_more_results(mysql)) {
      return true;
    }
    status = mysql_next_result(mysql);
  }
  return false;
}

/* What the server says of the session is asked at last: the user's command may have
 * changed it. */
static bool set_up(my_errand *errand, const my_options *options)
{
  static const char asked[] = "SELECT @@max_allowed_packet, @@wait_timeout, "
                              "@@innodb_rollback_on_timeout, "
                              "@@global.read_only, @@time_zone, " MY_SERVER;
  bool fine = run_texts(errand->mysql, options->set_up, NULL) &&
              (options->init_command == NULL ||
               run_texts(errand->mysql, options->init_command, NULL)) &&
              run_texts(errand->mysql, asked, &errand->facts);

  if (!fine) {
    my_error_open(&errand->error, errand->mysql, options);
  }
  return fine;
}

/* Without autocommit every call on the adapter would be rolled back; quotes and
 * literals are read and written as the server does with backslashes. */
static bool check_session(my_errand *errand)
{
  unsigned status = errand->mysql->server_status;

  if ((status & SERVER_STATUS_AUTOCOMMIT) == 0) {
    return fail(errand, COVET_ERROR_USAGE,
                "init_command turns autocommit off, which calls on the adapter "
                "need: the option autocommit = false is for leases");
  }
  return (status & SERVER_STATUS_NO_BACKSLASH_ESCAPES) == 0 ||
         fail(errand, COVET_ERROR_USAGE,
              "init_command sets NO_BACKSLASH_ESCAPES in sql_mode, without "
              "which texts are quoted and read here");
}

static void work(my_errand *errand)
{
  const my_options *options = my_errand_options(errand);

  if (check_files(errand, options) && my_errand_connect(errand, true) &&
      check_version(errand) && set_up(errand, options)) {
    (void) check_session(errand);
  }
}

/* --- On the loop's thread ---------------------------------------------------------------- */

/* The adapter is usable as soon as one connection is, and is not when the first
 * one fails. */
static void tell_adapter(my_adapter *adapter, const covet_error *error)
{
  if (adapter->connecting) {
    adapter->connecting = false;
    covet_adapter_connected(adapter->base, error);
  }
}

static void opened(my_connection *connection, const covet_error *error)
{
  my_adapter *adapter = connection->adapter;

  if (error != NULL) { /* with the connection the adapter may go */
    tell_adapter(adapter, error);
    covet_connection_opened(&connection->base, error);
    return;
  }
  covet_connection_opened(&connection->base, NULL);
  tell_adapter(adapter, NULL);
}

/* A connection goes before the server can find it idle for too long. */
static void fit_pool(my_connection *connection)
{
  covet_pool *pool = connection->base.lane->pool;
  covet_pool_config config = *covet_pool_get_config(pool);
  uint64_t most_us = connection->facts.wait_timeout_us / 10 * 9;
  covet_error error;

  if (most_us > 0 &&
      (config.max_lifetime_us == 0 || config.max_lifetime_us > most_us)) {
    config.max_lifetime_us = most_us;
    (void) covet_pool_configure(pool, covet_now_us(), &config, &error);
  }
}

static void take_over(my_connection *connection, my_errand *errand,
                      covet_error *error)
{
  connection->mysql = errand->mysql;
  connection->facts = errand->facts;
  errand->mysql = NULL;
  my_infile_guard(connection->mysql, connection);
  if (my_io_start(connection) != 0 || !my_ahead_init(connection) ||
      (connection->adapter->options.threads && !my_worker_start(connection))) {
    covet_error_set(error, COVET_ERROR_CONNECTION_FAILED,
                    "the connection cannot be watched");
    error->phase = COVET_PHASE_CONNECT;
  }
}

static void ended(my_connection *connection, my_errand *errand)
{
  covet_error error = errand->error;

  connection->opening = NULL;
  my_clock_stop(connection);
  if (error.kind == COVET_ERROR_NONE) {
    take_over(connection, errand, &error);
  }
  my_errand_free(errand);
  if (error.kind == COVET_ERROR_NONE) {
    fit_pool(connection);
    opened(connection, NULL);
  } else if (!covet_opening_repeat(&connection->base, &error)) {
    opened(connection, &error);
  }
}

void my_fail_opening(covet_connection *base, const covet_error *error)
{
  opened(my_connection_of(base), error);
}

static void fail_opening(my_connection *connection, const char *text)
{
  covet_error error;

  covet_error_set(&error, COVET_ERROR_CONNECTION_FAILED, "%s", text);
  error.phase = COVET_PHASE_CONNECT;
  error.retry = COVET_RETRY_SAFE;
  opened(connection, &error);
}

/* Names that do not resolve for long, a server that does not answer, and what
 * nobody waits for. */
void my_open_overdue(my_connection *connection)
{
  if (connection->opening == NULL) {
    fail_opening(connection, "a thread for connecting cannot be started");
    return;
  }
  my_errand_let_go(connection->opening);
  connection->opening = NULL;
  fail_opening(connection, "connecting took too long");
}

void my_stop_opening(covet_connection *base)
{
  my_connection *connection = my_connection_of(base);

  if (connection->opening != NULL) {
    my_clock_start(connection, MY_CLOCK_OPENING, STOP_US);
  }
}

void my_open(my_connection *connection)
{
  static const my_task task = {work, ended};
  uint64_t timeout_us = connection->adapter->options.connect_timeout_us;

  connection->opening = my_errand_start(connection, &task, 0);
  if (connection->opening == NULL) {
    my_clock_start(connection, MY_CLOCK_OPENING, 1); /* tells it, not here */
  } else if (timeout_us > 0) {
    my_clock_start(connection, MY_CLOCK_OPENING, timeout_us + SLACK_US);
  }
}
