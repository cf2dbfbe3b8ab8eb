#include "secrets.h"

#include <string.h>

#define MASK '*'

static void mask(char *from, const char *to)
{
  memset(from, MASK, (size_t) (to - from));
}

/* The last `@` before `end`, or NULL. A password may hold others. */
static char *find_at(char *from, const char *end)
{
  char *found = NULL;

  for (char *c = from; c < end; c++) {
    if (*c == '@') {
      found = c;
    }
  }
  return found;
}

/* scheme://user:password@host, anywhere in the text */
static void mask_urls(char *text)
{
  char *from = text;

  while ((from = strstr(from, "://")) != NULL) {
    char *colon;
    char *at;

    from += 3;
    at = find_at(from, from + strcspn(from, " \t\n\"'"));
    if (at == NULL) {
      continue;
    }
    colon = memchr(from, ':', (size_t) (at - from));
    if (colon != NULL) {
      mask(colon + 1, at);
    }
    from = at;
  }
}

/* ...?password=value&... */
static void mask_options(char *text)
{
  static const char name[] = "password=";
  char *from = text;

  while ((from = strstr(from, name)) != NULL) {
    from += sizeof(name) - 1;
    mask(from, from + strcspn(from, "& \t\n\"'"));
  }
}

void mask_secrets(char *text)
{
  mask_urls(text);
  mask_options(text);
}
