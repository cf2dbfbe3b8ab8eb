/* Where encoded bytes go. */
#include "postgres_value.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

void pg_buffer_deinit(pg_buffer *buffer)
{
  free(buffer->bytes);
  memset(buffer, 0, sizeof(*buffer));
}

char *pg_buffer_reserve(pg_buffer *buffer, size_t size)
{
  size_t capacity = buffer->capacity * 2;
  char *bytes;

  if (buffer->capacity - buffer->length >= size && buffer->bytes != NULL) {
    return buffer->bytes + buffer->length;
  }
  if (size > SIZE_MAX / 4 - buffer->length) {
    return NULL;
  }
  if (capacity < buffer->length + size) {
    capacity = buffer->length + size;
  }
  if (capacity < FIRST_CAPACITY) {
    capacity = FIRST_CAPACITY;
  }
  bytes = realloc(buffer->bytes, capacity);
  if (bytes == NULL) {
    return NULL;
  }
  buffer->bytes = bytes;
  buffer->capacity = capacity;
  return bytes + buffer->length;
}

int pg_buffer_add(pg_buffer *buffer, const void *bytes, size_t length)
{
  char *room = pg_buffer_reserve(buffer, length);

  if (room == NULL) {
    return COVET_ENOMEM;
  }
  if (length > 0) {
    memcpy(room, bytes, length);
  }
  buffer->length += length;
  return 0;
}

int pg_buffer_add_int32(pg_buffer *buffer, int32_t value)
{
  uint32_t bits = (uint32_t) value;
  const unsigned char bytes[] = {
      (unsigned char) (bits >> 24), (unsigned char) (bits >> 16),
      (unsigned char) (bits >> 8), (unsigned char) bits};

  return pg_buffer_add(buffer, bytes, sizeof(bytes));
}
