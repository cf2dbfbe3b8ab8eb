#include "sqlite.h"

enum {
  DUE_FRAMES = 1000,    /* as SQLite's own wal_autocheckpoint */
  OVERDUE_FRAMES = 8000 /* then the writer itself has to pause for it */
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
  job->connection->checkpointing = false;
}

void sqlite_checkpoint_if_due(sqlite_connection *writer)
{
  sqlite_adapter *adapter = writer->adapter;
  sqlite_connection *checkpointer = adapter->checkpointer;

  if (writer->wal_frames < DUE_FRAMES) {
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
  checkpointer->checkpoint.connection = checkpointer;
  checkpointer->checkpoint.run = run_checkpoint;
  checkpointer->checkpoint.done = on_checkpointed;
  checkpointer->checkpointing =
      sqlite_worker_submit(checkpointer, &checkpointer->checkpoint);
}

void sqlite_checkpoint_in_writer(sqlite_connection *writer)
{
  if (writer->wal_frames >= OVERDUE_FRAMES &&
      sqlite3_get_autocommit(writer->db)) {
    (void) sqlite3_wal_checkpoint_v2(writer->db, NULL,
                                     SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    writer->wal_frames = 0;
  }
}
