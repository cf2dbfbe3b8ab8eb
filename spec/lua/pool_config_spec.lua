-- The configuration of pools: what it takes, what it refuses, and how it says so.
local config = require "covet.pool.config"
local covet = require "covet"
local errors = require "covet.error"
local options = require "covet.options"

-- The usage error that a configuration raises, and the option that it names.
local function fault(given)
  local line = debug.getinfo(1, "l").currentline + 2
  local fine, err = pcall(function()
    local made = covet.pool.config(given)
    return made
  end)
  assert.is_false(fine)
  assert.is_true(errors.is(err, "usage"), tostring(err))
  assert.matches("pool_config_spec%.lua:" .. line .. "$", err.where)
  return err.message:gsub("^covet%.pool%.config: ", ""), err.option
end

describe("a pool's configuration", function()
  it("has the promised defaults", function()
    assert.same({
      min_size = 5, max_size = 20, acquire_timeout = 10, idle_timeout = 300,
      max_lifetime = 1800, lifetime_jitter = 0.1, pre_ping = true,
      test_on_borrow = true, auto_scale = true, scale_up_threshold = 0.8,
      scale_down_threshold = 0.3, health_check_interval = 30,
      leak_detection = true, leak_timeout = 300, track_stack_trace = true,
      max_waiting = 1000, connect_parallel = 3, order = "lifo", reset = "auto",
      connect_timeout = 10, check_timeout = 5, close_timeout = 5,
      retry = { attempts = 3, backoff = 0.1, max_backoff = 5, jitter = true },
      breaker = { failures = 5, window = 60, cooldown = 15 },
    }, covet.pool.config())
    assert.same(covet.pool.config(), covet.pool.config {})
  end)

  it("takes every option", function()
    local function hook() end
    local given = {
      min_size = 10, max_size = 50, acquire_timeout = 1.5, idle_timeout = 0,
      max_lifetime = math.huge, lifetime_jitter = 0, pre_ping = false,
      test_on_borrow = false, auto_scale = false, scale_up_threshold = 1,
      scale_down_threshold = 0, health_check_interval = math.huge,
      leak_detection = false, leak_timeout = 0.01, track_stack_trace = false,
      max_waiting = math.huge, connect_parallel = 1, order = "fifo",
      reset = "never", connect_timeout = 1, check_timeout = 1,
      close_timeout = 0,
      retry = { attempts = 1, backoff = 0, max_backoff = 0, jitter = false },
      breaker = { failures = 1, window = math.huge, cooldown = 0 },
      after_connect = hook, before_acquire = hook, after_release = hook,
      before_close = hook,
    }
    local before = options.check(config.OPTIONS, given)
    assert.same(given, covet.pool.config(given))
    assert.same(before, options.check(config.OPTIONS, given))
  end)

  it("completes what is in a table", function()
    local made = covet.pool.config { retry = { attempts = 7 },
      breaker = { failures = 2 } }
    assert.same({ attempts = 7, backoff = 0.1, max_backoff = 5, jitter = true },
      made.retry)
    assert.same({ failures = 2, window = 60, cooldown = 15 }, made.breaker)
    assert.is_false(covet.pool.config { breaker = false }.breaker)
    assert.same({ failures = 5, window = 60, cooldown = 15 },
      covet.pool.config { breaker = true }.breaker)
    assert.is_true(covet.pool.config().retry ~= covet.pool.config().retry)
  end)

  it("names the nearest option of an unknown one", function()
    for name, text in pairs {
      max_sise = 'unknown option "max_sise", did you mean "max_size"?',
      aquire_timeout = 'unknown option "aquire_timeout", did you mean '
        .. '"acquire_timeout"?',
      maxLifetime = 'unknown option "maxLifetime", did you mean "max_lifetime"?',
    } do
      local message, option = fault { [name] = 1 }
      assert.equal(text, message)
      assert.equal(name, option)
    end
    assert.matches("unknown option \"zzz\" %(known: preset, min_size, ",
      (fault { zzz = 1 }))
    local message, option = fault { retry = { attemps = 3 } }
    assert.equal('unknown option "retry.attemps", did you mean "attempts"?',
      message)
    assert.equal("retry.attemps", option)
    assert.equal('unknown option "breaker.failure", did you mean "failures"?',
      (fault { breaker = { failure = 3 } }))
  end)

  it("refuses wrong types and values", function()
    local nan = 0 / 0
    for _, case in ipairs {
      { { min_size = "5" }, '"min_size": expected integer, got string' },
      { { min_size = -1 }, '"min_size" must be from 0 to 65535' },
      { { min_size = 1.5 }, '"min_size": expected integer, got 1.5' },
      { { max_size = 0 }, '"max_size" must be from 1 to 65535' },
      { { max_size = 65536 }, '"max_size" must be from 1 to 65535' },
      { { max_size = math.huge }, '"max_size": expected integer, got inf' },
      { { acquire_timeout = -1 }, '"acquire_timeout": expected seconds, got -1' },
      { { idle_timeout = nan }, '"idle_timeout": expected seconds, got NaN' },
      { { max_lifetime = 0 }, '"max_lifetime" must be above 0 (math.huge: never)' },
      { { health_check_interval = 0 },
        '"health_check_interval" must be above 0 (math.huge: never)' },
      { { leak_timeout = 0 }, '"leak_timeout" must be above 0 (math.huge: never)' },
      { { connect_timeout = 0 },
        '"connect_timeout" must be above 0 (math.huge: never)' },
      { { lifetime_jitter = 1.1 }, '"lifetime_jitter" must be from 0 to 1' },
      { { scale_up_threshold = 1.1 }, '"scale_up_threshold" must be from 0 to 1' },
      { { scale_down_threshold = -0.1 },
        '"scale_down_threshold" must be from 0 to 1' },
      { { scale_up_threshold = nan },
        '"scale_up_threshold": expected number, got NaN' },
      { { max_waiting = 1.5 },
        '"max_waiting" must be a whole number from 0, or math.huge' },
      { { max_waiting = -1 },
        '"max_waiting" must be a whole number from 0, or math.huge' },
      { { connect_parallel = 0 }, '"connect_parallel" must be from 1 to 65535' },
      { { order = "filo" }, '"order" must be "lifo" or "fifo"' },
      { { reset = "sometimes" }, '"reset" must be "auto", "always" or "never"' },
      { { pre_ping = 1 }, '"pre_ping": expected boolean, got number' },
      { { after_connect = "f" }, '"after_connect": expected function, got string' },
      { { retry = false }, '"retry": expected table, got boolean' },
      { { retry = { attempts = 0 } },
        '"retry.attempts" must be from 1 to 1000000' },
      { { retry = { backoff = -1 } },
        '"retry.backoff": expected seconds, got -1' },
      { { retry = { max_backoff = math.huge } },
        '"retry.max_backoff" must be less than 1e9 seconds' },
      { { breaker = 5 }, '"breaker": expected table or boolean, got number' },
      { { breaker = { failures = 0 } },
        '"breaker.failures" must be from 1 to 128' },
      { { breaker = { window = 0 } },
        '"breaker.window" must be above 0 (math.huge: never)' },
      { { breaker = { cooldown = math.huge } },
        '"breaker.cooldown" must be less than 1e9 seconds' },
      { { preset = 5 }, '"preset": expected string or table, got number' },
    } do
      assert.equal("option " .. case[2], (fault(case[1])))
    end
    assert.equal("options: expected table, got string", (fault "web"))
  end)

  it("refuses what contradicts itself, and names both sides", function()
    local message, option = fault { min_size = 30, max_size = 20 }
    assert.equal("min_size (30) is larger than max_size (20)", message)
    assert.equal("min_size", option)
    assert.equal("scale_down_threshold (0.9) must lie below "
      .. "scale_up_threshold (0.5)",
      (fault { scale_up_threshold = 0.5, scale_down_threshold = 0.9 }))
    assert.equal("scale_down_threshold (0.3, the default) must lie below "
      .. "scale_up_threshold (0.3)", (fault { scale_up_threshold = 0.3 }))
    assert.equal('option "scale_up_threshold" must be above 0',
      (fault { scale_up_threshold = 0, scale_down_threshold = 0 }))
    assert.equal("retry.max_backoff (5) is less than retry.backoff (6)",
      (fault { retry = { backoff = 6 } }))
  end)

  it("lets a connection be idle for longer than it lives", function()
    assert.equal(60, covet.pool.config { idle_timeout = 60, max_lifetime = 30 }
      .idle_timeout)
  end)

  it("lowers a minimum that nobody has asked for, and no maximum", function()
    local made = covet.pool.config { max_size = 3 }
    assert.equal(3, made.min_size)
    made = covet.pool.config { preset = "web", max_size = 10 }
    assert.equal(10, made.min_size)
    assert.equal("min_size (30) is larger than max_size (20, the default)",
      (fault { min_size = 30 }))
    assert.equal('min_size (200) is larger than max_size (100, preset "web")',
      (fault { preset = "web", min_size = 200 }))
  end)

  it("is taken as it is when it is given again", function()
    local made = covet.pool.config { max_size = 7 }
    assert.equal(made, covet.pool.config(made))
    assert.equal("covet.pool.config", getmetatable(made).__name)
    assert.is_true(config.is_config(made))
    assert.is_false(config.is_config {})
  end)

  it("may be changed, and is checked again", function()
    local made = covet.pool.config { max_size = 7 }
    made.max_size, made.after_connect = 9, print
    assert.equal(made, covet.pool.config(made))
    made.max_size = 2
    assert.equal("min_size (5) is larger than max_size (2)", (fault(made)))
    made.max_size = "2"
    assert.equal('option "max_size": expected integer, got string',
      (fault(made)))
    local fine, err = pcall(function() made.max_sise = 3 end)
    assert.is_false(fine)
    assert.equal('a configuration has no option "max_sise", did you mean '
      .. '"max_size"?', err.message)
  end)

  it("can be derived from another one", function()
    local made = covet.pool.config { max_size = 7, retry = { attempts = 9 } }
    local changed = config.change(made, { min_size = 1, retry = { backoff = 1 } })
    assert.equal(1, changed.min_size)
    assert.equal(7, changed.max_size)
    assert.same({ attempts = 9, backoff = 1, max_backoff = 5, jitter = true },
      changed.retry)
    assert.equal(5, made.min_size)
    assert.equal(0.1, made.retry.backoff)
    assert.has_error(function() config.change(made, { max_size = 3 }) end)
  end)
end)

describe("a running pool's configuration", function()
  local pool

  before_each(function()
    pool = covet.pool.new(function()
      return { close = function() end }
    end, { max_size = 7, retry = { attempts = 9 } }, "spec")
  end)

  it("changes by option", function()
    pool:configure { retry = { backoff = 1 }, acquire_timeout = 3 }
    assert.same({ attempts = 9, backoff = 1, max_backoff = 5, jitter = true },
      pool.config.retry)
    assert.same({ 7, 3 }, { pool.config.max_size, pool.config.acquire_timeout })
    pool:resize(1, 2)
    assert.same({ 1, 2 }, { pool.config.min_size, pool:get_stats().max_size })
    pool:configure { preset = "web" }
    assert.same({ 20, 100 }, { pool.config.min_size, pool:get_stats().max_size })
  end)

  it("stays as it was after a mistake", function()
    local _, err = pcall(pool.resize, pool, 5, 2)
    assert.equal("configure: min_size (5) is larger than max_size (2)", err.message)
    _, err = pcall(pool.configure, pool, { max_sise = 2 })
    assert.matches("did you mean", err.message)
    assert.equal(7, pool.config.max_size)
    assert.equal(7, pool:get_stats().max_size)
  end)
end)

describe("presets", function()
  it("are the three sizings", function()
    local web, worker = covet.pool.presets.web, covet.pool.presets.worker
    assert.same({ 20, 100, 5, true },
      { web.min_size, web.max_size, web.acquire_timeout, web.auto_scale })
    assert.same({ 2, 10, 60, false }, { worker.min_size, worker.max_size,
      worker.acquire_timeout, worker.auto_scale })
    local pipeline = covet.pool.presets.pipeline
    assert.same({ 5, 20, 1800, 600 }, { pipeline.min_size, pipeline.max_size,
      pipeline.max_lifetime, pipeline.idle_timeout })
    assert.equal(300, web.idle_timeout)
    for _, name in ipairs(config.PRESET_NAMES) do
      assert.is_true(config.is_config(covet.pool.presets[name]))
      assert.is_not_nil(config.PRESETS[name])
    end
  end)

  it("are new at each access, and cannot be replaced", function()
    covet.pool.presets.web.max_size = 1
    assert.equal(100, covet.pool.presets.web.max_size)
    local fine, err = pcall(function() covet.pool.presets.web = {} end)
    assert.is_false(fine)
    assert.matches("the presets cannot be changed", err.message)
  end)

  it("are the start of a configuration, by name or as a table", function()
    local made = covet.pool.config { preset = "web", max_size = 80 }
    assert.equal(80, made.max_size)
    assert.equal(20, made.min_size)
    assert.equal(5, made.acquire_timeout)
    assert.is_nil(made.preset)
    made = covet.pool.config { preset = made, acquire_timeout = 1,
      retry = { attempts = 1 } }
    assert.equal(80, made.max_size)
    assert.equal(1, made.acquire_timeout)
    assert.same({ attempts = 1, backoff = 0.1, max_backoff = 5, jitter = true },
      made.retry)
    made = covet.pool.config { preset = { preset = "worker", max_size = 4 } }
    assert.same({ 2, 4 }, { made.min_size, made.max_size })
  end)

  it("are refused by name and option when they do not exist", function()
    local message, option = fault { preset = "wbe" }
    assert.equal('there is no preset "wbe", did you mean "web"?', message)
    assert.equal("preset", option)
    assert.equal('there is no preset "zzz" (known: pipeline, web, worker)',
      (fault { preset = "zzz" }))
    assert.matches("a table as preset again", (fault { preset = { preset = {} } }))
    local fine, err = pcall(function() return covet.pool.presets.wbe end)
    assert.is_false(fine)
    assert.matches('did you mean "web"', err.message)
    assert.matches("pool_config_spec.lua", err.where)
  end)
end)

describe("options for adapters", function()
  it("are the pool's under the adapters' names", function()
    local names = {}
    for _, entry in ipairs(config.ADAPTER_OPTIONS) do
      names[entry[1]] = entry
    end
    assert.equal(#config.OPTIONS - 1, #config.ADAPTER_OPTIONS)
    assert.equal(5, names.min_pool_size[3])
    assert.equal(20, names.max_pool_size[3])
    assert.is_nil(names.min_size)
    assert.is_nil(names.preset)
    assert.is_not_nil(names.retry.fields)
    assert.equal("min_size", config.OPTIONS[2][1])
  end)

  it("become a configuration", function()
    local made = config.of_adapter({ max_pool_size = 3, path = "x.db",
      retry = { attempts = 1 } }, "covet.sqlite")
    assert.same({ 3, 3, 1 }, { made.min_size, made.max_size,
      made.retry.attempts })
    assert.is_true(config.is_config(made))
  end)

  it("are flat for the core", function()
    assert.same({ min_size = 1, order = "fifo", retry_attempts = 2,
      breaker_failures = 0, pre_ping = false },
      config.flat { min_size = 1, order = "fifo", retry = { attempts = 2 },
        breaker = false, pre_ping = false, after_connect = print })
    assert.same({ breaker_failures = 3, breaker_window = 60,
      breaker_cooldown = 15 }, config.flat {
      breaker = covet.pool.config { breaker = { failures = 3 } }.breaker })
    assert.same({}, config.flat { breaker = true })
  end)

  it("are mapped as far as the adapter knows them", function()
    local function knows(name)
      return name ~= "order"
    end
    assert.same({ min_pool_size = 1, max_pool_size = 2, acquire_timeout = 3 },
      config.for_adapter({ min_size = 1, max_size = 2, acquire_timeout = 3,
        order = "fifo", path = "x" }, knows))
  end)
end)
