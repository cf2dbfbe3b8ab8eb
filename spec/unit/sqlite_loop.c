/* What the loop's thread does not do, seen by what it reads, writes and
 * allocates, not by the clock. */
#include "support/support.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIB = 1024 * 1024, KNOWN = 20 };

/* --- A file system that counts what this thread does ------------------------------ */

typedef struct counted_file {
  sqlite3_file base;
  sqlite3_file *real;
} counted_file;

static _Thread_local struct {
  int64_t read;
  int64_t written;
  int syncs;
} done;

static sqlite3_vfs *real_vfs;

static sqlite3_file *real_of(sqlite3_file *file)
{
  return ((counted_file *) (void *) file)->real;
}

static int on_close(sqlite3_file *file)
{
  return real_of(file)->pMethods->xClose(real_of(file));
}

static int on_read(sqlite3_file *file, void *to, int count, sqlite3_int64 at)
{
  done.read += count;
  return real_of(file)->pMethods->xRead(real_of(file), to, count, at);
}

static int on_write(sqlite3_file *file, const void *from, int count,
                    sqlite3_int64 at)
{
  done.written += count;
  return real_of(file)->pMethods->xWrite(real_of(file), from, count, at);
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
  return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int on_sync(sqlite3_file *file, int flags)
{
  done.syncs++;
  return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int on_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
  return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int on_lock(sqlite3_file *file, int level)
{
  return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int on_unlock(sqlite3_file *file, int level)
{
  return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int on_check_lock(sqlite3_file *file, int *reserved)
{
  return real_of(file)->pMethods->xCheckReservedLock(real_of(file), reserved);
}

static int on_control(sqlite3_file *file, int what, void *data)
{
  return real_of(file)->pMethods->xFileControl(real_of(file), what, data);
}

static int on_sector_size(sqlite3_file *file)
{
  return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int on_characteristics(sqlite3_file *file)
{
  return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int on_shm_map(sqlite3_file *file, int page, int size, int extend,
                      void volatile **memory)
{
  return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend,
                                          memory);
}

static int on_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
  return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void on_shm_barrier(sqlite3_file *file)
{
  real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int on_shm_unmap(sqlite3_file *file, int delete)
{
  return real_of(file)->pMethods->xShmUnmap(real_of(file), delete);
}

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
                   int flags, int *out)
{
  static const sqlite3_io_methods methods = {2,
                                             on_close,
                                             on_read,
                                             on_write,
                                             on_truncate,
                                             on_sync,
                                             on_file_size,
                                             on_lock,
                                             on_unlock,
                                             on_check_lock,
                                             on_control,
                                             on_sector_size,
                                             on_characteristics,
                                             on_shm_map,
                                             on_shm_lock,
                                             on_shm_barrier,
                                             on_shm_unmap,
                                             NULL,
                                             NULL};
  counted_file *counted = (counted_file *) (void *) file;
  int code;

  (void) vfs;
  counted->real = (sqlite3_file *) (void *) (counted + 1);
  code = real_vfs->xOpen(real_vfs, name, counted->real, flags, out);
  counted->base.pMethods = counted->real->pMethods == NULL ? NULL : &methods;
  return code;
}

static int install(void **state)
{
  static sqlite3_vfs vfs;

  (void) state;
  real_vfs = sqlite3_vfs_find(NULL);
  vfs = *real_vfs;
  vfs.zName = "counted";
  vfs.szOsFile = real_vfs->szOsFile + (int) sizeof(counted_file);
  vfs.xOpen = on_open;
  return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK ? 0 : -1;
}

static void start_counting(void)
{
  memset(&done, 0, sizeof(done));
  (void) sqlite3_memory_highwater(1);
}

/* --- Support ----------------------------------------------------------------------- */

static void init(unit *u, const char *options)
{
  unit_init(u, COVET_CALLER_LOOP);
  unit_open(u, options);
  unit_script(u, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)");
}

static covet_op *with_integer(unit *u, const char *sql, unsigned flags,
                              int64_t value)
{
  covet_op *op = unit_op(u, sql, flags);

  assert_int_equal(covet_op_add_integer(op, value), 0);
  return op;
}

/* Often enough that it runs on the loop's thread. */
static void make_known(unit *u, const char *sql, int64_t value)
{
  for (int i = 0; i < KNOWN; i++) {
    unit_slot slot = unit_run(u, with_integer(u, sql, COVET_QUERY_ROWS, value));

    unit_assert_ok(&slot);
  }
}

/* --- Reads ------------------------------------------------------------------------- */

/* Submitted while no worker may run it: all that happens, happens here. */
static void check_read_elsewhere(unit *u, const char *sql, int64_t value,
                                 int64_t wanted)
{
  covet_lease lease = unit_acquire(u, 1);
  sqlite3_int64 before = sqlite3_memory_used();
  unit_slot slot = {0};

  start_counting();
  unit_start(&slot, with_integer(u, sql, COVET_QUERY_ROWS, value));
  assert_false(slot.done);
  assert_true(done.read < MIB);
  assert_true(sqlite3_memory_highwater(0) - before < MIB);
  unit_release(u, lease);
  unit_wait(u, &slot);
  unit_assert_ok(&slot);
  assert_int_equal(slot.rows, 1);
  if (wanted != 0) {
    assert_int_equal(slot.integer, wanted);
  }
}

static void test_a_large_value_is_not_read_here(void **state)
{
  static const char read[] = "SELECT x FROM t WHERE id = ?";
  static const char sum[] = "SELECT sum(length(x || 'y')) FROM t WHERE id = ?";
  unit u;

  (void) state;
  init(&u, "readers=1");
  unit_script(&u, "INSERT INTO t VALUES (1, 'small'); INSERT INTO t VALUES "
                  "(2, zeroblob(20000000)); INSERT INTO t VALUES "
                  "(3, hex(zeroblob(10000000)))");
  make_known(&u, read, 1);
  check_read_elsewhere(&u, read, 2, 0);
  make_known(&u, read, 1);
  check_read_elsewhere(&u, read, 3, 0);
  make_known(&u, sum, 1);
  check_read_elsewhere(&u, sum, 3, 20000001);
  unit_deinit(&u);
}

static void test_a_large_value_is_not_made_here(void **state)
{
  static const char sql[] = "SELECT length(hex(zeroblob(?)))";
  unit u;

  (void) state;
  init(&u, "readers=1");
  make_known(&u, sql, 10);
  check_read_elsewhere(&u, sql, 10000000, 20000000);
  unit_deinit(&u);
}

static uint64_t inline_queries(unit *u)
{
  covet_adapter_stats stats;

  covet_adapter_get_stats(u->adapter, &stats);
  return stats.inline_queries;
}

/* 4 MB of tables. */
static void make_many_tables(const char *path)
{
  static char sql[1200];
  sqlite3 *other;

  assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
  assert_int_equal(sqlite3_exec(other, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
  for (int i = 0; i < 4000; i++) {
    (void) snprintf(sql, sizeof(sql), "CREATE TABLE t%d (x DEFAULT '%0*d')", i,
                    1000, i);
    assert_int_equal(sqlite3_exec(other, sql, NULL, NULL, NULL), SQLITE_OK);
  }
  assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

/* Another program changed a large schema: it is read elsewhere, and then known
 * here again. */
static void test_a_large_schema_is_not_read_here(void **state)
{
  static const char sql[] = "SELECT count(*) FROM t WHERE id < ?";
  uint64_t before;
  unit u;

  (void) state;
  init(&u, "");
  make_known(&u, sql, 10);
  make_many_tables(u.path);
  before = inline_queries(&u);
  start_counting();
  make_known(&u, sql, 10);
  assert_true(done.read < MIB);
  for (int i = 0; i < 10000 && inline_queries(&u) == before; i++) {
    make_known(&u, sql, 10);
    unit_step(&u, 1);
  }
  if (getenv("LD_PRELOAD") == NULL) { /* under valgrind no read is short */
    assert_true(inline_queries(&u) > before);
  }
  assert_true(done.read < MIB);
  unit_deinit(&u);
}

/* --- Writes ---------------------------------------------------------------------------- */

static covet_op *insert_blob(unit *u, int length)
{
  static const char bytes[60000];
  covet_op *op = unit_op(u, "INSERT INTO t (x) VALUES (?)", 0);

  assert_int_equal(
      covet_op_add_borrowed(op, COVET_BLOB, bytes, (size_t) length), 0);
  return op;
}

/* Each is short, all of them together are not. */
static void test_a_long_group_is_not_written_here(void **state)
{
  static unit_slot slots[250];
  unit u;

  (void) state;
  init(&u, "group_commit=true");
  for (int i = 0; i < KNOWN; i++) {
    unit_slot slot = unit_run(&u, insert_blob(&u, 10));

    unit_assert_ok(&slot);
  }
  memset(slots, 0, sizeof(slots));
  start_counting();
  for (int i = 0; i < 250; i++) {
    unit_start(&slots[i], insert_blob(&u, 60000));
  }
  unit_step(&u, 0);
  assert_true(done.written < 8 * MIB);
  for (int i = 0; i < 250; i++) {
    unit_wait(&u, &slots[i]);
    unit_assert_ok(&slots[i]);
  }
  assert_int_equal(unit_integer(&u, "SELECT count(*) FROM t"), 250 + KNOWN);
  unit_deinit(&u);
}

/* SQLite empties a table in one step of its machine. */
static void test_a_table_is_not_emptied_here(void **state)
{
  unit_slot slot;
  unit u;

  (void) state;
  init(&u, "");
  for (int i = 0; i < KNOWN; i++) {
    slot = unit_query(&u, "DELETE FROM t", 0);
    unit_assert_ok(&slot);
  }
  unit_script(&u, "INSERT INTO t (x) VALUES (zeroblob(20000000))");
  start_counting();
  slot = unit_query(&u, "DELETE FROM t", 0);
  unit_assert_ok(&slot);
  assert_true(done.read < MIB);
  unit_deinit(&u);
}

static void test_a_table_is_not_dropped_here(void **state)
{
  static const char sql[] = "DROP TABLE IF EXISTS large";
  unit_slot slot;
  unit u;

  (void) state;
  init(&u, "");
  for (int i = 0; i < KNOWN; i++) {
    slot = unit_query(&u, sql, 0);
    unit_assert_ok(&slot);
  }
  unit_script(&u, "CREATE TABLE large (x); INSERT INTO large VALUES "
                  "(zeroblob(20000000))");
  start_counting();
  slot = unit_query(&u, sql, 0);
  unit_assert_ok(&slot);
  assert_true(done.read < MIB);
  unit_deinit(&u);
}

static void leased(unit *u, covet_lease lease, const char *sql, unsigned flags)
{
  unit_slot slot = unit_leased(u, lease, sql, flags);

  unit_assert_ok(&slot);
}

/* Few rows, many bytes. */
static void test_a_large_commit_is_not_written_here(void **state)
{
  covet_lease lease;
  unit u;

  (void) state;
  init(&u, "pragmas=PRAGMA%20cache_size%3D-100000");
  lease = unit_acquire(&u, 0);
  leased(&u, lease, "BEGIN IMMEDIATE", COVET_QUERY_TRANSACTION);
  for (int i = 0; i < 10; i++) {
    leased(&u, lease, "INSERT INTO t (x) VALUES (zeroblob(2000000))", 0);
  }
  start_counting();
  leased(&u, lease, "COMMIT", COVET_QUERY_TRANSACTION);
  assert_true(done.written < MIB);
  unit_release(&u, lease);
  unit_deinit(&u);
}

/* To SQLite a COMMIT only reads: it is not for the loop because of that. */
static void test_a_commit_is_not_synced_here(void **state)
{
  covet_lease lease;
  unit u;

  (void) state;
  init(&u, "synchronous=full");
  lease = unit_acquire(&u, 0);
  start_counting();
  for (int i = 0; i < KNOWN; i++) {
    leased(&u, lease, "BEGIN", 0);
    leased(&u, lease, "INSERT INTO t (x) VALUES (1)", 0);
    leased(&u, lease, "COMMIT", 0);
  }
  assert_int_equal(done.syncs, 0);
  unit_release(&u, lease);
  unit_deinit(&u);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_large_value_is_not_read_here),
      cmocka_unit_test(test_a_large_value_is_not_made_here),
      cmocka_unit_test(test_a_large_schema_is_not_read_here),
      cmocka_unit_test(test_a_long_group_is_not_written_here),
      cmocka_unit_test(test_a_table_is_not_emptied_here),
      cmocka_unit_test(test_a_table_is_not_dropped_here),
      cmocka_unit_test(test_a_large_commit_is_not_written_here),
      cmocka_unit_test(test_a_commit_is_not_synced_here),
  };

  return cmocka_run_group_tests(tests, install, NULL);
}
