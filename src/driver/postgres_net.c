/* Readers of network addresses. */
#include "postgres_digits.h"
#include "postgres_read.h"

#include <stdio.h>

enum { FAMILY_V4 = 2, FAMILY_V6 = 3, WORDS = 8 };

static char *write_v4(char *to, const unsigned char *bytes)
{
  for (int i = 0; i < 4; i++) {
    if (i > 0) {
      *to++ = '.';
    }
    to = pg_put_unsigned(to, bytes[i], 1);
  }
  return to;
}

/* A run of zeros among the words of an address. */
typedef struct zero_run {
  int start;
  int length;
} zero_run;

static zero_run longest_zeros(const uint16_t *words)
{
  zero_run best = {-1, 1}; /* a single one is written */
  int length = 0;

  for (int i = 0; i < WORDS; i++) {
    length = words[i] == 0 ? length + 1 : 0;
    if (length > best.length) {
      best.start = i - length + 1;
      best.length = length;
    }
  }
  return best;
}

/* ::1.2.3.4 and ::ffff:1.2.3.4, as the server's inet_ntop has it. */
static bool holds_v4(const uint16_t *words, zero_run zeros)
{
  return zeros.start == 0 &&
         (zeros.length == 6 || (zeros.length == 5 && words[5] == 0xFFFF));
}

static char *write_v6(char *to, const unsigned char *bytes)
{
  uint16_t words[WORDS];
  zero_run zeros;

  for (int i = 0; i < WORDS; i++) {
    words[i] = (uint16_t) (bytes[i * 2] << 8 | bytes[i * 2 + 1]);
  }
  zeros = longest_zeros(words);
  for (int i = 0; i < WORDS; i++) {
    if (i == zeros.start) {
      *to++ = ':';
    }
    if (zeros.start >= 0 && i >= zeros.start &&
        i < zeros.start + zeros.length) {
      continue;
    }
    if (i > 0) {
      *to++ = ':';
    }
    if (i == 6 && holds_v4(words, zeros)) {
      return write_v4(to, bytes + 12);
    }
    to += snprintf(to, 5, "%x", words[i]);
  }
  if (zeros.start >= 0 && zeros.start + zeros.length == WORDS) {
    *to++ = ':';
  }
  return to;
}

/* Family, bits of the mask, whether it is a network (cidr, which always shows
 * its mask), and the address with its length. */
pg_read_status pg_inet_binary(pg_reader *reader, const pg_type *type,
                              const char *bytes, uint32_t length,
                              covet_cell *cell)
{
  const unsigned char *b = (const unsigned char *) bytes;
  char text[64];
  char *to;
  unsigned size;

  (void) type;
  if (length < 4 || (b[0] != FAMILY_V4 && b[0] != FAMILY_V6)) {
    return PG_READ_MALFORMED;
  }
  size = b[0] == FAMILY_V4 ? 4 : 16;
  if (b[3] != size || length != 4 + size || b[1] > size * 8) {
    return PG_READ_MALFORMED;
  }
  to = size == 4 ? write_v4(text, b + 4) : write_v6(text, b + 4);
  if (b[1] != size * 8 || b[2] != 0) {
    *to++ = '/';
    to = pg_put_unsigned(to, b[1], 1);
  }
  return pg_read_made(reader, text, (size_t) (to - text), cell);
}

pg_read_status pg_macaddr_binary(pg_reader *reader, const pg_type *type,
                                 const char *bytes, uint32_t length,
                                 covet_cell *cell)
{
  char text[32];
  int at = 0;

  (void) type;
  if (length != 6 && length != 8) {
    return PG_READ_MALFORMED;
  }
  for (uint32_t i = 0; i < length; i++) {
    at += snprintf(text + at, sizeof(text) - (size_t) at,
                   "%02x:", (unsigned) (unsigned char) bytes[i]);
  }
  return pg_read_made(reader, text, (size_t) at - 1, cell);
}
