/** Lists of rows: what their parts share. */
#ifndef COVET_DRIVER_MYSQL_MANY_H
#define COVET_DRIVER_MYSQL_MANY_H

#include "mysql_connection.h"

typedef enum my_many_mode { MANY_BULK, MANY_REWRITE, MANY_SINGLE } my_many_mode;

struct my_many {
  my_many_mode mode;
  uint32_t rows;
  uint32_t first; /* row of the piece that is sent */
  uint32_t count; /* of its rows */
  int64_t affected;
  my_statement *narrow; /* the one that was asked for */
  /* of each column */
  uint32_t *kinds;
  double *numbers;
  char *indicators;
};

static inline covet_cell *my_many_cell(const my_request *request, uint32_t row,
                                       uint32_t column)
{
  covet_op *op = request->op;

  return &op->params[(size_t) row * op->width + column];
}

/** A list of rows: bulk, rewritten, or one by one. */
void my_many_begin(my_connection *connection);
void my_many_free(my_request *request);

/** The request's present statement is about to be dropped. */
void my_many_leave(my_request *request);

/** What the values of a row take in a packet, about. */
uint64_t my_many_bytes(const my_request *request, uint32_t row);

/** Whether the server takes many rows in one packet. */
bool my_bulk_is_known(const my_connection *connection);

/** Bind as many of the rows from `first` on as go in one packet. */
bool my_bulk_bind(my_connection *connection);

/** The statement takes single rows again. */
void my_bulk_leave(my_request *request);

/** Whether the text can be written for several rows. */
bool my_rewrite_fits(const my_request *request);

/** How many of the rows from `first` on its text may be written for. */
uint32_t my_rewrite_rows(const my_connection *connection);

/** The text for so many rows, in the operation's arena; NULL: out of memory. */
char *my_rewrite(const my_request *request, uint32_t rows, size_t *length);

#endif
