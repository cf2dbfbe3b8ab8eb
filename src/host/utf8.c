#include "utf8.h"

#include <stdint.h>

#define REPLACEMENT 0xFFFD

size_t utf8_length(unsigned char first)
{
  if (first >= 0xC2 && first <= 0xDF) {
    return 2;
  }
  if (first >= 0xE0 && first <= 0xEF) {
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    return 4;
  }
  return 1;
}

static int is_valid(uint32_t c, size_t length)
{
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

  return c >= least[length] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
}

size_t utf8_decode(const char *bytes, size_t size, wchar_t *c)
{
  const unsigned char *s = (const unsigned char *) bytes;
  size_t length = utf8_length(s[0]);
  uint32_t value = s[0];

  *c = REPLACEMENT;
  if (length == 1) {
    *c = s[0] < 0x80 ? (wchar_t) s[0] : REPLACEMENT;
    return 1;
  }
  if (length > size) {
    return 1;
  }
  value &= 0x7FU >> length;
  for (size_t i = 1; i < length; i++) {
    if ((s[i] & 0xC0) != 0x80) {
      return 1;
    }
    value = value << 6 | (s[i] & 0x3FU);
  }
  if (!is_valid(value, length)) {
    return 1;
  }
  *c = (wchar_t) value;
  return length;
}

size_t utf8_encode(wchar_t c, char *bytes)
{
  uint32_t value = (uint32_t) c;
  size_t length = value < 0x80      ? 1
                  : value < 0x800   ? 2
                  : value < 0x10000 ? 3
                                    : 4;

  if (length == 1) {
    bytes[0] = (char) value;
    return 1;
  }
  for (size_t i = length - 1; i > 0; i--) {
    bytes[i] = (char) (0x80 | (value & 0x3F));
    value >>= 6;
  }
  bytes[0] = (char) ((0xF00U >> length & 0xFF) | value);
  return length;
}
