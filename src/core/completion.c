/* Telling an operation's owner of rows and of its end. */
#include "adapter.h"
#include "runtime.h"
#include "runtime_parts.h"
#include "waker.h"

#include <sys/eventfd.h>

/* With the lock held. True: the consumer has to be woken. */
bool covet_ready_push(covet_runtime *rt, covet_op *op)
{
  if (node_queued(&op->ready_node)) {
    return false;
  }
  op->armed = false;
  queue_push(&rt->ready, &op->ready_node);
  return rt->ready.count == 1;
}

void covet_ready_wake(covet_runtime *rt)
{
  if (rt->mode == COVET_CALLER_LOOP) {
    uv_async_send(&rt->wake);
    return;
  }
  (void) eventfd_write(rt->ready_fd, 1);
  uv_mutex_lock(&rt->lock);
  covet_waker_wake(rt->waker);
  uv_mutex_unlock(&rt->lock);
}

static void append(covet_op *op, covet_batch *batch)
{
  if (op->last == NULL) {
    op->first = batch;
  } else {
    op->last->next = batch;
  }
  op->last = batch;
  op->batch_count++;
}

uint32_t covet_op_deliver(covet_op *op, covet_batch *batch)
{
  covet_runtime *rt = op->runtime;
  bool wake = false;
  uint32_t untaken;

  uv_mutex_lock(&rt->lock);
  append(op, batch);
  untaken = op->batch_count;
  if (op->armed) {
    wake = covet_ready_push(rt, op);
  }
  uv_mutex_unlock(&rt->lock);
  if (wake) {
    covet_ready_wake(rt);
  }
  return untaken;
}

void covet_op_append(covet_op *op, covet_batch *batch)
{
  uv_mutex_lock(&op->runtime->lock);
  append(op, batch);
  uv_mutex_unlock(&op->runtime->lock);
}

void covet_op_append_alone(covet_op *op, covet_batch *batch)
{
  append(op, batch);
}

uint32_t covet_op_untaken(covet_op *op)
{
  uint32_t untaken;

  uv_mutex_lock(&op->runtime->lock);
  untaken = op->batch_count;
  uv_mutex_unlock(&op->runtime->lock);
  return untaken;
}

/* An operation that ends within covet_submit is told by that. Rows of it may have
 * been delivered before, and there is news of it then: no more. */
static void finish_within_submit(covet_op *op)
{
  covet_runtime *rt = op->runtime;

  if (node_queued(&op->ready_node)) {
    uv_mutex_lock(&rt->lock);
    queue_remove(&rt->ready, &op->ready_node);
    uv_mutex_unlock(&rt->lock);
  }
  op->finished = true;
}

void covet_op_finish(covet_op *op)
{
  covet_runtime *rt = op->runtime;
  bool wake = false;

  covet_heap_remove(&rt->deadlines, &op->deadline);
  if (op->adapter != NULL) {
    covet_adapter_note(op);
  }
  op->state = COVET_OP_FINISHED;
  op->connection = NULL;
  if (op == rt->submitting) {
    finish_within_submit(op);
    return;
  }
  uv_mutex_lock(&rt->lock);
  op->finished = true;
  if (op->armed || op->abandoned) {
    wake = covet_ready_push(rt, op);
  }
  uv_mutex_unlock(&rt->lock);
  if (wake && !(rt->polled && rt->mode == COVET_CALLER_LOOP)) {
    covet_ready_wake(rt);
  }
}
