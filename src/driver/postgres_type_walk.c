/* What a type is made of. */
#include "postgres_type.h"

#include <stdlib.h>
#include <string.h>

enum { WALK_PLACES = 64 };

/* Types still to be looked at and those that were, each once: rows of a table
 * may hold arrays of such rows. */
typedef struct type_walk {
  const pg_types *types;
  uint32_t *oids;
  uint32_t count;
  uint32_t capacity;
  uint32_t places[WALK_PLACES];
} type_walk;

static bool walk_add(type_walk *walk, uint32_t oid)
{
  uint32_t *grown;

  for (uint32_t i = 0; i < walk->count; i++) {
    if (walk->oids[i] == oid) {
      return true;
    }
  }
  if (walk->count == walk->capacity) {
    grown = malloc(sizeof(*grown) * walk->capacity * 2);
    if (grown == NULL) {
      return false;
    }
    memcpy(grown, walk->oids, sizeof(*grown) * walk->count);
    if (walk->oids != walk->places) {
      free(walk->oids);
    }
    walk->oids = grown;
    walk->capacity *= 2;
  }
  walk->oids[walk->count++] = oid;
  return true;
}

static bool walk_into(type_walk *walk, const pg_type *type)
{
  if (type->element != 0 && type->kind != COVET_CUSTOM &&
      !walk_add(walk, type->element)) {
    return false;
  }
  for (uint32_t i = 0;
       type->form == PG_FORM_COMPOSITE && i < type->attribute_count; i++) {
    if (!walk_add(walk, type->attributes[i].oid)) {
      return false;
    }
  }
  return true;
}

/* Whether a type and all it is made of are good. */
static bool all_are(const pg_types *types, uint32_t oid,
                    bool (*is_good)(const pg_type *type))
{
  type_walk walk = {.types = types, .capacity = WALK_PLACES};
  bool good;

  walk.oids = walk.places;
  good = walk_add(&walk, oid);
  for (uint32_t i = 0; good && i < walk.count; i++) {
    const pg_type *type = pg_types_find(types, walk.oids[i]);

    good = is_good(type) && walk_into(&walk, type);
  }
  if (walk.oids != walk.places) {
    free(walk.oids);
  }
  return good;
}

static bool is_known(const pg_type *type)
{
  return type != NULL && type->form != PG_FORM_GUESSED;
}

static bool has_binary(const pg_type *type)
{
  return is_known(type) && type->form != PG_FORM_TEXT_ONLY &&
         type->form != PG_FORM_CUSTOM_TEXT;
}

static bool has_text(const pg_type *type)
{
  return type != NULL && type->form != PG_FORM_RECORD &&
         type->form != PG_FORM_CUSTOM_BINARY;
}

bool pg_types_complete(const pg_types *types, uint32_t oid)
{
  return all_are(types, oid, is_known);
}

bool pg_types_binary(const pg_types *types, uint32_t oid)
{
  return all_are(types, oid, has_binary);
}

bool pg_types_text(const pg_types *types, uint32_t oid)
{
  return all_are(types, oid, has_text);
}
