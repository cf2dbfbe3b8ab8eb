#include "stmt_cache.h"

#include "../covet.h"

#include <stdlib.h>
#include <string.h>

static covet_stmt *stmt_of(covet_node *node)
{
  return COVET_CONTAINER(node, covet_stmt, node);
}

int covet_stmt_cache_init(covet_stmt_cache *cache, size_t capacity,
                          size_t max_length, uint64_t lifetime_us,
                          void (*destroy)(covet_stmt *stmt))
{
  memset(cache, 0, sizeof(*cache));
  queue_init(&cache->entries);
  cache->bucket_count = 16;
  while (cache->bucket_count < capacity * 2) {
    cache->bucket_count *= 2;
  }
  cache->buckets = calloc(cache->bucket_count, sizeof(covet_stmt *));
  if (cache->buckets == NULL) {
    return COVET_ENOMEM;
  }
  cache->capacity = capacity;
  cache->max_length = max_length;
  cache->lifetime_us = lifetime_us;
  cache->destroy = destroy;
  return 0;
}

void covet_stmt_cache_deinit(covet_stmt_cache *cache)
{
  covet_stmt_cache_clear(cache);
  free(cache->buckets);
  cache->buckets = NULL;
}

uint32_t covet_stmt_hash(const char *sql, size_t length)
{
  uint64_t hash = 0x9E3779B97F4A7C15U ^ length;
  uint64_t word;

  for (; length >= sizeof(word); length -= sizeof(word), sql += sizeof(word)) {
    memcpy(&word, sql, sizeof(word));
    hash = (hash ^ word) * 0xD6E8FEB86659FD93U;
    hash ^= hash >> 32;
  }
  word = 0;
  memcpy(&word, sql, length);
  hash = (hash ^ word) * 0xD6E8FEB86659FD93U;
  return (uint32_t) (hash ^ (hash >> 32));
}

static covet_stmt **bucket_of(covet_stmt_cache *cache, uint32_t hash)
{
  return &cache->buckets[hash & (cache->bucket_count - 1)];
}

static covet_stmt *look_up(covet_stmt_cache *cache, const char *sql,
                           size_t length, uint32_t hash)
{
  covet_stmt *stmt = *bucket_of(cache, hash);

  while (stmt != NULL && (stmt->hash != hash || stmt->length != length ||
                          memcmp(stmt->sql, sql, length) != 0)) {
    stmt = stmt->chain;
  }
  return stmt;
}

static covet_stmt *find(covet_stmt_cache *cache, covet_stmt *stmt,
                        uint64_t now_us)
{
  if (stmt == NULL) {
    cache->misses++;
    return NULL;
  }
  if (!stmt->in_use && cache->lifetime_us != 0 && now_us > stmt->prepared_us &&
      now_us - stmt->prepared_us > cache->lifetime_us) {
    covet_stmt_cache_evict(cache, stmt);
    cache->misses++;
    return NULL;
  }
  if (cache->entries.head.prev != &stmt->node) {
    queue_remove(&cache->entries, &stmt->node);
    queue_push(&cache->entries, &stmt->node);
  }
  cache->hits++;
  return stmt;
}

void covet_stmt_cache_evict(covet_stmt_cache *cache, covet_stmt *stmt)
{
  covet_stmt **link = bucket_of(cache, stmt->hash);

  while (*link != stmt) {
    link = &(*link)->chain;
  }
  *link = stmt->chain;
  queue_remove(&cache->entries, &stmt->node);
  cache->destroy(stmt);
}

/* The oldest entries go until one more fits; those in use are passed over. */
static void make_room(covet_stmt_cache *cache)
{
  covet_node *node = queue_first(&cache->entries);

  while (node != NULL && cache->entries.count >= cache->capacity) {
    covet_node *after = queue_after(&cache->entries, node);

    if (!stmt_of(node)->in_use) {
      covet_stmt_cache_evict(cache, stmt_of(node));
    }
    node = after;
  }
}

covet_stmt *covet_stmt_cache_find(covet_stmt_cache *cache, const char *sql,
                                  size_t length, uint32_t hash, uint64_t now_us)
{
  covet_stmt *stmt = look_up(cache, sql, length, hash);

  return find(cache, stmt != NULL && stmt->in_use ? NULL : stmt, now_us);
}

covet_stmt *covet_stmt_cache_share(covet_stmt_cache *cache, const char *sql,
                                   size_t length, uint32_t hash,
                                   uint64_t now_us)
{
  return find(cache, look_up(cache, sql, length, hash), now_us);
}

int covet_stmt_cache_add(covet_stmt_cache *cache, covet_stmt *stmt,
                         uint64_t now_us)
{
  covet_stmt **bucket = bucket_of(cache, stmt->hash);

  if (cache->capacity == 0 || stmt->length > cache->max_length ||
      look_up(cache, stmt->sql, stmt->length, stmt->hash) != NULL) {
    return 0;
  }
  make_room(cache);
  stmt->prepared_us = now_us;
  stmt->chain = *bucket;
  *bucket = stmt;
  queue_push(&cache->entries, &stmt->node);
  return 1;
}

void covet_stmt_cache_clear(covet_stmt_cache *cache)
{
  covet_node *node = queue_first(&cache->entries);

  while (node != NULL) {
    covet_node *after = queue_after(&cache->entries, node);

    if (!stmt_of(node)->in_use) {
      covet_stmt_cache_evict(cache, stmt_of(node));
    }
    node = after;
  }
}
