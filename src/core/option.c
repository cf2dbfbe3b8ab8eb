#include "driver.h"
#include "error.h"
#include "number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int refuse(const covet_option *option, const char *wanted,
                  covet_error *error)
{
  covet_error_set(error, COVET_ERROR_USAGE, "option %s must be %s, not '%.80s'",
                  option->name, wanted, option->value);
  return COVET_EUSAGE;
}

int covet_option_boolean(const covet_option *option, bool *value,
                         covet_error *error)
{
  static const char *const yes[] = {"true", "1", "on", "yes"};
  static const char *const no[] = {"false", "0", "off", "no"};

  for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
    if (strcasecmp(option->value, yes[i]) == 0) {
      *value = true;
      return 0;
    }
    if (strcasecmp(option->value, no[i]) == 0) {
      *value = false;
      return 0;
    }
  }
  return refuse(option, "true or false", error);
}

int covet_option_integer(const covet_option *option, int64_t least,
                         int64_t most, int64_t *value, covet_error *error)
{
  char *end;
  long long parsed;

  errno = 0;
  parsed = strtoll(option->value, &end, 10);
  if (end == option->value || *end != '\0' || errno != 0) {
    return refuse(option, "a whole number", error);
  }
  if (parsed < least || parsed > most) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "option %s must be between %lld and %lld, not %lld",
                    option->name, (long long) least, (long long) most, parsed);
    return COVET_EUSAGE;
  }
  *value = parsed;
  return 0;
}

int covet_option_seconds(const covet_option *option, uint64_t *us,
                         covet_error *error)
{
  double seconds;

  if (!covet_number_float(option->value, strlen(option->value), false,
                          &seconds) ||
      seconds < 0 || seconds > 1e9) {
    return refuse(option, "a number of seconds", error);
  }
  *us = (uint64_t) (seconds * 1e6);
  return 0;
}

/* Edit distance, bounded by the rows kept on the stack. */
static size_t distance(const char *a, const char *b)
{
  size_t row[64];
  size_t length = strlen(b);

  if (length >= 64) {
    return 64;
  }
  for (size_t j = 0; j <= length; j++) {
    row[j] = j;
  }
  for (size_t i = 0; a[i] != '\0'; i++) {
    size_t diagonal = row[0];

    row[0] = i + 1;
    for (size_t j = 1; j <= length; j++) {
      size_t change = diagonal + (a[i] != b[j - 1]);
      size_t least = row[j - 1] < row[j] ? row[j - 1] : row[j];

      diagonal = row[j];
      row[j] = change < least + 1 ? change : least + 1;
    }
  }
  return row[length];
}

int covet_option_unknown(const char *name, const char *const *names,
                         covet_error *error)
{
  const char *nearest = NULL;
  size_t least = 4;

  for (; *names != NULL; names++) {
    size_t d = distance(name, *names);

    if (d < least) {
      least = d;
      nearest = *names;
    }
  }
  if (nearest != NULL) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "unknown option '%.64s'; did you mean '%s'?", name,
                    nearest);
  } else {
    covet_error_set(error, COVET_ERROR_USAGE, "unknown option '%.64s'", name);
  }
  return COVET_EUSAGE;
}
