#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
  FIRST_BLOCK = 136, /* with its head 160: a short statement, parameters */
  LARGEST_BLOCK = 256 * 1024, /* blocks double up to here */
  KEPT_BLOCK = 64 * 1024      /* a larger one is not kept by reset */
};

struct covet_block {
  covet_block *next;
  size_t size; /* of `data` */
  alignas(max_align_t) char data[];
};

static void use_block(covet_arena *arena, covet_block *block)
{
  arena->free = block->data;
  arena->end = block->data + block->size;
}

/* A block for at least `size` bytes, larger than the one before it. */
static covet_block *add_block(covet_arena *arena, size_t size)
{
  size_t wanted = arena->blocks == NULL ? FIRST_BLOCK : arena->blocks->size * 2;
  covet_block *block;

  if (wanted > LARGEST_BLOCK) {
    wanted = LARGEST_BLOCK;
  }
  if (wanted < size) {
    wanted = size;
  }
  block = malloc(sizeof(*block) + wanted);
  if (block == NULL) {
    return NULL;
  }
  block->size = wanted;
  block->next = arena->blocks;
  arena->blocks = block;
  use_block(arena, block);
  return block;
}

void *covet_arena_bytes(covet_arena *arena, size_t size)
{
  void *memory;

  if (size > SIZE_MAX / 2) {
    return NULL;
  }
  if (arena->free == NULL || (size_t) (arena->end - arena->free) < size) {
    if (add_block(arena, size) == NULL) {
      return NULL;
    }
  }
  memory = arena->free;
  arena->free += size;
  return memory;
}

void *covet_arena_alloc(covet_arena *arena, size_t size)
{
  const size_t mask = alignof(max_align_t) - 1;
  size_t gap = (size_t) (-(uintptr_t) arena->free & mask);

  if (arena->free == NULL || (size_t) (arena->end - arena->free) < gap) {
    return covet_arena_bytes(arena, size); /* a new block is aligned */
  }
  if ((size_t) (arena->end - arena->free) - gap >= size) {
    arena->free += gap;
  } else if (size > SIZE_MAX / 2 || add_block(arena, size) == NULL) {
    return NULL;
  }
  return covet_arena_bytes(arena, size);
}

char *covet_arena_copy(covet_arena *arena, const char *bytes, size_t length)
{
  char *copy = covet_arena_bytes(arena, length + 1);

  if (copy != NULL) {
    if (length > 0) {
      memcpy(copy, bytes, length);
    }
    copy[length] = '\0';
  }
  return copy;
}

void covet_arena_reset(covet_arena *arena)
{
  covet_block *kept = NULL;
  covet_block *block = arena->blocks;

  while (block != NULL) {
    covet_block *next = block->next;

    if (block->size <= KEPT_BLOCK &&
        (kept == NULL || kept->size < block->size)) {
      free(kept);
      kept = block;
    } else {
      free(block);
    }
    block = next;
  }
  arena->blocks = kept;
  arena->free = NULL;
  arena->end = NULL;
  if (kept != NULL) {
    kept->next = NULL;
    use_block(arena, kept);
  }
}

void covet_arena_deinit(covet_arena *arena)
{
  while (arena->blocks != NULL) {
    covet_block *next = arena->blocks->next;

    free(arena->blocks);
    arena->blocks = next;
  }
  arena->free = NULL;
  arena->end = NULL;
}

size_t covet_arena_size(const covet_arena *arena)
{
  size_t size = 0;

  for (const covet_block *block = arena->blocks; block; block = block->next) {
    size += block->size;
  }
  return size;
}
