--- covet_kind and covet_range_flags: what cells hold.
-- @module covet.decode.kinds

local C = require("ffi").C
require "covet.cdef"

local M = {
  NULL = C.COVET_NULL, INTEGER = C.COVET_INTEGER, FLOAT = C.COVET_FLOAT,
  TEXT = C.COVET_TEXT, BLOB = C.COVET_BLOB, BOOLEAN = C.COVET_BOOLEAN,
  JSON = C.COVET_JSON, DATE = C.COVET_DATE, TIME = C.COVET_TIME,
  TIMESTAMP = C.COVET_TIMESTAMP, TIMESTAMPTZ = C.COVET_TIMESTAMPTZ,
  NUMERIC = C.COVET_NUMERIC, ARRAY = C.COVET_ARRAY,
  COMPOSITE = C.COVET_COMPOSITE, RANGE = C.COVET_RANGE,
  MULTIRANGE = C.COVET_MULTIRANGE, MAP = C.COVET_MAP, CUSTOM = C.COVET_CUSTOM,
  INTERVAL = C.COVET_INTERVAL,
  UNSIGNED = C.COVET_UNSIGNED,

  RANGE_EMPTY = C.COVET_RANGE_EMPTY,
  RANGE_LOWER_INCLUSIVE = C.COVET_RANGE_LOWER_INCLUSIVE,
  RANGE_UPPER_INCLUSIVE = C.COVET_RANGE_UPPER_INCLUSIVE,
}

--- The kinds whose cells are texts that a plan may convert, each with the name of
-- its conversion.
M.TEXT_CLASSES = {
  [M.JSON] = "json", [M.DATE] = "date", [M.TIME] = "time",
  [M.TIMESTAMP] = "timestamp", [M.TIMESTAMPTZ] = "timestamptz",
  [M.NUMERIC] = "numeric", [M.INTERVAL] = "interval",
}

--- The kinds of nested values, each with the class of its columns.
M.NESTED_CLASSES = {
  [M.ARRAY] = "array", [M.COMPOSITE] = "composite", [M.RANGE] = "range",
  [M.MULTIRANGE] = "multirange", [M.MAP] = "map",
}

return M
