/**
 * Values of MySQL as cells: of its two protocols, and of each of its types.
 */
#ifndef COVET_DRIVER_MYSQL_VALUE_H
#define COVET_DRIVER_MYSQL_VALUE_H

#include "../core/batch.h"

#include <mysql.h>
#include <stdbool.h>

/** What becomes of 0000-00-00. */
typedef enum my_zero_dates {
  MY_ZERO_AS_IS,
  MY_ZERO_NULL,
  MY_ZERO_ERROR
} my_zero_dates;

typedef enum my_read_status {
  MY_READ_OK,
  MY_READ_NO_MEMORY,
  MY_READ_MALFORMED,
  MY_READ_ZERO_DATE
} my_read_status;

typedef struct my_column my_column;

/** Where bytes come from. */
typedef struct my_source {
  const unsigned char *at;
  const unsigned char *end; /* of the memory behind them */
} my_source;

/** Read a value and step over it. Without a batch it is only stepped over. */
typedef my_read_status (*my_binary_reader)(const my_column *column,
                                           my_source *from, covet_batch *batch,
                                           covet_cell *cell);

/** The same of the text protocol, where the length is known. */
typedef my_read_status (*my_text_reader)(const my_column *column,
                                         const char *text, size_t length,
                                         covet_batch *batch, covet_cell *cell);

struct my_column {
  my_binary_reader binary;
  my_text_reader text;
  bool is_unsigned;
  unsigned char decimals;
  my_zero_dates zero_dates;
};

/** The columns of a result, as long as they stay the same. */
typedef struct my_columns {
  const covet_shape *shape; /* NULL: none yet */
  my_column *list;
  uint64_t mark; /* of the fields that it was made of */
} my_columns;

/** Fit `columns` to what the server says. Returns false when memory is out. */
bool my_columns_fit(my_columns *columns, const MYSQL_FIELD *fields,
                    unsigned count, covet_shape_table *shapes,
                    my_zero_dates zero_dates, bool is_utc);
void my_columns_deinit(my_columns *columns);

/**
 * Give fields that are the library's copies what it leaves out of them.
 *
 * A server that has told of a statement's columns does so again only when they have
 * changed; in the meantime the library makes the fields of a result from those that came
 * with the statement (`described`). Libraries up to 3.4 lose the format (JSON) in that,
 * but not that there was an extension: one without anything in it is theirs, for the
 * server sends none that is empty.
 *
 * Returns false when the server tells now what it did not tell of the statement: it is
 * not to be run again, for the library's copies would be of the old fields.
 */
bool my_fields_complete(MYSQL_FIELD *fields, const MYSQL_FIELD *described,
                        unsigned count);

/** The readers of a field's type. */
void my_column_choose(my_column *column, const MYSQL_FIELD *field);

/** The kind that a field declares. */
covet_kind my_field_kind(const MYSQL_FIELD *field, bool is_utc);

/** Its type as CREATE TABLE has it; answers the length. */
size_t my_field_type(const MYSQL_FIELD *field, char *text, size_t size);

/* --- mysql_binary.c ------------------------------------------------------------- */

my_read_status my_read_tiny(const my_column *column, my_source *from,
                            covet_batch *batch, covet_cell *cell);
my_read_status my_read_short(const my_column *column, my_source *from,
                             covet_batch *batch, covet_cell *cell);
my_read_status my_read_long(const my_column *column, my_source *from,
                            covet_batch *batch, covet_cell *cell);
my_read_status my_read_longlong(const my_column *column, my_source *from,
                                covet_batch *batch, covet_cell *cell);
my_read_status my_read_float(const my_column *column, my_source *from,
                             covet_batch *batch, covet_cell *cell);
my_read_status my_read_double(const my_column *column, my_source *from,
                              covet_batch *batch, covet_cell *cell);
my_read_status my_read_text(const my_column *column, my_source *from,
                            covet_batch *batch, covet_cell *cell);
my_read_status my_read_blob(const my_column *column, my_source *from,
                            covet_batch *batch, covet_cell *cell);
my_read_status my_read_date(const my_column *column, my_source *from,
                            covet_batch *batch, covet_cell *cell);
my_read_status my_read_datetime(const my_column *column, my_source *from,
                                covet_batch *batch, covet_cell *cell);
my_read_status my_read_time(const my_column *column, my_source *from,
                            covet_batch *batch, covet_cell *cell);

/* --- mysql_text.c --------------------------------------------------------------- */

my_read_status my_parse_integer(const my_column *column, const char *text,
                                size_t length, covet_batch *batch,
                                covet_cell *cell);
my_read_status my_parse_float(const my_column *column, const char *text,
                              size_t length, covet_batch *batch,
                              covet_cell *cell);
my_read_status my_parse_double(const my_column *column, const char *text,
                               size_t length, covet_batch *batch,
                               covet_cell *cell);
my_read_status my_parse_text(const my_column *column, const char *text,
                             size_t length, covet_batch *batch,
                             covet_cell *cell);
my_read_status my_parse_blob(const my_column *column, const char *text,
                             size_t length, covet_batch *batch,
                             covet_cell *cell);
my_read_status my_parse_date(const my_column *column, const char *text,
                             size_t length, covet_batch *batch,
                             covet_cell *cell);

#endif
