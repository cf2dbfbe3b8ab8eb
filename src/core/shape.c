#include "batch.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct covet_shape_entry {
  covet_shape shape;
  covet_shape_entry *next; /* in its bucket */
  covet_shape_table *table;
  uint32_t hash;
  atomic_uint owners;
};

enum { FIRST_BUCKETS = 64 };

static uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t length)
{
  const unsigned char *at = bytes;

  for (size_t i = 0; i < length; i++) {
    hash = (hash ^ at[i]) * 16777619U;
  }
  return hash;
}

static uint32_t hash_columns(const covet_column *columns, uint32_t count)
{
  uint32_t hash = 2166136261U;

  for (uint32_t i = 0; i < count; i++) {
    hash = hash_bytes(hash, columns[i].name, columns[i].name_length + 1);
    hash = hash_bytes(hash, columns[i].type, columns[i].type_length + 1);
    hash = hash_bytes(hash, &columns[i].kind, sizeof(columns[i].kind));
    hash = hash_bytes(hash, &columns[i].type_id, sizeof(columns[i].type_id));
  }
  return hash;
}

static int same_column(const covet_column *a, const covet_column *b)
{
  return a->name_length == b->name_length && a->type_length == b->type_length &&
         a->kind == b->kind && a->type_id == b->type_id &&
         memcmp(a->name, b->name, a->name_length) == 0 &&
         memcmp(a->type, b->type, a->type_length) == 0;
}

static int same_columns(const covet_shape *shape, const covet_column *columns,
                        uint32_t count)
{
  if (shape->column_count != count) {
    return 0;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (!same_column(&shape->columns[i], &columns[i])) {
      return 0;
    }
  }
  return 1;
}

int covet_shape_table_init(covet_shape_table *table)
{
  memset(table, 0, sizeof(*table));
  table->buckets = calloc(FIRST_BUCKETS, sizeof(covet_shape_entry *));
  if (table->buckets == NULL) {
    return COVET_ENOMEM;
  }
  if (uv_mutex_init(&table->lock) != 0) {
    free(table->buckets);
    return COVET_ESYSTEM;
  }
  table->bucket_count = FIRST_BUCKETS;
  return 0;
}

void covet_shape_table_deinit(covet_shape_table *table)
{
  /* Batches may outlive the runtime: a shape they own is freed by them. */
  uv_mutex_lock(&table->lock);
  for (size_t i = 0; i < table->bucket_count; i++) {
    for (covet_shape_entry *at = table->buckets[i]; at; at = at->next) {
      at->table = NULL;
    }
  }
  uv_mutex_unlock(&table->lock);
  uv_mutex_destroy(&table->lock);
  free(table->buckets);
}

/* One allocation holds the entry, its columns and their texts. */
static covet_shape_entry *new_entry(const covet_column *columns, uint32_t count)
{
  size_t size = sizeof(covet_shape_entry) + sizeof(covet_column) * count;
  covet_shape_entry *entry;
  covet_column *copies;
  char *text;

  for (uint32_t i = 0; i < count; i++) {
    size += columns[i].name_length + columns[i].type_length + 2U;
  }
  entry = calloc(1, size);
  if (entry == NULL) {
    return NULL;
  }
  copies = (covet_column *) (void *) (entry + 1);
  text = (char *) (copies + count);
  for (uint32_t i = 0; i < count; i++) {
    copies[i] = columns[i];
    copies[i].name = memcpy(text, columns[i].name, columns[i].name_length);
    text += columns[i].name_length + 1;
    copies[i].type = memcpy(text, columns[i].type, columns[i].type_length);
    text += columns[i].type_length + 1;
  }
  entry->shape.columns = copies;
  entry->shape.column_count = count;
  return entry;
}

static void grow(covet_shape_table *table)
{
  size_t wanted = table->bucket_count * 2;
  covet_shape_entry **buckets = calloc(wanted, sizeof(covet_shape_entry *));

  if (buckets == NULL) {
    return; /* longer chains, nothing worse */
  }
  for (size_t i = 0; i < table->bucket_count; i++) {
    while (table->buckets[i] != NULL) {
      covet_shape_entry *entry = table->buckets[i];

      table->buckets[i] = entry->next;
      entry->next = buckets[entry->hash % wanted];
      buckets[entry->hash % wanted] = entry;
    }
  }
  free(table->buckets);
  table->buckets = buckets;
  table->bucket_count = wanted;
}

const covet_shape *covet_shape_intern(covet_shape_table *table,
                                      const covet_column *columns,
                                      uint32_t count)
{
  uint32_t hash = hash_columns(columns, count);
  covet_shape_entry *entry;

  uv_mutex_lock(&table->lock);
  entry = table->buckets[hash % table->bucket_count];
  while (entry != NULL && (entry->hash != hash ||
                           !same_columns(&entry->shape, columns, count))) {
    entry = entry->next;
  }
  if (entry == NULL) {
    entry = new_entry(columns, count);
    if (entry != NULL) {
      if (table->count >= table->bucket_count) {
        grow(table);
      }
      entry->hash = hash;
      entry->table = table;
      entry->shape.id = ++table->last_id;
      entry->next = table->buckets[hash % table->bucket_count];
      table->buckets[hash % table->bucket_count] = entry;
      table->count++;
    }
  }
  if (entry != NULL) {
    atomic_fetch_add(&entry->owners, 1);
  }
  uv_mutex_unlock(&table->lock);
  return entry == NULL ? NULL : &entry->shape;
}

static covet_shape_entry *entry_of(const covet_shape *shape)
{
  return (covet_shape_entry *) (void *) (uintptr_t) shape;
}

const covet_shape *covet_shape_retain(const covet_shape *shape)
{
  if (shape != NULL) {
    atomic_fetch_add(&entry_of(shape)->owners, 1);
  }
  return shape;
}

static void unlink_entry(covet_shape_table *table, covet_shape_entry *entry)
{
  covet_shape_entry **link = &table->buckets[entry->hash % table->bucket_count];

  while (*link != entry) {
    link = &(*link)->next;
  }
  *link = entry->next;
  table->count--;
}

void covet_shape_release(const covet_shape *shape)
{
  covet_shape_entry *entry;
  covet_shape_table *table;
  unsigned owners;

  if (shape == NULL) {
    return;
  }
  entry = entry_of(shape);
  table = entry->table;
  owners = atomic_load(&entry->owners);
  while (owners > 1) {
    if (atomic_compare_exchange_weak(&entry->owners, &owners, owners - 1)) {
      return;
    }
  }
  if (table == NULL) {
    if (atomic_fetch_sub(&entry->owners, 1) == 1) {
      free(entry);
    }
    return;
  }
  /* The last owner goes under the lock: nobody can find the entry meanwhile. */
  uv_mutex_lock(&table->lock);
  if (atomic_fetch_sub(&entry->owners, 1) == 1) {
    unlink_entry(table, entry);
    uv_mutex_unlock(&table->lock);
    free(entry);
    return;
  }
  uv_mutex_unlock(&table->lock);
}
