/**
 * What is known of the types of a PostgreSQL server: the built-in ones by
 * heart, all others as the server told them. One cache serves all connections
 * of an adapter; the loop's thread alone uses it. No libpq in here.
 */
#ifndef COVET_DRIVER_POSTGRES_TYPE_H
#define COVET_DRIVER_POSTGRES_TYPE_H

#include "../covet.h"

#include <stdbool.h>

/** How the values of a type are read; each has a reader of its own for the text
 *  and, but for TEXT_ONLY, for the binary form. */
typedef enum pg_form {
  PG_FORM_TEXT_ONLY, /* no binary reader: what no other form covers */
  PG_FORM_GUESSED,   /* the same of a type that the server was not asked for:
                        but for its values it counts as not known */
  PG_FORM_TEXT,      /* both forms are the text: text, json, enum, xml... */
  PG_FORM_BOOL,
  PG_FORM_INT2,
  PG_FORM_INT4,
  PG_FORM_INT8,
  PG_FORM_OID, /* 32 bits without a sign: oid, xid, cid */
  PG_FORM_XID8,
  PG_FORM_FLOAT4,
  PG_FORM_FLOAT8,
  PG_FORM_NUMERIC,
  PG_FORM_BYTEA,
  PG_FORM_JSONB,
  PG_FORM_UUID,
  PG_FORM_DATE,
  PG_FORM_TIME,
  PG_FORM_TIMETZ,
  PG_FORM_TIMESTAMP,
  PG_FORM_TIMESTAMPTZ,
  PG_FORM_INTERVAL,
  PG_FORM_INET,    /* cidr too */
  PG_FORM_MACADDR, /* macaddr8 too: by the length */
  PG_FORM_BIT,
  PG_FORM_POINT,
  PG_FORM_LINE,
  PG_FORM_LSEG,
  PG_FORM_BOX,
  PG_FORM_PATH,
  PG_FORM_POLYGON,
  PG_FORM_CIRCLE,
  PG_FORM_LSN,
  PG_FORM_TSVECTOR,
  PG_FORM_HSTORE,
  PG_FORM_ARRAY,
  PG_FORM_COMPOSITE,
  PG_FORM_RECORD, /* a row of no declared type: binary tells the types */
  PG_FORM_RANGE,
  PG_FORM_MULTIRANGE,
  PG_FORM_DOMAIN,      /* as its base type */
  PG_FORM_CUSTOM_TEXT, /* as the server wrote it, for a codec of the user's */
  PG_FORM_CUSTOM_BINARY
} pg_form;

typedef struct pg_type pg_type;
typedef struct pg_types pg_types;

typedef struct pg_attribute {
  const char *name;
  uint32_t oid;
} pg_attribute;

struct pg_type {
  uint32_t oid;
  pg_form form;
  covet_kind kind; /* of a column of this type, and of its cells when nested; of
                       a domain its base's, TEXT while that is not known */
  const char *name; /* as format_type() writes it */
  uint32_t element; /* ARRAY: its elements; RANGE: its bounds; MULTIRANGE: its
                       ranges; DOMAIN: its base type; else 0 */
  char delimiter;   /* ARRAY: between the elements, "," but for box */
  uint32_t attribute_count; /* COMPOSITE */
  const pg_attribute *attributes;
};

/** An empty cache besides the built-in types, or NULL. */
pg_types *pg_types_new(void);
void pg_types_free(pg_types *types);

/** The type, or NULL when the server has to be asked. */
const pg_type *pg_types_find(const pg_types *types, uint32_t oid);

/** Whether this type and all it is made of are known. */
bool pg_types_complete(const pg_types *types, uint32_t oid);

/** Whether values of this type can be read in binary, with all they are made of.
 *  False for a type that is not complete. */
bool pg_types_binary(const pg_types *types, uint32_t oid);

/** Whether its text tells as much as its binary form: not that of a record, which
 *  names no types, nor that for a codec of the user's that reads binary. */
bool pg_types_text(const pg_types *types, uint32_t oid);

/** The query that tells of types, with one parameter: the text of an array of
 *  oids, such as "{16400,16401}". It answers those types and all that they are
 *  made of, PG_TYPES_COLUMNS columns each, as text. */
extern const char pg_types_query[];
enum { PG_TYPES_COLUMNS = 8 };

/** Add what a row of that query's answer tells; a field is NULL for NULL.
 *  `lengths` are the fields'. A type that is there already is replaced, but for a
 *  built-in one, which is left as it is. Returns 0, COVET_ENOMEM, or COVET_EUSAGE
 *  for a row that makes no sense. */
int pg_types_add(pg_types *types, const char *const *fields,
                 const int *lengths);

/** A type that the server does not know (any more): its values are text. */
int pg_types_add_unknown(pg_types *types, uint32_t oid);

/** One that the server was not asked for: the same, until it is. */
int pg_types_guess(pg_types *types, uint32_t oid);

/** Values of the types of this name (as format_type() or, without the schema,
 *  pg_type.typname has it) are left to a codec of the user's; also of types that are
 *  added later. Returns 0 or COVET_ENOMEM. */
int pg_types_set_custom(pg_types *types, const char *name, bool binary);

/** Forget what the server told: types were changed. What was found before stays
 *  valid until pg_types_free; its memory does too. */
void pg_types_forget(pg_types *types);

#endif
