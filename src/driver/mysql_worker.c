/* The fallback: each connection's calls are made by a thread of its own, in the
 * library's blocking way. */
#include "mysql_connection.h"

#include <pthread.h>
#include <stdlib.h>

/* The thread and the loop have one half each; the thread frees it. */
struct my_worker {
  covet_post post;
  uv_mutex_t lock;
  uv_cond_t wake;
  my_connection *connection;
  bool has_job; /* under the lock */
  bool stopping;
  bool busy; /* the loop's: from the job to its report */
};

static void on_done(covet_post *post)
{
  my_worker *worker = COVET_CONTAINER(post, my_worker, post);

  worker->busy = false;
  my_worker_done(worker->connection);
}

static void free_worker(my_worker *worker)
{
  uv_cond_destroy(&worker->wake);
  uv_mutex_destroy(&worker->lock);
  free(worker);
}

static void run(void *argument)
{
  my_worker *worker = argument;

  for (;;) {
    bool stopping;

    uv_mutex_lock(&worker->lock);
    while (!worker->has_job && !worker->stopping) {
      uv_cond_wait(&worker->wake, &worker->lock);
    }
    stopping = worker->stopping;
    worker->has_job = false;
    uv_mutex_unlock(&worker->lock);
    if (stopping) {
      break;
    }
    worker->connection->call->block(worker->connection);
    covet_runtime_post(worker->connection->runtime, &worker->post);
  }
  free_worker(worker);
}

bool my_worker_start(my_connection *connection)
{
  my_worker *worker = calloc(1, sizeof(*worker));
  uv_thread_t thread;

  if (worker == NULL) {
    return false;
  }
  worker->connection = connection;
  worker->post.run = on_done;
  if (uv_mutex_init(&worker->lock) != 0) {
    free(worker);
    return false;
  }
  if (uv_cond_init(&worker->wake) != 0) {
    uv_mutex_destroy(&worker->lock);
    free(worker);
    return false;
  }
  if (uv_thread_create(&thread, run, worker) != 0) {
    free_worker(worker);
    return false;
  }
  (void) pthread_detach(thread);
  connection->worker = worker;
  return true;
}

static void tell(my_worker *worker, bool *what)
{
  uv_mutex_lock(&worker->lock);
  *what = true;
  uv_cond_signal(&worker->wake);
  uv_mutex_unlock(&worker->lock);
}

void my_worker_make(my_connection *connection)
{
  my_worker *worker = connection->worker;

  connection->yielding = false;
  worker->busy = true;
  tell(worker, &worker->has_job);
}

bool my_worker_is_busy(const my_connection *connection)
{
  return connection->worker != NULL && connection->worker->busy;
}

void my_worker_stop(my_connection *connection)
{
  my_worker *worker = connection->worker;

  if (worker != NULL) {
    connection->worker = NULL;
    tell(worker, &worker->stopping);
  }
}
