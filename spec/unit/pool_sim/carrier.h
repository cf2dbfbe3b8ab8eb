/** What the files of the carrier share: actions that want an answer. */
#ifndef COVET_POOL_SIM_CARRIER_H
#define COVET_POOL_SIM_CARRIER_H

#include "sim.h"

void carry_open(simulation *sim, sim_slot *slot, covet_pool_slot_id id);
void carry_ping(simulation *sim, sim_slot *slot);
void carry_reset(simulation *sim, sim_slot *slot);
void carry_close(simulation *sim, sim_slot *slot, covet_pool_reason reason);
void carry_abandon(simulation *sim, sim_slot *slot, covet_pool_reason reason);

#endif
