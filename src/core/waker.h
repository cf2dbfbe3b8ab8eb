/** Waking a host that can wait on sockets only: a byte over a Unix socket. */
#ifndef COVET_CORE_WAKER_H
#define COVET_CORE_WAKER_H

#include "../covet.h"

#include <stdbool.h>

typedef struct covet_waker covet_waker;

/** Listen at `path` (mode 0600; it must not exist); sets `*out`. */
int covet_waker_new(const char *path, covet_waker **out, covet_error *error);

/** What is readable when a client connects; closed by covet_waker_accept. */
int covet_waker_listener(const covet_waker *waker);

/** Let the client in, the only one there will be. False: there is none yet. */
bool covet_waker_accept(covet_waker *waker);

/** Send a byte to the client, if one has connected. NULL is allowed. */
void covet_waker_wake(covet_waker *waker);

void covet_waker_free(covet_waker *waker);

#endif
