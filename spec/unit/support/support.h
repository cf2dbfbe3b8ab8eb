/**
 * What the C units share: a runtime with a folder of its own, and operations
 * that are run to their end and noted. All of it uses the public header only.
 *
 * Nothing here measures time. The one limit, UNIT_LIMIT_MS, is there so that a
 * lost completion fails the test instead of hanging it.
 */
#ifndef COVET_SPEC_SUPPORT_H
#define COVET_SPEC_SUPPORT_H

/* what cmocka.h wants before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "covet.h"

enum { UNIT_LIMIT_MS = 90000 };

/** A runtime, an adapter on a file in a fresh folder. */
typedef struct unit {
  covet_runtime *runtime;
  covet_adapter *adapter;
  char folder[96];
  char path[128];
} unit;

/** An operation under way, and what came of it. All zero before the start. */
typedef struct unit_slot {
  covet_op *op; /* NULL once it has finished and was freed */
  int manual;   /* the test takes the rows itself */
  int done;
  unsigned news;       /* times it was reaped */
  unsigned deliveries; /* batches taken */
  uint64_t rows;
  uint32_t columns;    /* of the rows */
  int64_t integer;     /* first cell of the first row, if it is one */
  int64_t sum;         /* of the integers in the first column */
  char text[256];      /* first cell of the first row, if it is text or blob */
  covet_error error;   /* kind NONE: it went well */
  covet_result result; /* `shape` is NULL: it went with the operation */
} unit_slot;

/** Make a runtime and a folder. The adapter comes by unit_open. */
void unit_init(unit *u, covet_mode mode);

/** Free everything; remove the folder with the files in it. */
void unit_deinit(unit *u);

/** Make `u->adapter` on `u->path` with options as in a URL ("readers=2"),
 *  "" for none. */
void unit_open(unit *u, const char *options);

/** Make another adapter by a whole URL. */
covet_adapter *unit_adapter(unit *u, const char *url);

/** Connect `u->adapter`, which was disconnected; must go well. */
void unit_connect(unit *u);

/** Submit; the slot lives until it is done. */
void unit_start(unit_slot *slot, covet_op *op);

/** Run the loop once, at most `timeout_ms`, and note all news. */
void unit_step(unit *u, int timeout_ms);

/** Run the loop until the slot is done. */
void unit_wait(unit *u, unit_slot *slot);

/** Run the loop until a manual slot was reaped again or is done. */
void unit_wait_news(unit *u, unit_slot *slot);

/** Note rows and the end of a slot's operation, as the loop does. */
void unit_absorb(unit_slot *slot);

/** Start, wait, and hand back what came of it. */
unit_slot unit_run(unit *u, covet_op *op);

/** unit_run of a query on `u->adapter`. */
unit_slot unit_query(unit *u, const char *sql, unsigned flags);

/** unit_query that must go well; answers its first integer. */
int64_t unit_integer(unit *u, const char *sql);

/** Run statements that must go well. */
void unit_script(unit *u, const char *sql);

/** A query of `u->adapter`, not submitted. */
covet_op *unit_op(unit *u, const char *sql, unsigned flags);

/** Disconnect it; must go well. */
void unit_disconnect(unit *u);

/** Borrow a connection; it must be granted. */
covet_lease unit_acquire(unit *u, int read_only);

/** Give it back; must go well. */
void unit_release(unit *u, covet_lease lease);

/** A query on a leased connection. */
unit_slot unit_leased(unit *u, covet_lease lease, const char *sql,
                      unsigned flags);

/** Have the process's locale be one whose decimal point is a comma: the system's, or one
 *  that localedef makes. Returns 0 when there can be none. */
int unit_comma_locale(void);

/** Back to "C". */
void unit_plain_locale(void);

/** A query that takes some seconds at least, unless it is stopped. */
extern const char *const unit_endless;

/** Fail unless the slot ended with this kind of error (NONE: well). */
#define unit_assert_kind(slot, wanted)                                         \
  assert_string_equal(covet_error_kind_name((slot)->error.kind),               \
                      covet_error_kind_name(wanted))

/** Fail, with the error's text, unless it went well. */
#define unit_assert_ok(slot)                                                   \
  do {                                                                         \
    if ((slot)->error.kind != COVET_ERROR_NONE) {                              \
      fail_msg("%s: %s", covet_error_kind_name((slot)->error.kind),            \
               (slot)->error.message);                                         \
    }                                                                          \
  } while (0)

#endif
