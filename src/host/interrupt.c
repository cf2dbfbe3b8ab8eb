#include "interrupt.h"

#include <lauxlib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_SECONDS 2
#define STATUS_INTERRUPTED 130

/* A signal handler has nothing but statics to look at. */
static struct sigaction inner;
static volatile sig_atomic_t unseen;

static void end_process(void)
{
  static const char text[] = "covet: interrupted while computing\n";

  if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
    /* Nobody listens. */
  }
  _exit(STATUS_INTERRUPTED);
}

static void on_alarm(int signal_number)
{
  (void) signal_number;
  if (unseen) {
    end_process();
  }
}

static void on_interrupt(int signal_number)
{
  if (unseen) {
    end_process();
  }
  unseen = 1;
  alarm(PATIENCE_SECONDS);
  inner.sa_handler(signal_number);
}

void covet_interrupt_seen(void)
{
  if (unseen) {
    unseen = 0;
    alarm(0);
  }
}

static void set_handler(int signal_number, void (*handler)(int))
{
  struct sigaction action;

  memset(&action, 0, sizeof(action));
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  sigaction(signal_number, &action, NULL);
}

/* interrupt.watch() -> whether there was a handler to stand in front of */
static int interrupt_watch(lua_State *L)
{
  struct sigaction found;
  int ours = sigaction(SIGINT, NULL, &found) == 0 &&
             !(found.sa_flags & SA_SIGINFO) && found.sa_handler != SIG_DFL &&
             found.sa_handler != SIG_IGN && found.sa_handler != on_interrupt;

  if (ours) {
    inner = found;
    set_handler(SIGALRM, on_alarm);
    set_handler(SIGINT, on_interrupt);
  }
  lua_pushboolean(L, ours);
  return 1;
}

static const luaL_Reg interrupt_functions[] = {{"watch", interrupt_watch},
                                               {NULL, NULL}};

int luaopen_covet_interrupt(lua_State *L)
{
  lua_newtable(L);
  luaL_setfuncs(L, interrupt_functions, 0);
  return 1;
}
