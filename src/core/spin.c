#include "spin.h"

enum { MOST_GAINS = 8, SPIN_AGAIN = 64 };

void covet_spin_start(covet_spin *spin, covet_runtime *rt, uint64_t sent_us,
                      uint64_t most_us)
{
  spin->spinning = false;
  if (most_us == 0 || (spin->gains < 0 && ++spin->unspun < SPIN_AGAIN)) {
    return;
  }
  spin->unspun = 0;
  spin->spinning = true;
  spin->sent_us = sent_us;
  rt->spin_us = sent_us + most_us;
}

void covet_spin_end(covet_spin *spin, covet_runtime *rt, uint64_t most_us)
{
  if (!spin->spinning) {
    return;
  }
  spin->spinning = false;
  rt->spin_us = 0;
  if (covet_now_us() - spin->sent_us > most_us) {
    spin->gains = spin->gains > 0 ? spin->gains - 2 : -1;
  } else if (spin->gains < MOST_GAINS) {
    spin->gains++;
  }
}
