/* The loop's thread: deadlines, what the caller's thread asks for, messages. */
#include "adapter.h"
#include "error.h"
#include "runtime.h"
#include "runtime_parts.h"

/* One timer serves all deadlines; it is only ever moved forward in time when it
 * fires, so that adding and removing deadlines costs no more than the heap. */
static void on_timer(uv_timer_t *timer);

static void set_timer(covet_runtime *rt, uint64_t at_us)
{
  uint64_t now = covet_now_us();
  uint64_t delay_us = at_us > now ? at_us - now : 0;

  uv_update_time(rt->loop);
  uv_timer_start(&rt->timer, on_timer, delay_us / 1000 + (delay_us % 1000 != 0),
                 0);
  rt->timer_us = at_us;
}

static void expire(covet_op *op)
{
  if (op->type == COVET_OP_SLEEP) {
    covet_op_finish(op);
  } else {
    covet_op_stop(op, COVET_STOP_TIMEOUT);
  }
}

/* The timer fires no later than at `at_us`. */
static void need_timer(covet_runtime *rt, uint64_t at_us)
{
  if (at_us < rt->timer_us) {
    set_timer(rt, at_us);
  }
}

static void expire_ops(covet_runtime *rt, uint64_t now)
{
  covet_heap_node *node;

  while ((node = rt->deadlines.first) != NULL && node->key <= now) {
    covet_heap_remove(&rt->deadlines, node);
    expire(COVET_CONTAINER(node, covet_op, deadline));
  }
  if (node != NULL) {
    need_timer(rt, node->key);
  }
}

static void ring_alarms(covet_runtime *rt, uint64_t now)
{
  covet_heap_node *node;

  while ((node = rt->alarms.first) != NULL && node->key <= now) {
    covet_heap_remove(&rt->alarms, node);
    covet_lane_tick(COVET_CONTAINER(node, covet_lane, alarm));
  }
  if (node != NULL) {
    need_timer(rt, node->key);
  }
}

static void on_timer(uv_timer_t *timer)
{
  covet_runtime *rt = timer->data;
  uint64_t now = covet_now_us();

  rt->timer_us = UINT64_MAX;
  expire_ops(rt, now);
  ring_alarms(rt, now);
}

void covet_runtime_set_alarm(covet_runtime *rt, covet_heap_node *alarm,
                             uint64_t at_us)
{
  if (alarm->queued && alarm->key == at_us) {
    return;
  }
  covet_heap_remove(&rt->alarms, alarm);
  if (at_us != UINT64_MAX) {
    covet_heap_add(&rt->alarms, alarm, at_us);
    need_timer(rt, at_us);
  }
}

void covet_op_start_deadline(covet_op *op)
{
  covet_runtime *rt = op->runtime;
  uint64_t now;

  if (op->timeout_us == 0 || op->deadline.queued) {
    return;
  }
  now = covet_now_us();
  covet_heap_add(&rt->deadlines, &op->deadline,
                 op->timeout_us < UINT64_MAX - now ? now + op->timeout_us
                                                   : UINT64_MAX);
  need_timer(rt, op->deadline.key);
}

void covet_op_stop(covet_op *op, covet_stop reason)
{
  int none = COVET_STOP_NONE;

  if (op->state == COVET_OP_FINISHED || op->type == COVET_OP_RELEASE ||
      !atomic_compare_exchange_strong(&op->stop, &none, (int) reason)) {
    return;
  }
  switch (op->state) {
  case COVET_OP_RUNNING:
    if (op->connection != NULL) {
      op->adapter->driver->cancel(op->connection, op);
    } else if (op->type == COVET_OP_SLEEP) {
      covet_op_fault_stopped(op);
      covet_op_finish(op);
    } else if (op->type == COVET_OP_DISCONNECT) {
      covet_adapter_settle(op->adapter);
    } else if (op->type == COVET_OP_DRAIN) {
      covet_adapter_stop_drain(op);
    } else {
      op->adapter->driver->cancel(NULL, op);
    }
    break;
  case COVET_OP_QUEUED:
    if (reason == COVET_STOP_TIMEOUT && op->waiter.state != COVET_WAITER_NONE) {
      covet_lane_tick(&op->adapter->lanes[op->lane]); /* it says so itself */
    } else if (op->driver == NULL) { /* else wound up when its turn comes */
      covet_op_fault_stopped(op);
      covet_op_finish(op);
    }
    break;
  case COVET_OP_SUSPENDED:
    covet_connection_resume(op);
    break;
  case COVET_OP_NEW:
  case COVET_OP_FINISHED:
    break;
  }
}

static bool has_adapter(covet_runtime *rt, const covet_adapter *adapter)
{
  covet_node *node = queue_first(&rt->adapters);

  while (node != NULL &&
         COVET_CONTAINER(node, covet_adapter, node) != adapter) {
    node = queue_after(&rt->adapters, node);
  }
  return node != NULL;
}

void covet_loop_start(covet_op *op)
{
  if (op->orphan && !has_adapter(op->runtime, op->adapter)) {
    op->adapter = NULL; /* it is gone, and its connections with it */
    covet_op_finish(op);
    return;
  }
  if (op->type == COVET_OP_SLEEP) {
    op->state = COVET_OP_RUNNING;
    covet_op_start_deadline(op);
    if (!op->deadline.queued) {
      covet_op_finish(op);
    }
    return;
  }
  covet_adapter_dispatch(op);
}

/* What the caller's thread asked for, on the loop's thread. */
void covet_loop_carry_out(covet_op *op, unsigned asked)
{
  if (asked & COVET_ASK_SUBMIT) {
    covet_loop_start(op);
  }
  if ((asked & COVET_ASK_NEXT) && op->state == COVET_OP_SUSPENDED) {
    covet_connection_resume(op);
  }
  if (asked & COVET_ASK_CANCEL) {
    covet_op_stop(op, COVET_STOP_CANCEL);
  }
}

/* The owner may have freed the operation while it was carried. */
static void put_down(covet_op *op)
{
  covet_runtime *rt = op->runtime;
  bool wake = false;

  uv_mutex_lock(&rt->lock);
  op->carried = false;
  if (op->abandoned && op->finished) {
    wake = covet_ready_push(rt, op);
  }
  uv_mutex_unlock(&rt->lock);
  if (wake) {
    covet_ready_wake(rt);
  }
}

static void drain_inbox(covet_runtime *rt)
{
  for (;;) {
    covet_node *node;
    covet_op *op = NULL;
    unsigned asked = 0;

    uv_mutex_lock(&rt->lock);
    node = queue_pop(&rt->inbox);
    if (node != NULL) {
      op = COVET_CONTAINER(node, covet_op, inbox_node);
      asked = op->asked;
      op->asked = 0;
      op->carried = true;
    }
    uv_mutex_unlock(&rt->lock);
    if (op == NULL) {
      return;
    }
    covet_loop_carry_out(op, asked);
    put_down(op);
  }
}

static void take_posts(covet_runtime *rt, covet_queue *posts)
{
  queue_init(posts);
  uv_mutex_lock(&rt->lock);
  queue_move(posts, &rt->posts);
  uv_mutex_unlock(&rt->lock);
}

static void run_posts(covet_queue *posts)
{
  covet_node *node;

  while ((node = queue_pop(posts)) != NULL) {
    covet_post *post = COVET_CONTAINER(node, covet_post, node);

    post->run(post);
  }
}

void covet_loop_turn_end(covet_runtime *rt)
{
  covet_node *node = queue_first(&rt->adapters);

  while (node != NULL) {
    covet_node *after = queue_after(&rt->adapters, node);

    covet_adapter_turn_end(COVET_CONTAINER(node, covet_adapter, node));
    node = after;
  }
}

void covet_loop_on_wake(uv_async_t *wake)
{
  covet_runtime *rt = wake->data;
  covet_queue posts;

  /* An adapter's farewell is a post: what was submitted before it goes first. */
  take_posts(rt, &posts);
  drain_inbox(rt);
  run_posts(&posts);
  uv_mutex_lock(&rt->lock);
  if (rt->stopping) {
    uv_stop(rt->loop);
  }
  uv_mutex_unlock(&rt->lock);
}

void covet_loop_on_prepare(uv_prepare_t *prepare)
{
  covet_runtime *rt = prepare->data;

  covet_loop_turn_end(rt);
  rt->turn_us = covet_now_us();
}

void covet_runtime_post(covet_runtime *rt, covet_post *post)
{
  uv_mutex_lock(&rt->lock);
  queue_push(&rt->posts, &post->node);
  uv_mutex_unlock(&rt->lock);
  uv_async_send(&rt->wake);
}

/* The question is gone as soon as its asker knows. */
static void on_question(covet_post *post)
{
  covet_question *question = COVET_CONTAINER(post, covet_question, post);
  covet_runtime *rt = question->runtime;

  question->answer(question);
  uv_mutex_lock(&rt->lock);
  question->answered = true;
  uv_cond_signal(&rt->answered);
  uv_mutex_unlock(&rt->lock);
}

void covet_runtime_ask(covet_runtime *rt, covet_question *question)
{
  if (rt->mode == COVET_CALLER_LOOP || covet_runtime_forked(rt)) {
    question->answer(question);
    return;
  }
  question->runtime = rt;
  question->answered = false;
  question->post.run = on_question;
  covet_runtime_post(rt, &question->post);
  uv_mutex_lock(&rt->lock);
  while (!question->answered) {
    uv_cond_wait(&rt->answered, &rt->lock);
  }
  uv_mutex_unlock(&rt->lock);
}
