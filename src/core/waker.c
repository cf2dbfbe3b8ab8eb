#define _GNU_SOURCE /* accept4 */

#include "waker.h"

#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct covet_waker {
  int listener; /* -1 once the client is there */
  int client;
  struct sockaddr_un address;
};

static int open_listener(covet_waker *waker)
{
  mode_t mask;
  int status;

  waker->listener =
      socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (waker->listener < 0) {
    return -1;
  }
  mask = umask(0177);
  status = bind(waker->listener, (const struct sockaddr *) &waker->address,
                sizeof(waker->address));
  (void) umask(mask);
  if (status == 0 && listen(waker->listener, 1) == 0) {
    return 0;
  }
  return -1;
}

int covet_waker_new(const char *path, covet_waker **out, covet_error *error)
{
  covet_waker *waker = calloc(1, sizeof(*waker));

  *out = NULL;
  if (waker == NULL) {
    covet_error_set(error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    return COVET_ENOMEM;
  }
  waker->listener = -1;
  waker->client = -1;
  waker->address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof(waker->address.sun_path)) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "the socket's path is longer than %d bytes",
                    (int) sizeof(waker->address.sun_path) - 1);
    free(waker);
    return COVET_EUSAGE;
  }
  memcpy(waker->address.sun_path, path, strlen(path) + 1);
  if (open_listener(waker) != 0) {
    covet_error_set(error, COVET_ERROR_CONNECTION_FAILED,
                    "cannot listen at %s: %s", path, strerror(errno));
    if (waker->listener >= 0) {
      close(waker->listener);
    }
    free(waker);
    return COVET_ESYSTEM;
  }
  *out = waker;
  return 0;
}

int covet_waker_listener(const covet_waker *waker)
{
  return waker->listener;
}

bool covet_waker_accept(covet_waker *waker)
{
  waker->client =
      accept4(waker->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (waker->client < 0) {
    return false;
  }
  (void) unlink(waker->address.sun_path);
  close(waker->listener);
  waker->listener = -1;
  return true;
}

void covet_waker_wake(covet_waker *waker)
{
  if (waker != NULL && waker->client >= 0) {
    /* A full socket means that the client has been woken already. */
    (void) send(waker->client, "!", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

void covet_waker_free(covet_waker *waker)
{
  if (waker == NULL) {
    return;
  }
  if (waker->listener >= 0) {
    (void) unlink(waker->address.sun_path);
    close(waker->listener);
  }
  if (waker->client >= 0) {
    close(waker->client);
  }
  free(waker);
}
