# Write covet/cdef.lua: the part of the public header between the marks
# `ffi: begin` and `ffi: end`, without its comments, for LuaJIT's FFI.
# Run as: cmake -D HEADER=... -D OUTPUT=... -P cdef.cmake

cmake_minimum_required(VERSION 3.25)

file(READ "${HEADER}" text)
string(FIND "${text}" "/* ffi: begin */" first)
string(FIND "${text}" "/* ffi: end */" last)
if(first EQUAL -1 OR last LESS first)
  message(FATAL_ERROR "${HEADER}: no part marked for the FFI")
endif()
math(EXPR length "${last} - ${first}")
string(SUBSTRING "${text}" ${first} ${length} text)
string(REGEX REPLACE "/\\*([^*]|\\*+[^*/])*\\*+/" "" text "${text}")
string(REGEX REPLACE "[ \t]+\n" "\n" text "${text}")
string(REGEX REPLACE "\n\n+" "\n\n" text "${text}")
string(STRIP "${text}" text)

# Two copies of covet in one process (a module and a host) share the FFI's
# types, and declaring them twice is an error.
file(CONFIGURE OUTPUT "${OUTPUT}" NEWLINE_STYLE UNIX @ONLY CONTENT
"-- Generated from covet.h when covet was built; not to be edited.
local ffi = require \"ffi\"

if not pcall(ffi.typeof, \"covet_batch\") then
  ffi.cdef [==[
@text@
]==]
end

return true
")
