/* The configuration of a pool, read from a table of Lua. */
#include "pool_parts.h"

#include <string.h>

static double number_at(lua_State *L, const char *name, double otherwise)
{
  double value;

  lua_getfield(L, 2, name);
  value = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : otherwise;
  lua_pop(L, 1);
  return value;
}

/* Never is 0 for the pool, and infinity in Lua; at once is a microsecond. */
static void set_us(lua_State *L, const char *name, uint64_t *us)
{
  double seconds = number_at(L, name, (double) *us / 1e6);

  if (seconds > 1e9) {
    *us = 0;
  } else {
    *us = seconds * 1e6 < 1 ? 1 : (uint64_t) (seconds * 1e6);
  }
}

static void set_count(lua_State *L, const char *name, uint32_t *count)
{
  double value = number_at(L, name, *count);

  *count = value < 0 ? 0 : value > UINT32_MAX ? 0 : (uint32_t) value;
}

static void set_flag(lua_State *L, const char *name, bool *flag)
{
  lua_getfield(L, 2, name);
  if (!lua_isnil(L, -1)) {
    *flag = lua_toboolean(L, -1);
  }
  lua_pop(L, 1);
}

/* The table at index 2, flat, with times in seconds; what is absent keeps its
 * default. */
static void read_config(lua_State *L, covet_pool_config *config)
{
  set_count(L, "min_size", &config->min_size);
  set_count(L, "max_size", &config->max_size);
  set_count(L, "max_waiting", &config->max_waiting);
  set_count(L, "connect_parallel", &config->connect_parallel);
  set_count(L, "retry_attempts", &config->retry_attempts);
  set_count(L, "breaker_failures", &config->breaker_failures);
  set_us(L, "acquire_timeout", &config->acquire_timeout_us);
  set_us(L, "idle_timeout", &config->idle_timeout_us);
  set_us(L, "max_lifetime", &config->max_lifetime_us);
  set_us(L, "health_check_interval", &config->health_check_interval_us);
  set_us(L, "leak_timeout", &config->leak_timeout_us);
  set_us(L, "retry_backoff", &config->retry_backoff_us);
  set_us(L, "retry_max_backoff", &config->retry_max_backoff_us);
  set_us(L, "breaker_window", &config->breaker_window_us);
  set_us(L, "breaker_cooldown", &config->breaker_cooldown_us);
  set_us(L, "connect_timeout", &config->connect_timeout_us);
  set_us(L, "check_timeout", &config->check_timeout_us);
  set_us(L, "close_timeout", &config->close_timeout_us);
  set_flag(L, "pre_ping", &config->pre_ping);
  set_flag(L, "test_on_borrow", &config->test_on_borrow);
  set_flag(L, "auto_scale", &config->auto_scale);
  set_flag(L, "leak_detection", &config->leak_detection);
  set_flag(L, "fifo", &config->fifo);
  set_flag(L, "retry_jitter", &config->retry_jitter);
  config->lifetime_jitter = number_at(L, "lifetime_jitter", 0.1);
  config->scale_up_threshold = number_at(L, "scale_up_threshold", 0.8);
  config->scale_down_threshold = number_at(L, "scale_down_threshold", 0.3);
  config->seed = covet_now_us() | 1;
}

static void read_reset(lua_State *L, covet_pool_config *config)
{
  static const char *const modes[] = {"auto", "always", "never", NULL};

  lua_getfield(L, 2, "reset");
  config->reset =
      (covet_pool_reset_mode) luaL_checkoption(L, -1, "auto", modes);
  lua_pop(L, 1);
}

/* pool(name, config) -> pool, or nil and the error's fields */
static int l_pool(lua_State *L)
{
  covet_pool_config config;
  covet_error error;
  lua_pool *self;

  luaL_checktype(L, 2, LUA_TTABLE);
  covet_pool_config_init(&config);
  read_config(L, &config);
  read_reset(L, &config);
  if (covet_pool_config_check(&config, &error) != 0) {
    lua_pushnil(L);
    covetL_push_error(L, &error);
    return 2;
  }
  self = lua_newuserdata(L, sizeof(*self));
  memset(self, 0, sizeof(*self));
  self->armed_us = UINT64_MAX;
  luaL_getmetatable(L, POOL_TYPE);
  lua_setmetatable(L, -2);
  lua_newtable(L);
  lua_newtable(L);
  lua_rawseti(L, -2, 0);
  lua_setfenv(L, -2);
  self->pool = covet_pool_new(&config);
  if (self->pool == NULL) {
    return luaL_error(L, "out of memory");
  }
  return 1;
}

/* pool_configure(pool, config) -> true, or false and the error's fields */
static int l_configure(lua_State *L)
{
  lua_pool *self = covetL_pool(L);
  covet_pool_config config = *covet_pool_get_config(self->pool);
  covet_error error;

  luaL_checktype(L, 2, LUA_TTABLE);
  read_config(L, &config);
  read_reset(L, &config);
  if (covet_pool_configure(self->pool, covet_lua_pool_now(self), &config,
                           &error) != 0) {
    lua_pushboolean(L, 0);
    covetL_push_error(L, &error);
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}

const luaL_Reg covet_lua_pool_config[] = {
    {"pool", l_pool},
    {"pool_configure", l_configure},
    {NULL, NULL},
};
