#include "arena.h"

#include "support/support.h"

#include <stdalign.h>
#include <string.h>

static void test_alignment(void **state)
{
  covet_arena arena = {0};

  (void) state;
  for (size_t size = 0; size < 300; size++) {
    char *text = covet_arena_bytes(&arena, size % 7 + 1);
    char *memory = covet_arena_alloc(&arena, size);

    assert_non_null(text);
    assert_non_null(memory);
    assert_int_equal((uintptr_t) memory % alignof(max_align_t), 0);
    memset(text, 1, size % 7 + 1);
    memset(memory, 2, size);
  }
  covet_arena_deinit(&arena);
}

/* No two pieces overlap: each keeps what was written into it. */
static void test_pieces_are_separate(void **state)
{
  covet_arena arena = {0};
  unsigned char *pieces[500];

  (void) state;
  for (int i = 0; i < 500; i++) {
    size_t size = 1 + (size_t) (i * 37 % 900);

    pieces[i] = i % 2 ? covet_arena_alloc(&arena, size)
                      : covet_arena_bytes(&arena, size);
    assert_non_null(pieces[i]);
    memset(pieces[i], i & 0xFF, size);
  }
  for (int i = 0; i < 500; i++) {
    for (int at = 0; at < 1 + i * 37 % 900; at++) {
      assert_int_equal(pieces[i][at], i & 0xFF);
    }
  }
  covet_arena_deinit(&arena);
}

static void test_large(void **state)
{
  const size_t size = 5 * 1024 * 1024;
  covet_arena arena = {0};
  char *large;

  (void) state;
  assert_non_null(covet_arena_bytes(&arena, 3));
  large = covet_arena_alloc(&arena, size);
  assert_non_null(large);
  assert_int_equal((uintptr_t) large % alignof(max_align_t), 0);
  memset(large, 7, size);
  assert_true(covet_arena_size(&arena) >= size);
  assert_non_null(covet_arena_bytes(&arena, 100));
  covet_arena_deinit(&arena);
  assert_int_equal(covet_arena_size(&arena), 0);
}

static void test_too_large_is_refused(void **state)
{
  covet_arena arena = {0};

  (void) state;
  assert_null(covet_arena_bytes(&arena, SIZE_MAX - 4));
  assert_null(covet_arena_alloc(&arena, SIZE_MAX - 4));
  assert_non_null(covet_arena_alloc(&arena, 8));
  assert_null(covet_arena_alloc(&arena, SIZE_MAX - 4));
  covet_arena_deinit(&arena);
}

static void test_reset_keeps_one_ordinary_block(void **state)
{
  covet_arena arena = {0};
  size_t kept;

  (void) state;
  for (int i = 0; i < 100; i++) {
    assert_non_null(covet_arena_alloc(&arena, 1000));
  }
  assert_non_null(covet_arena_alloc(&arena, 1024 * 1024));
  covet_arena_reset(&arena);
  kept = covet_arena_size(&arena);
  assert_in_range(kept, 1, 64 * 1024);
  for (int round = 0; round < 50; round++) {
    char *memory = covet_arena_alloc(&arena, 500);

    assert_non_null(memory);
    memset(memory, round, 500);
    covet_arena_reset(&arena);
    assert_int_equal(covet_arena_size(&arena), kept);
  }
  covet_arena_deinit(&arena);
}

static void test_reset_of_an_empty_arena(void **state)
{
  covet_arena arena = {0};

  (void) state;
  covet_arena_reset(&arena);
  assert_int_equal(covet_arena_size(&arena), 0);
  assert_non_null(covet_arena_alloc(&arena, 1));
  covet_arena_deinit(&arena);
  covet_arena_deinit(&arena);
}

static void test_copy(void **state)
{
  covet_arena arena = {0};
  char *copy = covet_arena_copy(&arena, "a\0b", 3);
  char *empty = covet_arena_copy(&arena, NULL, 0);

  (void) state;
  assert_non_null(copy);
  assert_memory_equal(copy, "a\0b", 4);
  assert_non_null(empty);
  assert_string_equal(empty, "");
  covet_arena_deinit(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_alignment),
      cmocka_unit_test(test_pieces_are_separate),
      cmocka_unit_test(test_large),
      cmocka_unit_test(test_too_large_is_refused),
      cmocka_unit_test(test_reset_keeps_one_ordinary_block),
      cmocka_unit_test(test_reset_of_an_empty_arena),
      cmocka_unit_test(test_copy),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
