/** What the files of the runtime call of each other; for nobody else. */
#ifndef COVET_CORE_RUNTIME_PARTS_H
#define COVET_CORE_RUNTIME_PARTS_H

#include "runtime.h"

/* --- loop.c; on the loop's thread ------------------------------------------ */

/** Start an operation. */
void covet_loop_start(covet_op *op);

/** Do what the caller's thread asked for: COVET_ASK_... */
void covet_loop_carry_out(covet_op *op, unsigned asked);

/** The loop is about to wait: tell the adapters. */
void covet_loop_turn_end(covet_runtime *rt);

void covet_loop_on_wake(uv_async_t *wake);
void covet_loop_on_prepare(uv_prepare_t *prepare);

/* --- caller.c -------------------------------------------------------------------- */

/** Whether who is answered at once should ask by an operation for once, which may
 *  let the loop run. */
bool covet_caller_should_submit(covet_runtime *rt);

/* --- completion.c ------------------------------------------------------------ */

/** Put an operation on the completion queue, with the runtime's lock held. True:
 *  the consumer has to be woken, without it. */
bool covet_ready_push(covet_runtime *rt, covet_op *op);

/** Wake whoever waits for completions. From any thread. */
void covet_ready_wake(covet_runtime *rt);

#endif
