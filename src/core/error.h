/** Filling in a covet_error. The vocabulary itself stands in covet.h. */
#ifndef COVET_CORE_ERROR_H
#define COVET_CORE_ERROR_H

#include "../covet.h"

/** A code of covet's own: the value is of a kind that cannot be written as it is,
 *  and whoever gave it may be able to say it otherwise. Nothing was sent. */
enum { COVET_CODE_NEEDS_ENCODING = -100 };

/** Another: whoever was asked what to open a connection with has refused. */
enum { COVET_CODE_REFUSED = -101 };

/** Clear `error` and set its kind and message (printf's format). */
void covet_error_set(covet_error *error, covet_error_kind kind,
                     const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Copy `length` bytes (or up to a NUL) into a field of `size` bytes; what
 *  does not fit is cut at a character's border. */
void covet_error_text(char *field, size_t size, const char *text,
                      size_t length);

#endif
