#ifdef COVET_LIBPQ_BUFFER
/* libpq's own order: c.h defines what the other needs. */
#include <c.h>

#include <libpq-int.h>
#endif

#include "postgres_input.h"

#include <string.h>

#ifdef COVET_LIBPQ_BUFFER

/* A message: its type, its length without that byte; of a row ('D') then the number
 * of fields. */
enum { LENGTH_AT = 1, COUNT_AT = 5, HEAD = 7 };

bool pg_input_known(PGconn *pq)
{
  return PQlibVersion() == PG_VERSION_NUM && pq->sock == PQsocket(pq) &&
         pq->be_pid == PQbackendPID(pq) && pq->sversion == PQserverVersion(pq);
}

/* Between two rows, behind a first one that libpq has read. */
static bool is_giving_rows(const PGconn *pq)
{
  return pq->asyncStatus == PGASYNC_BUSY && pq->singleRowMode &&
         pq->result != NULL && pq->result->resultStatus == PGRES_TUPLES_OK &&
         pq->next_result == NULL && !pq->error_result;
}

bool pg_input_row(const PGconn *pq, pg_wire *fields, unsigned *count)
{
  const char *at = pq->inBuffer + pq->inStart;
  size_t left = (size_t) (pq->inEnd - pq->inStart);
  uint32_t length;

  if (left < HEAD || *at != 'D' || !is_giving_rows(pq)) {
    return false;
  }
  length = pg_get32(at + LENGTH_AT);
  if (length < HEAD - LENGTH_AT || length > left - LENGTH_AT) {
    return false;
  }
  fields->at = at + HEAD;
  fields->end = at + LENGTH_AT + length;
  *count = pg_get16(at + COUNT_AT);
  return true;
}

void pg_input_pass(PGconn *pq, const pg_wire *fields)
{
  pq->inStart = (int) (fields->end - pq->inBuffer);
  pq->inCursor = pq->inStart;
}

/* Notices, notifications and parameters may stand before it. */
bool pg_input_has_error(const PGconn *pq)
{
  const char *at = pq->inBuffer + pq->inStart;
  const char *end = pq->inBuffer + pq->inEnd;

  while (end - at >= COUNT_AT && strchr("NAS", *at) != NULL && *at != '\0') {
    uint32_t length = pg_get32(at + LENGTH_AT);

    if (length > (size_t) (end - at) - LENGTH_AT) {
      return false;
    }
    at += LENGTH_AT + length;
  }
  return end > at && *at == 'E';
}

#else

bool pg_input_known(PGconn *pq)
{
  (void) pq;
  return false;
}

bool pg_input_row(const PGconn *pq, pg_wire *fields, unsigned *count)
{
  (void) pq;
  (void) fields;
  (void) count;
  return false;
}

void pg_input_pass(PGconn *pq, const pg_wire *fields)
{
  (void) pq;
  (void) fields;
}

bool pg_input_has_error(const PGconn *pq)
{
  (void) pq;
  return false;
}

#endif
