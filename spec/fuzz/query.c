/* Any text as SQL, with any flags and parameters, on a database in memory. The
 * first bytes choose flags and parameters; the rest is the text. Each input has
 * an adapter of its own, so that none depends on the one before. */
#include "covet.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_BYTES = 4096, LIMIT_MS = 200, MOST_BATCHES = 16, END_MS = 4000 };

static void require(int truth)
{
  if (!truth) {
    abort();
  }
}

static void add_param(covet_op *op, uint8_t choice)
{
  static const char bytes[] = "par\0am\xFF'";
  int status = 0;

  switch (choice % 6) {
  case 0:
    status = covet_op_add_null(op);
    break;
  case 1:
    status = covet_op_add_integer(op, (int64_t) choice << 55);
    break;
  case 2:
    status = covet_op_add_number(op, (double) choice / 7);
    break;
  case 3:
    status = covet_op_add_text(op, bytes, choice % sizeof(bytes));
    break;
  case 4:
    status = covet_op_add_blob(op, bytes, choice % sizeof(bytes));
    break;
  default:
    status = covet_op_add_boolean(op, choice & 64);
    break;
  }
  require(status == 0);
}

/* Touch every byte of the rows. */
static void read_batch(const covet_batch *batch)
{
  size_t cells = (size_t) batch->row_count * batch->shape->column_count;
  unsigned sum = 0;

  for (size_t i = 0; i < cells; i++) {
    const covet_cell *cell = &batch->cells[i];

    require(cell->kind <= COVET_BLOB);
    if (cell->kind == COVET_TEXT || cell->kind == COVET_BLOB) {
      for (int32_t at = 0; at < cell->length; at++) {
        sum += (unsigned char) cell->bytes[at];
      }
    }
  }
  require(sum <= UINT32_MAX);
}

/* Take rows until it ends; one that gives too many is cancelled. */
static void finish(covet_runtime *runtime, covet_op *op)
{
  uint64_t end = covet_now_us() + END_MS * 1000ULL;
  unsigned taken = 0;
  int more = 1;

  while (more) {
    covet_batch *batch = covet_op_take(op, &more);

    while (batch != NULL) {
      covet_batch *next = batch->next;

      read_batch(batch);
      covet_batch_free(batch);
      batch = next;
      taken++;
    }
    if (taken > MOST_BATCHES) {
      covet_cancel(op);
    }
    while (more && covet_op_next(op) == 0) {
      do {
        (void) covet_runtime_step(runtime, 100);
        require(covet_now_us() < end);
      } while (covet_reap(runtime) != op);
      break;
    }
  }
}

static covet_op *make(covet_adapter *adapter, const uint8_t *data, size_t size)
{
  unsigned flags = (unsigned) (data[0] | (data[1] & 1) << 8);
  uint8_t params = data[2] % 8;
  size_t head = 3U + params;
  covet_op *op;

  if (size < head) {
    return NULL;
  }
  op = covet_op_query(adapter, (const char *) data + head, size - head, flags);
  require(op != NULL);
  for (uint8_t i = 0; i < params; i++) {
    add_param(op, data[3 + i]);
  }
  covet_op_set_width(op, data[1] >> 6);
  covet_op_set_chunk(op, data[1] >> 1 & 7);
  covet_op_set_timeout(op, LIMIT_MS);
  return op;
}

/* Statements that would leave the database in memory. */
static int leaves_memory(const uint8_t *data, size_t size)
{
  static const char *const words[] = {
      "attach",     "vacuum",   "temp_store_dir", "load_ext",
      "randomblob", "zeroblob", "printf",         "format"};
  char text[MOST_BYTES + 1];

  for (size_t i = 0; i < size; i++) {
    text[i] = (char) (data[i] == 0 ? ' ' : data[i] | 0x20);
  }
  text[size] = '\0';
  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    if (strstr(text, words[i]) != NULL) {
      return 1;
    }
  }
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static covet_runtime *runtime;
  covet_adapter *adapter = NULL;
  covet_error error;
  covet_op *op;

  if (size < 4 || size > MOST_BYTES || leaves_memory(data, size)) {
    return -1;
  }
  if (runtime == NULL) {
    require(covet_runtime_new(NULL, &runtime, &error) == 0);
  }
  require(covet_adapter_new(runtime,
                            "sqlite::memory:?pragmas=CREATE TABLE t (a "
                            "INTEGER PRIMARY KEY, b UNIQUE, c)",
                            NULL, 0, &adapter, &error) == 0);
  op = make(adapter, data, size);
  if (op != NULL) {
    if (covet_submit(op) == 0) {
      while (covet_reap(runtime) != op) {
        (void) covet_runtime_step(runtime, 100);
      }
    }
    finish(runtime, op);
    require(covet_op_error(op) == NULL ||
            (covet_op_error(op)->kind != COVET_ERROR_NONE &&
             covet_op_error(op)->message[0] != '\0'));
    covet_op_free(op);
  }
  covet_adapter_free(adapter);
  while (covet_runtime_step(runtime, 0) > 0) {
  }
  return 0;
}
