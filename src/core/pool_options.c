/* Options of a pool as texts: those of an adapter. */
#include "driver.h"
#include "error.h"
#include "number.h"
#include "pool.h"

#include <stddef.h>
#include <string.h>

enum { MIN_SIZE = offsetof(covet_pool_config, min_size) };

typedef enum option_kind { COUNT, DURATION, SHARE, FLAG } option_kind;

typedef struct pool_option {
  const char *name;
  option_kind kind;
  size_t offset;
} pool_option;

static const pool_option options[] = {
    {"min_pool_size", COUNT, MIN_SIZE},
    {"max_pool_size", COUNT, offsetof(covet_pool_config, max_size)},
    {"max_waiting", COUNT, offsetof(covet_pool_config, max_waiting)},
    {"connect_parallel", COUNT, offsetof(covet_pool_config, connect_parallel)},
    {"pipeline_depth", COUNT, offsetof(covet_pool_config, share_depth)},
    {"retry_attempts", COUNT, offsetof(covet_pool_config, retry_attempts)},
    {"breaker_failures", COUNT, offsetof(covet_pool_config, breaker_failures)},
    {"acquire_timeout", DURATION,
     offsetof(covet_pool_config, acquire_timeout_us)},
    {"idle_timeout", DURATION, offsetof(covet_pool_config, idle_timeout_us)},
    {"max_lifetime", DURATION, offsetof(covet_pool_config, max_lifetime_us)},
    {"health_check_interval", DURATION,
     offsetof(covet_pool_config, health_check_interval_us)},
    {"leak_timeout", DURATION, offsetof(covet_pool_config, leak_timeout_us)},
    {"retry_backoff", DURATION, offsetof(covet_pool_config, retry_backoff_us)},
    {"retry_max_backoff", DURATION,
     offsetof(covet_pool_config, retry_max_backoff_us)},
    {"connect_timeout", DURATION,
     offsetof(covet_pool_config, connect_timeout_us)},
    {"check_timeout", DURATION, offsetof(covet_pool_config, check_timeout_us)},
    {"close_timeout", DURATION, offsetof(covet_pool_config, close_timeout_us)},
    {"lifetime_jitter", SHARE, offsetof(covet_pool_config, lifetime_jitter)},
    {"breaker_window", DURATION,
     offsetof(covet_pool_config, breaker_window_us)},
    {"breaker_cooldown", DURATION,
     offsetof(covet_pool_config, breaker_cooldown_us)},
    {"scale_up_threshold", SHARE,
     offsetof(covet_pool_config, scale_up_threshold)},
    {"scale_down_threshold", SHARE,
     offsetof(covet_pool_config, scale_down_threshold)},
    {"pre_ping", FLAG, offsetof(covet_pool_config, pre_ping)},
    {"test_on_borrow", FLAG, offsetof(covet_pool_config, test_on_borrow)},
    {"auto_scale", FLAG, offsetof(covet_pool_config, auto_scale)},
    {"leak_detection", FLAG, offsetof(covet_pool_config, leak_detection)},
    {"retry_jitter", FLAG, offsetof(covet_pool_config, retry_jitter)},
};

static int set_count(const covet_option *given, uint32_t *field,
                     covet_error *error)
{
  int64_t value = 0;
  int status = covet_option_integer(given, 0, UINT32_MAX, &value, error);

  *field = (uint32_t) value;
  return status;
}

static int set_share(const covet_option *given, double *field,
                     covet_error *error)
{
  double value;

  if (!covet_number_float(given->value, strlen(given->value), false, &value) ||
      value < 0 || value > 1) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "option %s must be a number from 0 to 1", given->name);
    return COVET_EUSAGE;
  }
  *field = value;
  return 0;
}

static int set_order(const covet_option *given, bool *fifo, covet_error *error)
{
  *fifo = strcmp(given->value, "fifo") == 0;
  if (!*fifo && strcmp(given->value, "lifo") != 0) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "option order must be lifo or fifo");
    return COVET_EUSAGE;
  }
  return 0;
}

static int set_reset(const covet_option *given, covet_pool_reset_mode *mode,
                     covet_error *error)
{
  static const char *const names[] = {"auto", "always", "never"};

  for (int i = 0; i < 3; i++) {
    if (strcmp(given->value, names[i]) == 0) {
      *mode = (covet_pool_reset_mode) i;
      return 0;
    }
  }
  covet_error_set(error, COVET_ERROR_USAGE,
                  "option reset must be auto, always or never");
  return COVET_EUSAGE;
}

static int set_field(const pool_option *option, covet_pool_config *config,
                     const covet_option *given, covet_error *error)
{
  void *field = (char *) config + option->offset;

  switch (option->kind) {
  case COUNT:
    return set_count(given, field, error);
  case DURATION:
    return covet_option_seconds(given, field, error);
  case SHARE:
    return set_share(given, field, error);
  case FLAG:
    break;
  }
  return covet_option_boolean(given, field, error);
}

int covet_pool_option(covet_pool_config *config, const covet_option *given,
                      bool *known, covet_error *error)
{
  *known = true;
  if (strcmp(given->name, "order") == 0) {
    return set_order(given, &config->fifo, error);
  }
  if (strcmp(given->name, "reset") == 0) {
    return set_reset(given, &config->reset, error);
  }
  for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
    if (strcmp(given->name, options[i].name) == 0) {
      config->min_given |= options[i].offset == MIN_SIZE;
      return set_field(&options[i], config, given, error);
    }
  }
  *known = false;
  return 0;
}

void covet_pool_options_init(covet_pool_config *config)
{
  covet_pool_config_init(config);
  config->acquire_timeout_us = 30000000;
}

int covet_pool_options_check(covet_pool_config *config, covet_error *error)
{
  if (!config->min_given && config->min_size > config->max_size) {
    config->min_size = config->max_size;
  }
  return covet_pool_config_check(config, error);
}

int covet_pool_option_unknown(const char *name, covet_error *error)
{
  enum { COUNT_OF_OPTIONS = sizeof(options) / sizeof(options[0]) };
  const char *names[COUNT_OF_OPTIONS + 3] = {"order", "reset"};

  for (size_t i = 0; i < COUNT_OF_OPTIONS; i++) {
    names[i + 2] = options[i].name;
  }
  return covet_option_unknown(name, names, error);
}
