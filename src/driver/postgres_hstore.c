/* hstore: keys and values, both text; a value may be NULL. */
#include "postgres_read.h"
#include "postgres_text.h"

/* --- Binary -------------------------------------------------------------------------- */

static pg_read_status read_texts(pg_reader *reader, pg_wire *wire,
                                 covet_cell *cells, uint32_t count)
{
  for (uint32_t i = 0; i < count; i++) {
    pg_read_status status = PG_READ_OK;
    const char *field = NULL;
    int32_t size;

    if (!pg_wire_field(wire, &field, &size) || (size < 0 && i % 2 == 0)) {
      return PG_READ_MALFORMED; /* a key is never NULL */
    }
    if (size < 0) {
      pg_read_null(&cells[i]);
    } else {
      status =
          pg_read_keep(reader, COVET_TEXT, field, (uint32_t) size, &cells[i]);
    }
    if (status != PG_READ_OK) {
      return status;
    }
  }
  return wire->at == wire->end ? PG_READ_OK : PG_READ_MALFORMED;
}

pg_read_status pg_hstore_binary(pg_reader *reader, const pg_type *type,
                                const char *bytes, uint32_t length,
                                covet_cell *cell)
{
  pg_wire wire = {bytes, bytes + length};
  int32_t pairs;

  if (!pg_wire_int32(&wire, &pairs) || pairs < 0 ||
      pairs > (wire.end - wire.at) / 8) {
    return PG_READ_MALFORMED;
  }
  if (pg_read_nested(reader, type, (uint32_t) pairs * 2, 0, cell) == NULL) {
    return PG_READ_NO_MEMORY;
  }
  return read_texts(reader, &wire, pg_read_cells(cell->nested),
                    (uint32_t) pairs * 2);
}

/* --- Text ---------------------------------------------------------------------------- */

static const pg_stops key_stops = {'=', '=', '='};
static const pg_stops value_stops = {',', ',', ','};

/* `"a"=>"b", "c"=>NULL`; `take`: the quotes go. An end that is not there is made
 * up by a comma behind the text, where there is room for it. */
static bool next_pair(char **at, char *end, bool take, pg_item *key,
                      pg_item *value)
{
  bool (*next)(char **, const char *, pg_stops, pg_item *) =
      take ? pg_item_take : pg_item_skip;

  if (!next(at, end, key_stops, key) || !key->quoted || end - *at < 2 ||
      (*at)[1] != '>') {
    return false;
  }
  *at += 2;
  return next(at, end + 1, value_stops, value) &&
         (value->quoted || pg_item_is(value, "NULL"));
}

/* To the start of the next pair: 1; 0 at the end; -1 for anything else. */
static int go_on(char **at, const char *end)
{
  if (*at == end) {
    return 0;
  }
  if (end - *at < 2 || (*at)[1] != ' ') {
    return -1;
  }
  *at += 2;
  return 1;
}

static int64_t count_pairs(char *text, char *end)
{
  char *at = text;
  int64_t count = 0;
  pg_item key;
  pg_item value;
  int more = at < end ? 1 : 0;

  while (more == 1) {
    if (!next_pair(&at, end, false, &key, &value)) {
      return -1;
    }
    count++;
    more = go_on(&at, end);
  }
  return more < 0 ? -1 : count;
}

static void take_pairs(const pg_reader *reader, char *text, char *end,
                       covet_cell *cells)
{
  char *at = text;
  pg_item key;
  pg_item value;
  int more = at < end ? 1 : 0;

  while (more == 1 && next_pair(&at, end, true, &key, &value)) {
    pg_read_as_text(reader, key.bytes, key.length, cells++);
    if (value.quoted) {
      pg_read_as_text(reader, value.bytes, value.length, cells++);
    } else {
      pg_read_null(cells++);
    }
    more = go_on(&at, end);
  }
}

pg_read_status pg_hstore_text(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  char *text = covet_batch_alloc(reader->batch, (size_t) length + 1);
  char *end;
  pg_reader own = *reader;
  int64_t pairs;

  if (text == NULL) {
    return PG_READ_NO_MEMORY;
  }
  own.kept = true;
  memcpy(text, bytes, length);
  end = text + length;
  *end = ',';
  pairs = count_pairs(text, end);
  if (pairs < 0) {
    return pg_read_as_text(&own, text, length, cell);
  }
  if (pg_read_nested(reader, type, (uint32_t) pairs * 2, 0, cell) == NULL) {
    return PG_READ_NO_MEMORY;
  }
  take_pairs(&own, text, end, pg_read_cells(cell->nested));
  return PG_READ_OK;
}
