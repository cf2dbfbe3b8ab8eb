#include "stmt_cache.h"

#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned destroyed;
static char last_destroyed[64];

static void destroy(covet_stmt *stmt)
{
  destroyed++;
  (void) snprintf(last_destroyed, sizeof(last_destroyed), "%.63s", stmt->sql);
  free(stmt->sql);
  free(stmt);
}

static void init(covet_stmt_cache *cache, size_t capacity, uint64_t lifetime_us)
{
  destroyed = 0;
  last_destroyed[0] = '\0';
  assert_int_equal(
      covet_stmt_cache_init(cache, capacity, 32, lifetime_us, destroy), 0);
}

static covet_stmt *make(const char *sql)
{
  covet_stmt *stmt = calloc(1, sizeof(*stmt));

  assert_non_null(stmt);
  stmt->sql = strdup(sql);
  stmt->length = strlen(sql);
  stmt->hash = covet_stmt_hash(sql, stmt->length);
  return stmt;
}

static covet_stmt *add(covet_stmt_cache *cache, const char *sql, uint64_t now)
{
  covet_stmt *stmt = make(sql);

  assert_int_equal(covet_stmt_cache_add(cache, stmt, now), 1);
  return stmt;
}

static covet_stmt *find(covet_stmt_cache *cache, const char *sql, uint64_t now)
{
  size_t length = strlen(sql);

  return covet_stmt_cache_find(cache, sql, length, covet_stmt_hash(sql, length),
                               now);
}

static void refused(covet_stmt_cache *cache, const char *sql)
{
  covet_stmt *stmt = make(sql);

  assert_int_equal(covet_stmt_cache_add(cache, stmt, 0), 0);
  destroy(stmt);
}

static void test_least_recently_used_leaves(void **state)
{
  covet_stmt_cache cache;

  (void) state;
  init(&cache, 3, 0);
  add(&cache, "a", 0);
  add(&cache, "b", 0);
  add(&cache, "c", 0);
  assert_non_null(find(&cache, "a", 0)); /* now b is the oldest */
  add(&cache, "d", 0);
  assert_int_equal(destroyed, 1);
  assert_string_equal(last_destroyed, "b");
  assert_null(find(&cache, "b", 0));
  assert_non_null(find(&cache, "a", 0));
  assert_non_null(find(&cache, "c", 0));
  add(&cache, "e", 0);
  assert_string_equal(last_destroyed, "d");
  assert_int_equal(cache.hits, 3);
  assert_int_equal(cache.misses, 1);
  covet_stmt_cache_deinit(&cache);
  assert_int_equal(destroyed, 5);
}

static void test_lifetime(void **state)
{
  covet_stmt_cache cache;

  (void) state;
  init(&cache, 4, 100);
  add(&cache, "a", 1000);
  assert_non_null(find(&cache, "a", 1100));
  assert_int_equal(destroyed, 0);
  assert_null(find(&cache, "a", 1101)); /* use does not make it younger */
  assert_int_equal(destroyed, 1);
  add(&cache, "a", 1101);
  assert_non_null(find(&cache, "a", 1200));
  covet_stmt_cache_deinit(&cache);
}

static void test_in_use_is_left_alone(void **state)
{
  covet_stmt_cache cache;
  covet_stmt *a;
  covet_stmt *b;

  (void) state;
  init(&cache, 2, 10);
  a = add(&cache, "a", 0);
  b = add(&cache, "b", 0);
  a->in_use = 1;
  b->in_use = 1;
  assert_null(find(&cache, "a", 0));   /* one holder at a time */
  assert_null(find(&cache, "a", 500)); /* nor destroyed by its age */
  refused(&cache, "a");
  destroyed = 0;
  add(&cache, "c", 0); /* over the capacity rather than to destroy one */
  assert_int_equal(destroyed, 0);
  covet_stmt_cache_clear(&cache);
  assert_string_equal(last_destroyed, "c");
  assert_int_equal(destroyed, 1);
  a->in_use = 0;
  assert_ptr_equal(find(&cache, "a", 0), a);
  b->in_use = 0;
  covet_stmt_cache_deinit(&cache);
  assert_int_equal(destroyed, 3);
}

static void test_capacity_zero_keeps_nothing(void **state)
{
  covet_stmt_cache cache;

  (void) state;
  init(&cache, 0, 0);
  refused(&cache, "a");
  assert_null(find(&cache, "a", 0));
  covet_stmt_cache_deinit(&cache);
}

static void test_too_long_is_not_kept(void **state)
{
  covet_stmt_cache cache;

  (void) state;
  init(&cache, 4, 0);
  add(&cache, "12345678901234567890123456789012", 0); /* 32 */
  refused(&cache, "123456789012345678901234567890123");
  covet_stmt_cache_deinit(&cache);
}

static void test_equal_text_is_refused(void **state)
{
  covet_stmt_cache cache;

  (void) state;
  init(&cache, 4, 0);
  add(&cache, "a", 0);
  refused(&cache, "a");
  assert_non_null(find(&cache, "a", 0));
  covet_stmt_cache_deinit(&cache);
}

/* Texts that share a bucket, all found again; the rest was evicted in order. */
static void test_many(void **state)
{
  covet_stmt_cache cache;
  char sql[32];

  (void) state;
  init(&cache, 100, 0);
  for (int i = 0; i < 5000; i++) {
    (void) snprintf(sql, sizeof(sql), "SELECT %d", i);
    add(&cache, sql, 0);
    assert_true(cache.entries.count <= 100);
  }
  for (int i = 0; i < 5000; i++) {
    (void) snprintf(sql, sizeof(sql), "SELECT %d", i);
    assert_int_equal(find(&cache, sql, 0) != NULL, i >= 4900);
  }
  covet_stmt_cache_deinit(&cache);
  assert_int_equal(destroyed, 5000);
}

static void test_hash_minds_length_and_every_byte(void **state)
{
  char text[40];

  (void) state;
  memset(text, 'a', sizeof(text));
  for (size_t length = 1; length < sizeof(text); length++) {
    uint32_t hash = covet_stmt_hash(text, length);

    assert_int_not_equal(hash, covet_stmt_hash(text, length - 1));
    for (size_t i = 0; i < length; i++) {
      text[i] = 'b';
      assert_int_not_equal(hash, covet_stmt_hash(text, length));
      text[i] = 'a';
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_least_recently_used_leaves),
      cmocka_unit_test(test_lifetime),
      cmocka_unit_test(test_in_use_is_left_alone),
      cmocka_unit_test(test_capacity_zero_keeps_nothing),
      cmocka_unit_test(test_too_long_is_not_kept),
      cmocka_unit_test(test_equal_text_is_refused),
      cmocka_unit_test(test_many),
      cmocka_unit_test(test_hash_minds_length_and_every_byte),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
