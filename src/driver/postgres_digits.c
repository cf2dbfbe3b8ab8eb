#include "postgres_digits.h"

const char pg_pairs[200] = {"0001020304050607080910111213141516171819"
                            "2021222324252627282930313233343536373839"
                            "4041424344454647484950515253545556575859"
                            "6061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899"};

char *pg_put_unsigned(char *to, uint64_t value, int least)
{
  char digits[PG_INTEGER_BYTES];
  int at = PG_INTEGER_BYTES;

  while (value > 0 || PG_INTEGER_BYTES - at < least) {
    digits[--at] = (char) ('0' + value % 10);
    value /= 10;
  }
  memcpy(to, digits + at, (size_t) (PG_INTEGER_BYTES - at));
  return to + (PG_INTEGER_BYTES - at);
}

char *pg_put_integer(char *to, int64_t value)
{
  uint64_t magnitude = (uint64_t) value;

  if (value < 0) {
    *to++ = '-';
    magnitude = UINT64_C(0) - magnitude;
  }
  return pg_put_unsigned(to, magnitude, 1);
}
