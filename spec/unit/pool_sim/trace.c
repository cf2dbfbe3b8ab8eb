/* What is printed of a schedule. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>

void sim_fail(simulation *sim, const char *format, ...)
{
  va_list arguments;

  if (sim_failed(sim)) {
    return;
  }
  va_start(arguments, format);
  (void) vsnprintf(sim->failure, sizeof(sim->failure), format, arguments);
  va_end(arguments);
  sim_trace(sim, "\n!! %s\n", sim->failure);
}

void sim_trace(const simulation *sim, const char *format, ...)
{
  va_list arguments;

  if (!sim->options->trace) {
    return;
  }
  va_start(arguments, format);
  (void) vprintf(format, arguments);
  va_end(arguments);
}

void sim_trace_event(const simulation *sim)
{
  sim_trace(sim, "\n%4u %11.6f ", sim->event, (double) sim->now_us / 1e6);
}
