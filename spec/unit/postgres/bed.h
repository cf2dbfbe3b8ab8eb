/**
 * What the units of PostgreSQL's types and values share: a batch to read into,
 * and comparing cells. With a server (COVET_PG_URL) also what it says.
 */
#ifndef COVET_SPEC_POSTGRES_BED_H
#define COVET_SPEC_POSTGRES_BED_H

#include "../support/support.h"

#include "core/batch.h"
#include "driver/postgres_value.h"

#include <libpq-fe.h>

typedef struct pg_bed {
  covet_shape_table shapes;
  const covet_shape *shape;
  covet_batch *batch;
  pg_types *types;
  PGconn *connection; /* NULL: there is no server */
  unsigned seed;
} pg_bed;

void pg_bed_init(pg_bed *bed);
void pg_bed_deinit(pg_bed *bed);

/** Connect to the server of COVET_PG_URL; skip the test when there is none. */
void pg_bed_connect(pg_bed *bed);

/** Free what was read. */
void pg_bed_clear(pg_bed *bed);

/** Run statements that must go well. */
void pg_bed_run(pg_bed *bed, const char *sql);

/** Rows of a query, in either format. */
PGresult *pg_bed_query(pg_bed *bed, const char *sql, pg_format format);

/** A type, with all it is made of, asked of the server if need be. */
const pg_type *pg_bed_type(pg_bed *bed, uint32_t oid);

/** Read one value; what it is made of is known. */
covet_cell pg_bed_read(pg_bed *bed, const pg_type *type, pg_format format,
                       const char *bytes, int length);

/** Whether both are the same to the byte, with all they are made of. */
bool pg_bed_equal(const covet_cell *a, const covet_cell *b);

/** Print a cell, for messages. `text` is cut at `size`. Returns it. */
char *pg_bed_show(const covet_cell *cell, char *text, size_t size);

#endif
