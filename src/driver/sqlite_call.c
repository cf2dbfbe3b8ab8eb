/* What only SQLite can do, by name: blobs in pieces, backups. */
#include "../core/batch.h"
#include "../core/error.h"
#include "sqlite.h"

#include <stdlib.h>
#include <string.h>

typedef struct sqlite_blob {
  struct sqlite_blob *next;
  sqlite3_blob *handle;
  int64_t id;
} sqlite_blob;

enum { BACKUP_PAGES = 256, BACKUP_PAUSE_US = 2000 };

/* --- Arguments and answers -------------------------------------------------------- */

static bool has(const covet_op *op, const char *kinds)
{
  if (op->param_count != strlen(kinds)) {
    return false;
  }
  for (uint32_t i = 0; i < op->param_count; i++) {
    uint32_t kind = op->params[i].kind;
    bool fits = (kinds[i] == 't' && kind == COVET_TEXT) ||
                (kinds[i] == 'i' && kind == COVET_INTEGER) ||
                (kinds[i] == 'b' && kind == COVET_BOOLEAN) ||
                (kinds[i] == 's' && (kind == COVET_TEXT || kind == COVET_BLOB));

    if (!fits) {
      return false;
    }
  }
  return true;
}

/* The text of a parameter is not always ended by a NUL. */
static const char *text_of(covet_op *op, uint32_t index)
{
  const covet_cell *cell = &op->params[index];

  return covet_arena_copy(&op->arena, cell->bytes, (size_t) cell->length);
}

sqlite_outcome sqlite_answer(sqlite_connection *connection, covet_op *op,
                             const covet_cell *cells, uint32_t count)
{
  static const covet_column columns[] = {
      {.name = "a", .name_length = 1, .type = ""},
      {.name = "b", .name_length = 1, .type = ""},
  };
  const covet_shape *shape = covet_shape_intern(
      &connection->adapter->base->runtime->shapes, columns, count);
  covet_batch *batch = shape == NULL ? NULL : covet_batch_new(shape, 1);
  covet_cell *row = batch == NULL ? NULL : covet_batch_add_row(batch);

  covet_shape_release(shape);
  if (row == NULL) {
    covet_batch_free(batch);
    return sqlite_refuse(op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  }
  memcpy(row, cells, sizeof(*cells) * count);
  for (uint32_t i = 0; i < count; i++) {
    if (cells[i].kind == COVET_BLOB) {
      row[i].bytes =
          covet_batch_copy(batch, cells[i].bytes, (size_t) cells[i].length);
    }
  }
  (void) covet_op_deliver(op, batch);
  return SQLITE_RAN;
}

static covet_cell integer_cell(int64_t value)
{
  covet_cell cell = {.kind = COVET_INTEGER};

  cell.integer = value;
  return cell;
}

/* --- Blobs --------------------------------------------------------------------------- */

static sqlite_blob *find_blob(sqlite_connection *connection, int64_t id)
{
  sqlite_blob *blob = connection->blobs;

  while (blob != NULL && blob->id != id) {
    blob = blob->next;
  }
  return blob;
}

static sqlite_outcome open_blob(sqlite_connection *connection, covet_op *op)
{
  sqlite_blob *blob = calloc(1, sizeof(*blob));
  const char *table = text_of(op, 0);
  const char *column = text_of(op, 1);
  covet_cell answer[2];
  int code;

  if (blob == NULL || table == NULL || column == NULL) {
    free(blob);
    return sqlite_refuse(op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  }
  code = sqlite3_blob_open(connection->db, "main", table, column,
                           op->params[2].integer, (int) op->params[3].integer,
                           &blob->handle);
  if (code != SQLITE_OK) {
    sqlite_fault(connection, op, code, 0);
    free(blob);
    return SQLITE_RAN;
  }
  blob->id = atomic_fetch_add(&connection->adapter->last_blob, 1) + 1;
  blob->next = connection->blobs;
  connection->blobs = blob;
  answer[0] = integer_cell(blob->id);
  answer[1] = integer_cell(sqlite3_blob_bytes(blob->handle));
  return sqlite_answer(connection, op, answer, 2);
}

static sqlite_outcome read_blob(sqlite_connection *connection, covet_op *op,
                                sqlite_blob *blob)
{
  int length = (int) op->params[2].integer;
  char *bytes = covet_arena_bytes(&op->arena, (size_t) length + 1);
  covet_cell answer = {.kind = COVET_BLOB};
  int code;

  if (bytes == NULL) {
    return sqlite_refuse(op, COVET_ERROR_OUT_OF_MEMORY, "out of memory");
  }
  code = sqlite3_blob_read(blob->handle, bytes, length,
                           (int) op->params[1].integer);
  if (code != SQLITE_OK) {
    sqlite_fault(connection, op, code, 0);
    return SQLITE_RAN;
  }
  answer.bytes = bytes;
  answer.length = length;
  return sqlite_answer(connection, op, &answer, 1);
}

static void close_blob(sqlite_connection *connection, sqlite_blob *blob)
{
  sqlite_blob **link = &connection->blobs;

  while (*link != blob) {
    link = &(*link)->next;
  }
  *link = blob->next;
  (void) sqlite3_blob_close(blob->handle);
  free(blob);
}

void sqlite_blobs_close(sqlite_connection *connection)
{
  while (connection->blobs != NULL) {
    close_blob(connection, connection->blobs);
  }
}

/* Whether `length` bytes at `offset` lie inside the blob. */
static bool inside(const sqlite_blob *blob, int64_t offset, int64_t length)
{
  int64_t size = sqlite3_blob_bytes(blob->handle);

  return offset >= 0 && length >= 0 && offset <= size &&
         length <= size - offset;
}

static sqlite_outcome use_blob(sqlite_connection *connection, covet_op *op,
                               sqlite_blob *blob)
{
  int code;

  if (strcmp(op->sql, "blob_close") == 0) {
    close_blob(connection, blob);
    return SQLITE_RAN;
  }
  if (strcmp(op->sql, "blob_read") == 0 && has(op, "iii")) {
    if (!inside(blob, op->params[1].integer, op->params[2].integer)) {
      return sqlite_refuse(op, COVET_ERROR_USAGE,
                           "the range lies outside the blob");
    }
    return read_blob(connection, op, blob);
  }
  if (strcmp(op->sql, "blob_write") == 0 && has(op, "iis")) {
    const covet_cell *bytes = &op->params[2];

    if (!inside(blob, op->params[1].integer, bytes->length)) {
      return sqlite_refuse(op, COVET_ERROR_USAGE,
                           "the range lies outside the blob; a blob cannot "
                           "grow");
    }
    code = sqlite3_blob_write(blob->handle, bytes->bytes, bytes->length,
                              (int) op->params[1].integer);
    if (code != SQLITE_OK) {
      sqlite_fault(connection, op, code, 0);
    }
    return SQLITE_RAN;
  }
  return sqlite_refuse(op, COVET_ERROR_USAGE, "wrong arguments for a blob");
}

sqlite_outcome sqlite_blob_call(sqlite_connection *connection, covet_op *op)
{
  sqlite_blob *blob;

  if (strcmp(op->sql, "blob_open") == 0) {
    if (!has(op, "ttib")) {
      return sqlite_refuse(op, COVET_ERROR_USAGE,
                           "open_blob takes a table, a column and a row id");
    }
    return open_blob(connection, op);
  }
  if (op->param_count == 0 || op->params[0].kind != COVET_INTEGER ||
      (blob = find_blob(connection, op->params[0].integer)) == NULL) {
    return sqlite_refuse(op, COVET_ERROR_USAGE, "the blob is closed");
  }
  return use_blob(connection, op, blob);
}

/* --- Backup ------------------------------------------------------------------------------ */

static void report_progress(sqlite_connection *connection, covet_op *op,
                            sqlite3_backup *backup)
{
  covet_cell answer[2] = {integer_cell(sqlite3_backup_remaining(backup)),
                          integer_cell(sqlite3_backup_pagecount(backup))};

  if (op->flags & COVET_QUERY_ROWS) {
    (void) sqlite_answer(connection, op, answer, 2);
  }
}

/* A lock on either side is waited for; writers get their turn in between. */
static int copy_pages(sqlite_connection *connection, covet_op *op,
                      sqlite3_backup *backup)
{
  int code;

  do {
    code = sqlite3_backup_step(backup, BACKUP_PAGES);
    report_progress(connection, op, backup);
    if (covet_op_stop_reason(op) != COVET_STOP_NONE) {
      return SQLITE_INTERRUPT;
    }
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
      sqlite_worker_sleep(connection, BACKUP_PAUSE_US);
      code = SQLITE_OK;
    }
  } while (code == SQLITE_OK);
  return code;
}

static void fault_target(covet_op *op, sqlite3 *target, int code)
{
  covet_error *error = covet_op_fault(op);

  if (error != &op->runtime->out_of_memory) {
    sqlite_error_fill(error, target, code);
    error->phase = op->phase;
  }
}

sqlite_outcome sqlite_backup(sqlite_connection *connection, covet_op *op)
{
  const char *path = has(op, "t") ? text_of(op, 0) : NULL;
  sqlite3 *target = NULL;
  sqlite3_backup *backup;
  int code;

  if (path == NULL) {
    return sqlite_refuse(op, COVET_ERROR_USAGE, "backup takes a path");
  }
  code = sqlite3_open_v2(
      path, &target,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
  backup = code == SQLITE_OK
               ? sqlite3_backup_init(target, "main", connection->db, "main")
               : NULL;
  if (backup == NULL) {
    fault_target(op, target, sqlite3_extended_errcode(target));
    (void) sqlite3_close_v2(target);
    return SQLITE_RAN;
  }
  code = copy_pages(connection, op, backup);
  if (sqlite3_backup_finish(backup) != SQLITE_OK || code != SQLITE_DONE) {
    if (code == SQLITE_INTERRUPT) {
      covet_op_fault_stopped(op);
    } else {
      fault_target(op, target, code);
    }
  }
  (void) sqlite3_close_v2(target);
  return SQLITE_RAN;
}

sqlite_outcome sqlite_run_call(sqlite_connection *connection, covet_op *op)
{
  if (strcmp(op->sql, "backup") == 0) {
    return sqlite_backup(connection, op);
  }
  if (strncmp(op->sql, "blob_", 5) == 0) {
    return sqlite_blob_call(connection, op);
  }
  return sqlite_refuse(op, COVET_ERROR_UNSUPPORTED, "SQLite has no such call");
}
