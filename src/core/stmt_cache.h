/**
 * A connection's prepared statements, found by their text, the least recently
 * used one leaving first. The cache owns the entries; what a statement is, and
 * how it ends, only the driver knows.
 */
#ifndef COVET_STMT_CACHE_H
#define COVET_STMT_CACHE_H

#include "queue.h"

#include <stdint.h>

/** Embedded by the driver at the start of its statement. */
typedef struct covet_stmt {
  covet_node node; /* by last use; the newest at the end */
  struct covet_stmt *chain;
  char *sql;
  size_t length;
  uint32_t hash;
  uint64_t prepared_us;
  int in_use; /* holders; an entry in use is not evicted */
} covet_stmt;

typedef struct covet_stmt_cache {
  covet_stmt **buckets;
  size_t bucket_count;
  covet_queue entries;
  size_t capacity;      /* 0: nothing is kept */
  size_t max_length;    /* longer texts are not kept */
  uint64_t lifetime_us; /* 0: for ever */
  uint64_t hits;
  uint64_t misses;
  void (*destroy)(covet_stmt *stmt); /* frees the driver's part and `stmt` */
} covet_stmt_cache;

/** Returns 0 or COVET_ENOMEM. */
int covet_stmt_cache_init(covet_stmt_cache *cache, size_t capacity,
                          size_t max_length, uint64_t lifetime_us,
                          void (*destroy)(covet_stmt *stmt));

/** Destroy every statement. None may be in use. */
void covet_stmt_cache_deinit(covet_stmt_cache *cache);

/** The hash that the calls below want. */
uint32_t covet_stmt_hash(const char *sql, size_t length);

/** The statement of this text if it is there, not in use and not too old. */
covet_stmt *covet_stmt_cache_find(covet_stmt_cache *cache, const char *sql,
                                  size_t length, uint32_t hash,
                                  uint64_t now_us);

/** The same, also when it is in use: for statements that serve several holders
 *  at a time. */
covet_stmt *covet_stmt_cache_share(covet_stmt_cache *cache, const char *sql,
                                   size_t length, uint32_t hash,
                                   uint64_t now_us);

/**
 * Keep a statement (*taken*; its sql, length and hash are set), evicting
 * others. Returns 0 when it is not for this cache (too long, or an equal one is
 * there): then it stays the caller's.
 */
int covet_stmt_cache_add(covet_stmt_cache *cache, covet_stmt *stmt,
                         uint64_t now_us);

/** Destroy one that is in the cache. Of one in use `destroy` may only take note:
 *  its holders have it still. */
void covet_stmt_cache_evict(covet_stmt_cache *cache, covet_stmt *stmt);

/** Destroy all that are not in use. */
void covet_stmt_cache_clear(covet_stmt_cache *cache);

#endif
