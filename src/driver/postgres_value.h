/**
 * Values of PostgreSQL: bytes of the wire to cells, and cells to bytes. No libpq
 * in here, and no trust in a length: whatever the bytes are, nothing outside of
 * them is read.
 */
#ifndef COVET_DRIVER_POSTGRES_VALUE_H
#define COVET_DRIVER_POSTGRES_VALUE_H

#include "../core/batch.h"
#include "postgres_type.h"

typedef enum pg_format { PG_FORMAT_TEXT = 0, PG_FORMAT_BINARY = 1 } pg_format;

/** How a reader is told apart from others that deliver the same. */
typedef enum pg_read_status {
  PG_READ_OK = 0,
  PG_READ_MALFORMED = -1, /* the bytes are no value of the type */
  PG_READ_NO_MEMORY = -2,
  PG_READ_TOO_DEEP = -3, /* nested beyond PG_MAX_DEPTH */
  PG_READ_UNKNOWN = -4,  /* a type is not in the cache: `*missing` is set. When
                            it is there read again; another can be missing */
  PG_READ_OUTDATED = -5  /* a row has other attributes than the cache says: its
                            type, `*missing`, was altered since */
} pg_read_status;

enum { PG_MAX_DEPTH = 32 };

/**
 * Read a value into a cell, in either format. `bytes` (`length` of them; not
 * ended by a NUL) are borrowed for the call: what the cell points to is in the
 * batch. The cell's kind is INTEGER, FLOAT, TEXT, BLOB, BOOLEAN, or that of a
 * nested value; the kinds of texts of a meaning stand in nested cells only. A
 * `length` below 0 is NULL, and so is the cell when the value cannot be read.
 *
 * In text format, a text that the type's reader does not understand (another
 * DateStyle) is delivered as it is; no text is PG_READ_MALFORMED. A record then
 * has TEXT cells only. In binary format, what pg_types_binary says no to stands
 * in records alone; such a cell is a BLOB with the bytes of the wire.
 *
 * Both formats come to the same cells, if the text is in DateStyle ISO,
 * IntervalStyle postgres and extra_float_digits 1 or more. timestamptz is in
 * UTC, whatever the session's time zone.
 */
pg_read_status pg_value_read(const pg_types *types, const pg_type *type,
                             pg_format format, const char *bytes,
                             int32_t length, covet_batch *batch,
                             covet_cell *cell, uint32_t *missing);

/* --- Parameters -------------------------------------------------------------------- */

/** Where encoded bytes go: it grows by realloc. All zero is a valid, empty one. */
typedef struct pg_buffer {
  char *bytes;
  size_t length;
  size_t capacity;
} pg_buffer;

void pg_buffer_deinit(pg_buffer *buffer);

/** Room for `size` more bytes: a pointer to them, not yet counted, or NULL. */
char *pg_buffer_reserve(pg_buffer *buffer, size_t size);

/** Append. Return 0 or COVET_ENOMEM. */
int pg_buffer_add(pg_buffer *buffer, const void *bytes, size_t length);
int pg_buffer_add_int32(pg_buffer *buffer, int32_t value); /* big-endian */

/**
 * Append a parameter's value for a parameter of this type (NULL: not known), in
 * text unless binary is exact and cheap (bool, integers, floats, bytea); the
 * format is set. No NUL ends a text. The cell is not NULL and of a kind that
 * parameters have.
 *
 * A BLOB is the type's binary form itself, but for the types of texts with a
 * meaning, which take none. TEXT for bytea, and for a type with a binary codec,
 * is its bytes as well. Other texts are the server's to read.
 *
 * Returns 0, COVET_ENOMEM, or COVET_EUSAGE with a message that says what was
 * expected and what was given, never the value ("expected integer, got a
 * number with a fraction"). The error's kind is INVALID_VALUE, or USAGE where no
 * value of the cell's kind would do.
 */
int pg_value_write(const pg_type *type, const covet_cell *cell,
                   pg_buffer *buffer, pg_format *format, covet_error *error);

/** Whether pg_value_write_binary can write this type whatever comes. */
bool pg_value_writes_binary(const pg_type *type);

/**
 * Append a field of binary COPY: its length (-1 for NULL), then its bytes. Texts
 * in their usual form are taken for numeric, uuid, date, timestamp and the like
 * ("2024-02-30" is refused, and so is a timestamptz without an offset: only the
 * server knows the session's time zone). Returns as pg_value_write.
 */
int pg_value_write_binary(const pg_type *type, const covet_cell *cell,
                          pg_buffer *buffer, covet_error *error);

/** Append a field of COPY's text format, escaped; NULL is \N. Returns as
 *  pg_value_write. */
int pg_value_write_copy_text(const pg_type *type, const covet_cell *cell,
                             pg_buffer *buffer, covet_error *error);

#endif
