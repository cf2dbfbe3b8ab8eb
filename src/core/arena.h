/** Memory that is given out piece by piece and taken back all at once. */
#ifndef COVET_ARENA_H
#define COVET_ARENA_H

#include <stddef.h>

typedef struct covet_block covet_block;

/** An arena owns its blocks. All zero is a valid, empty arena. */
typedef struct covet_arena {
  covet_block *blocks; /* the newest first: the one that gives out memory */
  char *free;
  char *end;
} covet_arena;

/** `size` bytes, aligned for any type, or NULL when memory is out. */
void *covet_arena_alloc(covet_arena *arena, size_t size);

/** `size` bytes, aligned for nothing: for text. */
void *covet_arena_bytes(covet_arena *arena, size_t size);

/** A copy of `length` bytes with a NUL after them, or NULL. */
char *covet_arena_copy(covet_arena *arena, const char *bytes, size_t length);

/** Take everything back; one block of ordinary size is kept for the next use. */
void covet_arena_reset(covet_arena *arena);

/** Take everything back and free the blocks. */
void covet_arena_deinit(covet_arena *arena);

/** Bytes held in blocks, used or not. */
size_t covet_arena_size(const covet_arena *arena);

#endif
