#include "mysql_ahead.h"

#include "../core/error.h"
#include "mysql_errand.h"
#include "mysql_error.h"
#include "mysql_many.h"
#include "mysql_packet.h"

#include <errno.h>
#include <ma_pvio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
  /* What an idle socket takes in any case: the leader's packet, and the others'. */
  LEADER_BYTES = 4096,
  FOLLOWER_BYTES = 8192
};

typedef struct follower {
  covet_op *op; /* NULL: nobody waits for it */
  my_statement *statement;
  size_t offset; /* of its packet */
  size_t length; /* 0: it has not been sent */
} follower;

struct my_ahead {
  PVIO_METHODS methods; /* first: the library's pointer is to them */
  void *later[8]; /* methods that another version may know: there are none */
  const PVIO_METHODS *real;
  my_connection *connection;

  my_statement *found; /* of the operation that was looked at last */
  follower followers[MY_AHEAD_MOST];
  unsigned first;
  unsigned count; /* followers from `first` on are not begun */
  covet_queue put_off;

  unsigned char bytes[FOLLOWER_BYTES];
  size_t length;
  bool unsent; /* they follow what the library writes next */

  /* what the library is about to write, and has been sent */
  const unsigned char *expected;
  size_t expected_length;
  bool unknown; /* it will not be the same */
};

/* --- The hook ------------------------------------------------------------------------- */

static struct my_ahead *ahead_of(MARIADB_PVIO *pvio)
{
  return (struct my_ahead *) (void *) pvio->methods;
}

/* A packet that does not come through whole leaves a connection that cannot be
 * used. */
static void give_up(MARIADB_PVIO *pvio)
{
  (void) shutdown((int) mysql_get_socket(pvio->mysql), SHUT_RDWR);
}

/* It has been sent: see that it is the same. */
static ssize_t keep_back(MARIADB_PVIO *pvio, const unsigned char *bytes,
                         size_t length)
{
  struct my_ahead *ahead = ahead_of(pvio);

  if (ahead->unknown) {
    ahead->expected_length = 0;
    return (ssize_t) length;
  }
  if (length > ahead->expected_length ||
      memcmp(bytes, ahead->expected, length) != 0) {
    give_up(pvio);
    errno = EPROTO;
    return -1;
  }
  ahead->expected += length;
  ahead->expected_length -= length;
  return (ssize_t) length;
}

static ssize_t write_all(MARIADB_PVIO *pvio, const unsigned char *bytes,
                         size_t length)
{
  struct my_ahead *ahead = ahead_of(pvio);
  unsigned char all[LEADER_BYTES + FOLLOWER_BYTES];
  ssize_t sent;

  if (length > LEADER_BYTES) {
    give_up(pvio);
    errno = EPROTO;
    return -1;
  }
  memcpy(all, bytes, length);
  memcpy(all + length, ahead->bytes, ahead->length);
  sent = ahead->real->async_write(pvio, all, length + ahead->length);
  if (sent < 0) {
    return sent;
  }
  ahead->unsent = false;
  if ((size_t) sent < length + ahead->length) {
    give_up(pvio);
  }
  return (size_t) sent < length ? sent : (ssize_t) length;
}

static ssize_t on_write(MARIADB_PVIO *pvio, const unsigned char *bytes,
                        size_t length)
{
  struct my_ahead *ahead = ahead_of(pvio);

  if (ahead->expected_length > 0) {
    return keep_back(pvio, bytes, length);
  }
  if (ahead->unsent) {
    return write_all(pvio, bytes, length);
  }
  return ahead->real->async_write(pvio, bytes, length);
}

bool my_ahead_init(my_connection *connection)
{
  MARIADB_PVIO *pvio = connection->mysql->net.pvio;
  const my_options *options = &connection->adapter->options;
  struct my_ahead *ahead;

  if (!my_bulk_is_known(connection) || !options->pipeline ||
      options->pipeline_depth < 2 || options->threads || pvio->ctls != NULL ||
      connection->mysql->net.compress) {
    return true;
  }
  ahead = calloc(1, sizeof(*ahead));
  if (ahead == NULL) {
    return false;
  }
  ahead->connection = connection;
  ahead->real = pvio->methods;
  ahead->methods = *pvio->methods;
  ahead->methods.async_write = on_write;
  queue_init(&ahead->put_off);
  pvio->methods = &ahead->methods;
  connection->ahead = ahead;
  return true;
}

void my_ahead_free(my_connection *connection)
{
  free(connection->ahead);
}

/* --- Who goes ------------------------------------------------------------------------- */

static bool is_single_read(const covet_op *op)
{
  const unsigned alone = COVET_QUERY_SCRIPT | COVET_QUERY_DESCRIBE |
                         COVET_QUERY_STREAM | COVET_QUERY_MANY |
                         COVET_QUERY_READ_ONLY | COVET_QUERY_TRANSACTION |
                         COVET_QUERY_INSIDE;

  return op->type == COVET_OP_QUERY && op->lease == 0 &&
         (op->flags & alone) == 0 && op->driver == NULL;
}

static bool is_ready(const my_statement *statement, const covet_op *op)
{
  return statement->prepared && statement->shares &&
         mysql_stmt_param_count(statement->handle) == op->param_count;
}

/* Whose statement this connection has prepared. */
static bool comes_along(const covet_op *op, void *context)
{
  my_connection *connection = context;
  struct my_ahead *ahead = connection->ahead;
  size_t size;
  covet_stmt *found;

  if (!is_single_read(op) ||
      atomic_load_explicit(&op->stop, memory_order_relaxed) !=
          COVET_STOP_NONE) {
    return false;
  }
  size = my_packet_size(op, LEADER_BYTES);
  if (size == 0 || size > FOLLOWER_BYTES - ahead->length) {
    return false;
  }
  found = covet_stmt_cache_share(&connection->statements, op->sql,
                                 op->sql_length, op->sql_hash, covet_now_us());
  ahead->found = (my_statement *) (void *) found;
  return found != NULL && is_ready(ahead->found, op);
}

static void add(struct my_ahead *ahead, covet_op *op)
{
  follower *last = &ahead->followers[ahead->count++];

  *last = (follower){.op = op,
                     .statement = ahead->found,
                     .offset = ahead->length,
                     .length = my_packet_size(op, LEADER_BYTES)};
  my_packet_write(ahead->bytes + last->offset, last->length, op,
                  last->statement->handle->stmt_id);
  ahead->length += last->length;
  last->statement->base.in_use++;
  ahead->connection->base.adapter->cache_hits++;
}

static bool may_lead(const my_connection *connection)
{
  const my_request *request = &connection->request;
  const covet_op *op = request->op;

  return connection->ahead != NULL && op == connection->base.running &&
         is_single_read(op) && request->statement->shares && !request->again &&
         !connection->in_transaction && !my_ahead_is_open(connection) &&
         !my_is_killing(connection) && my_packet_size(op, LEADER_BYTES) > 0;
}

/* As many as there are for each connection that may come free, so that nobody waits
 * behind others when one of these is idle. */
static unsigned share_of(const my_connection *connection)
{
  const covet_lane *lane = connection->base.lane;
  size_t depth = connection->adapter->options.pipeline_depth;
  size_t waiting = covet_pool_waiting(lane->pool);
  size_t share = (waiting + lane->count - 1) / lane->count;

  return (unsigned) (share < depth - 1 ? share : depth - 1);
}

void my_ahead_gather(my_connection *connection)
{
  struct my_ahead *ahead = connection->ahead;
  unsigned share;

  if (!may_lead(connection)) {
    return;
  }
  ahead->first = 0;
  ahead->length = 0;
  share = share_of(connection);
  while (ahead->count < share) {
    covet_op *op =
        covet_connection_take(&connection->base, comes_along, connection);

    if (op == NULL) {
      break;
    }
    add(ahead, op);
  }
  ahead->unsent = ahead->count > 0;
  connection->request.shared = ahead->unsent;
  connection->request.greedy = ahead->unsent;
}

/* --- One after the other ---------------------------------------------------------------- */

bool my_ahead_is_open(const my_connection *connection)
{
  const struct my_ahead *ahead = connection->ahead;

  return ahead != NULL && (ahead->count > 0 || !queue_empty(&ahead->put_off));
}

bool my_ahead_is_torn(const my_connection *connection)
{
  const struct my_ahead *ahead = connection->ahead;

  return ahead != NULL && ahead->expected_length > 0;
}

bool my_ahead_delays(const my_connection *connection)
{
  return my_ahead_is_open(connection) ||
         (connection->ahead != NULL && my_is_killing(connection));
}

/* The next operation that somebody waits for, NULL: none. */
static covet_op *next_waited_for(struct my_ahead *ahead)
{
  for (unsigned i = 0; i < ahead->count; i++) {
    if (ahead->followers[ahead->first + i].op != NULL) {
      return ahead->followers[ahead->first + i].op;
    }
  }
  return queue_empty(&ahead->put_off)
             ? NULL
             : COVET_CONTAINER(queue_first(&ahead->put_off), covet_op, node);
}

/* Its operation ends; the connection does not come free with it. */
static void tell(my_connection *connection, covet_op *op)
{
  covet_op *next = next_waited_for(connection->ahead);

  op->driver = NULL;
  if (op != connection->base.running) {
    covet_op_finish(op);
  } else if (next != NULL && !my_is_killing(connection)) {
    covet_connection_hand_over(&connection->base, op, next);
  } else {
    covet_connection_quarantine(&connection->base, op);
  }
}

/* Somebody's values, or none for what nobody waits for. */
static bool bind_values(my_connection *connection, const follower *next)
{
  if (next->op != NULL) {
    return my_bind(connection, next->op, 0, next->op->param_count) == 0;
  }
  return my_bind_nothing(connection);
}

static void start(my_connection *connection, const follower *next)
{
  struct my_ahead *ahead = connection->ahead;
  my_request *request = &connection->request;

  memset(request, 0, sizeof(*request));
  request->op = next->op;
  request->statement = next->statement;
  request->verb = MY_VERB_SELECT;
  request->sql = next->op == NULL ? "" : next->op->sql;
  request->sql_length = next->op == NULL ? 0 : next->op->sql_length;
  request->shared = true;
  request->greedy = true;
  if (!bind_values(connection, next)) {
    my_lose(connection);
    return;
  }
  ahead->expected = ahead->bytes + next->offset;
  ahead->expected_length = next->length;
  ahead->unknown = next->op == NULL;
  connection->sent_us = covet_now_us();
  if (next->op == NULL) {
    my_kill_soon(connection);
  }
  (void) mysql_stmt_attr_set(next->statement->handle, STMT_ATTR_CB_USER_DATA,
                             connection);
  my_run_execute(connection, my_request_after);
}

/* The leader came to its end before its packet went out, and theirs did not. */
static void note_unsent(struct my_ahead *ahead)
{
  for (unsigned i = 0; ahead->unsent && i < ahead->count; i++) {
    ahead->followers[ahead->first + i].length = 0;
  }
  ahead->unsent = false;
}

/* The next one that has to be answered, or run. */
static const follower *next_follower(struct my_ahead *ahead)
{
  while (ahead->count > 0) {
    const follower *next = &ahead->followers[ahead->first++];

    ahead->count--;
    if (next->op != NULL || next->length > 0) {
      return next;
    }
    my_statement_end(next->statement, true);
  }
  return NULL;
}

static void proceed(my_connection *connection)
{
  struct my_ahead *ahead = connection->ahead;
  const follower *next;

  note_unsent(ahead);
  next = next_follower(ahead);
  if (next != NULL) {
    start(connection, next);
  } else if (!my_ahead_resume(connection)) {
    my_cancel_settled(connection);
  }
}

void my_ahead_go_on(my_connection *connection, covet_op *op)
{
  if (op != NULL) {
    tell(connection, op);
  }
  my_clock_stop(connection); /* what ran for this one */
  proceed(connection);
}

bool my_ahead_resume(my_connection *connection)
{
  covet_node *node;
  covet_op *op;

  if (connection->ahead == NULL || my_is_killing(connection)) {
    return false;
  }
  node = queue_pop(&connection->ahead->put_off);
  if (node == NULL) {
    return false;
  }
  op = COVET_CONTAINER(node, covet_op, node);
  my_query_again(connection, op);
  return true;
}

void my_ahead_put_off(my_connection *connection, covet_op *op)
{
  queue_push(&connection->ahead->put_off, &op->node);
  proceed(connection);
}

/* --- Ends --------------------------------------------------------------------------------- */

/* Nobody waits for the follower any more, or it is put off no longer. */
static bool leave(struct my_ahead *ahead, covet_op *op)
{
  for (unsigned i = 0; i < ahead->count; i++) {
    if (ahead->followers[ahead->first + i].op == op) {
      ahead->followers[ahead->first + i].op = NULL;
      return true;
    }
  }
  for (covet_node *node = queue_first(&ahead->put_off); node != NULL;
       node = queue_after(&ahead->put_off, node)) {
    if (node == &op->node) {
      queue_remove(&ahead->put_off, node);
      return true;
    }
  }
  return false;
}

bool my_ahead_cancel(my_connection *connection, covet_op *op)
{
  if (connection->ahead == NULL || !leave(connection->ahead, op)) {
    return false;
  }
  covet_op_fault_stopped(op);
  tell(connection, op);
  return true;
}

/* Who has the connection is told by others. */
static void fail(my_connection *connection, covet_op *op)
{
  if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
    covet_op_fault_stopped(op);
  } else {
    my_error_lost(covet_op_fault(op), connection);
    op->error->phase = op->phase;
    if (op->error != &op->runtime->out_of_memory) {
      op->error->retry = COVET_RETRY_SAFE;
    }
  }
  if (op != connection->base.running) {
    covet_op_finish(op);
  }
}

void my_ahead_lost(my_connection *connection)
{
  struct my_ahead *ahead = connection->ahead;
  covet_node *node;

  if (ahead == NULL) {
    return;
  }
  ahead->unsent = false;
  ahead->expected_length = 0;
  while (ahead->count > 0) {
    follower *one = &ahead->followers[ahead->first++];

    ahead->count--;
    my_statement_end(one->statement, false);
    if (one->op != NULL) {
      fail(connection, one->op);
    }
  }
  while ((node = queue_pop(&ahead->put_off)) != NULL) {
    fail(connection, COVET_CONTAINER(node, covet_op, node));
  }
}
