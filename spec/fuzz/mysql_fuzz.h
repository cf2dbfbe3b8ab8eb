/** What the fuzzers of MySQL share. */
#ifndef COVET_SPEC_MYSQL_FUZZ_H
#define COVET_SPEC_MYSQL_FUZZ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(int truth)
{
  if (!truth) {
    abort();
  }
}

/* Bytes in memory of exactly their size. */
static inline void *fuzz_copy(const uint8_t *data, size_t size)
{
  void *copy = malloc(size > 0 ? size : 1);

  require(copy != NULL);
  if (size > 0) {
    memcpy(copy, data, size);
  }
  return copy;
}

#endif
