#include "postgres_text.h"

#include "../core/number.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static bool equals(const char *text, uint32_t length, const char *word)
{
  return length == strlen(word) && strncasecmp(text, word, length) == 0;
}

static bool read_special(const char *text, uint32_t length, double *value)
{
  bool negative = length > 0 && text[0] == '-';
  uint32_t sign = negative || (length > 0 && text[0] == '+') ? 1 : 0;

  if (equals(text, length, "NaN")) {
    *value = NAN;
    return true;
  }
  if (equals(text + sign, length - sign, "Infinity") ||
      equals(text + sign, length - sign, "inf")) {
    *value = negative ? -INFINITY : INFINITY;
    return true;
  }
  return false;
}

bool pg_text_float(const char *text, uint32_t length, bool single,
                   double *value)
{
  return covet_number_float(text, length, single, value) ||
         read_special(text, length, value);
}

/* --- Items ------------------------------------------------------------------------ */

static bool take_item(char **at, const char *end, pg_stops stops, bool change,
                      pg_item *item)
{
  char *from = *at;
  char *to = *at;
  bool inside = false;

  item->bytes = *at;
  item->quoted = false;
  for (; from < end; from++) {
    if (*from == '"' && inside && from + 1 < end && from[1] == '"') {
      from++;
    } else if (*from == '"') {
      inside = !inside;
      item->quoted = true;
      continue;
    } else if (*from == '\\') {
      if (++from == end) {
        return false;
      }
    } else if (!inside && (*from == stops.first || *from == stops.second ||
                           *from == stops.third)) {
      item->length = (uint32_t) (to - item->bytes);
      *at = from;
      return true;
    }
    if (change && to != from) {
      *to = *from;
    }
    to++;
  }
  return false;
}

bool pg_item_skip(char **at, const char *end, pg_stops stops, pg_item *item)
{
  return take_item(at, end, stops, false, item);
}

bool pg_item_take(char **at, const char *end, pg_stops stops, pg_item *item)
{
  return take_item(at, end, stops, true, item);
}

bool pg_item_is(const pg_item *item, const char *word)
{
  return !item->quoted && item->length == strlen(word) &&
         memcmp(item->bytes, word, item->length) == 0;
}
