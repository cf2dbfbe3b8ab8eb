/** What the fuzzers of PostgreSQL's values share: types of every form, a batch,
 *  and a look at all that a cell points to. */
#ifndef COVET_SPEC_POSTGRES_FUZZ_H
#define COVET_SPEC_POSTGRES_FUZZ_H

#include "batch.h"
#include "postgres_value.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
  if (!truth) {
    abort();
  }
}

/* As the server would tell of them: see PG_TYPES_COLUMNS. */
static const char *const fuzz_rows[][PG_TYPES_COLUMNS] = {
    {"20000", "s.tree", "tree", "c", "0", ",", "{name,\"the \\\"rest\\\"\",n}",
     "{25,20001,1700}"},
    {"20001", "s.tree[]", "_tree", "a", "20000", ",", NULL, NULL},
    {"20002", "s.trees", "trees", "d", "20001", ",", NULL, NULL},
    {"20003", "hstore", "hstore", "b", "0", ",", NULL, NULL},
    {"20004", "hstore[]", "_hstore", "a", "20003", ",", NULL, NULL},
    {"20005", "mood", "mood", "e", "0", ",", NULL, NULL},
    {"20006", "textrange", "textrange", "r", "25", ",", NULL, NULL},
    {"20007", "textmultirange", "textmultirange", "m", "20006", ",", NULL,
     NULL},
    {"20008", "nothing", "nothing", "c", "0", ",", "{}", "{}"},
    {"20009", "treerange", "treerange", "r", "20000", ",", NULL, NULL},
    {"20010", "geometry", "geometry", "b", "0", ":", NULL, NULL},
    {"20011", "geometry[]", "_geometry", "a", "20010", ":", NULL, NULL},
    {"20012", "seldom", "seldom", "c", "0", ",", "{a}", "{29999}"},
    {"20013", "flag", "flag", "d", "16", ",", NULL, NULL},
    {"20014", "code", "code", "b", "0", ",", NULL, NULL},
    {"20015", "wire", "wire", "b", "0", ",", NULL, NULL},
    {"20016", "both", "both", "c", "0", ",", "{a,b}", "{20014,20015}"},
};

static const uint32_t fuzz_oids[] = {
    16,    17,    18,    20,    21,    23,    25,    26,    114,   600,   601,
    602,   603,   604,   628,   650,   700,   701,   718,   774,   829,   869,
    1000,  1001,  1007,  1009,  1020,  1028,  1082,  1083,  1114,  1184,  1185,
    1186,  1187,  1231,  1266,  1560,  1562,  1700,  2249,  2287,  2950,  3220,
    3614,  3643,  3802,  3807,  3904,  3906,  3910,  3911,  4451,  4534,  5069,
    6150,  20000, 20001, 20002, 20003, 20004, 20005, 20006, 20007, 20008, 20009,
    20010, 20011, 20012, 20013, 20014, 20015, 20016};

enum { FUZZ_OIDS = sizeof(fuzz_oids) / sizeof(fuzz_oids[0]) };

static pg_types *fuzz_types(void)
{
  static pg_types *types;

  if (types != NULL) {
    return types;
  }
  types = pg_types_new();
  require(types != NULL);
  require(pg_types_set_custom(types, "code", false) == 0);
  require(pg_types_set_custom(types, "wire", true) == 0);
  for (size_t i = 0; i < sizeof(fuzz_rows) / sizeof(fuzz_rows[0]); i++) {
    int lengths[PG_TYPES_COLUMNS];

    for (int j = 0; j < PG_TYPES_COLUMNS; j++) {
      const char *field = fuzz_rows[i][j];

      lengths[j] = field == NULL ? 0 : (int) strlen(field);
    }
    require(pg_types_add(types, fuzz_rows[i], lengths) == 0);
  }
  return types;
}

static inline const pg_type *fuzz_type(uint8_t choice)
{
  return pg_types_find(fuzz_types(), fuzz_oids[choice % FUZZ_OIDS]);
}

static covet_batch *fuzz_batch(void)
{
  static covet_shape_table table;
  static const covet_shape *shape;
  covet_column column = {.name = "v", .type = "", .name_length = 1};

  if (shape == NULL) {
    require(covet_shape_table_init(&table) == 0);
    shape = covet_shape_intern(&table, &column, 1);
    require(shape != NULL);
  }
  return covet_batch_new(shape, 1);
}

static unsigned fuzz_touch(const char *bytes, size_t length)
{
  unsigned sum = 0;

  for (size_t i = 0; i < length; i++) {
    sum += (unsigned char) bytes[i];
  }
  return sum;
}

/* A cell with all it is made of. Only nested ones have the kinds of meanings. */
static inline void fuzz_look(const covet_cell *cell, int depth)
{
  static volatile unsigned sum; /* so that the reads stay */
  const covet_nested *nested;

  (void) sum;
  require(cell->kind <= COVET_INTERVAL && depth <= PG_MAX_DEPTH);
  require((cell->kind == COVET_NULL) == (cell->length == -1));
  if (cell->kind == COVET_TEXT || cell->kind == COVET_BLOB ||
      (cell->kind >= COVET_JSON && cell->kind <= COVET_NUMERIC) ||
      cell->kind == COVET_INTERVAL || cell->kind == COVET_CUSTOM) {
    require(depth > 0 || cell->kind <= COVET_BOOLEAN);
    sum += fuzz_touch(cell->bytes, (size_t) cell->length);
  }
  if (cell->kind < COVET_ARRAY || cell->kind >= COVET_CUSTOM) {
    return;
  }
  nested = cell->nested;
  require(nested->dimensions <= 6);
  for (uint32_t i = 0; i < nested->dimensions * 2; i++) {
    sum += (unsigned) nested->sizes[i];
  }
  for (uint32_t i = 0; i < nested->count; i++) {
    fuzz_look(&nested->cells[i], depth + 1);
    if (nested->names != NULL) {
      sum += fuzz_touch(nested->names[i], strlen(nested->names[i]));
    }
  }
}

/* Bytes in memory of exactly their size. */
static inline char *fuzz_copy(const uint8_t *data, size_t size)
{
  char *copy = malloc(size > 0 ? size : 1);

  require(copy != NULL);
  if (size > 0) {
    memcpy(copy, data, size);
  }
  return copy;
}

#endif
