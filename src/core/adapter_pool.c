/* An adapter's pools while they run: changed, emptied, drained. */
#include "adapter.h"
#include "error.h"

#include <string.h>

/* What the loop's thread is asked for: bits. */
enum { CONFIGURE = 1, EVICT = 2 };

/* --- Lanes ----------------------------------------------------------------------- */

static bool is_elastic(const covet_lane *lane)
{
  return lane->pool != NULL && !lane->fixed;
}

/* The lane whose sizes are the adapter's; where there is none, the first. */
static const covet_lane *main_lane(const covet_adapter *adapter)
{
  for (unsigned i = 0; i < adapter->driver->lane_count; i++) {
    if (is_elastic(&adapter->lanes[i])) {
      return &adapter->lanes[i];
    }
  }
  return &adapter->lanes[0];
}

/* What is the lane's own stays: what its carrier can do, and the size of one whose
 * connections stay. */
static void configure(covet_lane *lane, const covet_pool_config *config)
{
  const covet_pool_config *old = covet_pool_get_config(lane->pool);
  covet_pool_config own = *config;
  covet_error error;

  own.can_ping = old->can_ping;
  own.can_reset = old->can_reset;
  if (lane->fixed) {
    own.min_size = old->min_size;
    own.max_size = old->max_size;
    own.idle_timeout_us = old->idle_timeout_us;
    own.max_lifetime_us = old->max_lifetime_us;
  }
  (void) covet_pool_configure(lane->pool, covet_now_us(), &own, &error);
}

static void change_lane(covet_lane *lane, unsigned changes,
                        const covet_pool_config *config)
{
  if (changes & CONFIGURE) {
    configure(lane, config);
  }
  if ((changes & EVICT) && is_elastic(lane)) {
    covet_pool_evict(lane->pool, covet_now_us());
  }
  covet_lane_carry_out(lane);
}

/* --- Asking for changes ------------------------------------------------------------ */

static void on_change(covet_post *post)
{
  covet_adapter *adapter = COVET_CONTAINER(post, covet_adapter, change);
  covet_pool_config config;
  unsigned changes;

  uv_mutex_lock(&adapter->runtime->lock);
  config = adapter->next;
  changes = adapter->changes;
  adapter->changes = 0;
  uv_mutex_unlock(&adapter->runtime->lock);
  for (unsigned i = 0; i < adapter->driver->lane_count; i++) {
    if (adapter->lanes[i].pool != NULL) {
      change_lane(&adapter->lanes[i], changes, &config);
    }
  }
  covet_adapter_settle(adapter);
}

void covet_adapter_init_changes(covet_adapter *adapter)
{
  adapter->wanted = *covet_pool_get_config(main_lane(adapter)->pool);
  adapter->change.run = on_change;
}

/* Several that come before the loop's thread looks are one message. */
static void ask_for(covet_adapter *adapter, unsigned change)
{
  bool posted;

  uv_mutex_lock(&adapter->runtime->lock);
  posted = adapter->changes != 0;
  adapter->changes |= change;
  adapter->next = adapter->wanted;
  uv_mutex_unlock(&adapter->runtime->lock);
  if (!posted) {
    covet_adapter_post(adapter, &adapter->change);
  }
}

static int check_fork(const covet_adapter *adapter, covet_error *error)
{
  if (!covet_runtime_forked(adapter->runtime)) {
    return 0;
  }
  covet_error_set(error, COVET_ERROR_USAGE,
                  "this adapter was made before a fork; the child process must "
                  "make its own");
  return COVET_EFORKED;
}

static bool is_same_size(const covet_pool_config *a, const covet_pool_config *b)
{
  return a->min_size == b->min_size && a->max_size == b->max_size;
}

static int check_sizes(const covet_adapter *adapter,
                       const covet_pool_config *config, covet_error *error)
{
  if (is_elastic(main_lane(adapter)) ||
      is_same_size(config, &adapter->wanted)) {
    return 0;
  }
  covet_error_set(
      error, COVET_ERROR_USAGE,
      "min_pool_size and max_pool_size cannot be changed: a database "
      "in memory is its one connection");
  return COVET_EUSAGE;
}

static int take_config(covet_adapter *adapter, covet_pool_config *config,
                       covet_error *error)
{
  int status = check_fork(adapter, error);

  if (status == 0) {
    status = covet_pool_options_check(config, error);
  }
  if (status == 0) {
    status = check_sizes(adapter, config, error);
  }
  if (status == 0) {
    adapter->wanted = *config;
    ask_for(adapter, CONFIGURE);
  }
  return status;
}

/* What the driver has taken over when the adapter was made. */
static bool is_drivers(const char *name)
{
  return strcmp(name, "connect_timeout") == 0 ||
         strcmp(name, "pipeline_depth") == 0;
}

static int read_option(covet_pool_config *config, const covet_option *option,
                       covet_error *error)
{
  bool known = false;
  int status;

  if (option->name == NULL || option->value == NULL) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "an option's name or value is missing");
    return COVET_EUSAGE;
  }
  if (is_drivers(option->name)) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "%s cannot be changed while the adapter is in use",
                    option->name);
    return COVET_EUSAGE;
  }
  status = covet_pool_option(config, option, &known, error);
  return known ? status : covet_pool_option_unknown(option->name, error);
}

int covet_adapter_configure(covet_adapter *adapter, const covet_option *options,
                            size_t option_count, covet_error *error)
{
  covet_pool_config config = adapter->wanted;

  for (size_t i = 0; i < option_count; i++) {
    int status = read_option(&config, &options[i], error);

    if (status != 0) {
      return status;
    }
  }
  return take_config(adapter, &config, error);
}

int covet_adapter_resize(covet_adapter *adapter, uint32_t min_size,
                         uint32_t max_size, covet_error *error)
{
  covet_pool_config config = adapter->wanted;

  config.min_size = min_size;
  config.min_given = true;
  config.max_size = max_size;
  return take_config(adapter, &config, error);
}

int covet_adapter_evict(covet_adapter *adapter, covet_error *error)
{
  int status = check_fork(adapter, error);

  if (status != 0) {
    return status;
  }
  if (!is_elastic(main_lane(adapter))) {
    covet_error_set(error, COVET_ERROR_USAGE,
                    "a database in memory is its one connection: it would be "
                    "gone with it");
    return COVET_EUSAGE;
  }
  ask_for(adapter, EVICT);
  return 0;
}

/* --- Draining ---------------------------------------------------------------------- */

static void refuse_drain(covet_op *op)
{
  covet_error_set(covet_op_fault(op), COVET_ERROR_POOL_CLOSED,
                  "the adapter is being disconnected");
  covet_op_finish(op);
}

void covet_adapter_drain(covet_adapter *adapter, covet_op *op)
{
  op->state = COVET_OP_RUNNING;
  op->phase = COVET_PHASE_QUEUE;
  if (adapter->disconnect != NULL || adapter->abandoned) {
    refuse_drain(op);
    return;
  }
  queue_push(&adapter->drains, &op->node);
  adapter->draining = true;
  adapter->state = COVET_ADAPTER_CLOSING;
  covet_op_start_deadline(op);
  covet_adapter_settle(adapter);
}

static void fault_not_drained(covet_op *op)
{
  covet_error *error = covet_op_fault(op);
  covet_pool_stats stats;

  covet_adapter_sum_pools(op->adapter, &stats);
  covet_error_set(error, COVET_ERROR_POOL_TIMEOUT,
                  "not drained within %.3g s: %u of %u in use, %u waiting",
                  (double) op->timeout_us / 1e6, stats.active_connections,
                  stats.max_size, stats.waiting);
  error->phase = COVET_PHASE_QUEUE;
  error->retry = COVET_RETRY_SAFE;
}

void covet_adapter_stop_drain(covet_op *op)
{
  queue_remove(&op->adapter->drains, &op->node);
  if (covet_op_stop_reason(op) == COVET_STOP_TIMEOUT) {
    fault_not_drained(op);
  } else {
    covet_op_fault_stopped(op);
  }
  covet_op_finish(op);
}

void covet_adapter_drained(covet_adapter *adapter)
{
  covet_node *node;

  adapter->draining = false;
  while ((node = queue_pop(&adapter->drains)) != NULL) {
    covet_op_finish(COVET_CONTAINER(node, covet_op, node));
  }
}
