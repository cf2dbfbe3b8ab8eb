#include "sqlite.h"

enum {
  DUE_FRAMES = 1000,     /* as SQLite's own wal_autocheckpoint */
  OVERDUE_FRAMES = 8000, /* then the writer itself has to pause for it */
  SOON_FRAMES = 200,
  PAUSE_US = 2000,     /* between two looks whether the checkpointer is done */
  PATIENCE_US = 500000 /* how long it waits for the checkpointer and readers */
};

static void run_checkpoint(sqlite_job *job)
{
  sqlite_connection *connection = job->connection;

  connection->on_loop = false;
  (void) sqlite3_wal_checkpoint_v2(connection->db, NULL,
                                   SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static void on_checkpointed(sqlite_job *job)
{
  sqlite_connection *writer = job->connection->adapter->writer;

  job->connection->checkpointing = false;
  if (writer != NULL) {
    atomic_store(&writer->fresh_wal, true);
  }
}

static bool is_overdue(const sqlite_connection *writer)
{
  return writer->overdue_frames != 0 &&
         writer->wal_frames >= writer->overdue_frames;
}

/* Not beside one that the writer is about to do itself: of two at a time the
 * second fails, and SQLite does not let it wait. */
void sqlite_checkpoint_if_due(sqlite_connection *writer)
{
  sqlite_adapter *adapter = writer->adapter;
  sqlite_connection *checkpointer = adapter->checkpointer;

  if (writer->wal_frames < writer->checkpointed_frames + DUE_FRAMES ||
      is_overdue(writer)) {
    return;
  }
  if (checkpointer == NULL) {
    covet_lane *lane = &adapter->base->lanes[SQLITE_CHECKPOINTER];

    if (lane->count == 0 && adapter->base->state == COVET_ADAPTER_READY) {
      (void) covet_lane_open(lane); /* it is there at the next write */
    }
    return;
  }
  if (checkpointer->checkpointing) {
    return;
  }
  writer->checkpointed_frames = writer->wal_frames;
  checkpointer->checkpoint.connection = checkpointer;
  checkpointer->checkpoint.run = run_checkpoint;
  checkpointer->checkpoint.done = on_checkpointed;
  checkpointer->checkpointing =
      sqlite_worker_submit(checkpointer, &checkpointer->checkpoint);
}

bool sqlite_wal_needs_worker(const sqlite_connection *writer)
{
  return atomic_load(&writer->fresh_wal) || is_overdue(writer);
}

void sqlite_note_wal(sqlite_connection *writer, int frames)
{
  if (frames < writer->wal_frames || writer->overdue_frames == 0) {
    writer->overdue_frames = OVERDUE_FRAMES; /* it began anew */
    writer->checkpointed_frames = 0;
  }
  writer->wal_frames = frames;
  atomic_store(&writer->fresh_wal, false);
}

/* Check the whole log in and have it begin anew. Answers its pages, -1 when the
 * checkpointer is at it: then SQLite does not wait. */
static int restart_log(sqlite_connection *writer)
{
  int pages = -1;

  (void) sqlite3_wal_checkpoint_v2(writer->db, NULL, SQLITE_CHECKPOINT_RESTART,
                                   &pages, NULL);
  return pages;
}

/* Where readers keep the log from beginning anew, that is tried again only when
 * it has grown by as much again. The checkpointer is waited for, as far as nobody
 * gives up: the log must not outrun it. */
void sqlite_checkpoint_in_writer(sqlite_connection *writer)
{
  uint64_t end_us = covet_now_us() + PATIENCE_US;
  int pages;

  if (!is_overdue(writer) || !sqlite3_get_autocommit(writer->db)) {
    return;
  }
  writer->patience_us = PATIENCE_US;
  while ((pages = restart_log(writer)) < 0 && covet_now_us() < end_us &&
         !sqlite_any_stopped(writer) &&
         !atomic_load(&writer->adapter->base->forced)) {
    sqlite_worker_sleep(writer, PAUSE_US);
  }
  writer->patience_us = 0;
  writer->lock_us = 0;
  writer->overdue_frames =
      writer->wal_frames + (pages < 0 ? SOON_FRAMES : OVERDUE_FRAMES);
  atomic_store(&writer->fresh_wal, true);
}
