/**
 * The rows in libpq's input buffer.
 *
 * In single-row mode libpq makes a PGresult of each row: half of the time that
 * reading a large result takes. What it has received stands in its buffer in the
 * form of the protocol; whole rows are read there and passed over, and libpq
 * sees only what is between them. Its first row and all else it reads itself. An
 * error in the middle of a COPY into the server is seen there, too.
 *
 * That is the inside of libpq. It is used where the library that runs is the very
 * version whose internal headers were compiled with; else, and in builds without
 * these (COVET_LIBPQ_BUFFER), every row takes the way through a PGresult.
 */
#ifndef COVET_DRIVER_POSTGRES_INPUT_H
#define COVET_DRIVER_POSTGRES_INPUT_H

#include "postgres_read.h"

#include <libpq-fe.h>

/** Whether this libpq's inside is the one that is known here. */
bool pg_input_known(PGconn *pq);

/** The next row of the result that libpq gives row by row, if nothing stands
 *  before it and all of it is there: its fields, and in `*count` how many. */
bool pg_input_row(const PGconn *pq, pg_wire *fields, unsigned *count);

/** Pass over the row of these fields. */
void pg_input_pass(PGconn *pq, const pg_wire *fields);

/** Whether an error stands in the buffer, which libpq does not look at before the
 *  COPY into the server is ended. */
bool pg_input_has_error(const PGconn *pq);

#endif
