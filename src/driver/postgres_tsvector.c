/* tsvector: words, each with the places it was found at. */
#include "postgres_digits.h"
#include "postgres_read.h"

enum { POSITION_BITS = 14, POSITION_TEXT = 7 /* ",16383A" */ };

/* A word of the wire: its bytes, then places of 16 bits. */
typedef struct tsvector_word {
  const char *bytes;
  size_t length;
  uint32_t places;
  const char *place;
} tsvector_word;

static bool next_word(pg_wire *wire, tsvector_word *word)
{
  const char *end = wire->at;
  int16_t places;

  while (end < wire->end && *end != '\0') {
    end++;
  }
  if (end == wire->end) {
    return false;
  }
  word->bytes = wire->at;
  word->length = (size_t) (end - wire->at);
  wire->at = end + 1;
  if (!pg_wire_int16(wire, &places)) {
    return false;
  }
  word->places = (uint16_t) places;
  word->place = wire->at;
  if ((ptrdiff_t) word->places * 2 > wire->end - wire->at) {
    return false;
  }
  wire->at += (ptrdiff_t) word->places * 2;
  return true;
}

static char *write_word(char *to, const tsvector_word *word)
{
  static const char weights[] = {'\0', 'C', 'B', 'A'};

  *to++ = '\'';
  for (size_t i = 0; i < word->length; i++) {
    if (word->bytes[i] == '\'' || word->bytes[i] == '\\') {
      *to++ = word->bytes[i];
    }
    *to++ = word->bytes[i];
  }
  *to++ = '\'';
  for (uint32_t i = 0; i < word->places; i++) {
    unsigned place = pg_get16(word->place + (size_t) i * 2);
    unsigned weight = place >> POSITION_BITS;

    *to++ = i == 0 ? ':' : ',';
    to = pg_put_unsigned(to, place & ((1U << POSITION_BITS) - 1), 1);
    if (weight > 0) {
      *to++ = weights[weight];
    }
  }
  return to;
}

/* Whether all of it is sound, and how much room its text needs at most. */
static bool measure(pg_wire wire, int32_t count, size_t *size)
{
  tsvector_word word;

  *size = 0;
  for (int32_t i = 0; i < count; i++) {
    if (!next_word(&wire, &word)) {
      return false;
    }
    *size += word.length * 2 + 3 + (size_t) word.places * POSITION_TEXT;
  }
  return wire.at == wire.end && *size < INT32_MAX;
}

pg_read_status pg_tsvector_binary(pg_reader *reader, const pg_type *type,
                                  const char *bytes, uint32_t length,
                                  covet_cell *cell)
{
  pg_wire wire = {bytes, bytes + length};
  tsvector_word word;
  int32_t count;
  size_t size;
  char *text;
  char *to;

  (void) type;
  if (!pg_wire_int32(&wire, &count) || count < 0 ||
      !measure(wire, count, &size)) {
    return PG_READ_MALFORMED;
  }
  text = covet_batch_alloc(reader->batch, size + 1);
  if (text == NULL) {
    return PG_READ_NO_MEMORY;
  }
  to = text;
  for (int32_t i = 0; i < count && next_word(&wire, &word); i++) {
    if (i > 0) {
      *to++ = ' ';
    }
    to = write_word(to, &word);
  }
  cell->bytes = text;
  cell->length = (int32_t) (to - text);
  cell->kind = COVET_TEXT;
  return PG_READ_OK;
}
