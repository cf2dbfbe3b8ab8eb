#include "interrupt.h"

#include <lauxlib.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_SECONDS 2
#define AT_ONCE_MS 200
#define STATUS_INTERRUPTED 130

/* A signal handler has nothing but statics to look at. */
static struct sigaction inner;
static volatile sig_atomic_t unseen;
static volatile sig_atomic_t first_ms;

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

/* Milliseconds of a clock that wraps round. */
static int now_ms(void)
{
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int) (((unsigned) now.tv_sec % 1000000U) * 1000U +
                (unsigned) now.tv_nsec / 1000000U);
}

/* timeout(1) and shells send one to the process and one to its group: two at
   once are not impatience. */
static void on_interrupt(int signal_number)
{
  if (unseen && now_ms() - first_ms < AT_ONCE_MS) {
    return;
  }
  if (unseen) {
    end_process();
  }
  first_ms = now_ms();
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
