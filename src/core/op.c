#include "op.h"

#include "adapter.h"
#include "batch.h"
#include "error.h"
#include "runtime.h"
#include "stmt_cache.h"

#include <stdlib.h>
#include <string.h>

enum { TOKEN_SLOT_BITS = 24, KEPT_OPS = 1024 };

static int grow_slots(covet_runtime *rt)
{
  uint32_t wanted = rt->slot_count == 0 ? 64 : rt->slot_count * 2;
  covet_op **slots;

  if (wanted > 1U << TOKEN_SLOT_BITS) {
    return COVET_ENOMEM;
  }
  slots = realloc(rt->slots, sizeof(covet_op *) * wanted);
  if (slots == NULL) {
    return COVET_ENOMEM;
  }
  rt->slots = slots;
  while (rt->slot_count < wanted) {
    slots[rt->slot_count++] = NULL;
  }
  return 0;
}

static int take_slot(covet_runtime *rt, covet_op *op)
{
  if (rt->slots_used == rt->slot_count && grow_slots(rt) != 0) {
    return COVET_ENOMEM;
  }
  op->slot = rt->slots_used++;
  rt->slots[op->slot] = op;
  return 0;
}

/* An operation keeps its slot for life; only its generation changes. */
static covet_op *new_op(covet_runtime *rt)
{
  covet_op *op = calloc(1, sizeof(*op));

  if (op != NULL && take_slot(rt, op) != 0) {
    free(op);
    return NULL;
  }
  return op;
}

covet_op *covet_op_new(covet_runtime *rt, covet_op_type type)
{
  covet_node *node = queue_pop_last(&rt->free_ops);
  covet_op *op =
      node != NULL ? COVET_CONTAINER(node, covet_op, node) : new_op(rt);

  if (op == NULL) {
    return NULL;
  }
  op->runtime = rt;
  op->type = type;
  op->generation = (op->generation + 1) & 0x0FFFFFFF;
  if (op->generation == 0) {
    op->generation = 1;
  }
  op->armed = true;
  op->live = true;
  return op;
}

void covet_op_recycle(covet_op *op)
{
  covet_runtime *rt = op->runtime;
  covet_arena arena;
  uint32_t slot = op->slot;
  uint32_t generation = op->generation;

  covet_batch_free_all(op->first);
  covet_shape_release(op->result.shape);
  covet_shape_release(op->result.parameters);
  if (op->error != &rt->out_of_memory) {
    free(op->error);
  }
  covet_arena_reset(&op->arena);
  arena = op->arena;
  memset(op, 0, sizeof(*op));
  op->arena = arena;
  op->slot = slot;
  op->generation = generation;
  op->runtime = rt;
  if (rt->free_ops.count >= KEPT_OPS) {
    covet_arena_deinit(&op->arena);
  }
  queue_push(&rt->free_ops, &op->node);
}

covet_token covet_op_token(const covet_op *op)
{
  return ((covet_token) op->generation << TOKEN_SLOT_BITS) | op->slot;
}

covet_op *covet_op_find(covet_runtime *rt, covet_token token)
{
  uint32_t slot = (uint32_t) (token & ((1U << TOKEN_SLOT_BITS) - 1));
  covet_op *op = slot < rt->slots_used ? rt->slots[slot] : NULL;

  if (op == NULL || covet_op_token(op) != token || !op->live) {
    return NULL;
  }
  return op;
}

covet_error *covet_op_fault(covet_op *op)
{
  if (op->error == NULL) {
    op->error = calloc(1, sizeof(*op->error));
  }
  if (op->error == NULL) {
    op->error = &op->runtime->out_of_memory;
  }
  return op->error;
}

static void fault_timeout(covet_op *op)
{
  covet_error *error = covet_op_fault(op);
  double seconds = (double) op->timeout_us / 1e6;

  if (op->phase == COVET_PHASE_QUEUE) {
    covet_error_set(error, COVET_ERROR_POOL_TIMEOUT,
                    "no connection came free within %.3g s", seconds);
    error->retry = COVET_RETRY_SAFE;
  } else {
    covet_error_set(error, COVET_ERROR_TIMEOUT, "not done within %.3g s",
                    seconds);
    error->retry = op->phase == COVET_PHASE_CONNECT
                       ? COVET_RETRY_SAFE
                       : COVET_RETRY_IDEMPOTENT_ONLY;
  }
}

void covet_op_fault_stopped(covet_op *op)
{
  switch (covet_op_stop_reason(op)) {
  case COVET_STOP_TIMEOUT:
    fault_timeout(op);
    break;
  case COVET_STOP_CLOSE:
    covet_error_set(covet_op_fault(op), COVET_ERROR_POOL_CLOSED,
                    "the adapter was disconnected");
    break;
  case COVET_STOP_CANCEL:
  case COVET_STOP_NONE:
    covet_error_set(covet_op_fault(op), COVET_ERROR_CANCELLED,
                    "the call was cancelled");
    break;
  }
  op->error->phase = op->phase;
}

/* --- Makers ------------------------------------------------------------------ */

covet_op *covet_op_sleep(covet_runtime *rt, uint64_t delay_us)
{
  covet_op *op = covet_op_new(rt, COVET_OP_SLEEP);

  if (op != NULL) {
    op->timeout_us = delay_us;
  }
  return op;
}

static covet_op *new_for(covet_adapter *adapter, covet_op_type type)
{
  covet_op *op = covet_op_new(adapter->runtime, type);

  if (op != NULL) {
    op->adapter = adapter;
  }
  return op;
}

covet_op *covet_op_connect(covet_adapter *adapter)
{
  return new_for(adapter, COVET_OP_CONNECT);
}

covet_op *covet_op_disconnect(covet_adapter *adapter)
{
  return new_for(adapter, COVET_OP_DISCONNECT);
}

covet_op *covet_op_drain(covet_adapter *adapter)
{
  return new_for(adapter, COVET_OP_DRAIN);
}

static covet_op *new_with_text(covet_adapter *adapter, covet_op_type type,
                               const char *text, size_t length, unsigned flags)
{
  covet_op *op = new_for(adapter, type);

  if (op == NULL) {
    return NULL;
  }
  if (text == NULL) {
    text = "";
    length = 0;
  }
  op->flags = flags;
  op->sql = covet_arena_copy(&op->arena, text, length);
  op->sql_length = length;
  op->sql_hash = covet_stmt_hash(text, length);
  if (op->sql == NULL) {
    covet_op_recycle(op);
    return NULL;
  }
  return op;
}

covet_op *covet_op_query(covet_adapter *adapter, const char *sql, size_t length,
                         unsigned flags)
{
  return new_with_text(adapter, COVET_OP_QUERY, sql, length, flags);
}

covet_op *covet_op_call(covet_adapter *adapter, const char *name, size_t length,
                        unsigned flags)
{
  return new_with_text(adapter, COVET_OP_CALL, name, length, flags);
}

covet_op *covet_op_acquire(covet_adapter *adapter, int read_only)
{
  covet_op *op = new_for(adapter, COVET_OP_ACQUIRE);

  if (op != NULL && read_only) {
    op->flags |= COVET_QUERY_READ_ONLY;
  }
  return op;
}

covet_op *covet_op_release(covet_adapter *adapter, covet_lease lease)
{
  covet_op *op = new_for(adapter, COVET_OP_RELEASE);

  if (op != NULL) {
    op->lease = lease;
  }
  return op;
}

/* Once submitted it belongs to the loop's thread and to workers. */
static bool is_open(const covet_op *op)
{
  return op->live && !op->submitted;
}

void covet_op_set_lease(covet_op *op, covet_lease lease)
{
  if (is_open(op) &&
      (op->type == COVET_OP_QUERY || op->type == COVET_OP_CALL)) {
    op->lease = lease;
  }
}

void covet_op_set_owner(covet_op *op, uint64_t owner)
{
  op->owner = owner;
}

void covet_op_set_timeout(covet_op *op, uint64_t timeout_ms)
{
  if (is_open(op)) {
    op->timeout_us =
        timeout_ms < UINT64_MAX / 1000 ? timeout_ms * 1000 : UINT64_MAX;
  }
}

void covet_op_set_chunk(covet_op *op, uint32_t rows)
{
  if (is_open(op)) {
    op->chunk = rows;
  }
}

void covet_op_set_width(covet_op *op, uint32_t width)
{
  if (is_open(op)) {
    op->width = width;
  }
}

void covet_op_set_data(covet_op *op, void *data)
{
  op->data = data;
}

void *covet_op_data(const covet_op *op)
{
  return op->data;
}

/* --- Parameters ---------------------------------------------------------------- */

/* The cells live in the arena: growing leaves the old ones behind, which
 * doubling bounds. */
static int add_param(covet_op *op, covet_kind kind, covet_cell **out)
{
  covet_cell *cell;

  if (!is_open(op)) {
    return COVET_EUSAGE;
  }
  if (op->param_count == op->param_capacity) {
    uint32_t capacity = op->param_capacity == 0 ? 4 : op->param_capacity * 2;
    covet_cell *cells =
        capacity < op->param_capacity
            ? NULL
            : covet_arena_alloc(&op->arena, sizeof(covet_cell) * capacity);

    if (cells == NULL) {
      return COVET_ENOMEM;
    }
    if (op->param_count > 0) {
      memcpy(cells, op->params, sizeof(covet_cell) * op->param_count);
    }
    op->params = cells;
    op->param_capacity = capacity;
  }
  cell = &op->params[op->param_count++];
  cell->kind = kind;
  cell->length = 0;
  *out = cell;
  return 0;
}

int covet_op_add_null(covet_op *op)
{
  covet_cell *cell;
  int status = add_param(op, COVET_NULL, &cell);

  if (status == 0) {
    cell->integer = 0;
    cell->length = -1;
  }
  return status;
}

static int add_whole(covet_op *op, covet_kind kind, int64_t value)
{
  covet_cell *cell;
  int status = add_param(op, kind, &cell);

  if (status == 0) {
    cell->integer = value;
  }
  return status;
}

int covet_op_add_integer(covet_op *op, int64_t value)
{
  return add_whole(op, COVET_INTEGER, value);
}

int covet_op_add_unsigned(covet_op *op, uint64_t value)
{
  covet_cell *cell;
  int status;

  if (value <= INT64_MAX) {
    return covet_op_add_integer(op, (int64_t) value);
  }
  if (op->adapter == NULL || !op->adapter->driver->takes_unsigned) {
    return COVET_EUNSUPPORTED;
  }
  status = add_param(op, COVET_UNSIGNED, &cell);
  if (status == 0) {
    cell->natural = value;
  }
  return status;
}

int covet_op_add_boolean(covet_op *op, int value)
{
  return add_whole(op, COVET_BOOLEAN, value != 0);
}

int covet_op_add_number(covet_op *op, double value)
{
  covet_cell *cell;
  int status = add_param(op, COVET_FLOAT, &cell);

  if (status == 0) {
    cell->number = value;
  }
  return status;
}

static bool are_bytes(const char *bytes, size_t length)
{
  return length <= INT32_MAX && (bytes != NULL || length == 0);
}

int covet_op_add_borrowed(covet_op *op, covet_kind kind, const char *bytes,
                          size_t length)
{
  covet_cell *cell;
  int status;

  if ((kind != COVET_TEXT && kind != COVET_BLOB) || !are_bytes(bytes, length)) {
    return COVET_EUSAGE;
  }
  status = add_param(op, kind, &cell);
  if (status == 0) {
    cell->bytes = bytes == NULL ? "" : bytes;
    cell->length = (int32_t) length;
  }
  return status;
}

static int add_copied(covet_op *op, covet_kind kind, const char *bytes,
                      size_t length)
{
  const char *copy;

  if (!is_open(op) || !are_bytes(bytes, length)) {
    return COVET_EUSAGE;
  }
  copy = covet_arena_copy(&op->arena, bytes == NULL ? "" : bytes, length);
  return copy == NULL ? COVET_ENOMEM
                      : covet_op_add_borrowed(op, kind, copy, length);
}

int covet_op_add_text(covet_op *op, const char *bytes, size_t length)
{
  return add_copied(op, COVET_TEXT, bytes, length);
}

int covet_op_add_blob(covet_op *op, const char *bytes, size_t length)
{
  return add_copied(op, COVET_BLOB, bytes, length);
}

/* --- What the consumer reads ----------------------------------------------------- */

typedef struct place_question {
  covet_question question;
  const covet_op *op;
  covet_place place;
  int status;
} place_question;

/* On the loop's thread: an operation that has not finished has its adapter. While
 * a worker has it, its lane may be changed there. */
static void find_place(covet_question *question)
{
  place_question *self = COVET_CONTAINER(question, place_question, question);
  const covet_op *op = self->op;
  const covet_lane *lane;

  self->status = COVET_EUNSUPPORTED;
  if (op->state == COVET_OP_NEW || op->state == COVET_OP_FINISHED ||
      op->adapter->state != COVET_ADAPTER_READY) {
    return;
  }
  lane = op->connection != NULL ? op->connection->lane
                                : &op->adapter->lanes[op->lane];
  self->place.lane = lane->index;
  self->place.size = covet_pool_get_config(lane->pool)->max_size;
  self->place.queued = op->state == COVET_OP_QUEUED;
  self->status = 0;
}

int covet_op_place(const covet_op *op, covet_place *place)
{
  place_question question = {.question = {.answer = find_place}, .op = op};

  if (!op->submitted || op->finished || op->type == COVET_OP_SLEEP ||
      op->lease != 0) {
    return COVET_EUNSUPPORTED;
  }
  covet_runtime_ask(op->runtime, &question.question);
  if (question.status == 0) {
    *place = question.place;
  }
  return question.status;
}

int covet_op_finished(const covet_op *op)
{
  return op->finished;
}

/* Before the end the error and the result are the worker's. */
const covet_error *covet_op_error(const covet_op *op)
{
  return op->finished ? op->error : NULL;
}

const covet_result *covet_op_result(const covet_op *op)
{
  static const covet_result none = {.affected_rows = -1};

  return op->finished ? &op->result : &none;
}
