/* The runtime in its hosts: a foreign loop, a socket for wake-ups, a fork. */
#include "support/support.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

/* --- Another's loop -------------------------------------------------------------- */

/* Wait as an event loop does that knows a descriptor and a timeout only. */
static void poll_until(unit *u, unit_slot *slot)
{
  uint64_t end = covet_now_us() + UNIT_LIMIT_MS * 1000ULL;

  while (!slot->done) {
    struct pollfd set = {.fd = covet_runtime_fd(u->runtime), .events = POLLIN};
    int timeout = covet_runtime_timeout_ms(u->runtime);

    assert_true(timeout >= -1);
    assert_true(covet_now_us() < end);
    assert_true(poll(&set, 1, timeout < 0 ? UNIT_LIMIT_MS : timeout) >= 0);
    unit_step(u, 0);
  }
}

static void init_foreign(unit *u, uv_loop_t *loop)
{
  covet_runtime_options options = {COVET_CALLER_LOOP, loop};
  covet_error error;

  assert_int_equal(uv_loop_init(loop), 0);
  unit_init(u, COVET_CALLER_LOOP);
  covet_runtime_free(u->runtime, 0);
  assert_int_equal(covet_runtime_new(&options, &u->runtime, &error), 0);
}

static void test_foreign_loop_by_poll(void **state)
{
  unit_slot slots[3] = {{0}, {0}, {0}};
  uv_loop_t loop;
  unit u;

  (void) state;
  init_foreign(&u, &loop);
  assert_int_equal(covet_runtime_fd(u.runtime), uv_backend_fd(&loop));
  unit_open(&u, "");
  unit_start(&slots[0], unit_op(&u, "CREATE TABLE t (x)", 0));
  poll_until(&u, &slots[0]);
  unit_assert_ok(&slots[0]);
  unit_start(&slots[1], unit_op(&u, "INSERT INTO t VALUES (3)", 0));
  unit_start(&slots[2], covet_op_sleep(u.runtime, 3000));
  poll_until(&u, &slots[1]);
  poll_until(&u, &slots[2]);
  unit_assert_ok(&slots[1]);
  unit_assert_ok(&slots[2]);
  for (int i = 0; i < 200; i++) { /* inline and worker's answers alike */
    unit_slot slot = {0};

    unit_start(&slot, unit_op(&u, "SELECT sum(x) FROM t", COVET_QUERY_ROWS));
    poll_until(&u, &slot);
    assert_int_equal(slot.integer, 3);
  }
  unit_deinit(&u);
  assert_int_equal(uv_loop_alive(&loop), 0);
  assert_int_equal(uv_loop_close(&loop), 0); /* it is as it was */
}

/* What waits for the end of a turn: a host that only knows when to come back has
 * to come back at once. */
static void test_foreign_loop_ends_turns(void **state)
{
  uv_loop_t loop;
  unit u;

  (void) state;
  init_foreign(&u, &loop);
  unit_open(&u, "group_commit=true");
  unit_script(&u, "CREATE TABLE t (x)");
  for (int i = 0; i < 20; i++) { /* gathered as soon as the text is known */
    unit_slot slot = {0};

    unit_start(&slot, unit_op(&u, "INSERT INTO t VALUES (3)", 0));
    poll_until(&u, &slot);
    unit_assert_ok(&slot);
  }
  for (int i = 0; i < 20; i++) { /* a shared read transaction */
    unit_slot slot = {0};

    unit_start(&slot, unit_op(&u, "SELECT count(*) FROM t", COVET_QUERY_ROWS));
    poll_until(&u, &slot);
    assert_int_equal(slot.integer, 20);
  }
  for (int i = 0; i < 100 && covet_runtime_timeout_ms(u.runtime) == 0; i++) {
    unit_step(&u, 0);
  }
  assert_int_not_equal(covet_runtime_timeout_ms(u.runtime), 0); /* at rest */
  unit_deinit(&u);
  assert_int_equal(uv_loop_close(&loop), 0);
}

static uint32_t connections(unit *u)
{
  covet_adapter_stats stats;

  covet_adapter_get_stats(u->adapter, &stats);
  return stats.size;
}

/* Nothing is under way, but an idle connection's time comes, and its worker has
 * to be heard. */
static void test_foreign_loop_at_rest(void **state)
{
  uint64_t end = covet_now_us() + UNIT_LIMIT_MS * 1000ULL;
  uv_loop_t loop;
  unsigned looks = 0;
  unit u;

  (void) state;
  init_foreign(&u, &loop);
  unit_open(&u, "idle_timeout=0.05");
  unit_script(&u, "CREATE TABLE t (x)");
  unit_release(&u, unit_acquire(&u, 1));
  assert_int_equal(connections(&u), 2);
  while (connections(&u) == 2) {
    struct pollfd set = {.fd = covet_runtime_fd(u.runtime), .events = POLLIN};
    int timeout = covet_runtime_timeout_ms(u.runtime);

    assert_true(covet_now_us() < end);
    assert_true(poll(&set, 1, timeout < 0 ? UNIT_LIMIT_MS : timeout) >= 0);
    unit_step(&u, 0);
    looks++;
  }
  assert_true(looks < 1000); /* it waits, it does not spin */
  unit_deinit(&u);
  assert_int_equal(uv_loop_close(&loop), 0);
}

static void on_timer(uv_timer_t *timer)
{
  ++*(int *) timer->data;
}

/* The host's own handles run too, and covet tells them from its own. */
static void test_handles_of_the_host(void **state)
{
  int fired = 0;
  uv_timer_t timer;
  uv_loop_t loop;
  unit_slot slot;
  unit u;

  (void) state;
  init_foreign(&u, &loop);
  assert_int_equal(covet_runtime_has_handles(u.runtime), 0);
  timer.data = &fired;
  assert_int_equal(uv_timer_init(&loop, &timer), 0);
  assert_int_equal(uv_timer_start(&timer, on_timer, 1, 0), 0);
  assert_int_equal(covet_runtime_has_handles(u.runtime), 1);
  slot = unit_run(&u, covet_op_sleep(u.runtime, 20000));
  unit_assert_ok(&slot);
  assert_int_equal(fired, 1);
  assert_int_equal(covet_runtime_has_handles(u.runtime), 0);
  uv_close((uv_handle_t *) &timer, NULL);
  unit_deinit(&u);
  (void) uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
}

/* A loop that runs by itself ends when nothing is under way, not before. */
static void test_operations_keep_the_loop_alive(void **state)
{
  unit_slot slot = {.manual = 1};
  uv_loop_t loop;
  unit u;

  (void) state;
  init_foreign(&u, &loop);
  assert_int_equal(uv_loop_alive(&loop), 0);
  unit_start(&slot, covet_op_sleep(u.runtime, 1000));
  assert_int_equal(uv_loop_alive(&loop), 1);
  while (!covet_op_finished(slot.op)) {
    (void) uv_run(&loop, UV_RUN_ONCE);
  }
  assert_ptr_equal(covet_reap(u.runtime), slot.op);
  assert_int_equal(uv_loop_alive(&loop), 0);
  covet_op_free(slot.op);
  unit_deinit(&u);
  assert_int_equal(uv_loop_close(&loop), 0);
}

/* --- The socket ---------------------------------------------------------------------- */

static int connect_to(const char *path)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);

  assert_true(fd >= 0);
  assert_true(strlen(path) < sizeof(address.sun_path));
  memcpy(address.sun_path, path, strlen(path) + 1);
  assert_int_equal(
      connect(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
  return fd;
}

static void expect_byte(int fd)
{
  struct pollfd set = {.fd = fd, .events = POLLIN};
  char bytes[64];

  assert_int_equal(poll(&set, 1, UNIT_LIMIT_MS), 1);
  assert_true(read(fd, bytes, sizeof(bytes)) > 0);
}

static void test_socket_wakes_the_host(void **state)
{
  char path[160];
  covet_error error = {0};
  struct stat info;
  unit u;
  int fd;

  (void) state;
  unit_init(&u, COVET_OWN_THREAD);
  (void) strcat(strcpy(path, u.folder), "/wake");
  assert_int_equal(covet_runtime_listen(u.runtime, path, &error), 0);
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0600);
  fd = connect_to(path);
  for (int i = 0; i < 100; i++) {
    covet_op *op = covet_op_sleep(u.runtime, 100);

    assert_int_equal(covet_submit(op), 0);
    expect_byte(fd);
    assert_int_equal(covet_runtime_step(u.runtime, 0), 1);
    assert_ptr_equal(covet_reap(u.runtime), op);
    covet_op_free(op);
  }
  assert_int_not_equal(stat(path, &info), 0); /* nobody else connects */
  close(fd);
  unit_deinit(&u);
}

/* Completions stand there already when the host comes. */
static void test_socket_of_a_late_client(void **state)
{
  char path[160];
  covet_error error = {0};
  struct pollfd ready;
  covet_op *op;
  unit u;
  int fd;

  (void) state;
  unit_init(&u, COVET_OWN_THREAD);
  (void) strcat(strcpy(path, u.folder), "/wake");
  assert_int_equal(covet_runtime_listen(u.runtime, path, &error), 0);
  op = covet_op_sleep(u.runtime, 100);
  assert_int_equal(covet_submit(op), 0);
  ready = (struct pollfd){covet_runtime_fd(u.runtime), POLLIN, 0};
  assert_int_equal(poll(&ready, 1, UNIT_LIMIT_MS), 1);
  fd = connect_to(path);
  expect_byte(fd);
  assert_ptr_equal(covet_reap(u.runtime), op);
  covet_op_free(op);
  close(fd);
  unit_deinit(&u);
}

/* Nobody came, and nobody will. */
static void test_socket_without_a_client(void **state)
{
  char path[160];
  covet_error error = {0};
  struct stat info;
  unit_slot slot;
  unit u;

  (void) state;
  unit_init(&u, COVET_OWN_THREAD);
  (void) strcat(strcpy(path, u.folder), "/wake");
  assert_int_equal(covet_runtime_listen(u.runtime, path, &error), 0);
  assert_int_equal(covet_runtime_listen(u.runtime, path, &error), COVET_EUSAGE);
  slot = unit_run(&u, covet_op_sleep(u.runtime, 100));
  unit_assert_ok(&slot);
  unit_deinit(&u);
  assert_int_not_equal(stat(path, &info), 0);
}

static void test_socket_of_the_callers_loop(void **state)
{
  covet_error error = {0};
  unit u;

  (void) state;
  unit_init(&u, COVET_CALLER_LOOP);
  assert_int_equal(covet_runtime_listen(u.runtime, u.path, &error),
                   COVET_EUSAGE);
  unit_deinit(&u);
}

/* A host that went away does no harm. */
static void test_socket_whose_client_is_gone(void **state)
{
  char path[160];
  covet_error error = {0};
  unit u;

  (void) state;
  unit_init(&u, COVET_OWN_THREAD);
  (void) strcat(strcpy(path, u.folder), "/wake");
  assert_int_equal(covet_runtime_listen(u.runtime, path, &error), 0);
  close(connect_to(path));
  for (int i = 0; i < 20; i++) {
    unit_slot slot = unit_run(&u, covet_op_sleep(u.runtime, 100));

    unit_assert_ok(&slot);
  }
  unit_deinit(&u);
}

static void test_socket_at_a_bad_place(void **state)
{
  char path[400];
  covet_error error = {0};
  unit u;

  (void) state;
  unit_init(&u, COVET_OWN_THREAD);
  (void) strcat(strcpy(path, u.folder), "/none/wake");
  assert_int_equal(covet_runtime_listen(u.runtime, path, &error),
                   COVET_ESYSTEM);
  assert_non_null(strstr(error.message, "none/wake"));
  memset(path, 'x', sizeof(path) - 1);
  path[sizeof(path) - 1] = '\0';
  assert_int_equal(covet_runtime_listen(u.runtime, path, &error), COVET_EUSAGE);
  unit_deinit(&u);
}

/* --- A fork --------------------------------------------------------------------------- */

/* In the child: 0 when all is refused and nothing is touched. */
static int child_of(unit *u, covet_op *made_before)
{
  covet_op *op = covet_op_sleep(u->runtime, 1000);
  int wrong = 0;

  wrong |= covet_submit(op) != COVET_EFORKED ? 1 : 0;
  wrong |= covet_op_error(op) == NULL ? 2 : 0;
  wrong |= covet_submit(made_before) != COVET_EFORKED ? 4 : 0;
  wrong |= covet_runtime_step(u->runtime, 0) != 0 ? 8 : 0;
  covet_op_free(op);
  covet_adapter_free(u->adapter);
  covet_runtime_free(u->runtime, 1000);
  return wrong;
}

static void fork_in(covet_mode mode)
{
  covet_op *made_before;
  unit_slot answer;
  pid_t child;
  int status = -1;
  unit u;

  unit_init(&u, mode);
  unit_open(&u, "");
  unit_script(&u, "CREATE TABLE t (x)");
  made_before = unit_op(&u, "INSERT INTO t VALUES (1)", 0);
  child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    _exit(child_of(&u, made_before));
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
  answer = unit_run(&u, made_before); /* all is well here */
  unit_assert_ok(&answer);
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 1);
  unit_deinit(&u);
}

static void test_fork_with_the_callers_loop(void **state)
{
  (void) state;
  fork_in(COVET_CALLER_LOOP);
}

static void test_fork_with_an_own_thread(void **state)
{
  (void) state;
  fork_in(COVET_OWN_THREAD);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_foreign_loop_by_poll),
      cmocka_unit_test(test_foreign_loop_ends_turns),
      cmocka_unit_test(test_foreign_loop_at_rest),
      cmocka_unit_test(test_handles_of_the_host),
      cmocka_unit_test(test_operations_keep_the_loop_alive),
      cmocka_unit_test(test_socket_wakes_the_host),
      cmocka_unit_test(test_socket_of_a_late_client),
      cmocka_unit_test(test_socket_without_a_client),
      cmocka_unit_test(test_socket_of_the_callers_loop),
      cmocka_unit_test(test_socket_whose_client_is_gone),
      cmocka_unit_test(test_socket_at_a_bad_place),
      cmocka_unit_test(test_fork_with_the_callers_loop),
      cmocka_unit_test(test_fork_with_an_own_thread),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
