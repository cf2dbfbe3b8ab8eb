#include "interrupt.h"

#include <lauxlib.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_SECONDS 2
#define AT_ONCE_MS 200

/* A signal that ends the program, and libuv's handler for it. */
typedef struct ending {
  int number;
  int status; /* exit status */
  const char *text;
  struct sigaction inner;
  volatile sig_atomic_t unseen; /* the loop has not taken note of it yet */
  volatile sig_atomic_t first_ms;
} ending;

/* A signal handler has nothing but statics to look at. */
static ending endings[] = {
    {.number = SIGINT,
     .status = 130,
     .text = "covet: interrupted while computing\n"},
    {.number = SIGTERM,
     .status = 143,
     .text = "covet: terminated while computing\n"},
};

enum { ENDINGS = sizeof(endings) / sizeof(endings[0]) };

static void end_process(const ending *by)
{
  if (write(STDERR_FILENO, by->text, strlen(by->text)) < 0) {
    /* Nobody listens. */
  }
  _exit(by->status);
}

static void on_alarm(int signal_number)
{
  (void) signal_number;
  for (int i = 0; i < ENDINGS; i++) {
    if (endings[i].unseen) {
      end_process(&endings[i]);
    }
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
static void on_ending(int signal_number)
{
  ending *by = signal_number == SIGINT ? &endings[0] : &endings[1];

  if (by->unseen && now_ms() - by->first_ms < AT_ONCE_MS) {
    return;
  }
  if (by->unseen) {
    end_process(by);
  }
  by->first_ms = now_ms();
  by->unseen = 1;
  alarm(PATIENCE_SECONDS);
  by->inner.sa_handler(signal_number);
}

void covet_interrupt_seen(void)
{
  for (int i = 0; i < ENDINGS; i++) {
    if (endings[i].unseen) {
      endings[i].unseen = 0;
      alarm(0);
    }
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

/* Stand in front of the handler that is there, if it is libuv's. */
static int stand_before(ending *by)
{
  struct sigaction found;
  int ours = sigaction(by->number, NULL, &found) == 0 &&
             !(found.sa_flags & SA_SIGINFO) && found.sa_handler != SIG_DFL &&
             found.sa_handler != SIG_IGN && found.sa_handler != on_ending;

  if (ours) {
    by->inner = found;
    set_handler(SIGALRM, on_alarm);
    set_handler(by->number, on_ending);
  }
  return ours;
}

/* interrupt.watch() -> whether there was a handler to stand in front of */
static int interrupt_watch(lua_State *L)
{
  int ours = 0;

  for (int i = 0; i < ENDINGS; i++) {
    ours |= stand_before(&endings[i]);
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
