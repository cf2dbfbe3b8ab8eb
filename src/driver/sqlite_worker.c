#include "sqlite.h"

static void on_reported(covet_post *post)
{
  sqlite_job *job = COVET_CONTAINER(post, sqlite_job, post);

  job->done(job);
}

/* The next job, NULL when the worker is to end. */
static sqlite_job *next_job(sqlite_connection *connection)
{
  covet_node *node;

  uv_mutex_lock(&connection->lock);
  while (queue_empty(&connection->jobs) && !connection->quit) {
    uv_cond_wait(&connection->wake, &connection->lock);
  }
  node = queue_pop(&connection->jobs);
  uv_mutex_unlock(&connection->lock);
  return node == NULL ? NULL : COVET_CONTAINER(node, sqlite_job, node);
}

static void work(void *argument)
{
  sqlite_connection *connection = argument;
  sqlite_job *job;

  while ((job = next_job(connection)) != NULL) {
    job->run(job);
    covet_runtime_post(connection->adapter->base->runtime, &job->post);
  }
}

int sqlite_worker_init(sqlite_connection *connection)
{
  queue_init(&connection->jobs);
  if (uv_mutex_init(&connection->lock) != 0) {
    return COVET_ESYSTEM;
  }
  if (uv_cond_init(&connection->wake) != 0) {
    uv_mutex_destroy(&connection->lock);
    return COVET_ESYSTEM;
  }
  return 0;
}

/* The worker has no job: it ends as soon as it runs. */
void sqlite_worker_deinit(sqlite_connection *connection)
{
  if (connection->has_thread) {
    uv_mutex_lock(&connection->lock);
    connection->quit = true;
    uv_cond_signal(&connection->wake);
    uv_mutex_unlock(&connection->lock);
    uv_thread_join(&connection->thread);
  }
  uv_cond_destroy(&connection->wake);
  uv_mutex_destroy(&connection->lock);
}

bool sqlite_worker_submit(sqlite_connection *connection, sqlite_job *job)
{
  if (!connection->has_thread) {
    uv_thread_options_t options = {UV_THREAD_HAS_STACK_SIZE, 1024 * 1024};

    if (uv_thread_create_ex(&connection->thread, &options, work, connection) !=
        0) {
      return false;
    }
    connection->has_thread = true;
  }
  job->post.run = on_reported;
  uv_mutex_lock(&connection->lock);
  queue_push(&connection->jobs, &job->node);
  uv_cond_signal(&connection->wake);
  uv_mutex_unlock(&connection->lock);
  return true;
}

/* Its own flag first, which is set before sqlite_worker_stop takes the lock: so
 * one of the two is seen. A blob's handle is an open statement too, and of a group
 * one operation is stopped, not all. */
bool sqlite_worker_enter(sqlite_connection *connection)
{
  if (connection->on_loop) {
    return true;
  }
  uv_mutex_lock(&connection->lock);
  connection->interruptible = connection->resting == 0 &&
                              connection->blobs == NULL &&
                              queue_empty(&connection->group);
  uv_mutex_unlock(&connection->lock);
  return covet_op_stop_reason(connection->op) == COVET_STOP_NONE;
}

void sqlite_worker_leave(sqlite_connection *connection)
{
  if (connection->on_loop) {
    return;
  }
  uv_mutex_lock(&connection->lock);
  connection->interruptible = false;
  uv_mutex_unlock(&connection->lock);
}

void sqlite_worker_stop(sqlite_connection *connection)
{
  uv_mutex_lock(&connection->lock);
  if (connection->interruptible) {
    sqlite3_interrupt(connection->db);
  }
  uv_cond_signal(&connection->wake);
  uv_mutex_unlock(&connection->lock);
}

void sqlite_worker_sleep(sqlite_connection *connection, uint64_t us)
{
  uv_mutex_lock(&connection->lock);
  if (connection->op == NULL ||
      covet_op_stop_reason(connection->op) == COVET_STOP_NONE) {
    uv_cond_timedwait(&connection->wake, &connection->lock, us * 1000);
  }
  uv_mutex_unlock(&connection->lock);
}
