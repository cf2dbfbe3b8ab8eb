#include "url.h"

#include "error.h"

#include <stdbool.h>
#include <string.h>

typedef struct parser {
  covet_arena *arena;
  covet_error *error;
  int status;
} parser;

static int hex_digit(char c)
{
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}

static void fail(parser *p, const char *text)
{
  if (p->status == 0) {
    covet_error_set(p->error, COVET_ERROR_USAGE, "database URL: %s", text);
    p->status = COVET_EUSAGE;
  }
}

/* The decoded copy of `length` bytes; NULL after an error. */
static const char *decode(parser *p, const char *from, size_t length)
{
  char *copy = covet_arena_alloc(p->arena, length + 1);
  char *to = copy;

  if (copy == NULL) {
    covet_error_set(p->error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
    p->status = COVET_ENOMEM;
    return NULL;
  }
  for (size_t i = 0; i < length; i++) {
    if (from[i] == '%') {
      bool whole = i + 2 < length;
      int high = whole ? hex_digit(from[i + 1]) : -1;
      int low = whole ? hex_digit(from[i + 2]) : -1;

      if (high < 0 || low < 0) {
        fail(p, "a % must be followed by two hexadecimal digits");
        return NULL;
      }
      if (high == 0 && low == 0) {
        fail(p, "%00 is not allowed");
        return NULL;
      }
      *to++ = (char) (high * 16 + low);
      i += 2;
    } else {
      *to++ = from[i];
    }
  }
  *to = '\0';
  return copy;
}

static const char *find(const char *from, const char *end, char wanted)
{
  return from == end ? NULL : memchr(from, wanted, (size_t) (end - from));
}

/* The last `wanted` between from and end: a password may hold an '@'. */
static const char *find_last(const char *from, const char *end, char wanted)
{
  while (end > from) {
    if (*--end == wanted) {
      return end;
    }
  }
  return NULL;
}

static size_t count_options(const char *from, const char *end)
{
  size_t count = from == end ? 0 : 1;

  for (; from < end; from++) {
    count += *from == '&';
  }
  return count;
}

static void parse_option(parser *p, const char *from, const char *end,
                         covet_option *option)
{
  const char *equals = find(from, end, '=');

  if (equals == NULL || equals == from) {
    fail(p, "the part after ? must be name=value pairs joined by &");
    return;
  }
  option->name = decode(p, from, (size_t) (equals - from));
  option->value = decode(p, equals + 1, (size_t) (end - equals - 1));
}

static void parse_options(parser *p, const char *from, const char *end,
                          covet_url *url)
{
  size_t count = count_options(from, end);
  covet_option *options;

  if (count == 0) {
    return;
  }
  options = covet_arena_alloc(p->arena, sizeof(*options) * count);
  if (options == NULL) {
    p->status = COVET_ENOMEM;
    return;
  }
  url->options = options;
  url->option_count = count;
  for (size_t i = 0; i < count && p->status == 0; i++) {
    const char *stop = find(from, end, '&');

    stop = stop == NULL ? end : stop;
    parse_option(p, from, stop, &options[i]);
    from = stop == end ? end : stop + 1;
  }
}

static void parse_credentials(parser *p, const char *from, const char *end,
                              covet_url *url)
{
  const char *colon = find(from, end, ':');
  const char *stop = colon == NULL ? end : colon;

  if (stop > from) {
    url->user = decode(p, from, (size_t) (stop - from));
  }
  if (colon != NULL) {
    url->password = decode(p, colon + 1, (size_t) (end - colon - 1));
  }
}

/* Hosts and ports: `a`, `a:1`, `[::1]:1`, and lists of these. */
static void parse_hosts(parser *p, const char *from, const char *end,
                        covet_url *url)
{
  size_t length = (size_t) (end - from);
  char *hosts = covet_arena_alloc(p->arena, length + 2);
  char *ports = covet_arena_alloc(p->arena, length + 2);
  char *host = hosts;
  char *port = ports;
  bool any_port = false;

  if (hosts == NULL || ports == NULL) {
    p->status = COVET_ENOMEM;
    return;
  }
  while (from < end) {
    const char *stop = find(from, end, ',');
    const char *close;
    const char *colon;

    stop = stop == NULL ? end : stop;
    close = *from == '[' ? find(from, stop, ']') : NULL;
    if (*from == '[' && close == NULL) {
      fail(p, "a [ without its ] in the host");
      return;
    }
    colon = find(close == NULL ? from : close, stop, ':');
    if (colon != NULL && find(colon + 1, stop, ':') != NULL) {
      fail(p, "an IPv6 address must stand in [brackets]");
      return;
    }
    for (const char *c = from; c < (colon == NULL ? stop : colon); c++) {
      if (*c != '[' && *c != ']') {
        *host++ = *c;
      }
    }
    for (const char *c = colon == NULL ? stop : colon + 1; c < stop; c++) {
      if (*c < '0' || *c > '9') {
        fail(p, "the port must be a number");
        return;
      }
      *port++ = *c;
      any_port = true;
    }
    if (stop < end) {
      *host++ = ',';
      *port++ = ',';
    }
    from = stop < end ? stop + 1 : end;
  }
  *host = '\0';
  *port = '\0';
  if (length > 0) {
    url->host = decode(p, hosts, strlen(hosts));
    url->port = any_port ? ports : NULL;
  }
}

static void parse_authority(parser *p, const char *from, const char *end,
                            covet_url *url)
{
  const char *slash = find(from, end, '/');
  const char *stop = slash == NULL ? end : slash;
  const char *at = find_last(from, stop, '@');

  if (at != NULL) {
    parse_credentials(p, from, at, url);
    from = at + 1;
  }
  if (p->status == 0) {
    parse_hosts(p, from, stop, url);
  }
  if (p->status == 0 && slash != NULL && slash + 1 < end) {
    url->path = decode(p, slash + 1, (size_t) (end - slash - 1));
  }
}

static void parse_file(parser *p, const char *from, const char *end,
                       covet_url *url)
{
  if (end - from >= 2 && from[0] == '/' && from[1] == '/') {
    from += 2; /* sqlite:///file: an empty host, then the path */
    if (from == end || *from != '/') {
      fail(p, "sqlite:// takes no host; write sqlite:file or sqlite:///file");
      return;
    }
  }
  url->path = decode(p, from, (size_t) (end - from));
}

static bool is_scheme(const char *from, const char *end)
{
  if (from == end) {
    return false;
  }
  for (; from < end; from++) {
    char c = (char) (*from | 0x20);

    if ((c < 'a' || c > 'z') && (*from < '0' || *from > '9') && *from != '+') {
      return false;
    }
  }
  return true;
}

static const char *lower_scheme(parser *p, const char *from, size_t length)
{
  char *scheme = covet_arena_copy(p->arena, from, length);

  if (scheme == NULL) {
    p->status = COVET_ENOMEM;
    return NULL;
  }
  for (char *c = scheme; *c != '\0'; c++) {
    if (*c >= 'A' && *c <= 'Z') {
      *c = (char) (*c | 0x20);
    }
  }
  return scheme;
}

int covet_url_parse(const char *text, covet_arena *arena, covet_url *url,
                    covet_error *error)
{
  parser p = {arena, error, 0};
  const char *end = text + strlen(text);
  const char *colon = find(text, end, ':');
  const char *question;

  memset(url, 0, sizeof(*url));
  if (colon == NULL || !is_scheme(text, colon)) {
    fail(&p, "it must begin with a scheme, as in sqlite:app.db or "
             "postgresql://host/database");
    return p.status;
  }
  url->scheme = lower_scheme(&p, text, (size_t) (colon - text));
  question = find(colon, end, '?');
  if (question != NULL) {
    parse_options(&p, question + 1, end, url);
    end = question;
  }
  if (p.status != 0) {
    return p.status;
  }
  if (strcmp(url->scheme, "sqlite") == 0) {
    parse_file(&p, colon + 1, end, url);
  } else if (end - colon >= 3 && colon[1] == '/' && colon[2] == '/') {
    parse_authority(&p, colon + 3, end, url);
  } else {
    fail(&p, "the scheme must be followed by //");
  }
  return p.status;
}
