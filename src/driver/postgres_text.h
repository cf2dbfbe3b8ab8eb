/** PostgreSQL's texts, taken apart: numbers, and the items of arrays, rows,
 *  ranges and hstore. */
#ifndef COVET_DRIVER_POSTGRES_TEXT_H
#define COVET_DRIVER_POSTGRES_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/** NaN, Infinity or a decimal number and nothing else, whatever the process's
 *  locale. `single`: rounded to a float at once. */
bool pg_text_float(const char *text, uint32_t length, bool single,
                   double *value);

/** One item of a list: it points into the text. */
typedef struct pg_item {
  char *bytes;
  uint32_t length;
  bool quoted;
} pg_item;

/** What ends an item when it is not quoted. */
typedef struct pg_stops {
  char first;
  char second;
  char third;
} pg_stops;

/**
 * The item from `*at` up to a stop, which `*at` then points to. Double quotes
 * protect stops, a backslash protects any byte, and "" within quotes is a quote.
 * False when `end` comes first or quotes are left open.
 */
bool pg_item_skip(char **at, const char *end, pg_stops stops, pg_item *item);

/** The same; quotes and backslashes are taken out in place. */
bool pg_item_take(char **at, const char *end, pg_stops stops, pg_item *item);

/** Whether an item is this word, without quotes. */
bool pg_item_is(const pg_item *item, const char *word);

#endif
