/** Database URLs: scheme://user:password@host:port/database?name=value. */
#ifndef COVET_URL_H
#define COVET_URL_H

#include "../covet.h"
#include "arena.h"

/**
 * The parts of a URL, percent-decoded, as strings in the caller's arena. A part
 * that is absent is NULL. For `sqlite:` everything before the `?` is the path.
 */
typedef struct covet_url {
  const char *scheme; /* lower case */
  const char *user;
  const char *password;
  const char *host; /* several: separated by commas, as libpq has them */
  const char *port; /* as `host` */
  const char *path; /* database or file, without the leading slash of the
                       authority form */
  const covet_option *options;
  size_t option_count;
} covet_url;

/**
 * Take a URL apart. Returns 0, COVET_EUSAGE with a text that shows no
 * password, or COVET_ENOMEM.
 */
int covet_url_parse(const char *text, covet_arena *arena, covet_url *url,
                    covet_error *error);

#endif
