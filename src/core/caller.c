/* The caller's thread: submitting, reaping, taking rows, giving back. */
#include "adapter.h"
#include "error.h"
#include "runtime.h"
#include "runtime_parts.h"

enum {
  TURN_US = 1000, /* answers at once for so long, then the loop runs */
  TURN_CHECK = 32 /* answers between two looks at the clock */
};

/* What is under way keeps a caller's loop alive. */
static void count_in(covet_op *op)
{
  covet_runtime *rt = op->runtime;

  op->counted = true;
  if (rt->pending++ == 0 && rt->mode == COVET_CALLER_LOOP) {
    uv_ref((uv_handle_t *) &rt->wake);
  }
}

static void count_out(covet_op *op)
{
  covet_runtime *rt = op->runtime;

  if (!op->counted) {
    return;
  }
  op->counted = false;
  if (--rt->pending == 0 && rt->mode == COVET_CALLER_LOOP) {
    uv_unref((uv_handle_t *) &rt->wake);
  }
}

static void ask(covet_op *op, unsigned what)
{
  covet_runtime *rt = op->runtime;

  if (rt->mode == COVET_CALLER_LOOP) {
    covet_loop_carry_out(op, what);
    return;
  }
  uv_mutex_lock(&rt->lock);
  op->asked |= what;
  if (!node_queued(&op->inbox_node)) {
    queue_push(&rt->inbox, &op->inbox_node);
  }
  uv_mutex_unlock(&rt->lock);
  uv_async_send(&rt->wake);
}

/* Whether answers came at once for so long that the loop should run now. */
static bool turn_is_over(covet_runtime *rt)
{
  return ++rt->finished_at_once % TURN_CHECK == 0 &&
         covet_now_us() - rt->turn_us > TURN_US;
}

bool covet_caller_should_submit(covet_runtime *rt)
{
  if ((rt->finished_at_once + 1) % TURN_CHECK == 0 &&
      covet_now_us() - rt->turn_us > TURN_US) {
    return true;
  }
  rt->finished_at_once++;
  return false;
}

int covet_submit(covet_op *op)
{
  covet_runtime *rt = op->runtime;

  if (!op->live || op->submitted) {
    return COVET_EUSAGE;
  }
  if (covet_runtime_forked(rt)) {
    covet_error_set(covet_op_fault(op), COVET_ERROR_USAGE,
                    "this handle was made before a fork; the child process "
                    "must make its own");
    op->finished = true;
    op->told = true; /* the lock may be held for ever in a child */
    return COVET_EFORKED;
  }
  op->submitted = true;
  if (rt->mode == COVET_OWN_THREAD) {
    count_in(op);
    ask(op, COVET_ASK_SUBMIT);
    return 0;
  }
  rt->submitting = op;
  covet_loop_start(op);
  rt->submitting = NULL;
  if (op->finished && !turn_is_over(rt)) {
    op->told = true;
    op->seen = true;
    return 1;
  }
  count_in(op);
  uv_mutex_lock(&rt->lock);
  if (op->finished || op->batch_count > 0) {
    covet_ready_push(rt, op);
  }
  uv_mutex_unlock(&rt->lock);
  return 0;
}

/* A connection that was lent to an operation whose owner gave it up before it
 * knew: nobody else would give it back. */
static void give_back_unseen(covet_op *op)
{
  covet_op *release;

  if (op->type != COVET_OP_ACQUIRE || op->seen || op->result.lease == 0) {
    return;
  }
  release = covet_op_new(op->runtime, COVET_OP_RELEASE);
  if (release != NULL) {
    release->adapter = op->adapter;
    release->lease = op->result.lease;
    release->orphan = true;
    (void) covet_submit(release);
    covet_op_free(release);
  }
}

/* Nobody has the operation any more. */
static void discard(covet_op *op)
{
  count_out(op);
  give_back_unseen(op);
  covet_op_recycle(op);
}

/* Whether the loop's thread is done with a finished operation; if not, it stands
 * on the completion queue again, or put_down brings it back there. */
static bool is_at_rest(covet_op *op)
{
  bool at_rest;

  uv_mutex_lock(&op->runtime->lock);
  at_rest = !node_queued(&op->inbox_node) && !node_queued(&op->ready_node) &&
            !op->carried;
  uv_mutex_unlock(&op->runtime->lock);
  return at_rest;
}

covet_op *covet_reap(covet_runtime *rt)
{
  while (!covet_runtime_forked(rt)) {
    covet_node *node;
    covet_op *op;

    uv_mutex_lock(&rt->lock);
    node = queue_pop(&rt->ready);
    uv_mutex_unlock(&rt->lock);
    if (node == NULL) {
      return NULL;
    }
    op = COVET_CONTAINER(node, covet_op, ready_node);
    if (op->finished) {
      count_out(op);
    }
    if (!op->abandoned) {
      op->seen = op->finished;
      op->reaped = true;
      return op;
    }
    if (op->finished && is_at_rest(op)) {
      discard(op);
    }
  }
  return NULL;
}

covet_batch *covet_op_take(covet_op *op, int *more)
{
  covet_runtime *rt = op->runtime;
  covet_batch *batches;
  bool going_on;

  op->reaped = false;

  if ((rt->mode == COVET_CALLER_LOOP || op->told) && op->finished) {
    batches = op->first; /* nobody else has it any more */
    op->first = NULL;
    op->last = NULL;
    if (more != NULL) {
      *more = 0;
    }
    return batches;
  }
  uv_mutex_lock(&rt->lock);
  batches = op->first;
  op->first = NULL;
  op->last = NULL;
  op->batch_count = 0;
  going_on = !op->finished;
  uv_mutex_unlock(&rt->lock);
  if (more != NULL) {
    *more = going_on;
  }
  if (going_on && batches != NULL) {
    ask(op, COVET_ASK_NEXT); /* it fetches ahead while these are read */
  }
  return batches;
}

/* Whether somebody who always finds news at once has kept the loop from running
 * for too long. */
static bool holds_up(covet_runtime *rt)
{
  return rt->mode == COVET_CALLER_LOOP &&
         covet_now_us() - rt->turn_us > TURN_US;
}

int covet_op_next(covet_op *op)
{
  covet_runtime *rt = op->runtime;
  bool news;
  bool later = false;

  if (!op->submitted) {
    return 0;
  }
  uv_mutex_lock(&rt->lock);
  news = op->finished || op->batch_count > 0;
  op->armed = !news;
  if (news && !op->reaped && holds_up(rt)) {
    later = true;
    (void) covet_ready_push(rt, op);
  }
  uv_mutex_unlock(&rt->lock);
  if (later) {
    return 0;
  }
  if (news) {
    if (op->finished) {
      op->seen = true;
      count_out(op);
    }
    return 1;
  }
  ask(op, COVET_ASK_NEXT);
  return 0;
}

void covet_cancel(covet_op *op)
{
  if (op->submitted && !op->finished && !covet_runtime_forked(op->runtime)) {
    ask(op, COVET_ASK_CANCEL);
  }
}

/* Whether nobody else has the operation any more; else it becomes nobody's, is
 * asked to end, and covet_reap recycles it. */
static bool take_back(covet_op *op)
{
  covet_runtime *rt = op->runtime;
  bool finished;
  bool ours;

  uv_mutex_lock(&rt->lock);
  finished = op->finished;
  ours = finished && !node_queued(&op->inbox_node) && !op->carried;
  if (ours && node_queued(&op->ready_node)) {
    queue_remove(&rt->ready, &op->ready_node);
  }
  op->abandoned = !ours;
  uv_mutex_unlock(&rt->lock);
  if (!finished && !covet_runtime_forked(rt)) {
    ask(op, COVET_ASK_CANCEL);
  }
  return ours;
}

void covet_op_free(covet_op *op)
{
  if (op == NULL || !op->live || op->abandoned) {
    return; /* there is none any more */
  }
  if (!op->submitted || op->told || take_back(op)) {
    discard(op);
  }
}
