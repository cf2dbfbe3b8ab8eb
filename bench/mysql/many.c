#include "many.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "calls.h"

enum { CONNECTIONS = 16 };

typedef enum step { EXECUTE, FETCH } step;

typedef struct one {
  MYSQL *mysql;
  db_item item;
  step at;
  int busy;
} one;

typedef struct many_run {
  one connections[CONNECTIONS];
  int poll; /* epoll's descriptor */
  long items;
  long long random;
  long to_send;
  long to_receive;
  double check;
} many_run;

static void open_connection(many_run *run, const char *url, int index)
{
  one *c = &run->connections[index];
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t) index};

  c->mysql = db_open_nonblocking(url);
  run->items = (long) db_number(c->mysql, "select items from about");
  db_item_init(&c->item, c->mysql);
  if (epoll_ctl(run->poll, EPOLL_CTL_ADD, (int) mysql_get_socket(c->mysql),
                &event) != 0) {
    db_fail("set-up", "epoll");
  }
}

static void check(const one *c, int status)
{
  if (status != 0 && status != MYSQL_NO_DATA) {
    db_fail("select", mysql_stmt_error(c->item.statement));
  }
}

/* Rows until the end; nonzero: it has to wait. */
static int fetch(many_run *run, one *c, int waits, int status)
{
  while (waits == 0 && status == 0) {
    run->check += db_item_sum(&c->item);
    waits = mysql_stmt_fetch_start(&status, c->item.statement);
  }
  check(c, waits == 0 ? status : 0);
  return waits;
}

static int executed(many_run *run, one *c, int status)
{
  int waits;

  check(c, status);
  c->at = FETCH;
  waits = mysql_stmt_fetch_start(&status, c->item.statement);
  return fetch(run, c, waits, status);
}

static int go_on(many_run *run, one *c)
{
  int status = 0;
  int waits;

  if (c->at == EXECUTE) {
    waits =
        mysql_stmt_execute_cont(&status, c->item.statement, MYSQL_WAIT_READ);
    return waits != 0 ? waits : executed(run, c, status);
  }
  waits = mysql_stmt_fetch_cont(&status, c->item.statement, MYSQL_WAIT_READ);
  return waits != 0 ? waits : fetch(run, c, waits, status);
}

/* Selects on one connection until it has to wait. */
static void send_more(many_run *run, one *c)
{
  while (!c->busy && run->to_send > 0) {
    int status = 0;
    int waits;

    run->random = measure_random(run->random);
    c->item.wanted = run->random % run->items + 1;
    run->to_send--;
    c->at = EXECUTE;
    waits = mysql_stmt_execute_start(&status, c->item.statement);
    if (waits == 0) {
      waits = executed(run, c, status);
    }
    c->busy = waits != 0;
    run->to_receive -= !c->busy;
  }
}

void run_many(const char *url, long count, measure_result *result)
{
  static many_run run;
  struct epoll_event events[CONNECTIONS];
  double start;

  run = (many_run){.random = 1,
                   .to_send = count,
                   .to_receive = count,
                   .poll = epoll_create1(0)};
  for (int i = 0; i < CONNECTIONS; i++) {
    open_connection(&run, url, i);
  }
  start = measure_now();
  for (int i = 0; i < CONNECTIONS; i++) {
    send_more(&run, &run.connections[i]);
  }
  while (run.to_receive > 0) {
    int ready = epoll_wait(run.poll, events, CONNECTIONS, -1);

    for (int i = 0; i < ready; i++) {
      one *c = &run.connections[events[i].data.u32];

      if (c->busy && go_on(&run, c) == 0) {
        c->busy = 0;
        run.to_receive--;
        send_more(&run, c);
      }
    }
  }
  result->seconds = measure_now() - start;
  result->count = count;
  result->check = run.check;
  for (int i = 0; i < CONNECTIONS; i++) {
    mysql_stmt_close(run.connections[i].item.statement);
    mysql_close(run.connections[i].mysql);
  }
  close(run.poll);
}
