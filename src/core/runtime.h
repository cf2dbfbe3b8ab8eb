/**
 * The runtime: one loop, one submission side, one completion queue.
 *
 * Two threads matter. The *caller's thread* makes, submits, reaps and frees
 * operations. The *loop's thread* carries them out: it is the same one in
 * COVET_CALLER_LOOP mode, else the runtime's own. What both touch (and the
 * drivers' workers) is under `lock`; all else belongs to the loop's thread, but
 * for the operations' slots and free list, which are the caller's.
 */
#ifndef COVET_CORE_RUNTIME_H
#define COVET_CORE_RUNTIME_H

#include "../covet.h"
#include "batch.h"
#include "event.h"
#include "op.h"
#include "queue.h"

#include <uv.h>

/** A message for the loop's thread, embedded in what it is about. */
typedef struct covet_post {
  covet_node node;
  void (*run)(struct covet_post *post);
} covet_post;

/** A question to the loop's thread, in the memory of who asks. */
typedef struct covet_question {
  covet_post post;
  covet_runtime *runtime;
  void (*answer)(struct covet_question *question);
  bool answered; /* the runtime's lock */
} covet_question;

typedef struct covet_waker covet_waker;

struct covet_runtime {
  covet_mode mode;
  unsigned forks; /* that lay behind the process when it was made */
  uv_loop_t *loop;
  uv_loop_t own_loop;
  bool owns_loop;
  bool stopping;
  int open_handles;
  uv_async_t wake;
  uv_timer_t timer;  /* deadlines */
  uv_timer_t limit;  /* of one step */
  uint64_t timer_us; /* when it fires; UINT64_MAX: not started */
  uv_prepare_t prepare;
  uv_poll_t door; /* at which the waker's client knocks */
  bool has_door;
  uv_thread_t thread;

  uv_mutex_t lock;
  uv_cond_t answered; /* a question */
  covet_queue inbox;  /* operations by inbox_node */
  covet_queue posts;
  covet_queue ready; /* operations by ready_node */
  int ready_fd;      /* eventfd, COVET_OWN_THREAD */
  covet_events events;
  covet_waker *waker;
  covet_post listen; /* opens the door */

  /* the loop's thread */
  covet_heap deadlines; /* operations by `deadline` */
  covet_heap alarms;    /* lanes by `alarm` */
  covet_queue adapters;
  uint64_t loans; /* leases so far: none is ever given twice */
  covet_shape_table shapes;

  /* the caller's thread */
  covet_op *submitting;
  covet_op **slots;
  uint32_t slot_count;
  uint32_t slots_used;
  covet_queue free_ops;
  int pending;
  unsigned finished_at_once; /* since the loop last ran */
  uint64_t turn_us;          /* when the loop last ran */
  bool polled; /* inside a callback of a descriptor: who runs the loop looks for
                  completions afterwards, without being woken */
  uint64_t spin_us; /* until when to look before waiting, COVET_CALLER_LOOP;
                                0: not at all */
  covet_error out_of_memory;
};

/** Have `post->run` called on the loop's thread. From any thread. */
void covet_runtime_post(covet_runtime *rt, covet_post *post);

/** Have `question->answer` called on the loop's thread, and wait for that: for
 *  the end of the loop's present turn, in COVET_OWN_THREAD mode. What was
 *  submitted before is under way by then. On the caller's thread. In a child
 *  process it is called here: no other thread is left. */
void covet_runtime_ask(covet_runtime *rt, covet_question *question);

/** The operation has ended: tell its owner. Nothing may touch it afterwards.
 *  On the loop's thread. */
void covet_op_finish(covet_op *op);

/** Rows for the operation's owner (*taken*). From any thread. Returns how many
 *  deliveries stand untaken. */
uint32_t covet_op_deliver(covet_op *op, covet_batch *batch);

/** The last rows of an operation that ends now (*taken*): covet_op_finish will
 *  tell of them. From any thread. */
void covet_op_append(covet_op *op, covet_batch *batch);

/** The same for an operation of which nothing was delivered before. */
void covet_op_append_alone(covet_op *op, covet_batch *batch);

/** Deliveries that nobody has taken yet. From any thread. */
uint32_t covet_op_untaken(covet_op *op);

/** From now on the operation ends at its deadline. */
void covet_op_start_deadline(covet_op *op);

/** Have a lane's pool ticked at this time; UINT64_MAX: not at all. */
void covet_runtime_set_alarm(covet_runtime *rt, covet_heap_node *alarm,
                             uint64_t at_us);

/** Ask an operation to end, for this reason. On the loop's thread. */
void covet_op_stop(covet_op *op, covet_stop reason);

/** Whether this process is the one that made the runtime. */
bool covet_runtime_forked(const covet_runtime *rt);

#endif
