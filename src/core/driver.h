/**
 * What a database's driver gives to the core, and what it may call.
 *
 * A driver knows how to open, use and close one connection; which operation
 * runs where and when is the core's business (lane.h). All functions here are
 * called on the loop's thread and must not block it. `open` and `close` are
 * never answered from within the call.
 */
#ifndef COVET_CORE_DRIVER_H
#define COVET_CORE_DRIVER_H

#include "op.h"
#include "url.h"

/** How far an operation has come. */
typedef enum covet_step {
  COVET_STEP_DONE,      /* it ended: result or error are set, nothing is told */
  COVET_STEP_PENDING,   /* under way: covet_connection_report follows */
  COVET_STEP_SUSPENDED, /* a stream that is far enough ahead of its reader */
  COVET_STEP_MOVE       /* not started: it belongs on the lane `op->lane` */
} covet_step;

typedef struct covet_driver {
  const char *name;
  unsigned lane_count;
  unsigned
      fixed_lanes; /* a bit for each whose connections never go by themselves:
                           what is in memory would go with them */
  covet_pool_liveness liveness; /* of its connections */
  bool
      takes_unsigned; /* parameters may be integers of 64 bits without a sign */

  /** Check the options and make `adapter->driver_data`; give a pool to
   *  each lane whose connections are lent. Returns 0 or a negative status with the error filled in. */
  int (*adapter_init)(covet_adapter *adapter, const covet_url *url,
                      const covet_option *options, size_t count,
                      covet_error *error);
  /** Free `driver_data`; every connection is gone. */
  void (*adapter_deinit)(covet_adapter *adapter);

  /** Open what an adapter needs before its first operation; answers by
   *  covet_adapter_connected. NULL: it needs nothing but a connection, for
   *  which the pool of the first lane is asked, with its retries. */
  void (*connect)(covet_adapter *adapter);

  /** Carry the operation out here and now, without a connection of a lane.
   *  True: it is done. May be NULL. */
  bool (*run_now)(covet_adapter *adapter, covet_op *op);

  /** A call that runs on no connection of a lane, at any time, before the
   *  adapter is connected too. DONE: it ended; PENDING: the driver finishes it;
   *  MOVE: it is none of these. May be NULL. */
  covet_step (*call)(covet_adapter *adapter, covet_op *op);

  /** The lane on which the operation belongs. */
  unsigned (*choose_lane)(covet_adapter *adapter, const covet_op *op);

  /** Whether operations of this lane are gathered until the loop's turn ends.
   *  May be NULL. */
  bool (*gathers)(covet_adapter *adapter, const covet_op *op);

  /** The lane whose connections are leased. choose_lane is asked for all else. */
  unsigned (*lease_lane)(covet_adapter *adapter, bool read_only);

  covet_connection *(*connection_new)(covet_adapter *adapter, unsigned lane);
  void (*connection_free)(covet_connection *connection);

  /** Answered by covet_connection_opened. */
  void (*open)(covet_connection *connection);
  /** The connection that is being opened is not wanted any more: answer soon. May
   *  be NULL. */
  void (*stop_opening)(covet_connection *connection);
  /** What was to be opened is not: answer by covet_connection_opened at once. NULL
   *  where openings cannot wait (opening.h). */
  void (*fail_opening)(covet_connection *connection, const covet_error *error);
  /** Answered by covet_connection_closed. */
  void (*close)(covet_connection *connection);

  /** Run an operation, or go on with a suspended one, or wind it up when
   *  `op->stop` is set. COVET_OP_RELEASE: make the connection as new. */
  covet_step (*execute)(covet_connection *connection, covet_op *op);

  /** Whether COVET_OP_RELEASE would find nothing to do. */
  bool (*is_clean)(covet_connection *connection);

  /** `op->stop` was set while the operation is pending; of a `call` the connection
   *  is NULL. */
  void (*cancel)(covet_connection *connection, covet_op *op);

  /** Ask the server behind an idle connection for a sign of life. Answered by
   *  covet_connection_pinged. NULL where that is not needed. */
  void (*ping)(covet_connection *connection);

  /** Add a function of the user's; on the caller's thread. May be NULL. */
  int (*add_function)(covet_adapter *adapter, const covet_function *function);

  /** The loop is about to wait for events. May be NULL. */
  void (*turn_end)(covet_adapter *adapter);
  /** Whether turn_end has something to do. NULL where turn_end is. */
  bool (*awaits_turn_end)(const covet_adapter *adapter);
} covet_driver;

/** Every driver of this build, ended by NULL. */
extern const covet_driver *const covet_drivers[];

/* --- Reports --------------------------------------------------------------------- */

/** Opening has ended, with an error or NULL. */
void covet_connection_opened(covet_connection *connection,
                             const covet_error *error);

/** Opening has failed. True: the connection will be opened once more, with a new
 *  answer, and is to be as it was before `open`; false: go on with
 *  covet_connection_opened. */
bool covet_opening_repeat(covet_connection *connection,
                          const covet_error *error);

/** Openings that wait can go on; `is_new`: the answer is another one than the last.
 *  For the call "set_password". */
void covet_openings_answered(covet_adapter *adapter, bool is_new);

/** Closing has ended; the connection is freed. */
void covet_connection_closed(covet_connection *connection);

/** An operation for which `execute` answered PENDING has come so far. */
void covet_connection_report(covet_connection *connection, covet_op *op,
                             covet_step step);

/** The answer to `ping`. */
void covet_connection_pinged(covet_connection *connection, bool alive);

/** The other side has closed the connection. What runs on it is the driver's to
 *  fail. */
void covet_connection_lost(covet_connection *connection);

/** `op`, which ran on the connection, ends now, but `next`, which the driver took
 *  out of the queue to run behind it, does not. */
void covet_connection_hand_over(covet_connection *connection, covet_op *op,
                                covet_op *next);

/** `op` ends before the database has let go of it: the connection is kept from
 *  everybody until covet_connection_recovered. */
void covet_connection_quarantine(covet_connection *connection, covet_op *op);
void covet_connection_recovered(covet_connection *connection);

/** The adapter can be used, or cannot and why. */
void covet_adapter_connected(covet_adapter *adapter, const covet_error *error);

/* --- Options --------------------------------------------------------------------- */

/** "true", "1", "on", "yes" and their opposites. Returns 0 or COVET_EUSAGE. */
int covet_option_boolean(const covet_option *option, bool *value,
                         covet_error *error);

/** A whole number between the bounds. Returns 0 or COVET_EUSAGE. */
int covet_option_integer(const covet_option *option, int64_t least,
                         int64_t most, int64_t *value, covet_error *error);

/** A number of seconds, to be kept in microseconds. */
int covet_option_seconds(const covet_option *option, uint64_t *us,
                         covet_error *error);

/** What an adapter's pool is when nothing is said: as covet_pool_config_init, and
 *  who asks waits for 30 seconds. */
void covet_pool_options_init(covet_pool_config *config);

/** Set what a pool's option says; `*known` tells whether it is one. Returns 0 or
 *  COVET_EUSAGE. */
int covet_pool_option(covet_pool_config *config, const covet_option *given,
                      bool *known, covet_error *error);

/** The end of a pool's options: a minimum that nobody has asked for follows the
 *  maximum down. Returns as covet_pool_config_check. */
int covet_pool_options_check(covet_pool_config *config, covet_error *error);

/** The error for an option that no pool has. */
int covet_pool_option_unknown(const char *name, covet_error *error);

/** The error for an option that `names` (ended by NULL) does not list. */
int covet_option_unknown(const char *name, const char *const *names,
                         covet_error *error);

#endif
