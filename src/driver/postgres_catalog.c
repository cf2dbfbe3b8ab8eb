/* What the server tells of its types: the question, and what becomes of the
 * answer. */
#include "../core/number.h"
#include "postgres_builtin.h"
#include "postgres_cache.h"
#include "postgres_text.h"

#include <stdlib.h>
#include <string.h>

/*
 * From the asked types on to all that they are made of. typinput tells arrays from
 * what only has elements (point, name). pg_range.rngmultitypid came with
 * PostgreSQL 14, and so did multiranges: through to_jsonb the query is valid
 * before that as well.
 */
const char pg_types_query[] =
    "WITH RECURSIVE made(oid) AS (\n"
    "  SELECT pg_catalog.unnest($1::pg_catalog.oid[])\n"
    "  UNION\n"
    "  SELECT part.oid FROM made\n"
    "  JOIN pg_catalog.pg_type t ON t.oid = made.oid\n"
    "  CROSS JOIN LATERAL (\n"
    "    SELECT t.typelem\n"
    "      WHERE t.typinput = 'pg_catalog.array_in'::pg_catalog.regproc\n"
    "    UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd'\n"
    "    UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r\n"
    "      WHERE t.typtype = 'r' AND r.rngtypid = t.oid\n"
    "    UNION ALL SELECT r.rngtypid FROM pg_catalog.pg_range r\n"
    "      WHERE t.typtype = 'm' AND t.oid =\n"
    "        (pg_catalog.to_jsonb(r)->>'rngmultitypid')::pg_catalog.oid\n"
    "    UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a\n"
    "      WHERE t.typtype = 'c' AND a.attrelid = t.typrelid\n"
    "        AND a.attnum > 0 AND NOT a.attisdropped\n"
    "  ) part(oid))\n"
    "SELECT t.oid, pg_catalog.format_type(t.oid, NULL), t.typname,\n"
    "  CASE WHEN t.typinput = 'pg_catalog.array_in'::pg_catalog.regproc\n"
    "    THEN 'a' ELSE t.typtype::pg_catalog.text END,\n"
    "  CASE t.typtype WHEN 'd' THEN t.typbasetype\n"
    "    WHEN 'r' THEN (SELECT r.rngsubtype FROM pg_catalog.pg_range r\n"
    "      WHERE r.rngtypid = t.oid)\n"
    "    WHEN 'm' THEN (SELECT r.rngtypid FROM pg_catalog.pg_range r\n"
    "      WHERE t.oid =\n"
    "        (pg_catalog.to_jsonb(r)->>'rngmultitypid')::pg_catalog.oid)\n"
    "    ELSE t.typelem END,\n"
    "  COALESCE((SELECT e.typdelim FROM pg_catalog.pg_type e\n"
    "    WHERE e.oid = t.typelem), t.typdelim)::pg_catalog.text,\n"
    "  CASE t.typtype WHEN 'c' THEN\n"
    "    ARRAY(SELECT a.attname FROM pg_catalog.pg_attribute a\n"
    "      WHERE a.attrelid = t.typrelid AND a.attnum > 0\n"
    "        AND NOT a.attisdropped ORDER BY a.attnum)\n"
    "    END::pg_catalog.text,\n"
    "  CASE t.typtype WHEN 'c' THEN\n"
    "    ARRAY(SELECT a.atttypid FROM pg_catalog.pg_attribute a\n"
    "      WHERE a.attrelid = t.typrelid AND a.attnum > 0\n"
    "        AND NOT a.attisdropped ORDER BY a.attnum)\n"
    "    END::pg_catalog.text\n"
    "FROM made JOIN pg_catalog.pg_type t ON t.oid = made.oid";

/* The columns of that query. */
enum {
  FIELD_OID,
  FIELD_NAME,
  FIELD_CATALOG,
  FIELD_TYPE,
  FIELD_ELEMENT,
  FIELD_DELIMITER,
  FIELD_ATTRIBUTE_NAMES,
  FIELD_ATTRIBUTE_OIDS
};

/* What a domain or a custom type is, before it is settled. */
typedef struct type_class {
  char letter;
  pg_form form;
  covet_kind kind;
} type_class;

static const type_class classes[] = {
    {'a', PG_FORM_ARRAY, COVET_ARRAY},
    {'c', PG_FORM_COMPOSITE, COVET_COMPOSITE},
    {'d', PG_FORM_DOMAIN, COVET_TEXT},
    {'e', PG_FORM_TEXT, COVET_TEXT},
    {'r', PG_FORM_RANGE, COVET_RANGE},
    {'m', PG_FORM_MULTIRANGE, COVET_MULTIRANGE},
};

/* Types of extensions that have no oid of their own by which to know them. */
static const struct {
  const char *name;
  pg_form form;
  covet_kind kind;
} extensions[] = {
    {"hstore", PG_FORM_HSTORE, COVET_MAP},
    {"citext", PG_FORM_TEXT, COVET_TEXT},
};

static bool read_oid(const char *text, int length, uint32_t *oid)
{
  uint64_t value;

  if (text == NULL || length < 0 ||
      !covet_number_unsigned(text, (size_t) length, UINT32_MAX, &value)) {
    return false;
  }
  *oid = (uint32_t) value;
  return true;
}

static void classify(pg_type *type, const char *catalog, char letter)
{
  type->form = PG_FORM_TEXT_ONLY;
  type->kind = COVET_TEXT;
  for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
    if (classes[i].letter == letter) {
      type->form = classes[i].form;
      type->kind = classes[i].kind;
    }
  }
  for (size_t i = 0; letter == 'b' && i < 2; i++) {
    if (strcmp(extensions[i].name, catalog) == 0) {
      type->form = extensions[i].form;
      type->kind = extensions[i].kind;
    }
  }
  if (type->form != PG_FORM_ARRAY && type->form != PG_FORM_DOMAIN &&
      type->form != PG_FORM_RANGE && type->form != PG_FORM_MULTIRANGE) {
    type->element = 0;
  }
}

/* The next item of "{...}", in place; false at the end. */
static bool next_item(char **at, char *end, pg_item *item)
{
  static const pg_stops stops = {',', '}', '}'};

  if (end - *at < 2) {
    return false;
  }
  (*at)++; /* the brace or comma before it */
  return pg_item_take(at, end, stops, item);
}

static int add_attribute(pg_types *types, pg_attribute *attribute,
                         const pg_item *name, const pg_item *oid)
{
  attribute->name =
      covet_arena_copy(pg_types_arena(types), name->bytes, name->length);
  if (attribute->name == NULL) {
    return COVET_ENOMEM;
  }
  return read_oid(oid->bytes, (int) oid->length, &attribute->oid)
             ? 0
             : COVET_EUSAGE;
}

static uint32_t count_items(const char *text, int length)
{
  uint32_t commas = 0;

  for (int i = 0; i < length; i++) {
    commas += text[i] == ',';
  }
  return length > 2 ? commas + 1 : 0;
}

static int read_attributes(pg_types *types, pg_type *type,
                           const char *const *fields, const int *lengths)
{
  size_t names_length = (size_t) lengths[FIELD_ATTRIBUTE_NAMES];
  size_t oids_length = (size_t) lengths[FIELD_ATTRIBUTE_OIDS];
  covet_arena *arena = pg_types_arena(types);
  char *names =
      covet_arena_copy(arena, fields[FIELD_ATTRIBUTE_NAMES], names_length);
  char *oids =
      covet_arena_copy(arena, fields[FIELD_ATTRIBUTE_OIDS], oids_length);
  uint32_t most = count_items(fields[FIELD_ATTRIBUTE_OIDS], (int) oids_length);
  pg_attribute *attributes =
      covet_arena_alloc(arena, sizeof(*attributes) * (most + 1));
  pg_item name;
  pg_item oid;
  char *name_at = names;
  char *oid_at = oids;

  if (names == NULL || oids == NULL || attributes == NULL) {
    return COVET_ENOMEM;
  }
  type->attributes = attributes;
  while (type->attribute_count < most &&
         next_item(&oid_at, oids + oids_length, &oid) &&
         next_item(&name_at, names + names_length, &name)) {
    pg_attribute *attribute = &attributes[type->attribute_count++];
    int status = add_attribute(types, attribute, &name, &oid);

    if (status != 0) {
      return status;
    }
  }
  return type->attribute_count == most ? 0 : COVET_EUSAGE;
}

static bool is_sound(const char *const *fields, const int *lengths)
{
  for (int i = FIELD_OID; i <= FIELD_DELIMITER; i++) {
    if (i != FIELD_ELEMENT && (fields[i] == NULL || lengths[i] < 1)) {
      return false;
    }
  }
  if (fields[FIELD_TYPE][0] != 'c') {
    return true;
  }
  return fields[FIELD_ATTRIBUTE_NAMES] != NULL &&
         fields[FIELD_ATTRIBUTE_OIDS] != NULL &&
         lengths[FIELD_ATTRIBUTE_NAMES] >= 2 &&
         lengths[FIELD_ATTRIBUTE_OIDS] >= 2;
}

static pg_loaded *make_loaded(covet_arena *arena, const char *const *fields,
                              const int *lengths)
{
  pg_loaded *loaded = covet_arena_alloc(arena, sizeof(*loaded));

  if (loaded == NULL) {
    return NULL;
  }
  memset(loaded, 0, sizeof(*loaded));
  loaded->catalog = covet_arena_copy(arena, fields[FIELD_CATALOG],
                                     (size_t) lengths[FIELD_CATALOG]);
  loaded->type.name =
      covet_arena_copy(arena, fields[FIELD_NAME], (size_t) lengths[FIELD_NAME]);
  loaded->type.delimiter = fields[FIELD_DELIMITER][0];
  return loaded->catalog == NULL || loaded->type.name == NULL ? NULL : loaded;
}

int pg_types_add(pg_types *types, const char *const *fields, const int *lengths)
{
  pg_loaded *loaded;
  uint32_t oid;

  if (!is_sound(fields, lengths) ||
      !read_oid(fields[FIELD_OID], lengths[FIELD_OID], &oid)) {
    return COVET_EUSAGE;
  }
  if (pg_builtin_find(oid) != NULL) {
    return 0;
  }
  loaded = make_loaded(pg_types_arena(types), fields, lengths);
  if (loaded == NULL) {
    return COVET_ENOMEM;
  }
  loaded->type.oid = oid;
  if (fields[FIELD_ELEMENT] != NULL &&
      !read_oid(fields[FIELD_ELEMENT], lengths[FIELD_ELEMENT],
                &loaded->type.element)) {
    return COVET_EUSAGE;
  }
  classify(&loaded->type, loaded->catalog, fields[FIELD_TYPE][0]);
  if (loaded->type.form == PG_FORM_COMPOSITE) {
    int status = read_attributes(types, &loaded->type, fields, lengths);

    if (status != 0) {
      return status;
    }
  }
  return pg_types_insert(types, loaded);
}
