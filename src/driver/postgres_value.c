/* Which reader reads what, and what the readers share. */
#include "postgres_cache.h"
#include "postgres_read.h"

#include <string.h>

/* The readers of a form; those of nested values count as a level. */
typedef struct form_readers {
  pg_read_function *text;
  pg_read_function *binary;
  bool nested;
} form_readers;

static const form_readers readers[] = {
    [PG_FORM_TEXT_ONLY] = {pg_plain_text, pg_plain_blob, false},
    [PG_FORM_GUESSED] = {pg_plain_text, pg_plain_blob, false},
    [PG_FORM_TEXT] = {pg_plain_text, pg_plain_text, false},
    [PG_FORM_BOOL] = {pg_bool_text, pg_bool_binary, false},
    [PG_FORM_INT2] = {pg_integer_text, pg_int2_binary, false},
    [PG_FORM_INT4] = {pg_integer_text, pg_int4_binary, false},
    [PG_FORM_INT8] = {pg_integer_text, pg_int8_binary, false},
    [PG_FORM_OID] = {pg_oid_text, pg_oid_binary, false},
    [PG_FORM_XID8] = {pg_oid_text, pg_xid8_binary, false},
    [PG_FORM_FLOAT4] = {pg_float4_text, pg_float4_binary, false},
    [PG_FORM_FLOAT8] = {pg_float8_text, pg_float8_binary, false},
    [PG_FORM_NUMERIC] = {pg_plain_text, pg_numeric_binary, false},
    [PG_FORM_BYTEA] = {pg_bytea_text, pg_plain_blob, false},
    [PG_FORM_JSONB] = {pg_plain_text, pg_jsonb_binary, false},
    [PG_FORM_UUID] = {pg_plain_text, pg_uuid_binary, false},
    [PG_FORM_DATE] = {pg_plain_text, pg_date_binary, false},
    [PG_FORM_TIME] = {pg_plain_text, pg_time_binary, false},
    [PG_FORM_TIMETZ] = {pg_plain_text, pg_timetz_binary, false},
    [PG_FORM_TIMESTAMP] = {pg_plain_text, pg_timestamp_binary, false},
    [PG_FORM_TIMESTAMPTZ] = {pg_timestamptz_text, pg_timestamptz_binary, false},
    [PG_FORM_INTERVAL] = {pg_plain_text, pg_interval_binary, false},
    [PG_FORM_INET] = {pg_plain_text, pg_inet_binary, false},
    [PG_FORM_MACADDR] = {pg_plain_text, pg_macaddr_binary, false},
    [PG_FORM_BIT] = {pg_plain_text, pg_bit_binary, false},
    [PG_FORM_POINT] = {pg_plain_text, pg_point_binary, false},
    [PG_FORM_LINE] = {pg_plain_text, pg_line_binary, false},
    [PG_FORM_LSEG] = {pg_plain_text, pg_lseg_binary, false},
    [PG_FORM_BOX] = {pg_plain_text, pg_box_binary, false},
    [PG_FORM_PATH] = {pg_plain_text, pg_path_binary, false},
    [PG_FORM_POLYGON] = {pg_plain_text, pg_polygon_binary, false},
    [PG_FORM_CIRCLE] = {pg_plain_text, pg_circle_binary, false},
    [PG_FORM_LSN] = {pg_plain_text, pg_lsn_binary, false},
    [PG_FORM_TSVECTOR] = {pg_plain_text, pg_tsvector_binary, false},
    [PG_FORM_HSTORE] = {pg_hstore_text, pg_hstore_binary, true},
    [PG_FORM_ARRAY] = {pg_array_text, pg_array_binary, true},
    [PG_FORM_COMPOSITE] = {pg_composite_text, pg_composite_binary, true},
    [PG_FORM_RECORD] = {pg_record_text, pg_record_binary, true},
    [PG_FORM_RANGE] = {pg_range_text, pg_range_binary, true},
    [PG_FORM_MULTIRANGE] = {pg_multirange_text, pg_multirange_binary, true},
    [PG_FORM_DOMAIN] = {NULL, NULL, false}, /* read as its base */
    [PG_FORM_CUSTOM_TEXT] = {pg_plain_text, pg_plain_blob, false},
    [PG_FORM_CUSTOM_BINARY] = {pg_plain_text, pg_plain_blob, false},
};

static pg_read_status read_value(pg_reader *reader, const pg_type *type,
                                 pg_format format, const char *bytes,
                                 uint32_t length, covet_cell *cell)
{
  const form_readers *form = &readers[type->form];
  pg_read_function *read =
      format == PG_FORMAT_BINARY ? form->binary : form->text;
  pg_read_status status;

  if (!form->nested) {
    return read(reader, type, bytes, length, cell);
  }
  if (reader->depth == PG_MAX_DEPTH) {
    return PG_READ_TOO_DEEP;
  }
  reader->depth++;
  status = read(reader, type, bytes, length, cell);
  reader->depth--;
  return status;
}

pg_read_status pg_value_read(const pg_types *types, const pg_type *type,
                             pg_format format, const char *bytes,
                             int32_t length, covet_batch *batch,
                             covet_cell *cell, uint32_t *missing)
{
  pg_reader reader = {types, batch, missing, 0, false};
  pg_read_status status = PG_READ_UNKNOWN;

  if (length < 0) {
    pg_read_null(cell);
    return PG_READ_OK;
  }
  type = pg_types_base(types, type, missing);
  if (type != NULL) {
    status = read_value(&reader, type, format, bytes, (uint32_t) length, cell);
  }
  if (status != PG_READ_OK) {
    pg_read_null(cell);
  }
  return status;
}

/* --- Parts --------------------------------------------------------------------------- */

const pg_type *pg_read_type(const pg_reader *reader, uint32_t oid)
{
  const pg_type *type = pg_types_find(reader->types, oid);

  if (type == NULL) {
    *reader->missing = oid;
    return NULL;
  }
  return pg_types_base(reader->types, type, reader->missing);
}

static bool has_meaning(covet_kind kind)
{
  return (kind >= COVET_JSON && kind <= COVET_NUMERIC) ||
         kind == COVET_INTERVAL || kind == COVET_CUSTOM;
}

/* A text of a meaning has it in a nested cell. */
static void tell_meaning(const pg_type *type, covet_cell *cell)
{
  bool bytes = cell->kind == COVET_TEXT || cell->kind == COVET_BLOB;

  if (bytes && has_meaning(type->kind)) {
    cell->kind = type->kind;
  }
}

pg_read_status pg_read_part(pg_reader *reader, const pg_type *type,
                            pg_format format, const char *bytes, int64_t length,
                            covet_cell *cell)
{
  pg_read_status status;

  if (length < 0) {
    pg_read_null(cell);
    return PG_READ_OK;
  }
  status = read_value(reader, type, format, bytes, (uint32_t) length, cell);
  if (status == PG_READ_OK) {
    tell_meaning(type, cell);
  }
  return status;
}

covet_nested *pg_read_nested(const pg_reader *reader, const pg_type *type,
                             uint32_t count, uint32_t sizes, covet_cell *cell)
{
  size_t cells = sizeof(covet_cell) * count;
  covet_nested *nested = covet_batch_alloc(
      reader->batch, sizeof(*nested) + cells + sizeof(int32_t) * sizes);

  if (nested == NULL) {
    return NULL;
  }
  memset(nested, 0, sizeof(*nested));
  nested->count = count;
  nested->type_id = type->oid;
  if (count > 0) {
    nested->cells = (covet_cell *) (void *) (nested + 1);
  }
  if (sizes > 0) {
    nested->sizes = (int32_t *) (void *) ((char *) (nested + 1) + cells);
  }
  cell->kind = type->kind;
  cell->length = 0;
  cell->nested = nested;
  return nested;
}

covet_cell *pg_read_cells(const covet_nested *nested)
{
  return (covet_cell *) nested->cells; /* not yet anyone's to read only */
}

/* --- Cells --------------------------------------------------------------------------- */

void pg_read_null(covet_cell *cell)
{
  cell->integer = 0;
  cell->length = -1;
  cell->kind = COVET_NULL;
}

pg_read_status pg_read_keep(const pg_reader *reader, covet_kind kind,
                            const char *bytes, uint32_t length,
                            covet_cell *cell)
{
  if (length == 0) {
    bytes = "";
  } else if (!reader->kept) {
    bytes = covet_batch_copy(reader->batch, bytes, length);
    if (bytes == NULL) {
      return PG_READ_NO_MEMORY;
    }
  }
  cell->bytes = bytes;
  cell->length = (int32_t) length;
  cell->kind = kind;
  return PG_READ_OK;
}

pg_read_status pg_read_made(const pg_reader *reader, const char *bytes,
                            size_t length, covet_cell *cell)
{
  cell->bytes = covet_batch_copy(reader->batch, bytes, length);
  cell->length = (int32_t) length;
  cell->kind = COVET_TEXT;
  return cell->bytes == NULL ? PG_READ_NO_MEMORY : PG_READ_OK;
}

pg_read_status pg_read_as_text(const pg_reader *reader, const char *bytes,
                               uint32_t length, covet_cell *cell)
{
  return pg_read_keep(reader, COVET_TEXT, bytes, length, cell);
}

char *pg_read_own(pg_reader *reader, const char *bytes, uint32_t length)
{
  char *own = (char *) bytes;

  if (!reader->kept) {
    own = covet_batch_alloc(reader->batch, (size_t) length + 1);
    if (own != NULL) {
      memcpy(own, bytes, length);
      reader->kept = true;
    }
  }
  return own;
}

/* --- The wire ------------------------------------------------------------------------- */

bool pg_wire_int32(pg_wire *wire, int32_t *value)
{
  if (wire->end - wire->at < 4) {
    return false;
  }
  *value = (int32_t) pg_get32(wire->at);
  wire->at += 4;
  return true;
}

bool pg_wire_int16(pg_wire *wire, int16_t *value)
{
  if (wire->end - wire->at < 2) {
    return false;
  }
  *value = (int16_t) pg_get16(wire->at);
  wire->at += 2;
  return true;
}

bool pg_wire_field(pg_wire *wire, const char **bytes, int32_t *length)
{
  if (!pg_wire_int32(wire, length) || *length < -1 ||
      *length > wire->end - wire->at) {
    return false;
  }
  *bytes = wire->at;
  if (*length > 0) {
    wire->at += *length;
  }
  return true;
}
