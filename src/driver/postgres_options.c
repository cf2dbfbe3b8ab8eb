#include "../core/error.h"
#include "postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* covet's own, and libpq's under covet's names. */
static const char *const names[] = {"host",
                                    "port",
                                    "hosts",
                                    "database",
                                    "user",
                                    "password",
                                    "target_session_attrs",
                                    "application_name",
                                    "server_settings",
                                    "ssl",
                                    "ssl_ca",
                                    "ssl_cert",
                                    "ssl_key",
                                    "ssl_crl",
                                    "connect_timeout",
                                    "statement_cache_size",
                                    "max_cacheable_statement_size",
                                    "max_cached_statement_lifetime",
                                    "pipeline",
                                    "pipeline_depth",
                                    "pgbouncer",
                                    "busy_poll",
                                    NULL};

static const char *const renamed[][2] = {
    {"database", "dbname"},  {"ssl", "sslmode"},    {"ssl_ca", "sslrootcert"},
    {"ssl_cert", "sslcert"}, {"ssl_key", "sslkey"}, {"ssl_crl", "sslcrl"},
};

#define NOT_GIVEN UINT64_MAX

enum {
  CONNECT_US = 10000000,
  LEAST_CONNECT_US = 2000000,
  HOSTS_OF_SERVICE = 4
};

typedef struct reader {
  pg_options *options;
  covet_arena *arena;
  covet_error *error;
} reader;

static int fail_memory(covet_error *error)
{
  covet_error_set(error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  return COVET_ENOMEM;
}

/* A later value of a keyword takes the place of an earlier one. */
static int set_keyword(reader *r, const char *keyword, const char *value)
{
  pg_options *options = r->options;
  unsigned i = 0;

  while (i < options->keyword_count &&
         strcmp(options->keywords[i], keyword) != 0) {
    i++;
  }
  if (i + 1 >= PG_MAX_KEYWORDS) {
    covet_error_set(r->error, COVET_ERROR_USAGE, "too many options");
    return COVET_EUSAGE;
  }
  options->keywords[i] = covet_arena_copy(r->arena, keyword, strlen(keyword));
  options->values[i] = covet_arena_copy(r->arena, value, strlen(value));
  if (options->keywords[i] == NULL || options->values[i] == NULL) {
    return fail_memory(r->error);
  }
  if (i == options->keyword_count) {
    options->keyword_count++;
  }
  return 0;
}

static const char *keyword_value(const pg_options *options, const char *keyword)
{
  for (unsigned i = 0; i < options->keyword_count; i++) {
    if (strcmp(options->keywords[i], keyword) == 0) {
      return options->values[i];
    }
  }
  return NULL;
}

/* Where the port of "host:port" begins, NULL: there is none. "[::1]:5432" and a
 * bare "::1" are addresses. */
static const char *port_of(const char *from, const char *end)
{
  const char *close =
      *from == '[' ? memchr(from, ']', (size_t) (end - from)) : NULL;
  const char *colon = memchr(close == NULL ? from : close, ':',
                             (size_t) (end - (close == NULL ? from : close)));

  if (colon == NULL || *from == '/' ||
      (close == NULL &&
       memchr(colon + 1, ':', (size_t) (end - colon - 1)) != NULL)) {
    return NULL;
  }
  return colon;
}

/* "a:5432,b" -> host=a,b port=5432, */
static int set_hosts(reader *r, const char *text)
{
  size_t length = strlen(text);
  char *hosts = covet_arena_alloc(r->arena, length + 1);
  char *ports = covet_arena_alloc(r->arena, length + 1);
  char *host = hosts;
  char *port = ports;
  int status;

  if (hosts == NULL || ports == NULL) {
    return fail_memory(r->error);
  }
  for (const char *from = text; from <= text + length;) {
    const char *end = from + strcspn(from, ",");
    const char *colon = from < end ? port_of(from, end) : NULL;
    const char *stop = colon == NULL ? end : colon;
    bool bracket = *from == '[' && stop[-1] == ']';

    host += sprintf(host, "%s%.*s", from == text ? "" : ",",
                    (int) (stop - from) - (bracket ? 2 : 0),
                    from + (bracket ? 1 : 0));
    port += sprintf(port, "%s%.*s", from == text ? "" : ",",
                    colon == NULL ? 0 : (int) (end - colon - 1),
                    colon == NULL ? "" : colon + 1);
    from = end + 1;
  }
  status = set_keyword(r, "host", hosts);
  return status == 0 ? set_keyword(r, "port", ports) : status;
}

/* Lines "name=value" -> "-c name=value ..."; a backslash stands before what
 * would end a word. */
static int set_settings(reader *r, const char *text)
{
  char *words = covet_arena_alloc(r->arena, strlen(text) * 4 + 8);
  char *to = words;
  bool begins = true;

  if (words == NULL) {
    return fail_memory(r->error);
  }
  for (; *text != '\0'; text++) {
    char c = *text;

    if (c == '\n') {
      begins = true;
      continue;
    }
    if (c == '\\' && (text[1] == 'n' || text[1] == '\\')) {
      text++;
      c = *text == 'n' ? '\n' : '\\';
    }
    if (begins) {
      to += sprintf(to, "%s-c ", to == words ? "" : " ");
      begins = false;
    }
    if (c == ' ' || c == '\\' || c == '\n' || c == '\t') {
      *to++ = '\\';
    }
    *to++ = c;
  }
  *to = '\0';
  r->options->settings = words;
  return 0;
}

static int read_size(reader *r, const covet_option *option, int64_t most,
                     size_t *value)
{
  int64_t number = 0;
  int status = covet_option_integer(option, 0, most, &number, r->error);

  *value = (size_t) number;
  return status;
}

static int read_pipeline(reader *r, const covet_option *option)
{
  const char *value = option->value;

  if (strcmp(value, "group") == 0 || strcmp(value, "true") == 0) {
    r->options->pipeline = PG_PIPELINE_GROUP;
  } else if (strcmp(value, "each") == 0) {
    r->options->pipeline = PG_PIPELINE_EACH;
  } else if (strcmp(value, "false") == 0 || strcmp(value, "off") == 0) {
    r->options->pipeline = PG_PIPELINE_OFF;
  } else {
    covet_error_set(r->error, COVET_ERROR_USAGE,
                    "option pipeline must be group, each or false, not '%.40s'",
                    value);
    return COVET_EUSAGE;
  }
  return 0;
}

static int read_busy_poll(reader *r, const covet_option *option)
{
  int64_t us = 0;
  int status = 0;

  if (strcmp(option->value, "auto") == 0 ||
      strcmp(option->value, "true") == 0) {
    us = COVET_SPIN_AUTO_US;
  } else if (strcmp(option->value, "false") != 0) {
    status = covet_option_integer(option, 0, COVET_SPIN_MOST_US, &us, r->error);
  }
  r->options->busy_poll_us = (uint64_t) us;
  return status;
}

static int read_depth(reader *r, const covet_option *option)
{
  int64_t depth = 0;
  int status = covet_option_integer(option, 1, 1000, &depth, r->error);

  r->options->pipeline_depth = (uint32_t) depth;
  return status;
}

/* These are the driver's to set. */
static bool is_ours(const char *keyword)
{
  return strcmp(keyword, "client_encoding") == 0 ||
         strcmp(keyword, "replication") == 0;
}

/* One of libpq's connection keywords, or nothing that is known. */
static int read_keyword(reader *r, const covet_option *option)
{
  enum { OWN = sizeof(names) / sizeof(names[0]) - 1, MOST = 100 };
  PQconninfoOption *all = PQconndefaults();
  const char *known[OWN + MOST + 1];
  size_t count = OWN;
  bool found = false;
  int status;

  memcpy(known, names, sizeof(names));
  for (PQconninfoOption *one = all;
       one != NULL && one->keyword != NULL && count < OWN + MOST; one++) {
    if (!is_ours(one->keyword)) {
      known[count++] = one->keyword;
      found |= strcmp(one->keyword, option->name) == 0;
    }
  }
  known[count] = NULL;
  status = found ? set_keyword(r, option->name, option->value)
                 : covet_option_unknown(option->name, known, r->error);
  PQconninfoFree(all);
  return status;
}

static int read_libpq(reader *r, const covet_option *option)
{
  for (size_t i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++) {
    if (strcmp(option->name, renamed[i][0]) == 0) {
      return set_keyword(r, renamed[i][1], option->value);
    }
  }
  return read_keyword(r, option);
}

static int read_own(reader *r, const covet_option *option, bool *known)
{
  pg_options *options = r->options;
  const char *name = option->name;

  *known = true;
  if (strcmp(name, "hosts") == 0) {
    return set_hosts(r, option->value);
  }
  if (strcmp(name, "server_settings") == 0) {
    return set_settings(r, option->value);
  }
  if (strcmp(name, "target_session_attrs") == 0) {
    return set_keyword(r, name, option->value);
  }
  if (strcmp(name, "connect_timeout") == 0) {
    return covet_option_seconds(option, &options->connect_timeout_us, r->error);
  }
  if (strcmp(name, "statement_cache_size") == 0) {
    return read_size(r, option, 100000, &options->cache_size);
  }
  if (strcmp(name, "max_cacheable_statement_size") == 0) {
    return read_size(r, option, 1 << 30, &options->cache_max_length);
  }
  if (strcmp(name, "max_cached_statement_lifetime") == 0) {
    return covet_option_seconds(option, &options->cache_lifetime_us, r->error);
  }
  if (strcmp(name, "pipeline") == 0) {
    return read_pipeline(r, option);
  }
  if (strcmp(name, "pipeline_depth") == 0) {
    return read_depth(r, option);
  }
  if (strcmp(name, "pgbouncer") == 0) {
    return covet_option_boolean(option, &options->pgbouncer, r->error);
  }
  if (strcmp(name, "busy_poll") == 0) {
    return read_busy_poll(r, option);
  }
  *known = false;
  return 0;
}

static int read_all(reader *r, const covet_option *given, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    bool known = false;
    int status = read_own(r, &given[i], &known); /* connect_timeout too */

    if (!known) {
      status =
          covet_pool_option(&r->options->pool, &given[i], &known, r->error);
    }
    if (!known) {
      status = read_libpq(r, &given[i]);
    }
    if (status != 0) {
      return status;
    }
  }
  return 0;
}

static int read_url(reader *r, const covet_url *url)
{
  const char *const parts[][2] = {
      {"host", url->host},
      {"port", url->port},
      {"dbname", url->path == NULL || url->path[0] == '\0' ? NULL : url->path},
      {"user", url->user},
      {"password", url->password},
  };

  for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
    int status =
        parts[i][1] == NULL ? 0 : set_keyword(r, parts[i][0], parts[i][1]);

    if (status != 0) {
      return status;
    }
  }
  return read_all(r, url->options, url->option_count);
}

/* What libpq takes for a keyword that it is not given: of the environment, or of
 * the service that this names. NULL: nothing. */
static const char *default_of(reader *r, const char *keyword)
{
  PQconninfoOption *all = PQconndefaults();
  const char *value = NULL;

  for (PQconninfoOption *one = all; one != NULL && one->keyword != NULL;
       one++) {
    if (strcmp(one->keyword, keyword) == 0 && one->val != NULL &&
        one->val[0] != '\0') {
      value = covet_arena_copy(r->arena, one->val, strlen(one->val));
    }
  }
  PQconninfoFree(all);
  return value;
}

static const char *value_of(reader *r, const char *keyword)
{
  const char *given = keyword_value(r->options, keyword);

  return given == NULL ? default_of(r, keyword) : given;
}

/* Of a service that is named here libpq alone knows the hosts. */
static unsigned count_hosts(reader *r)
{
  const char *hosts = value_of(r, "host");
  unsigned count = 1;

  if (hosts == NULL) {
    hosts = value_of(r, "hostaddr");
  }
  if (hosts == NULL && keyword_value(r->options, "service") != NULL) {
    return HOSTS_OF_SERVICE;
  }
  for (; hosts != NULL && *hosts != '\0'; hosts++) {
    count += *hosts == ',';
  }
  return count;
}

/* Whether texts come in the forms that are asked for in add_fixed. */
static bool keeps_formats(const char *words)
{
  size_t length = strlen(words);

  return !pg_mentions(words, length, "datestyle") &&
         !pg_mentions(words, length, "intervalstyle") &&
         !pg_mentions(words, length, "extra_float_digits");
}

/* What every connection has, whatever was asked for. */
static int add_fixed(reader *r)
{
  pg_options *options = r->options;
  const char *given = value_of(r, "options");
  const char *formats =
      "-c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1";
  const char *settings = options->settings == NULL ? "" : options->settings;
  size_t length;
  char *words;
  int status;

  given = given == NULL ? "" : given;
  length = strlen(formats) + strlen(given) + strlen(settings);
  words = covet_arena_alloc(r->arena, length + 4);
  if (words == NULL) {
    return fail_memory(r->error);
  }
  options->keeps_formats = keeps_formats(given) && keeps_formats(settings);
  (void) sprintf(words, "%s%s%s%s%s", options->pgbouncer ? "" : formats,
                 given[0] == '\0' ? "" : " ", given,
                 settings[0] == '\0' ? "" : " ", settings);
  status = set_keyword(r, "client_encoding", "UTF8");
  if (status == 0 && words[0] != '\0') {
    status = set_keyword(r, "options", words);
  }
  if (status == 0) {
    status = set_keyword(r, "fallback_application_name", "covet");
  }
  if (status == 0 && keyword_value(options, "gssencmode") == NULL &&
      getenv("PGGSSENCMODE") == NULL) {
    status = set_keyword(r, "gssencmode", "disable");
  }
  return status;
}

/* For each host, in libpq's whole seconds; it waits for two at least. */
static int add_timeout(reader *r)
{
  char seconds[32];
  const char *usual = default_of(r, "connect_timeout");
  uint64_t us = r->options->connect_timeout_us;

  if (us == NOT_GIVEN) {
    us = usual == NULL ? CONNECT_US : strtoull(usual, NULL, 10) * 1000000;
  }
  us = us > 0 && us < LEAST_CONNECT_US ? LEAST_CONNECT_US : us;
  r->options->connect_timeout_us = us;
  (void) snprintf(seconds, sizeof(seconds), "%llu",
                  (unsigned long long) ((us + 999999) / 1000000));
  return set_keyword(r, "connect_timeout", seconds);
}

static void set_defaults(pg_options *options)
{
  covet_pool_options_init(&options->pool);
  options->pool.min_size = 5;
  options->pool.max_size = 20;
  options->cache_size = 100;
  options->cache_max_length = 15360;
  options->cache_lifetime_us = 300000000;
  options->connect_timeout_us = NOT_GIVEN;
  options->pipeline = PG_PIPELINE_GROUP;
  options->pipeline_depth = 16;
  options->busy_poll_us = COVET_SPIN_AUTO_US;
}

int pg_options_read(pg_options *options, covet_arena *arena,
                    const covet_url *url, const covet_option *given,
                    size_t count, covet_error *error)
{
  reader r = {.options = options, .arena = arena, .error = error};
  int status;

  set_defaults(options);
  status = read_url(&r, url);
  if (status == 0) {
    status = read_all(&r, given, count);
  }
  if (status == 0) {
    status = add_fixed(&r);
  }
  if (status == 0) {
    status = add_timeout(&r);
  }
  if (status == 0 && options->pgbouncer) {
    options->cache_size = 0;
  }
  options->host_count = count_hosts(&r);
  options->pool.connect_timeout_us = 0; /* the driver sees to it */
  return status == 0 ? covet_pool_options_check(&options->pool, error) : status;
}
