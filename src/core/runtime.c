#include "runtime.h"

#include "adapter.h"
#include "error.h"
#include "waker.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
  TURN_US = 1000, /* answers at once for so long, then the loop runs */
  TURN_CHECK = 32 /* answers between two looks at the clock */
};

uint64_t covet_now_us(void)
{
  return uv_hrtime() / 1000;
}

/* Counts the forks behind this process; asking getpid is a system call. It is
 * the process's own, like its pid: no runtime could hold it. */
static atomic_uint forks;
static pthread_once_t watch_forks = PTHREAD_ONCE_INIT;

static void on_fork(void)
{
  atomic_fetch_add(&forks, 1);
}

static void start_watching(void)
{
  (void) pthread_atfork(NULL, NULL, on_fork);
}

bool covet_runtime_forked(const covet_runtime *rt)
{
  return rt->forks != atomic_load_explicit(&forks, memory_order_relaxed);
}

/* --- The loop's thread ------------------------------------------------------------ */

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

static void on_timer(uv_timer_t *timer)
{
  covet_runtime *rt = timer->data;
  uint64_t now = covet_now_us();
  covet_op *op;

  rt->timer_us = UINT64_MAX;
  while ((op = covet_deadlines_first(&rt->deadlines)) != NULL &&
         op->deadline_us <= now) {
    covet_deadlines_remove(&rt->deadlines, op);
    expire(op);
  }
  if (op != NULL) {
    set_timer(rt, op->deadline_us);
  }
}

void covet_op_start_deadline(covet_op *op)
{
  covet_runtime *rt = op->runtime;
  uint64_t now;

  if (op->timeout_us == 0 || op->heap_index != 0) {
    return;
  }
  now = covet_now_us();
  op->deadline_us =
      op->timeout_us < UINT64_MAX - now ? now + op->timeout_us : UINT64_MAX;
  if (covet_deadlines_add(&rt->deadlines, op) == 0 &&
      op->deadline_us < rt->timer_us) {
    set_timer(rt, op->deadline_us);
  }
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
    }
    break;
  case COVET_OP_QUEUED:
    if (op->driver == NULL) { /* else it is wound up when its turn comes */
      covet_op_fault_stopped(op);
      covet_op_finish(op);
    }
    break;
  case COVET_OP_SUSPENDED:
    covet_lane_resume(op);
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

static void start(covet_op *op)
{
  if (op->orphan && !has_adapter(op->runtime, op->adapter)) {
    op->adapter = NULL; /* it is gone, and its connections with it */
    covet_op_finish(op);
    return;
  }
  if (op->type == COVET_OP_SLEEP) {
    op->state = COVET_OP_RUNNING;
    covet_op_start_deadline(op);
    if (op->heap_index == 0) {
      covet_op_finish(op);
    }
    return;
  }
  covet_adapter_dispatch(op);
}

/* What the caller's thread asked for, on the loop's thread. */
static void carry_out(covet_op *op, unsigned asked)
{
  if (asked & COVET_ASK_SUBMIT) {
    start(op);
  }
  if ((asked & COVET_ASK_NEXT) && op->state == COVET_OP_SUSPENDED) {
    covet_lane_resume(op);
  }
  if (asked & COVET_ASK_CANCEL) {
    covet_op_stop(op, COVET_STOP_CANCEL);
  }
}

static bool push_ready(covet_runtime *rt, covet_op *op);
static void wake_consumer(covet_runtime *rt);

/* The owner may have freed the operation while it was carried. */
static void put_down(covet_op *op)
{
  covet_runtime *rt = op->runtime;
  bool wake = false;

  uv_mutex_lock(&rt->lock);
  op->carried = false;
  if (op->abandoned && op->finished) {
    wake = push_ready(rt, op);
  }
  uv_mutex_unlock(&rt->lock);
  if (wake) {
    wake_consumer(rt);
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
    carry_out(op, asked);
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

static void turn_end(covet_runtime *rt)
{
  covet_node *node = queue_first(&rt->adapters);

  while (node != NULL) {
    covet_node *after = queue_after(&rt->adapters, node);

    covet_adapter_turn_end(COVET_CONTAINER(node, covet_adapter, node));
    node = after;
  }
}

static void on_wake(uv_async_t *wake)
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

static void on_prepare(uv_prepare_t *prepare)
{
  covet_runtime *rt = prepare->data;

  turn_end(rt);
  rt->turn_us = covet_now_us();
}

void covet_runtime_post(covet_runtime *rt, covet_post *post)
{
  uv_mutex_lock(&rt->lock);
  queue_push(&rt->posts, &post->node);
  uv_mutex_unlock(&rt->lock);
  uv_async_send(&rt->wake);
}

/* --- Telling ------------------------------------------------------------------------ */

/* With the lock held. True: the consumer has to be woken. */
static bool push_ready(covet_runtime *rt, covet_op *op)
{
  if (node_queued(&op->ready_node)) {
    return false;
  }
  op->armed = false;
  queue_push(&rt->ready, &op->ready_node);
  return rt->ready.count == 1;
}

static void wake_consumer(covet_runtime *rt)
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
    wake = push_ready(rt, op);
  }
  uv_mutex_unlock(&rt->lock);
  if (wake) {
    wake_consumer(rt);
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

void covet_op_finish(covet_op *op)
{
  covet_runtime *rt = op->runtime;
  bool wake = false;

  covet_deadlines_remove(&rt->deadlines, op);
  if (op->adapter != NULL) {
    covet_adapter_note(op);
  }
  op->state = COVET_OP_FINISHED;
  op->connection = NULL;
  if (op == rt->submitting) {
    op->finished = true; /* still inside covet_submit: it tells */
    return;
  }
  uv_mutex_lock(&rt->lock);
  op->finished = true;
  if (op->armed || op->abandoned) {
    wake = push_ready(rt, op);
  }
  uv_mutex_unlock(&rt->lock);
  if (wake) {
    wake_consumer(rt);
  }
}

/* --- The caller's thread -------------------------------------------------------------- */

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
    carry_out(op, what);
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

int covet_submit(covet_op *op)
{
  covet_runtime *rt = op->runtime;

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
  start(op);
  rt->submitting = NULL;
  if (op->finished && !turn_is_over(rt)) {
    op->told = true;
    op->seen = true;
    return 1;
  }
  count_in(op);
  uv_mutex_lock(&rt->lock);
  if (op->finished || op->batch_count > 0) {
    push_ready(rt, op);
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
  for (;;) {
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
      return op;
    }
    if (op->finished && is_at_rest(op)) {
      discard(op);
    }
  }
}

covet_batch *covet_op_take(covet_op *op, int *more)
{
  covet_runtime *rt = op->runtime;
  covet_batch *batches;
  bool going_on;

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

  uv_mutex_lock(&rt->lock);
  news = op->finished || op->batch_count > 0;
  op->armed = !news;
  if (news && holds_up(rt)) {
    later = true;
    (void) push_ready(rt, op);
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
  if (!op->finished && !covet_runtime_forked(op->runtime)) {
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
  if (op == NULL) {
    return;
  }
  if (!op->submitted || op->told || take_back(op)) {
    discard(op);
  }
}

int covet_runtime_pending(const covet_runtime *rt)
{
  return rt->pending;
}

int covet_runtime_has_handles(covet_runtime *rt)
{
  bool alive;

  if (rt->mode == COVET_OWN_THREAD) {
    return 0;
  }
  uv_unref((uv_handle_t *) &rt->wake);
  alive = uv_loop_alive(rt->loop);
  if (rt->pending > 0) {
    uv_ref((uv_handle_t *) &rt->wake);
  }
  return alive;
}

int covet_runtime_fd(const covet_runtime *rt)
{
  return rt->mode == COVET_OWN_THREAD ? rt->ready_fd : uv_backend_fd(rt->loop);
}

static bool has_ready(covet_runtime *rt)
{
  bool ready;

  uv_mutex_lock(&rt->lock);
  ready = !queue_empty(&rt->ready);
  uv_mutex_unlock(&rt->lock);
  return ready;
}

int covet_runtime_timeout_ms(covet_runtime *rt)
{
  if (has_ready(rt)) {
    return 0;
  }
  return rt->mode == COVET_OWN_THREAD ? -1 : uv_backend_timeout(rt->loop);
}

static void on_limit(uv_timer_t *timer)
{
  (void) timer;
}

/* uv_run waits for any event; a timer of its own bounds the wait. */
static void run_loop(covet_runtime *rt, int timeout_ms)
{
  if (timeout_ms == 0 || has_ready(rt)) {
    turn_end(rt);
    uv_run(rt->loop, UV_RUN_NOWAIT);
  } else if (timeout_ms < 0) {
    uv_run(rt->loop, UV_RUN_ONCE);
  } else {
    uv_update_time(rt->loop);
    uv_timer_start(&rt->limit, on_limit, (uint64_t) timeout_ms, 0);
    uv_ref((uv_handle_t *) &rt->limit); /* alone it keeps uv_run waiting */
    uv_run(rt->loop, UV_RUN_ONCE);
    uv_unref((uv_handle_t *) &rt->limit);
    uv_timer_stop(&rt->limit);
  }
}

static void wait_ready(covet_runtime *rt, int timeout_ms)
{
  struct pollfd fd = {rt->ready_fd, POLLIN, 0};
  eventfd_t count;

  if (!has_ready(rt)) {
    (void) poll(&fd, 1, timeout_ms);
  }
  (void) eventfd_read(rt->ready_fd, &count);
}

int covet_runtime_step(covet_runtime *rt, int timeout_ms)
{
  if (covet_runtime_forked(rt)) {
    return 0;
  }
  if (rt->mode == COVET_OWN_THREAD) {
    wait_ready(rt, timeout_ms);
  } else {
    run_loop(rt, timeout_ms);
  }
  return rt->pending;
}

/* --- Life -------------------------------------------------------------------------------- */

static void init_state(covet_runtime *rt, const covet_runtime_options *options)
{
  if (options != NULL) {
    rt->mode = options->mode;
    rt->loop = options->loop;
  }
  (void) pthread_once(&watch_forks, start_watching);
  rt->forks = atomic_load(&forks);
  rt->ready_fd = -1;
  rt->timer_us = UINT64_MAX;
  queue_init(&rt->inbox);
  queue_init(&rt->posts);
  queue_init(&rt->ready);
  queue_init(&rt->adapters);
  queue_init(&rt->free_ops);
  covet_error_set(&rt->out_of_memory, COVET_ERROR_OUT_OF_MEMORY,
                  "out of memory");
}

static void start_handles(covet_runtime *rt)
{
  uv_handle_t *handles[] = {
      (uv_handle_t *) &rt->wake, (uv_handle_t *) &rt->timer,
      (uv_handle_t *) &rt->limit, (uv_handle_t *) &rt->prepare};

  rt->wake.data = rt;
  rt->timer.data = rt;
  rt->prepare.data = rt;
  uv_prepare_start(&rt->prepare, on_prepare);
  rt->open_handles = 4;
  if (rt->mode == COVET_CALLER_LOOP) {
    for (int i = 0; i < rt->open_handles; i++) {
      uv_unref(handles[i]); /* operations keep a program alive, not these */
    }
  }
}

static void run_thread(void *argument)
{
  covet_runtime *rt = argument;

  uv_run(rt->loop, UV_RUN_DEFAULT);
}

static int start_loop(covet_runtime *rt)
{
  if (rt->loop == NULL) {
    if (uv_loop_init(&rt->own_loop) != 0) {
      return COVET_ESYSTEM;
    }
    rt->loop = &rt->own_loop;
    rt->owns_loop = true;
  }
  if (uv_async_init(rt->loop, &rt->wake, on_wake) != 0) {
    return COVET_ESYSTEM;
  }
  uv_timer_init(rt->loop, &rt->timer);
  uv_timer_init(rt->loop, &rt->limit);
  uv_prepare_init(rt->loop, &rt->prepare);
  start_handles(rt);
  if (rt->mode == COVET_OWN_THREAD) {
    rt->ready_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (rt->ready_fd < 0) {
      return COVET_ESYSTEM;
    }
  }
  return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
  covet_runtime *rt = handle->data;

  rt->open_handles--;
}

static void close_handles(covet_runtime *rt)
{
  uv_handle_t *handles[] = {
      (uv_handle_t *) &rt->wake, (uv_handle_t *) &rt->timer,
      (uv_handle_t *) &rt->limit, (uv_handle_t *) &rt->prepare};

  if (rt->open_handles == 0) {
    return;
  }
  for (int i = 0; i < 4; i++) {
    handles[i]->data = rt;
    uv_close(handles[i], on_handle_closed);
  }
  while (rt->open_handles > 0) {
    uv_run(rt->loop, UV_RUN_ONCE);
  }
}

static void free_memory(covet_runtime *rt)
{
  for (uint32_t i = 0; i < rt->slots_used; i++) {
    covet_op *op = rt->slots[i];

    if (!node_queued(&op->node) || op->live) {
      covet_batch_free_all(op->first);
      covet_shape_release(op->result.shape);
      if (op->error != &rt->out_of_memory) {
        free(op->error);
      }
    }
    covet_arena_deinit(&op->arena);
    free(op);
  }
  free(rt->slots);
  covet_deadlines_deinit(&rt->deadlines);
  covet_shape_table_deinit(&rt->shapes);
  covet_waker_free(rt->waker);
  uv_mutex_destroy(&rt->lock);
  free(rt);
}

int covet_runtime_new(const covet_runtime_options *options,
                      covet_runtime **runtime, covet_error *error)
{
  covet_runtime *rt = calloc(1, sizeof(*rt));

  *runtime = NULL;
  if (rt == NULL) {
    covet_error_set(error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    return COVET_ENOMEM;
  }
  init_state(rt, options);
  rt->turn_us = covet_now_us();
  if (uv_mutex_init(&rt->lock) != 0 ||
      covet_shape_table_init(&rt->shapes) != 0) {
    covet_error_set(error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    free(rt);
    return COVET_ENOMEM;
  }
  if (start_loop(rt) != 0 ||
      (rt->mode == COVET_OWN_THREAD &&
       uv_thread_create(&rt->thread, run_thread, rt) != 0)) {
    covet_error_set(error, COVET_ERROR_CONNECTION_FAILED,
                    "the event loop cannot be started");
    close_handles(rt);
    free_memory(rt);
    return COVET_ESYSTEM;
  }
  *runtime = rt;
  return 0;
}

/* On the loop's thread: nothing new, and everything that runs is to end. */
static void stop_all(covet_runtime *rt)
{
  covet_node *node = queue_first(&rt->adapters);

  while (node != NULL) {
    covet_node *after = queue_after(&rt->adapters, node);

    covet_adapter_abandon(COVET_CONTAINER(node, covet_adapter, node));
    node = after;
  }
}

/* Drive the loop until the adapters are gone. */
static void wait_for_adapters(covet_runtime *rt, int timeout_ms)
{
  uint64_t end = covet_now_us() + (uint64_t) timeout_ms * 1000;

  while (!queue_empty(&rt->adapters)) {
    uint64_t now = covet_now_us();

    if (now >= end) {
      return;
    }
    uv_update_time(rt->loop);
    uv_timer_start(&rt->limit, on_limit, (end - now) / 1000 + 1, 0);
    uv_ref((uv_handle_t *) &rt->wake);
    uv_run(rt->loop, UV_RUN_ONCE);
  }
}

void covet_runtime_free(covet_runtime *rt, int timeout_ms)
{
  if (rt == NULL || covet_runtime_forked(rt)) {
    return; /* in a child nothing of the parent's may be touched */
  }
  if (rt->mode == COVET_OWN_THREAD) {
    uv_mutex_lock(&rt->lock);
    rt->stopping = true;
    uv_mutex_unlock(&rt->lock);
    uv_async_send(&rt->wake);
    uv_thread_join(&rt->thread);
  }
  stop_all(rt);
  wait_for_adapters(rt, timeout_ms);
  if (!queue_empty(&rt->adapters)) {
    return; /* a thread still works for it: better a leak than a crash */
  }
  close_handles(rt);
  if (rt->owns_loop) {
    uv_loop_close(&rt->own_loop);
  }
  if (rt->ready_fd >= 0) {
    close(rt->ready_fd);
  }
  free_memory(rt);
}

int covet_runtime_listen(covet_runtime *rt, const char *path,
                         covet_error *error)
{
  covet_waker *waker = NULL;
  int status = covet_waker_new(path, &waker, error);

  if (status != 0) {
    return status;
  }
  uv_mutex_lock(&rt->lock);
  covet_waker_free(rt->waker);
  rt->waker = waker;
  uv_mutex_unlock(&rt->lock);
  return 0;
}
