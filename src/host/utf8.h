/**
 * UTF-8 and libedit's wide characters, whatever the locale says.
 */
#ifndef COVET_HOST_UTF8_H
#define COVET_HOST_UTF8_H

#include <stddef.h>
#include <wchar.h>

/** Bytes that the sequence starting with `first` has; 1 for a wrong one. */
size_t utf8_length(unsigned char first);

/** Read one character of at most `size` bytes (> 0) into `*c`; U+FFFD for
 *  what is not UTF-8. Returns the bytes used. */
size_t utf8_decode(const char *bytes, size_t size, wchar_t *c);

/** Write `c` to `bytes` (room for 4). Returns the bytes written. */
size_t utf8_encode(wchar_t c, char *bytes);

#endif
