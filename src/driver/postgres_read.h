/**
 * The readers behind pg_value_read, a pair for each form. All of them take the
 * bytes of one value that is not NULL and set a cell, whose kind at first is the
 * general one (TEXT, not DATE).
 */
#ifndef COVET_DRIVER_POSTGRES_READ_H
#define COVET_DRIVER_POSTGRES_READ_H

#include "postgres_value.h"

#include <string.h>

/** The reading of one value and all it is made of. */
typedef struct pg_reader {
  const pg_types *types;
  covet_batch *batch;
  uint32_t *missing;
  int depth;
  bool kept; /* the bytes stand in the batch already, ours to change */
} pg_reader;

typedef pg_read_status pg_read_function(pg_reader *reader, const pg_type *type,
                                        const char *bytes, uint32_t length,
                                        covet_cell *cell);

/* --- For readers ---------------------------------------------------------------- */

/** A copy of the bytes in the batch as a TEXT or BLOB cell; no copy when they
 *  are kept there. */
pg_read_status pg_read_keep(const pg_reader *reader, covet_kind kind,
                            const char *bytes, uint32_t length,
                            covet_cell *cell);

/** A TEXT cell with a copy of what was made in memory of the caller's. */
pg_read_status pg_read_made(const pg_reader *reader, const char *bytes,
                            size_t length, covet_cell *cell);

/** The text as it is, for one that is not understood. */
pg_read_status pg_read_as_text(const pg_reader *reader, const char *bytes,
                               uint32_t length, covet_cell *cell);

/** Memory of the batch that the reader may change, with a copy of the bytes; the
 *  bytes themselves when they are kept. NULL when memory is out. */
char *pg_read_own(pg_reader *reader, const char *bytes, uint32_t length);

/** A part of a value: an element, an attribute... `length` below 0 is NULL. Its
 *  cell has the kind of its type. */
pg_read_status pg_read_part(pg_reader *reader, const pg_type *type,
                            pg_format format, const char *bytes, int64_t length,
                            covet_cell *cell);

void pg_read_null(covet_cell *cell);

/** The type of a part, with its domains seen through; NULL, with `*missing` set,
 *  when it is not known. */
const pg_type *pg_read_type(const pg_reader *reader, uint32_t oid);

/** A nested value with room for `count` cells (and `sizes` numbers), all NULL,
 *  and the cell that holds it; NULL when memory is out. */
covet_nested *pg_read_nested(const pg_reader *reader, const pg_type *type,
                             uint32_t count, uint32_t sizes, covet_cell *cell);

/** Its cells, to be set. */
covet_cell *pg_read_cells(const covet_nested *nested);

/** The number behind a binary field and the field: how much is left. */
typedef struct pg_wire {
  const char *at;
  const char *end;
} pg_wire;

/** Big-endian integers off the wire. False when there are too few bytes. */
bool pg_wire_int32(pg_wire *wire, int32_t *value);
bool pg_wire_int16(pg_wire *wire, int16_t *value);

/** A length and so many bytes; a negative length, which has none, is NULL. */
bool pg_wire_field(pg_wire *wire, const char **bytes, int32_t *length);

static inline uint16_t pg_get16(const char *bytes)
{
  const unsigned char *b = (const unsigned char *) bytes;

  return (uint16_t) (b[0] << 8 | b[1]);
}

static inline uint32_t pg_get32(const char *bytes)
{
  return (uint32_t) pg_get16(bytes) << 16 | pg_get16(bytes + 2);
}

static inline uint64_t pg_get64(const char *bytes)
{
  return (uint64_t) pg_get32(bytes) << 32 | pg_get32(bytes + 4);
}

/* --- The readers ------------------------------------------------------------------- */

pg_read_function pg_bool_binary, pg_bool_text;
pg_read_function pg_int2_binary, pg_int4_binary, pg_int8_binary;
pg_read_function pg_integer_text;
pg_read_function pg_oid_binary, pg_xid8_binary, pg_oid_text;
pg_read_function pg_float4_binary, pg_float4_text;
pg_read_function pg_float8_binary, pg_float8_text;
pg_read_function pg_plain_text; /* and binary, where that is the text */
pg_read_function pg_plain_blob;
pg_read_function pg_jsonb_binary;
pg_read_function pg_bytea_text;
pg_read_function pg_bit_binary;
pg_read_function pg_uuid_binary;
pg_read_function pg_lsn_binary;
pg_read_function pg_numeric_binary;
pg_read_function pg_date_binary, pg_time_binary, pg_timetz_binary;
pg_read_function pg_timestamp_binary, pg_timestamptz_binary;
pg_read_function pg_timestamptz_text;
pg_read_function pg_interval_binary;
pg_read_function pg_inet_binary, pg_macaddr_binary;
pg_read_function pg_point_binary, pg_line_binary, pg_lseg_binary;
pg_read_function pg_box_binary, pg_path_binary, pg_polygon_binary;
pg_read_function pg_circle_binary;
pg_read_function pg_tsvector_binary;
pg_read_function pg_hstore_binary, pg_hstore_text;
pg_read_function pg_array_binary, pg_array_text;
pg_read_function pg_composite_binary, pg_composite_text;
pg_read_function pg_record_binary, pg_record_text;
pg_read_function pg_range_binary, pg_range_text;
pg_read_function pg_multirange_binary, pg_multirange_text;

#endif
