#include "mysql_options.h"
#include "../core/error.h"
#include "../core/spin.h"
#include "mysql_ahead.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const names[] = {"host",
                                    "port",
                                    "database",
                                    "user",
                                    "password",
                                    "unix_socket",
                                    "charset",
                                    "connect_timeout",
                                    "autocommit",
                                    "ssl",
                                    "ssl_ca",
                                    "ssl_cert",
                                    "ssl_key",
                                    "ssl_crl",
                                    "ssl_cipher",
                                    "ssl_verify",
                                    "init_command",
                                    "time_zone",
                                    "local_infile",
                                    "zero_dates",
                                    "found_rows",
                                    "bulk",
                                    "busy_poll",
                                    "pipeline",
                                    "pipeline_depth",
                                    "thread_per_connection",
                                    "statement_cache_size",
                                    "max_cacheable_statement_size",
                                    "max_cached_statement_lifetime",
                                    NULL};

typedef struct reader {
  my_options *options;
  covet_arena *arena;
  covet_error *error;
} reader;

static int fail_memory(covet_error *error)
{
  covet_error_set(error, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  return COVET_ENOMEM;
}

static int refuse(reader *r, const covet_option *option, const char *wanted)
{
  covet_error_set(r->error, COVET_ERROR_USAGE,
                  "option %s must be %s, not '%.40s'", option->name, wanted,
                  option->value);
  return COVET_EUSAGE;
}

/* --- Texts ------------------------------------------------------------------------ */

typedef struct text_option {
  const char *name;
  size_t offset;
} text_option;

#define TEXT(name)                                                             \
  {                                                                            \
#name, offsetof(my_options, name)                                          \
  }

static const text_option texts[] = {
    TEXT(host),      TEXT(user),        TEXT(password),     TEXT(database),
    TEXT(charset),   TEXT(unix_socket), TEXT(init_command), TEXT(time_zone),
    TEXT(ssl_ca),    TEXT(ssl_cert),    TEXT(ssl_key),      TEXT(ssl_crl),
    TEXT(ssl_cipher)};

#undef TEXT

static int set_text(reader *r, size_t offset, const char *value)
{
  const char *copy = covet_arena_copy(r->arena, value, strlen(value));

  if (copy == NULL) {
    return fail_memory(r->error);
  }
  memcpy((char *) r->options + offset, &copy, sizeof(copy));
  return 0;
}

static int read_text(reader *r, const covet_option *option, bool *known)
{
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    if (strcmp(option->name, texts[i].name) == 0) {
      *known = true;
      return set_text(r, texts[i].offset, option->value);
    }
  }
  return 0;
}

/* --- Booleans --------------------------------------------------------------------- */

typedef struct boolean_option {
  const char *name;
  size_t offset;
} boolean_option;

static const boolean_option booleans[] = {
    {"autocommit", offsetof(my_options, autocommit)},
    {"found_rows", offsetof(my_options, found_rows)},
    {"local_infile", offsetof(my_options, local_infile)},
    {"thread_per_connection", offsetof(my_options, threads)},
    {"ssl_verify", offsetof(my_options, ssl_verify)}};

static int read_boolean(reader *r, const covet_option *option, bool *known)
{
  for (size_t i = 0; i < sizeof(booleans) / sizeof(booleans[0]); i++) {
    if (strcmp(option->name, booleans[i].name) == 0) {
      bool *value =
          (bool *) (void *) ((char *) r->options + booleans[i].offset);

      *known = true;
      r->options->ssl_verify_given |= value == &r->options->ssl_verify;
      return covet_option_boolean(option, value, r->error);
    }
  }
  return 0;
}

/* --- Choices ---------------------------------------------------------------------- */

typedef struct choice {
  const char *name;
  int value;
} choice;

static int choose(reader *r, const covet_option *option, const choice *list,
                  const char *wanted, int *value)
{
  for (; list->name != NULL; list++) {
    if (strcasecmp(list->name, option->value) == 0) {
      *value = list->value;
      return 0;
    }
  }
  return refuse(r, option, wanted);
}

static int read_ssl(reader *r, const covet_option *option)
{
  static const choice list[] = {{"disable", MY_SSL_DISABLE},
                                {"false", MY_SSL_DISABLE},
                                {"require", MY_SSL_REQUIRE},
                                {"true", MY_SSL_ON},
                                {"verify-ca", MY_SSL_VERIFY_CA},
                                {"verify-full", MY_SSL_VERIFY_FULL},
                                {NULL, 0}};
  int mode = 0;
  int status = choose(r, option, list,
                      "disable, require, verify-ca or verify-full", &mode);

  r->options->ssl = (my_ssl) mode;
  r->options->ssl_given = true;
  return status;
}

static int read_zero_dates(reader *r, const covet_option *option)
{
  static const choice list[] = {{"string", MY_ZERO_AS_IS},
                                {"null", MY_ZERO_NULL},
                                {"error", MY_ZERO_ERROR},
                                {NULL, 0}};
  int value = 0;
  int status = choose(r, option, list, "string, null or error", &value);

  r->options->zero_dates = (my_zero_dates) value;
  return status;
}

static int read_bulk(reader *r, const covet_option *option)
{
  static const choice list[] = {
      {"auto", MY_BULK_AUTO},       {"true", MY_BULK_AUTO},
      {"rewrite", MY_BULK_REWRITE}, {"false", MY_BULK_OFF},
      {"off", MY_BULK_OFF},         {NULL, 0}};
  int value = 0;
  int status = choose(r, option, list, "auto, rewrite or false", &value);

  r->options->bulk = (my_bulk) value;
  return status;
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

/* --- All of them ------------------------------------------------------------------- */

static int read_size(reader *r, const covet_option *option, int64_t most,
                     size_t *value)
{
  int64_t number = 0;
  int status = covet_option_integer(option, 0, most, &number, r->error);

  *value = (size_t) number;
  return status;
}

static int read_pipeline_depth(reader *r, const covet_option *option)
{
  int64_t depth = 0;
  int status = covet_option_integer(option, 1, MY_AHEAD_MOST, &depth, r->error);

  r->options->pipeline_depth = (uint32_t) depth;
  return status;
}

static int read_port(reader *r, const covet_option *option)
{
  int64_t port = 0;
  int status = covet_option_integer(option, 1, 65535, &port, r->error);

  r->options->port = (unsigned) port;
  return status;
}

static int read_own(reader *r, const covet_option *option, bool *known)
{
  my_options *options = r->options;
  const char *name = option->name;

  *known = true;
  if (strcmp(name, "port") == 0) {
    return read_port(r, option);
  }
  if (strcmp(name, "ssl") == 0) {
    return read_ssl(r, option);
  }
  if (strcmp(name, "zero_dates") == 0) {
    return read_zero_dates(r, option);
  }
  if (strcmp(name, "bulk") == 0) {
    return read_bulk(r, option);
  }
  if (strcmp(name, "busy_poll") == 0) {
    return read_busy_poll(r, option);
  }
  if (strcmp(name, "pipeline") == 0) {
    return covet_option_boolean(option, &options->pipeline, r->error);
  }
  if (strcmp(name, "pipeline_depth") == 0) {
    return read_pipeline_depth(r, option);
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
  *known = false;
  return 0;
}

static int read_one(reader *r, const covet_option *option)
{
  bool known = false;
  int status = read_own(r, option, &known);

  if (!known) {
    status = read_text(r, option, &known);
  }
  if (!known) {
    status = read_boolean(r, option, &known);
  }
  if (!known) {
    status = covet_pool_option(&r->options->pool, option, &known, r->error);
  }
  return known ? status : covet_option_unknown(option->name, names, r->error);
}

static int read_all(reader *r, const covet_option *given, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    int status = read_one(r, &given[i]);

    if (status != 0) {
      return status;
    }
  }
  return 0;
}

static int read_url(reader *r, const covet_url *url)
{
  const covet_option parts[] = {
      {"host", url->host},
      {"port", url->port},
      {"database",
       url->path == NULL || url->path[0] == '\0' ? NULL : url->path},
      {"user", url->user},
      {"password", url->password},
  };

  for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
    int status = parts[i].value == NULL || parts[i].value[0] == '\0'
                     ? 0
                     : read_one(r, &parts[i]);

    if (status != 0) {
      return status;
    }
  }
  return read_all(r, url->options, url->option_count);
}

/* --- What follows from them ---------------------------------------------------------- */

/* A letter may end in the byte of a backslash or quote there, which quoting takes
 * for one. */
static bool is_ambiguous(const char *charset)
{
  static const char *const unsafe[] = {"big5", "cp932", "gb18030", "gbk",
                                       "sjis"};

  for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
    if (strcasecmp(charset, unsafe[i]) == 0) {
      return true;
    }
  }
  return false;
}

static int check(reader *r)
{
  const my_options *options = r->options;

  if (options->charset[0] == '\0' ||
      mariadb_get_charset_by_name(options->charset) == NULL) {
    covet_error_set(r->error, COVET_ERROR_USAGE,
                    "option charset: libmariadb knows no '%.40s'; utf8mb4 is "
                    "the one for all texts",
                    options->charset);
    return COVET_EUSAGE;
  }
  if (is_ambiguous(options->charset)) {
    covet_error_set(r->error, COVET_ERROR_USAGE,
                    "option charset: quoted texts are not safe in %.40s; "
                    "utf8mb4 is the one for all texts",
                    options->charset);
    return COVET_EUSAGE;
  }
  if ((options->ssl_cert == NULL) != (options->ssl_key == NULL)) {
    covet_error_set(r->error, COVET_ERROR_USAGE,
                    "a client's certificate needs its key: ssl_cert and "
                    "ssl_key");
    return COVET_EUSAGE;
  }
  return 0;
}

static int refuse_ssl(reader *r, const char *text, const char *name)
{
  covet_error_set(r->error, COVET_ERROR_USAGE, text, name);
  return COVET_EUSAGE;
}

/* An option that has to do with TLS only, NULL: none is given. */
static const char *find_ssl_option(const my_options *options)
{
  return options->ssl_ca != NULL       ? "ssl_ca"
         : options->ssl_cert != NULL   ? "ssl_cert"
         : options->ssl_crl != NULL    ? "ssl_crl"
         : options->ssl_cipher != NULL ? "ssl_cipher"
         : options->ssl_verify_given   ? "ssl_verify"
                                       : NULL;
}

/* Files alone mean TLS, and an authority means that it is to be asked. */
static my_ssl choose_ssl(const my_options *options)
{
  if (!options->ssl_given && find_ssl_option(options) == NULL) {
    return MY_SSL_DISABLE;
  }
  if (options->ssl_verify_given) {
    return options->ssl_verify ? MY_SSL_VERIFY_FULL : MY_SSL_REQUIRE;
  }
  return options->ssl_ca != NULL ? MY_SSL_VERIFY_FULL : MY_SSL_REQUIRE;
}

/* What contradicts itself would be less safe than half of it says. */
static int check_ssl(reader *r)
{
  const my_options *options = r->options;
  const char *given = find_ssl_option(options);
  my_ssl verified = options->ssl_verify ? MY_SSL_VERIFY_FULL : MY_SSL_REQUIRE;

  if (options->ssl == MY_SSL_DISABLE && given != NULL) {
    return refuse_ssl(r, "ssl is disable, which contradicts %s", given);
  }
  if (options->ssl_verify_given && options->ssl != verified) {
    return refuse_ssl(r,
                      "the mode of ssl contradicts ssl_verify, which means %s",
                      options->ssl_verify ? "verify-full" : "require");
  }
  if (options->ssl == MY_SSL_VERIFY_CA && options->ssl_ca == NULL) {
    return refuse_ssl(r, "verify-ca needs the authority's file, %s", "ssl_ca");
  }
  if (options->ssl_crl != NULL && options->ssl < MY_SSL_VERIFY_CA) {
    return refuse_ssl(r,
                      "%s is for certificates that are checked: it needs "
                      "ssl_ca, or ssl_verify = true",
                      "ssl_crl");
  }
  return 0;
}

static int settle_ssl(reader *r)
{
  if (r->options->ssl == MY_SSL_ON) {
    r->options->ssl = choose_ssl(r->options);
  }
  return check_ssl(r);
}

/* A text as it stands between single quotes. */
static char *put_quoted(char *to, const char *text)
{
  for (; *text != '\0'; text++) {
    if (*text == '\'' || *text == '\\') {
      *to++ = *text == '\'' ? '\'' : '\\';
    }
    *to++ = *text;
  }
  return to;
}

/* The session as covet's calls promise it: moments in UTC, values that do not fit
 * refused, backslashes as the scanner reads them, changes told. */
static int write_set_up(reader *r)
{
  static const char before[] = "SET time_zone='";
  static const char behind[] =
      "', autocommit=1, sql_mode=CONCAT_WS(',',"
      "NULLIF(TRIM(BOTH ',' FROM REPLACE(REPLACE(@@sql_mode,"
      "'NO_BACKSLASH_ESCAPES',''),',,',',')),''),'STRICT_TRANS_TABLES'), "
      "session_track_state_change=1";
  const char *zone = r->options->time_zone;
  char *text = covet_arena_alloc(r->arena, sizeof(before) + sizeof(behind) +
                                               strlen(zone) * 2);
  char *to;

  if (text == NULL) {
    return fail_memory(r->error);
  }
  memcpy(text, before, sizeof(before) - 1);
  to = put_quoted(text + sizeof(before) - 1, zone);
  memcpy(to, behind, sizeof(behind));
  r->options->set_up = text;
  return 0;
}

static void set_defaults(my_options *options)
{
  covet_pool_options_init(&options->pool);
  options->pool.min_size = 5;
  options->pool.max_size = 20;
  options->host = "localhost";
  options->port = 3306;
  options->charset = "utf8mb4";
  options->time_zone = "+00:00";
  options->autocommit = true;
  options->found_rows = true;
  options->cache_size = 100;
  options->cache_max_length = 15360;
  options->cache_lifetime_us = 300000000;
  options->connect_timeout_us = 10000000;
  options->busy_poll_us = COVET_SPIN_AUTO_US;
  options->pipeline = true;
  options->pipeline_depth = 8;
}

int my_options_read(my_options *options, covet_arena *arena,
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
    status = check(&r);
  }
  if (status == 0) {
    status = settle_ssl(&r);
  }
  if (status == 0) {
    status = write_set_up(&r);
  }
  options->pool.connect_timeout_us = 0; /* the driver sees to it */
  return status == 0 ? covet_pool_options_check(&options->pool, error) : status;
}
