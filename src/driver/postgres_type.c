#include "postgres_type.h"

#include "../core/arena.h"
#include "postgres_builtin.h"
#include "postgres_cache.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 64, MOST_DOMAINS = 64 };

/* A name whose values are left to a codec of the user's. */
typedef struct custom_name {
  struct custom_name *next;
  const char *name;
  pg_form form;
} custom_name;

struct pg_types {
  covet_arena arena; /* types that were replaced stay in it: see `forget` */
  pg_loaded **buckets;
  uint32_t bucket_count; /* a power of two, or 0 */
  uint32_t count;
  uint32_t domains;
  custom_name *customs;
};

pg_types *pg_types_new(void)
{
  return calloc(1, sizeof(pg_types));
}

void pg_types_free(pg_types *types)
{
  if (types != NULL) {
    covet_arena_deinit(&types->arena);
    free(types->buckets);
    free(types);
  }
}

covet_arena *pg_types_arena(pg_types *types)
{
  return &types->arena;
}

static pg_loaded **bucket_of(const pg_types *types, uint32_t oid)
{
  /* oids are given out one after another: their low bits tell them apart */
  return &types->buckets[oid & (types->bucket_count - 1)];
}

static pg_loaded *find_loaded(const pg_types *types, uint32_t oid)
{
  pg_loaded *loaded;

  if (types->count == 0) {
    return NULL;
  }
  loaded = *bucket_of(types, oid);
  while (loaded != NULL && loaded->type.oid != oid) {
    loaded = loaded->next;
  }
  return loaded;
}

const pg_type *pg_types_find(const pg_types *types, uint32_t oid)
{
  const pg_loaded *loaded = find_loaded(types, oid);

  return loaded != NULL ? &loaded->type : pg_builtin_find(oid);
}

const pg_type *pg_types_base(const pg_types *types, const pg_type *type,
                             uint32_t *missing)
{
  for (int i = 0; type->form == PG_FORM_DOMAIN; i++) {
    const pg_type *base = NULL;

    if (i < MOST_DOMAINS) {
      base = pg_types_find(types, type->element);
    }
    if (base == NULL) {
      *missing = type->element;
      return NULL;
    }
    type = base;
  }
  return type;
}

/* --- Adding ------------------------------------------------------------------------ */

static bool grow(pg_types *types)
{
  uint32_t old_count = types->bucket_count;
  uint32_t count = old_count == 0 ? FIRST_BUCKETS : old_count * 2;
  pg_loaded **old = types->buckets;
  pg_loaded **buckets;

  if (types->count < old_count) {
    return true;
  }
  buckets = calloc(count, sizeof(pg_loaded *));
  if (buckets == NULL) {
    return false;
  }
  types->buckets = buckets;
  types->bucket_count = count;
  for (uint32_t i = 0; i < old_count; i++) {
    for (pg_loaded *loaded = old[i], *next; loaded != NULL; loaded = next) {
      pg_loaded **bucket = bucket_of(types, loaded->type.oid);

      next = loaded->next;
      loaded->next = *bucket;
      *bucket = loaded;
    }
  }
  free(old);
  return true;
}

static void remove_loaded(pg_types *types, uint32_t oid)
{
  pg_loaded **at = bucket_of(types, oid);

  while (*at != NULL && (*at)->type.oid != oid) {
    at = &(*at)->next;
  }
  if (*at != NULL) {
    types->domains -= (*at)->type.form == PG_FORM_DOMAIN;
    types->count--;
    *at = (*at)->next;
  }
}

static void leave_to_codec(const pg_types *types, pg_loaded *loaded)
{
  for (const custom_name *custom = types->customs; custom != NULL;
       custom = custom->next) {
    if (strcmp(custom->name, loaded->type.name) == 0 ||
        strcmp(custom->name, loaded->catalog) == 0) {
      loaded->type.form = custom->form;
      loaded->type.kind = COVET_CUSTOM;
      return;
    }
  }
}

/* A domain may come before its base type. */
static void settle_domains(pg_types *types)
{
  uint32_t missing;

  for (uint32_t i = 0; types->domains > 0 && i < types->bucket_count; i++) {
    for (pg_loaded *loaded = types->buckets[i]; loaded; loaded = loaded->next) {
      const pg_type *base = NULL;

      if (loaded->type.form == PG_FORM_DOMAIN) {
        base = pg_types_base(types, &loaded->type, &missing);
      }
      if (base != NULL) {
        loaded->type.kind = base->kind;
      }
    }
  }
}

int pg_types_insert(pg_types *types, pg_loaded *loaded)
{
  pg_loaded **bucket;

  if (!grow(types)) {
    return COVET_ENOMEM;
  }
  remove_loaded(types, loaded->type.oid);
  leave_to_codec(types, loaded);
  bucket = bucket_of(types, loaded->type.oid);
  loaded->next = *bucket;
  *bucket = loaded;
  types->count++;
  types->domains += loaded->type.form == PG_FORM_DOMAIN;
  settle_domains(types);
  return 0;
}

static int add_nameless(pg_types *types, uint32_t oid, pg_form form)
{
  pg_loaded *loaded;

  if (pg_builtin_find(oid) != NULL) {
    return 0;
  }
  loaded = covet_arena_alloc(&types->arena, sizeof(*loaded));
  if (loaded == NULL) {
    return COVET_ENOMEM;
  }
  memset(loaded, 0, sizeof(*loaded));
  loaded->type.oid = oid;
  loaded->type.form = form;
  loaded->type.kind = COVET_TEXT;
  loaded->type.name = "???"; /* as format_type() has it */
  loaded->catalog = "???";
  return pg_types_insert(types, loaded);
}

int pg_types_add_unknown(pg_types *types, uint32_t oid)
{
  return add_nameless(types, oid, PG_FORM_TEXT_ONLY);
}

int pg_types_guess(pg_types *types, uint32_t oid)
{
  return add_nameless(types, oid, PG_FORM_GUESSED);
}

/* --- Codecs of the user's -------------------------------------------------------- */

static bool is_named(const pg_type *type, const char *catalog, const char *name)
{
  return strcmp(type->name, name) == 0 || strcmp(catalog, name) == 0;
}

/* A type that now has a codec is inserted anew: as a copy, since whoever has
 * found it before may still read by it. */
static int insert_copy(pg_types *types, const pg_type *type,
                       const char *catalog)
{
  pg_loaded *copy = covet_arena_alloc(&types->arena, sizeof(*copy));

  if (copy == NULL) {
    return COVET_ENOMEM;
  }
  copy->type = *type;
  copy->catalog = catalog;
  return pg_types_insert(types, copy);
}

static int shadow_builtins(pg_types *types, const char *name)
{
  for (uint32_t i = 0; i < pg_builtin_count; i++) {
    const pg_builtin *builtin = &pg_builtins[i];

    if (is_named(&builtin->type, builtin->catalog, name) &&
        insert_copy(types, &builtin->type, builtin->catalog) != 0) {
      return COVET_ENOMEM;
    }
  }
  return 0;
}

static int replace_loaded(pg_types *types, const custom_name *custom)
{
  for (uint32_t i = 0; i < types->bucket_count; i++) {
    pg_loaded *loaded = types->buckets[i];

    while (loaded != NULL) {
      pg_loaded *next = loaded->next;

      if (loaded->type.form != custom->form &&
          is_named(&loaded->type, loaded->catalog, custom->name)) {
        if (insert_copy(types, &loaded->type, loaded->catalog) != 0) {
          return COVET_ENOMEM;
        }
        next = types->buckets[i]; /* they may have moved */
      }
      loaded = next;
    }
  }
  return 0;
}

int pg_types_set_custom(pg_types *types, const char *name, bool binary)
{
  custom_name *custom = covet_arena_alloc(&types->arena, sizeof(*custom));

  if (custom == NULL) {
    return COVET_ENOMEM;
  }
  custom->name = covet_arena_copy(&types->arena, name, strlen(name));
  if (custom->name == NULL) {
    return COVET_ENOMEM;
  }
  custom->form = binary ? PG_FORM_CUSTOM_BINARY : PG_FORM_CUSTOM_TEXT;
  custom->next = types->customs;
  types->customs = custom;
  if (replace_loaded(types, custom) != 0) {
    return COVET_ENOMEM;
  }
  return shadow_builtins(types, name);
}

void pg_types_forget(pg_types *types)
{
  for (uint32_t i = 0; i < types->bucket_count; i++) {
    pg_loaded **at = &types->buckets[i];

    while (*at != NULL) {
      if (pg_builtin_find((*at)->type.oid) != NULL) {
        at = &(*at)->next; /* has a codec; the server told nothing of it */
      } else {
        remove_loaded(types, (*at)->type.oid);
      }
    }
  }
}
