#include "../core/error.h"
#include "sqlite.h"

#include <string.h>
#include <strings.h>

static const char *const names[] = {"path",
                                    "readers",
                                    "journal_mode",
                                    "synchronous",
                                    "foreign_keys",
                                    "busy_timeout",
                                    "pragmas",
                                    "read_only",
                                    "group_commit",
                                    "statement_cache_size",
                                    "max_cacheable_statement_size",
                                    "max_cached_statement_lifetime",
                                    NULL};

static int choice(const covet_option *option, const char *const *allowed,
                  const char **value, covet_error *error)
{
  for (; *allowed != NULL; allowed++) {
    if (strcasecmp(option->value, *allowed) == 0) {
      *value = *allowed;
      return 0;
    }
  }
  covet_error_set(error, COVET_ERROR_USAGE, "option %s cannot be '%.40s'",
                  option->name, option->value);
  return COVET_EUSAGE;
}

static int read_number(const covet_option *option, int64_t least, int64_t most,
                       size_t *value, covet_error *error)
{
  int64_t number = 0;
  int status = covet_option_integer(option, least, most, &number, error);

  *value = (size_t) number;
  return status;
}

static int read_readers(sqlite_options *options, const covet_option *option,
                        covet_error *error)
{
  size_t readers = 0;
  int status = read_number(option, 1, 1000, &readers, error);

  options->pool.max_size = (uint32_t) readers;
  return status;
}

static int keep_text(const char **value, covet_arena *arena,
                     const covet_option *option)
{
  *value = covet_arena_copy(arena, option->value, strlen(option->value));
  return *value == NULL ? COVET_ENOMEM : 0;
}

static int read_one(sqlite_options *options, covet_arena *arena,
                    const covet_option *option, covet_error *error)
{
  static const char *const modes[] = {"wal",    "delete", "truncate", "persist",
                                      "memory", "off",    NULL};
  static const char *const syncs[] = {"off", "normal", "full", "extra", NULL};
  const char *name = option->name;
  bool known = false;
  int status = covet_pool_option(&options->pool, option, &known, error);

  if (known) {
    return status;
  }
  if (strcmp(name, "path") == 0) {
    return keep_text(&options->path, arena, option);
  }
  if (strcmp(name, "pragmas") == 0) {
    return keep_text(&options->pragmas, arena, option);
  }
  if (strcmp(name, "readers") == 0) {
    return read_readers(options, option, error);
  }
  if (strcmp(name, "journal_mode") == 0) {
    return choice(option, modes, &options->journal_mode, error);
  }
  if (strcmp(name, "synchronous") == 0) {
    return choice(option, syncs, &options->synchronous, error);
  }
  if (strcmp(name, "foreign_keys") == 0) {
    return covet_option_boolean(option, &options->foreign_keys, error);
  }
  if (strcmp(name, "read_only") == 0) {
    return covet_option_boolean(option, &options->read_only, error);
  }
  if (strcmp(name, "group_commit") == 0) {
    return covet_option_boolean(option, &options->group_commit, error);
  }
  if (strcmp(name, "busy_timeout") == 0) {
    return covet_option_seconds(option, &options->busy_timeout_us, error);
  }
  if (strcmp(name, "max_cached_statement_lifetime") == 0) {
    return covet_option_seconds(option, &options->cache_lifetime_us, error);
  }
  if (strcmp(name, "statement_cache_size") == 0) {
    return read_number(option, 0, 100000, &options->cache_size, error);
  }
  if (strcmp(name, "max_cacheable_statement_size") == 0) {
    return read_number(option, 0, 1 << 30, &options->cache_max_length, error);
  }
  return covet_option_unknown(name, names, error);
}

static int read_all(sqlite_options *options, covet_arena *arena,
                    const covet_option *given, size_t count, covet_error *error)
{
  for (size_t i = 0; i < count; i++) {
    int status = read_one(options, arena, &given[i], error);

    if (status != 0) {
      return status;
    }
  }
  return 0;
}

/* Connections that read are opened as they are needed; a database in the process
 * itself needs no breaker, and opening a file again does not help. Who waits
 * costs the database nothing. */
static void read_pool_defaults(covet_pool_config *pool)
{
  covet_pool_options_init(pool);
  pool->min_size = 0;
  pool->max_size = 4;
  pool->auto_scale = false;
  pool->max_waiting = 0;
  pool->retry_attempts = 1;
  pool->retry_backoff_us = 0;
  pool->breaker_failures = 0;
  pool->connect_timeout_us = 0;
  pool->close_timeout_us = 0;
}

int sqlite_options_read(sqlite_options *options, covet_arena *arena,
                        const covet_url *url, const covet_option *given,
                        size_t count, covet_error *error)
{
  int status;

  options->path = url->path == NULL ? "" : url->path;
  options->journal_mode = "wal";
  options->synchronous = "normal";
  read_pool_defaults(&options->pool);
  options->foreign_keys = true;
  options->busy_timeout_us = 5000000;
  options->cache_size = 100;
  options->cache_max_length = 15360;
  status = read_all(options, arena, url->options, url->option_count, error);
  if (status == 0) {
    status = read_all(options, arena, given, count, error);
  }
  return status == 0 ? covet_pool_options_check(&options->pool, error) : status;
}
