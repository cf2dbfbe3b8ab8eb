#include "runtime.h"

#include "adapter.h"
#include "error.h"
#include "runtime_parts.h"
#include "waker.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

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

/* --- Stepping -------------------------------------------------------------------- */

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
  ready = !queue_empty(&rt->ready) || rt->events.count > 0;
  uv_mutex_unlock(&rt->lock);
  return ready;
}

/* Whether adapters wait for the end of this turn of the caller's loop. */
static bool awaits_turn_end(const covet_runtime *rt)
{
  covet_node *node = queue_first(&rt->adapters);

  while (node != NULL && !covet_adapter_awaits_turn_end(
                             COVET_CONTAINER(node, covet_adapter, node))) {
    node = queue_after(&rt->adapters, node);
  }
  return node != NULL;
}

/* Until our own timer fires: libuv does not count it where nothing else keeps
 * the loop alive. */
static int timer_ms(const covet_runtime *rt)
{
  uint64_t now = covet_now_us();

  if (rt->timer_us == UINT64_MAX) {
    return -1;
  }
  if (rt->timer_us <= now) {
    return 0;
  }
  return (rt->timer_us - now) / 1000 < INT32_MAX
             ? (int) ((rt->timer_us - now + 999) / 1000)
             : INT32_MAX;
}

int covet_runtime_timeout_ms(covet_runtime *rt)
{
  if (covet_runtime_forked(rt)) {
    return -1;
  }
  if (has_ready(rt)) {
    return 0;
  }
  if (rt->mode == COVET_OWN_THREAD) {
    return -1;
  }
  if (awaits_turn_end(rt)) {
    return 0;
  }
  uv_update_time(rt->loop); /* it counts from when the loop last ran */
  return uv_loop_alive(rt->loop) ? uv_backend_timeout(rt->loop) : timer_ms(rt);
}

static void on_limit(uv_timer_t *timer)
{
  (void) timer;
}

/* Look for events without waiting. libuv would look for none where nothing keeps
 * the loop alive, but messages of workers and alarms come all the same. */
static void look(covet_runtime *rt)
{
  covet_loop_turn_end(rt);
  uv_ref((uv_handle_t *) &rt->wake);
  uv_run(rt->loop, UV_RUN_NOWAIT);
  if (rt->pending == 0) {
    uv_unref((uv_handle_t *) &rt->wake);
  }
}

/* An answer is expected very soon: looking for it costs less than to sleep and be
 * woken. */
static bool spin(covet_runtime *rt)
{
  uint64_t until = rt->spin_us;

  rt->spin_us = 0;
  while (!has_ready(rt)) {
    if (covet_now_us() >= until) {
      return false;
    }
    look(rt);
  }
  return true;
}

/* uv_run waits for any event; a timer of its own bounds the wait. */
static void run_loop(covet_runtime *rt, int timeout_ms)
{
  if (rt->spin_us != 0 && timeout_ms != 0 && spin(rt)) {
    return;
  }
  if (timeout_ms == 0 || has_ready(rt)) {
    look(rt);
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
  queue_init(&rt->events.asking);
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
  uv_prepare_start(&rt->prepare, covet_loop_on_prepare);
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
  if (uv_async_init(rt->loop, &rt->wake, covet_loop_on_wake) != 0) {
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

/* At once where it is closed already. */
static void close_door(covet_runtime *rt)
{
  if (rt->has_door && !uv_is_closing((uv_handle_t *) &rt->door)) {
    uv_close((uv_handle_t *) &rt->door, on_handle_closed);
  }
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
  close_door(rt);
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
      covet_shape_release(op->result.parameters);
      if (op->error != &rt->out_of_memory) {
        free(op->error);
      }
    }
    covet_arena_deinit(&op->arena);
    free(op);
  }
  free(rt->slots);
  free(rt->events.ring);
  covet_shape_table_deinit(&rt->shapes);
  covet_waker_free(rt->waker);
  uv_cond_destroy(&rt->answered);
  uv_mutex_destroy(&rt->lock);
  free(rt);
}

static bool are_sound(const covet_runtime_options *options)
{
  return options == NULL || options->mode == COVET_CALLER_LOOP ||
         (options->mode == COVET_OWN_THREAD && options->loop == NULL);
}

int covet_runtime_new(const covet_runtime_options *options,
                      covet_runtime **runtime, covet_error *error)
{
  covet_runtime *rt;

  *runtime = NULL;
  if (!are_sound(options)) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "a runtime has the caller's loop or a thread of its own, "
                    "and a foreign loop is the caller's");
    return COVET_EUSAGE;
  }
  rt = calloc(1, sizeof(*rt));
  if (rt == NULL) {
    covet_error_set(error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    return COVET_ENOMEM;
  }
  init_state(rt, options);
  rt->turn_us = covet_now_us();
  if (uv_mutex_init(&rt->lock) != 0 || uv_cond_init(&rt->answered) != 0 ||
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

/* On the loop's thread: nothing new, and everything that runs is to end. What
   was posted goes first: among it may be an adapter's farewell, which must not
   come after the adapter is gone. */
static void stop_all(covet_runtime *rt)
{
  covet_node *node;

  covet_loop_on_wake(&rt->wake);
  node = queue_first(&rt->adapters);
  while (node != NULL) {
    covet_node *after = queue_after(&rt->adapters, node);

    covet_adapter_abandon(COVET_CONTAINER(node, covet_adapter, node));
    node = after;
  }
}

/* Drive the loop until the adapters are gone. */
static void wait_for_adapters(covet_runtime *rt, int timeout_ms)
{
  uint64_t end =
      covet_now_us() + (timeout_ms > 0 ? (uint64_t) timeout_ms * 1000 : 0);

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

/* --- The socket ---------------------------------------------------------------------------- */

/* A client has connected: it may have missed the completions that stand there. */
static void on_knock(uv_poll_t *door, int status, int events)
{
  covet_runtime *rt = door->data;
  bool accepted;

  (void) status;
  (void) events;
  (void) uv_poll_stop(door); /* before its descriptor is closed */
  uv_mutex_lock(&rt->lock);
  accepted = covet_waker_accept(rt->waker);
  if (accepted && !queue_empty(&rt->ready)) {
    covet_waker_wake(rt->waker);
  }
  uv_mutex_unlock(&rt->lock);
  if (accepted) {
    close_door(rt);
  } else {
    (void) uv_poll_start(door, UV_READABLE, on_knock);
  }
}

static void on_listen(covet_post *post)
{
  covet_runtime *rt = COVET_CONTAINER(post, covet_runtime, listen);

  if (uv_poll_init(rt->loop, &rt->door, covet_waker_listener(rt->waker)) == 0) {
    rt->door.data = rt;
    rt->has_door = true;
    rt->open_handles++;
    (void) uv_poll_start(&rt->door, UV_READABLE, on_knock);
  }
}

int covet_runtime_listen(covet_runtime *rt, const char *path,
                         covet_error *error)
{
  covet_waker *waker = NULL;
  int status;

  if (rt->mode != COVET_OWN_THREAD || rt->waker != NULL || path == NULL) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "a runtime with a thread of its own listens, at one path");
    return COVET_EUSAGE;
  }
  status = covet_waker_new(path, &waker, error);
  if (status != 0) {
    return status;
  }
  uv_mutex_lock(&rt->lock);
  rt->waker = waker;
  uv_mutex_unlock(&rt->lock);
  rt->listen.run = on_listen;
  covet_runtime_post(rt, &rt->listen);
  return 0;
}
