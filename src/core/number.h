/** Texts as numbers: all of a text or nothing, whatever the process's locale. */
#ifndef COVET_CORE_NUMBER_H
#define COVET_CORE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Digits, up to `most`. */
bool covet_number_unsigned(const char *text, size_t length, uint64_t most,
                           uint64_t *value);

/** An integer with or without a sign. */
bool covet_number_integer(const char *text, size_t length, int64_t *value);

/** A decimal number with or without a sign, a point and an exponent: the nearest there
 *  is. `single`: that of a float, rounded once. */
bool covet_number_float(const char *text, size_t length, bool single,
                        double *value);

#endif
