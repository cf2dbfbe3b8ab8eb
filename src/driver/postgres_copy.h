/** What the files about COPY have in common: postgres_copy.c (its beginning and its
 *  end), postgres_copy_in.c and postgres_copy_out.c. */
#ifndef COVET_DRIVER_POSTGRES_COPY_H
#define COVET_DRIVER_POSTGRES_COPY_H

#include "postgres.h"

typedef struct pg_copy pg_copy;

enum { PG_COPY_MOST_COLUMNS = 1664 };

/** A COPY that is open on a connection. */
struct pg_copy {
  pg_buffer buffer;  /* encoded rows, or a piece that is being gathered */
  const char *bytes; /* what is being sent: of the buffer, or the operation's */
  size_t length;
  size_t offset;
  bool binary;
  bool begun;            /* the binary header has been sent */
  bool ending;           /* its end is to be sent when `bytes` are */
  bool ended;            /* it was */
  bool done;             /* the server has said so */
  const char *abort;     /* why it is to fail; of the operation */
  const pg_type **types; /* of copy_rows' columns; NULL: not known */
  uint32_t column_count;
  const covet_shape *shape; /* of the pieces */
};

/** Begin a COPY in one direction, by the parameters of its call. */
covet_step pg_copy_start(pg_connection *connection, covet_op *op, pg_mode mode);

/** The operation that the connection is at ends; the COPY goes on. */
void pg_copy_end_step(pg_connection *connection);

#endif
