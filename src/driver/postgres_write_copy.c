/* Fields of COPY's text format. */
#include "postgres_write.h"

#include <string.h>

/* What stands for a byte behind a backslash, or 0 for one that may stay. */
static char escape_of(char byte)
{
  switch (byte) {
  case '\\':
    return '\\';
  case '\b':
    return 'b';
  case '\t':
    return 't';
  case '\n':
    return 'n';
  case '\v':
    return 'v';
  case '\f':
    return 'f';
  case '\r':
    return 'r';
  default:
    return '\0';
  }
}

/* Escape the bytes from `start` on, in place and from behind. */
static int escape(pg_buffer *buffer, size_t start)
{
  size_t length = buffer->length;
  size_t added = 0;
  char *to;

  for (size_t i = start; i < length; i++) {
    added += escape_of(buffer->bytes[i]) != '\0';
  }
  if (added == 0) {
    return 0;
  }
  if (pg_buffer_reserve(buffer, added) == NULL) {
    return COVET_ENOMEM;
  }
  buffer->length += added;
  to = buffer->bytes + buffer->length;
  for (size_t i = length; i-- > start;) {
    char letter = escape_of(buffer->bytes[i]);

    if (letter == '\0') {
      *--to = buffer->bytes[i];
    } else {
      *--to = letter;
      *--to = '\\';
    }
  }
  return 0;
}

int pg_value_write_copy_text(const pg_type *type, const covet_cell *cell,
                             pg_buffer *buffer, covet_error *error)
{
  size_t start = buffer->length;
  int status;

  if (cell->kind == COVET_NULL) {
    return pg_buffer_add(buffer, "\\N", 2);
  }
  status = pg_write_check(type, cell, error);
  if (status == 0) {
    status = pg_write_text(type, cell, buffer);
  }
  return status == 0 ? escape(buffer, start) : status;
}
