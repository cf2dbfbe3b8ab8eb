#include "support/support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FREE_MS = 60000 };

const char *const unit_endless =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
    "WHERE i < 2000000000) SELECT count(*) FROM n";

/* --- Life -------------------------------------------------------------------- */

static void make_folder(unit *u)
{
  const char *base = getenv("TMPDIR");

  (void) snprintf(u->folder, sizeof(u->folder), "%.60s/covet-unit-XXXXXX",
                  base == NULL ? "/tmp" : base);
  assert_non_null(mkdtemp(u->folder));
  (void) snprintf(u->path, sizeof(u->path), "%s/db", u->folder);
}

void unit_init(unit *u, covet_mode mode)
{
  covet_runtime_options options = {.mode = mode};
  covet_error error;

  memset(u, 0, sizeof(*u));
  make_folder(u);
  assert_int_equal(covet_runtime_new(&options, &u->runtime, &error), 0);
}

static void remove_folder(const char *folder)
{
  DIR *files = opendir(folder);
  struct dirent *file;

  while (files != NULL && (file = readdir(files)) != NULL) {
    char path[400];

    (void) snprintf(path, sizeof(path), "%s/%s", folder, file->d_name);
    if (file->d_name[0] != '.' && unlink(path) != 0) {
      (void) rmdir(path);
    }
  }
  if (files != NULL) {
    (void) closedir(files);
  }
  assert_int_equal(rmdir(folder), 0);
}

void unit_deinit(unit *u)
{
  covet_adapter_free(u->adapter);
  covet_runtime_free(u->runtime, FREE_MS);
  remove_folder(u->folder);
}

covet_adapter *unit_adapter(unit *u, const char *url)
{
  covet_adapter *adapter = NULL;
  covet_error error;

  memset(&error, 0, sizeof(error));
  if (covet_adapter_new(u->runtime, url, NULL, 0, &adapter, &error) != 0) {
    fail_msg("%s: %s", url, error.message);
  }
  return adapter;
}

void unit_open(unit *u, const char *options)
{
  char url[400];

  (void) snprintf(url, sizeof(url), "sqlite:%s%s%s", u->path,
                  options[0] == '\0' ? "" : "?", options);
  u->adapter = unit_adapter(u, url);
}

/* --- Noting -------------------------------------------------------------------- */

static void note_first(unit_slot *slot, const covet_cell *cell)
{
  if (cell->kind == COVET_INTEGER) {
    slot->integer = cell->integer;
  } else if (cell->kind == COVET_TEXT || cell->kind == COVET_BLOB) {
    size_t length = (size_t) cell->length;

    length = length < sizeof(slot->text) ? length : sizeof(slot->text) - 1;
    memcpy(slot->text, cell->bytes, length);
    slot->text[length] = '\0';
  }
}

static void note_batch(unit_slot *slot, const covet_batch *batch)
{
  uint32_t width = batch->shape->column_count;

  slot->columns = width;
  slot->deliveries++;
  for (uint32_t row = 0; row < batch->row_count; row++) {
    const covet_cell *cell = &batch->cells[row * width];

    if (slot->rows++ == 0) {
      note_first(slot, cell);
    }
    slot->sum += cell->kind == COVET_INTEGER ? cell->integer : 0;
  }
}

static void note_end(unit_slot *slot)
{
  const covet_error *error = covet_op_error(slot->op);

  if (error != NULL) {
    slot->error = *error;
  }
  slot->result = *covet_op_result(slot->op);
  if (slot->result.shape != NULL && slot->columns == 0) {
    slot->columns = slot->result.shape->column_count;
  }
  slot->result.shape = NULL;
  covet_op_free(slot->op);
  slot->op = NULL;
  slot->done = 1;
}

void unit_absorb(unit_slot *slot)
{
  int more = 1;

  do {
    covet_batch *batch = covet_op_take(slot->op, &more);

    while (batch != NULL) {
      covet_batch *next = batch->next;

      note_batch(slot, batch);
      covet_batch_free(batch);
      batch = next;
    }
  } while (more && covet_op_next(slot->op));
  if (!more) {
    note_end(slot);
  }
}

/* --- Running ------------------------------------------------------------------------ */

static void note_news(unit_slot *slot)
{
  slot->news++;
  if (!slot->manual) {
    unit_absorb(slot);
  }
}

void unit_start(unit_slot *slot, covet_op *op)
{
  int status;

  assert_non_null(op);
  slot->op = op;
  covet_op_set_data(op, slot);
  status = covet_submit(op);
  assert_true(status == 0 || status == 1);
  if (status == 1) {
    note_news(slot);
  }
}

void unit_step(unit *u, int timeout_ms)
{
  covet_op *op;

  (void) covet_runtime_step(u->runtime, timeout_ms);
  while ((op = covet_reap(u->runtime)) != NULL) {
    assert_non_null(covet_op_data(op));
    note_news(covet_op_data(op));
  }
}

static void step_until(unit *u, uint64_t end, const unit_slot *slot)
{
  if (covet_now_us() > end) {
    fail_msg("no completion for %d s (%u times news)", UNIT_LIMIT_MS / 1000,
             slot->news);
  }
  unit_step(u, 1000);
}

void unit_wait(unit *u, unit_slot *slot)
{
  uint64_t end = covet_now_us() + UNIT_LIMIT_MS * 1000ULL;

  while (!slot->done) {
    step_until(u, end, slot);
  }
}

void unit_wait_news(unit *u, unit_slot *slot)
{
  uint64_t end = covet_now_us() + UNIT_LIMIT_MS * 1000ULL;
  unsigned before = slot->news;

  while (!slot->done && slot->news == before) {
    step_until(u, end, slot);
  }
}

unit_slot unit_run(unit *u, covet_op *op)
{
  unit_slot slot = {0};

  unit_start(&slot, op);
  unit_wait(u, &slot);
  return slot;
}

void unit_connect(unit *u)
{
  unit_slot slot = unit_run(u, covet_op_connect(u->adapter));

  unit_assert_ok(&slot);
}

covet_op *unit_op(unit *u, const char *sql, unsigned flags)
{
  return covet_op_query(u->adapter, sql, strlen(sql), flags);
}

unit_slot unit_query(unit *u, const char *sql, unsigned flags)
{
  return unit_run(u, unit_op(u, sql, flags));
}

int64_t unit_integer(unit *u, const char *sql)
{
  unit_slot slot = unit_query(u, sql, COVET_QUERY_ROWS);

  unit_assert_ok(&slot);
  return slot.integer;
}

void unit_script(unit *u, const char *sql)
{
  unit_slot slot = unit_query(u, sql, COVET_QUERY_SCRIPT);

  unit_assert_ok(&slot);
}

void unit_disconnect(unit *u)
{
  unit_slot slot = unit_run(u, covet_op_disconnect(u->adapter));

  unit_assert_ok(&slot);
}

covet_lease unit_acquire(unit *u, int read_only)
{
  unit_slot slot = unit_run(u, covet_op_acquire(u->adapter, read_only));

  unit_assert_ok(&slot);
  assert_true(slot.result.lease != 0);
  return slot.result.lease;
}

void unit_release(unit *u, covet_lease lease)
{
  unit_slot slot = unit_run(u, covet_op_release(u->adapter, lease));

  unit_assert_ok(&slot);
}

unit_slot unit_leased(unit *u, covet_lease lease, const char *sql,
                      unsigned flags)
{
  covet_op *op = unit_op(u, sql, flags);

  assert_non_null(op);
  covet_op_set_lease(op, lease);
  return unit_run(u, op);
}
