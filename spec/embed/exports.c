/* Every function of covet.h, by its name: a program that holds them all links
 * only if the shared library gives them all. Prints how many are one and the
 * same, which none are. */
#include <covet.h>
#include <stdio.h>

typedef void any_function(void);

#define FUNCTION(name) (any_function *) name

static any_function *const functions[] = {
    FUNCTION(covet_batch_free),
    FUNCTION(covet_error_kind_name),
    FUNCTION(covet_error_kind_find),
    FUNCTION(covet_phase_name),
    FUNCTION(covet_retry_name),
    FUNCTION(covet_runtime_new),
    FUNCTION(covet_runtime_free),
    FUNCTION(covet_runtime_fd),
    FUNCTION(covet_runtime_timeout_ms),
    FUNCTION(covet_runtime_step),
    FUNCTION(covet_runtime_listen),
    FUNCTION(covet_runtime_has_handles),
    FUNCTION(covet_runtime_pending),
    FUNCTION(covet_now_us),
    FUNCTION(covet_adapter_new),
    FUNCTION(covet_adapter_database),
    FUNCTION(covet_adapter_free),
    FUNCTION(covet_adapter_configure),
    FUNCTION(covet_adapter_resize),
    FUNCTION(covet_adapter_evict),
    FUNCTION(covet_adapter_get_stats),
    FUNCTION(covet_op_sleep),
    FUNCTION(covet_op_connect),
    FUNCTION(covet_op_disconnect),
    FUNCTION(covet_op_drain),
    FUNCTION(covet_op_query),
    FUNCTION(covet_op_acquire),
    FUNCTION(covet_op_release),
    FUNCTION(covet_op_call),
    FUNCTION(covet_op_set_lease),
    FUNCTION(covet_op_set_timeout),
    FUNCTION(covet_op_set_chunk),
    FUNCTION(covet_op_set_width),
    FUNCTION(covet_op_set_data),
    FUNCTION(covet_op_data),
    FUNCTION(covet_op_add_null),
    FUNCTION(covet_op_add_integer),
    FUNCTION(covet_op_add_number),
    FUNCTION(covet_op_add_boolean),
    FUNCTION(covet_op_add_text),
    FUNCTION(covet_op_add_blob),
    FUNCTION(covet_op_add_borrowed),
    FUNCTION(covet_submit),
    FUNCTION(covet_op_token),
    FUNCTION(covet_op_find),
    FUNCTION(covet_op_place),
    FUNCTION(covet_reap),
    FUNCTION(covet_op_finished),
    FUNCTION(covet_op_error),
    FUNCTION(covet_op_take),
    FUNCTION(covet_op_next),
    FUNCTION(covet_op_result),
    FUNCTION(covet_cancel),
    FUNCTION(covet_op_free),
    FUNCTION(covet_adapter_add_function),
    FUNCTION(covet_open_lua),
    FUNCTION(luaopen_covet_core),
};

int main(void)
{
  const size_t count = sizeof(functions) / sizeof(functions[0]);
  size_t same = 0;

  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < i; j++) {
      same += functions[i] == functions[j];
    }
  }
  printf("%zu functions, %zu of them twice\n", count, same);
  return same == 0 ? 0 : 1;
}
