#include "../core/error.h"
#include "sqlite.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  BUDGET_US = 50,       /* of an operation on the loop's thread */
  RELOAD_US = 500,      /* of reading the schema there */
  PROGRESS_STEPS = 400, /* of SQLite's machine between two looks */
  OPEN_PAUSE_US = 2000, /* between two tries to set a connection up */
  FIRST_WAIT_US = 500,  /* for a lock; doubled each time */
  LONGEST_WAIT_US = 20000
};

/* --- Handlers that SQLite calls while it runs a statement ----------------------- */

static bool is_over(sqlite_connection *connection, uint64_t budget_us)
{
  uint64_t now;

  if (!connection->on_loop || !connection->limited) {
    return false;
  }
  now = covet_now_us();
  if (connection->budget_us == 0) {
    connection->budget_us = now + budget_us;
  }
  connection->over_budget = now >= connection->budget_us;
  return connection->over_budget;
}

/* Nothing runs: SQLite reads the schema for a statement that it prepares (anew);
 * or it asks once more of one that has done its work and, perhaps, been
 * committed, and then there is nothing left to interrupt. On a reader both may be
 * interrupted. */
static bool reload_is_over(sqlite_connection *connection)
{
  if (!connection->preparing && connection->role == SQLITE_WRITER) {
    return false;
  }
  connection->reloading = is_over(connection, RELOAD_US);
  return connection->reloading;
}

/* Non-zero ends the statement. The operation's own flag decides; what only an
 * interrupt would reach is for sqlite_worker_enter. */
static int on_progress(void *data)
{
  sqlite_connection *connection = data;

  if (connection->stepping == NULL ||
      !sqlite3_stmt_busy(connection->stepping)) {
    return reload_is_over(connection);
  }
  if (connection->op != NULL &&
      covet_op_stop_reason(connection->op) != COVET_STOP_NONE &&
      connection->op->type != COVET_OP_RELEASE) {
    return 1;
  }
  return is_over(connection, BUDGET_US);
}

/* Another process has the lock. The loop's thread never waits for it. */
static int on_busy(void *data, int attempts)
{
  sqlite_connection *connection = data;
  uint64_t now = covet_now_us();
  uint64_t wait = FIRST_WAIT_US;

  if (connection->on_loop) {
    connection->locked_out = true;
    return 0;
  }
  if (connection->lock_us == 0) {
    connection->lock_us = now;
  }
  if (now - connection->lock_us >=
      (connection->patience_us != 0
           ? connection->patience_us
           : connection->adapter->options.busy_timeout_us)) {
    return 0;
  }
  if (sqlite_any_stopped(connection) ||
      atomic_load(&connection->adapter->base->forced)) {
    return 0;
  }
  for (int i = 0; i < attempts && wait < LONGEST_WAIT_US; i++) {
    wait *= 2;
  }
  sqlite_worker_sleep(connection, wait);
  return 1;
}

static int on_wal(void *data, sqlite3 *db, const char *name, int frames)
{
  sqlite_connection *connection = data;

  (void) db;
  (void) name;
  sqlite_note_wal(connection, frames);
  return SQLITE_OK;
}

/* Of these pragmas the argument says what is asked for, not what shall be. */
static bool only_asks(const char *pragma)
{
  static const char *const names[] = {
      "table_info",       "table_xinfo",       "table_list",
      "index_info",       "index_xinfo",       "index_list",
      "foreign_key_list", "foreign_key_check", "integrity_check",
      "quick_check",      "wal_checkpoint",    "incremental_vacuum",
      "optimize"};

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (strcasecmp(names[i], pragma) == 0) {
      return true;
    }
  }
  return false;
}

/* Asked while a statement is prepared: it tells what a statement does, however
 * its text is written. */
static int on_action(void *data, int action, const char *first,
                     const char *second, const char *database,
                     const char *trigger)
{
  sqlite_connection *connection = data;

  (void) trigger;
  if (action == SQLITE_READ) {
    connection->actions |= SQLITE_DOES_READ;
  } else if (action == SQLITE_ATTACH || action == SQLITE_DETACH ||
             (action == SQLITE_PRAGMA && second != NULL && !only_asks(first)) ||
             (database != NULL && strcmp(database, "temp") == 0)) {
    connection->actions |= SQLITE_DOES_ALTER_SESSION;
  } else if (action == SQLITE_DELETE) {
    connection->actions |= SQLITE_DOES_DELETE;
  }
  return SQLITE_OK;
}

/* --- Opening --------------------------------------------------------------------- */

/* Why a file that does not exist was not made: what is wrong with its folder. */
static int why_not_made(const sqlite_connection *connection)
{
  const sqlite_options *options = &connection->adapter->options;
  const char *slash = strrchr(options->path, '/');
  char folder[4096] = ".";
  size_t length = slash == NULL ? 0 : (size_t) (slash - options->path);

  if (options->read_only || length >= sizeof(folder)) {
    return ENOENT;
  }
  if (length > 0) {
    memcpy(folder, options->path, length);
    folder[length] = '\0';
  } else if (slash != NULL) {
    folder[0] = '/';
  }
  return access(folder, W_OK | X_OK) == 0 ? ENOENT : errno;
}

/* SQLite says "unable to open database file" whatever the reason is. */
static void explain_open(sqlite_connection *connection, int code)
{
  const char *path = connection->adapter->options.path;
  covet_error *error = &connection->error;
  struct stat info;
  int system =
      connection->db == NULL ? 0 : sqlite3_system_errno(connection->db);

  sqlite_error_fill(error, connection->db, code);
  error->phase = COVET_PHASE_CONNECT;
  error->retry = COVET_RETRY_SAFE;
  if ((code & 0xFF) != SQLITE_CANTOPEN && (code & 0xFF) != SQLITE_PERM &&
      (code & 0xFF) != SQLITE_AUTH) {
    return;
  }
  if (stat(path, &info) != 0) {
    system = errno == ENOENT ? why_not_made(connection) : errno;
  } else if (S_ISDIR(info.st_mode)) {
    system = EISDIR;
  }
  if (system == ENOENT) {
    error->kind = COVET_ERROR_UNKNOWN_DATABASE;
  } else if (system == EACCES || system == EPERM || system == EROFS) {
    error->kind = COVET_ERROR_PERMISSION_DENIED;
  }
  (void) snprintf(error->message, sizeof(error->message),
                  "cannot open %.300s: %s", path,
                  system == 0 ? sqlite3_errstr(code) : strerror(system));
}

int sqlite_do(sqlite_connection *connection, const char *sql)
{
  return sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
}

/* The journal mode that the database really has, after asking for one. */
static int set_journal_mode(sqlite_connection *connection)
{
  sqlite_adapter *adapter = connection->adapter;
  sqlite3_stmt *statement = NULL;
  bool wal = false;
  char sql[64];
  int code;

  (void) snprintf(sql, sizeof(sql), "PRAGMA journal_mode=%s",
                  adapter->options.read_only ? ""
                                             : adapter->options.journal_mode);
  if (adapter->options.read_only) {
    sql[strlen("PRAGMA journal_mode")] = '\0';
  }
  code = sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL);
  if (code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
    const char *mode = (const char *) sqlite3_column_text(statement, 0);

    wal = mode != NULL && strcmp(mode, "wal") == 0;
  }
  code = sqlite3_finalize(statement);
  if (adapter->connecting) { /* later the loop's thread reads them meanwhile */
    adapter->wal = wal;
    adapter->commits_inline =
        adapter->memory ||
        (wal && (strcmp(adapter->options.synchronous, "normal") == 0 ||
                 strcmp(adapter->options.synchronous, "off") == 0));
  }
  return code;
}

static int set_pragmas(sqlite_connection *connection)
{
  const sqlite_options *options = &connection->adapter->options;
  char sql[64];
  int code = SQLITE_OK;

  (void) sqlite3_db_config(connection->db, SQLITE_DBCONFIG_ENABLE_FKEY,
                           options->foreign_keys, NULL);
  (void) sqlite3_wal_autocheckpoint(connection->db, 0);
  if (connection->role == SQLITE_WRITER) {
    code = set_journal_mode(connection);
  }
  if (code == SQLITE_OK) {
    (void) snprintf(sql, sizeof(sql), "PRAGMA synchronous=%s",
                    options->synchronous);
    code = sqlite_do(connection, sql);
  }
  if (code == SQLITE_OK && connection->role == SQLITE_INLINE) {
    /* short reads are its whole work: the pages they want should be there */
    code = sqlite_do(connection, "PRAGMA cache_size=-8000");
  }
  if (code == SQLITE_OK && options->pragmas != NULL) {
    code = sqlite_do(connection, options->pragmas);
  }
  if (code == SQLITE_OK && connection->role != SQLITE_WRITER &&
      connection->role != SQLITE_CHECKPOINTER) {
    code = sqlite_do(connection, "PRAGMA query_only=1");
  }
  return code;
}

static void set_handlers(sqlite_connection *connection)
{
  sqlite3 *db = connection->db;

  (void) sqlite3_extended_result_codes(db, 1);
  (void) sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
  (void) sqlite3_busy_handler(db, on_busy, connection);
  (void) sqlite3_set_authorizer(db, on_action, connection);
  sqlite3_progress_handler(db, PROGRESS_STEPS, on_progress, connection);
}

static int open_flags(const sqlite_adapter *adapter)
{
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;

  return flags | (adapter->options.read_only
                      ? SQLITE_OPEN_READONLY
                      : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
}

/* Another connection may just be closing, or changing the journal mode: for that
 * SQLite takes the whole file and does not ask the busy handler. */
static int set_up(sqlite_connection *connection)
{
  uint64_t start = covet_now_us();
  int code;

  for (;;) {
    code = set_pragmas(connection);
    if (code == SQLITE_OK) {
      /* reads the file's header and schema: here, not at the first query */
      code = sqlite_do(connection, "SELECT 1 FROM sqlite_schema LIMIT 1");
    }
    if ((code & 0xFF) != SQLITE_BUSY ||
        covet_now_us() - start >=
            connection->adapter->options.busy_timeout_us) {
      return code;
    }
    connection->lock_us = 0;
    sqlite_worker_sleep(connection, OPEN_PAUSE_US);
  }
}

int sqlite_open(sqlite_connection *connection)
{
  sqlite_adapter *adapter = connection->adapter;
  int code = sqlite3_open_v2(adapter->options.path, &connection->db,
                             open_flags(adapter), NULL);

  connection->on_loop = false;
  connection->lock_us = 0;
  if (code == SQLITE_OK) {
    set_handlers(connection);
    code = set_up(connection);
  }
  if (code != SQLITE_OK) {
    explain_open(connection, sqlite3_extended_errcode(connection->db));
    sqlite_close(connection);
    return COVET_ESYSTEM;
  }
  if (connection->role == SQLITE_WRITER && adapter->wal) {
    sqlite3_wal_hook(connection->db, on_wal, connection);
    sqlite_note_wal(connection, 0);
    atomic_store(&connection->fresh_wal, true);
  }
  return 0;
}

void sqlite_close(sqlite_connection *connection)
{
  sqlite_blobs_close(connection);
  covet_stmt_cache_clear(&connection->statements);
  if (connection->db != NULL) {
    (void) sqlite3_close_v2(connection->db);
    connection->db = NULL;
  }
  connection->functions = 0;
}

bool sqlite_reset(sqlite_connection *connection)
{
  sqlite_blobs_close(connection);
  if (!sqlite3_get_autocommit(connection->db)) {
    (void) sqlite_do(connection, "ROLLBACK");
  }
  if (!connection->dirty || connection->adapter->memory) {
    connection->dirty = false;
    return sqlite3_get_autocommit(connection->db);
  }
  connection->dirty = false;
  sqlite_close(connection);
  return sqlite_open(connection) == 0;
}
