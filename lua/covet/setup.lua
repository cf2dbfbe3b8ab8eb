--- Ties the modules that read results to the binding. Loaded once, before the
-- first adapter is made.
-- @module covet.setup

local columns = require "covet.columns"
local core = require "covet.core"
local decode = require "covet.decode"

decode.set_free(core.free_batch)
columns.set_release(core.arrow)

return true
