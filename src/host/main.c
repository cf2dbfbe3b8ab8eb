/* The command: a loop, a runtime and a Lua state; the rest is Lua. */
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "covet.h"
#include "memory.h"
#include "secrets.h"
#include "state.h"

/* What is running at the end has this long to let go. */
#define CLOSE_TIMEOUT_MS 2000
#define SETTLE_TURNS 16

typedef struct host {
  uv_loop_t loop;
  covet_runtime *runtime;
  lua_State *L;
  int argc;
  char **argv;
  int status;
} host;

/* Runs in protected mode with the host as its only argument. */
static int run_command(lua_State *L)
{
  host *self = lua_touserdata(L, 1);

  covetL_open_state(L, &self->loop, self->runtime);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "covet.cli");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "main");
  lua_createtable(L, self->argc, 0);
  for (int i = 0; i < self->argc; i++) {
    lua_pushstring(L, self->argv[i]);
    lua_rawseti(L, -2, i);
  }
  lua_call(L, 1, 1);
  self->status = (int) luaL_checkinteger(L, -1);
  return 0;
}

static void report_failure(lua_State *L)
{
  const char *message = lua_tostring(L, -1);

  fprintf(stderr, "covet: %s\n",
          message != NULL ? message : "an error that is not a string");
}

static void run(host *self)
{
  lua_State *L = self->L;

  self->status = EXIT_FAILURE;
  lua_pushcfunction(L, covetL_traceback);
  lua_pushcfunction(L, run_command);
  lua_pushlightuserdata(L, self);
  if (lua_pcall(L, 1, 0, -3) != 0) {
    report_failure(L);
  }
}

static void close_handle(uv_handle_t *handle, void *unused)
{
  (void) unused;
  if (!uv_is_closing(handle)) {
    uv_close(handle, NULL);
  }
}

/* Let closing handles finish, but do not wait for anything else. */
static void settle(uv_loop_t *loop)
{
  for (int turn = 0; turn < SETTLE_TURNS && uv_loop_alive(loop); turn++) {
    uv_run(loop, UV_RUN_NOWAIT);
  }
}

/*
 * luv's handles were told to close by covet.cli; their callbacks need the
 * state, its finalizers need the runtime, the runtime needs the loop. What a
 * thread of libuv's pool still does (reading a pipe that nobody writes to, say)
 * is not waited for: then the process ends without the library's own clean-up,
 * which would wait.
 */
static void close_host(host *self)
{
  settle(&self->loop);
  if (self->L != NULL) {
    lua_close(self->L);
  }
  covet_runtime_free(self->runtime, CLOSE_TIMEOUT_MS);
  uv_walk(&self->loop, close_handle, NULL);
  settle(&self->loop);
  if (uv_loop_close(&self->loop) != 0) {
    fflush(NULL);
    _exit(self->status);
  }
}

static int open_host(host *self)
{
  covet_runtime_options options = {.mode = COVET_CALLER_LOOP,
                                   .loop = &self->loop};
  covet_error error;
  int status = uv_loop_init(&self->loop);

  if (status != 0) {
    fprintf(stderr, "covet: no event loop: %s\n", uv_strerror(status));
    return status;
  }
  status = covet_runtime_new(&options, &self->runtime, &error);
  if (status != 0) {
    fprintf(stderr, "covet: %s\n", error.message);
    uv_loop_close(&self->loop);
    return status;
  }
  self->L = covet_new_state();
  if (self->L == NULL) {
    fprintf(stderr, "covet: out of memory\n");
    close_host(self);
    return COVET_ENOMEM;
  }
  return 0;
}

/* Descriptors 0 to 2 must be taken, or a database's file gets one of them and
   with it what is printed. */
static void open_standard_files(void)
{
  int file = open("/dev/null", O_RDWR);

  while (file >= 0 && file <= STDERR_FILENO) {
    file = dup(file);
  }
  if (file >= 0) {
    close(file);
  }
}

int main(int argc, char **argv)
{
  host self = {.argc = argc, .status = EXIT_FAILURE};

  open_standard_files();
  /* A reader that has gone is an error of the write, not the end of us. */
  signal(SIGPIPE, SIG_IGN);
  /* Ours is a copy from here on; the original is what other users see. */
  self.argv = uv_setup_args(argc, argv);
  for (int i = 1; i < argc && self.argv != argv; i++) {
    mask_secrets(argv[i]);
  }
  if (open_host(&self) != 0) {
    return EXIT_FAILURE;
  }
  run(&self);
  close_host(&self);
  return self.status;
}
