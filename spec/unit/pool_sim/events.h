/** What the files of events share. Each event is one random thing that happens to
 *  the pool; it does nothing when there is nobody to do it. */
#ifndef COVET_POOL_SIM_EVENTS_H
#define COVET_POOL_SIM_EVENTS_H

#include "sim.h"

/** Any waiter in this state, NULL if there is none. */
sim_waiter *sim_any_waiter(simulation *sim, sim_waiter_state state);

/** covet_pool_tick, now. */
void sim_tick(simulation *sim);

/* --- asking.c -------------------------------------------------------------- */

void event_acquire(simulation *sim);
void event_cancel(simulation *sim);
void event_take_waiter(simulation *sim);

/* --- giving.c -------------------------------------------------------------- */

void event_release(simulation *sim);

/** Leases that are not good: given back before, or never given. */
void event_release_stale(simulation *sim);
void event_reject(simulation *sim);
void event_reclaim(simulation *sim);
void event_owner_dies(simulation *sim);

/** The other side closes a connection. */
void event_lose(simulation *sim);

#endif
