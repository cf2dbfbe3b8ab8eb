#include "many.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calls.h"

#define CONNECTIONS 16

typedef struct many_run {
  PGconn *connections[CONNECTIONS];
  int in_flight[CONNECTIONS];
  int pipelined;
  int poll; /* epoll's descriptor */
  long items;
  long long random;
  long to_send;
  long to_receive;
  double check;
} many_run;

static void open_connection(many_run *run, const char *url, int index)
{
  PGconn *connection = db_open(url);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t) index};

  db_prepare_item(connection);
  run->items = (long) db_number(connection, "select items from about");
  if (PQsetnonblocking(connection, 1) != 0 ||
      (run->pipelined && !PQenterPipelineMode(connection)) ||
      epoll_ctl(run->poll, EPOLL_CTL_ADD, PQsocket(connection), &event) != 0) {
    db_fail("set-up", connection);
  }
  run->connections[index] = connection;
}

/* Without an effect on a Unix socket. */
static void set_cork(PGconn *connection, int corked)
{
  setsockopt(PQsocket(connection), IPPROTO_TCP, TCP_CORK, &corked,
             sizeof(corked));
}

static void send_one(many_run *run, int index)
{
  PGconn *connection = run->connections[index];
  const int length = 8, format = DB_BINARY;
  char bytes[8];
  const char *value = bytes;

  db_next_item(&run->random, run->items, bytes);
  if (!PQsendQueryPrepared(connection, "item", 1, &value, &length, &format,
                           DB_BINARY) ||
      (run->pipelined ? !PQpipelineSync(connection)
                      : PQflush(connection) < 0)) {
    db_fail("send", connection);
  }
  run->in_flight[index]++;
  run->to_send--;
}

/* Fill a connection up. The statements are short: the socket takes them. */
static void send_more(many_run *run, int index)
{
  int most = run->pipelined ? CONNECTIONS : 1;

  if (run->in_flight[index] == most || run->to_send == 0) {
    return;
  }
  if (run->pipelined) {
    set_cork(run->connections[index], 1);
  }
  while (run->in_flight[index] < most && run->to_send > 0) {
    send_one(run, index);
  }
  if (run->pipelined) {
    set_cork(run->connections[index], 0);
  }
}

/* A statement's results end with NULL, in a pipeline also with a sync. */
static void receive(many_run *run, int index)
{
  PGconn *connection = run->connections[index];

  if (!PQconsumeInput(connection)) {
    db_fail("receive", connection);
  }
  while (run->in_flight[index] > 0 && !PQisBusy(connection)) {
    PGresult *result = PQgetResult(connection);
    int is_sync = PQresultStatus(result) == PGRES_PIPELINE_SYNC;

    if (result != NULL && !is_sync) {
      run->check += db_take_item(connection, result);
      continue;
    }
    PQclear(result);
    if (is_sync || !run->pipelined) {
      run->in_flight[index]--;
      run->to_receive--;
    }
  }
}

static void run_turns(many_run *run)
{
  struct epoll_event events[CONNECTIONS];

  for (int i = 0; i < CONNECTIONS; i++) {
    send_more(run, i);
  }
  while (run->to_receive > 0) {
    int ready = epoll_wait(run->poll, events, CONNECTIONS, -1);

    for (int i = 0; i < ready; i++) {
      receive(run, (int) events[i].data.u32);
      send_more(run, (int) events[i].data.u32);
    }
  }
}

static void measure_many(const char *url, long count, int pipelined,
                         measure_result *result)
{
  many_run run = {.pipelined = pipelined,
                  .random = 1,
                  .to_send = count,
                  .to_receive = count,
                  .poll = epoll_create1(0)};
  double start;

  for (int i = 0; i < CONNECTIONS; i++) {
    open_connection(&run, url, i);
  }
  start = measure_now();
  run_turns(&run);
  result->seconds = measure_now() - start;
  result->count = count;
  result->check = run.check;
  for (int i = 0; i < CONNECTIONS; i++) {
    PQfinish(run.connections[i]);
  }
  close(run.poll);
}

void run_many(const char *url, long count, measure_result *result)
{
  measure_many(url, count, 0, result);
}

void run_many_pipelined(const char *url, long count, measure_result *result)
{
  measure_many(url, count, 1, result);
}
