--- Adapters made of a URL and options, those of a pool among them.
-- @module covet.pool.database

local caller = require "covet.caller"
local config = require "covet.pool.config"
local connect = require "covet.connect"
local errors = require "covet.error"
local options = require "covet.options"

-- What says which database it is; the rest is the pool's and the adapter's.
local OWN = { "url", "adapter", "preset" }
local IS_OWN = { url = true, adapter = true, preset = true }

local M = {}

local function fail(option, fmt, ...)
  errors.raise({ kind = "usage", retry = "no", option = option,
    message = fmt:format(...) }, caller.LEVEL)
end

-- The module of the adapter. The URL is not shown: it may hold a password.
local function find_module(given, what)
  local url, adapter = given.url, given.adapter
  if url ~= nil and (type(url) ~= "string" or not url:find "^%a[%w+]*:") then
    fail("url", '%s: option "url": expected a URL such as sqlite:app.db, got %s',
      what, type(url) == "string" and "a string that is none" or type(url))
  elseif adapter ~= nil and type(adapter) ~= "string" then
    fail("adapter", '%s: option "adapter": expected string, got %s', what,
      type(adapter))
  elseif url == nil and adapter == nil then
    fail(nil, '%s: option "url" is required, or "adapter" ("sqlite")', what)
  elseif url ~= nil and adapter ~= nil then
    fail("adapter", "%s: url and adapter say the same: give one of them", what)
  end
  return url and connect.module_of(url, what) or connect.module(adapter, what)
end

-- Every name that an entry may have.
local function all_names(module)
  local names = { unpack(OWN) }
  for _, list in ipairs { config.OPTIONS, module.OPTIONS } do
    for _, entry in ipairs(list) do
      names[#names + 1] = entry[1]
    end
  end
  return names
end

local function refuse_unknown(name, module, what)
  local nearest = options.nearest(name, all_names(module))
  fail(tostring(name), "%s: unknown option %q%s", what, tostring(name),
    nearest and (", did you mean %q?"):format(nearest) or "")
end

-- The options apart: the pool's, and the adapter's.
local function divide(given, knows, module, what)
  local pool, own = {}, {}
  for name, value in pairs(given) do
    if config.is_option(name) then
      pool[name] = value
    elseif knows(name) then
      own[name] = value
    elseif not IS_OWN[name] then
      refuse_unknown(name, module, what)
    end
  end
  return pool, own
end

--- Make an adapter; it connects when it is first used.
-- @tparam string name the adapter's, for messages
-- @tparam table given `url` or `adapter`, options of the adapter and of its pool
-- @tparam[opt] table|string below options of the pool that the given ones win
-- over
-- @tparam[opt] string what is made, for messages; by default `name`
-- @treturn table
function M.new(name, given, below, what)
  what = what or name
  local module, known = find_module(given, what), {}
  for _, entry in ipairs(module.OPTIONS) do
    known[entry[1]] = true
  end
  local function knows(option)
    return known[option] or false
  end
  local pool, own = divide(given, knows, module, what)
  if below ~= nil and pool.preset ~= nil then
    fail("preset", "%s: a preset and a configuration: give one of them", what)
  elseif below ~= nil then
    pool.preset = below
  end
  config.config(pool, what)
  for option, value in pairs(config.for_adapter(config.wanted(pool), knows)) do
    if own[option] ~= nil then
      fail(option, "%s: %s is given twice, by two names", what, option)
    end
    own[option] = value
  end
  own.name = own.name or name
  local adapter = module.new(own, given.url)
  return adapter
end

return M
