# The libraries, the Lua module and the command.

function(covet_sources variable)
  set(patterns ${ARGN})
  list(TRANSFORM patterns PREPEND "${CMAKE_SOURCE_DIR}/src/")
  file(GLOB found CONFIGURE_DEPENDS ${patterns})
  set(${variable} ${found} PARENT_SCOPE)
endfunction()

# --- The core ----------------------------------------------------------------

covet_sources(core_sources core/*.c)
add_library(covet_core STATIC ${core_sources})
target_include_directories(covet_core PUBLIC
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>)
target_link_libraries(covet_core PUBLIC PkgConfig::LIBUV Threads::Threads m)

# --- The drivers -------------------------------------------------------------

set(covet_parts covet_core)
set(covet_clients PkgConfig::LIBUV Threads::Threads m)
set(covet_have)

# One target a driver; it alone sees its client library. Its sources define
# `const covet_driver covet_<name>_driver`.
function(covet_driver name client)
  covet_sources(sources ${ARGN})
  if(NOT sources)
    message(STATUS "covet: ${name} driver: left out, not part of this version")
    return()
  endif()
  add_library(covet_${name} STATIC ${sources})
  target_link_libraries(covet_${name} PUBLIC covet_core PRIVATE ${client})
  set(covet_parts ${covet_parts} covet_${name} PARENT_SCOPE)
  set(covet_clients ${covet_clients} ${client} PARENT_SCOPE)
  string(TOUPPER ${name} upper)
  set(covet_have ${covet_have} COVET_HAVE_${upper} PARENT_SCOPE)
endfunction()

covet_driver(sqlite PkgConfig::SQLITE driver/sqlite*.c)
if(POSTGRESQL_FOUND)
  covet_driver(postgresql PkgConfig::POSTGRESQL driver/postgres*.c)
  if(COVET_LIBPQ_BUFFER)
    set_source_files_properties("${CMAKE_SOURCE_DIR}/src/driver/postgres_input.c"
      PROPERTIES COMPILE_DEFINITIONS COVET_LIBPQ_BUFFER
      INCLUDE_DIRECTORIES "${covet_libpq_internal}")
  endif()
endif()
if(MYSQL_FOUND)
  covet_driver(mysql PkgConfig::MYSQL driver/mysql*.c)
endif()

# The table of the drivers of this build, which core/driver.h promises. It is a
# library of its own: a unit that brings its own table takes that in its place.
add_library(covet_drivers STATIC src/driver/drivers.c)
target_compile_definitions(covet_drivers PRIVATE ${covet_have})
target_link_libraries(covet_drivers PRIVATE ${covet_parts})
# The core names the table, the table names the drivers, they use the core:
# CMake resolves such a circle of archives by naming them several times: from a
# driver to the table, to another driver, and to the core that it needs.
target_link_libraries(covet_core INTERFACE $<LINK_ONLY:covet_drivers>)
set_target_properties(covet_core PROPERTIES LINK_INTERFACE_MULTIPLICITY 3)
list(APPEND covet_parts covet_drivers)

# --- libcovet: the C interface ------------------------------------------------

# What is loaded by others holds all of the core and the drivers, not only what
# it calls itself.
function(covet_embed target)
  foreach(part IN LISTS covet_parts ARGN)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${part}>)
  endforeach()
  target_link_libraries(${target} PRIVATE ${covet_clients})
endfunction()

add_library(libcovet SHARED)
set_target_properties(libcovet PROPERTIES OUTPUT_NAME covet
  VERSION ${PROJECT_VERSION} SOVERSION 0
  PUBLIC_HEADER "${CMAKE_SOURCE_DIR}/src/covet.h")
target_include_directories(libcovet INTERFACE
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
covet_embed(libcovet)
if(NOT DEFINED covet_sanitizers AND NOT COVET_FUZZ)
  target_link_options(libcovet PRIVATE -Wl,--no-undefined)
endif()

# --- The FFI declarations, cut out of the public header ----------------------

set(covet_cdef "${CMAKE_BINARY_DIR}/lua/covet/cdef.lua")
add_custom_command(OUTPUT "${covet_cdef}"
  COMMAND ${CMAKE_COMMAND} -D "HEADER=${CMAKE_SOURCE_DIR}/src/covet.h"
    -D "OUTPUT=${covet_cdef}" -P "${CMAKE_SOURCE_DIR}/cmake/cdef.cmake"
  DEPENDS src/covet.h cmake/cdef.cmake
  COMMENT "Generating covet/cdef.lua" VERBATIM)
add_custom_target(covet_cdef ALL DEPENDS "${covet_cdef}")

# Where the Lua modules are, told to a target that is installed in `folder`. It
# tells two cases apart by looking for CMakeCache.txt beside its own file: there
# it was built and uses COVET_BUILD_LUADIR, a list of folders separated by `;`.
# Else it was installed: COVET_RELATIVE_LUADIR is the way from its folder (so
# that DESTDIR and moved prefixes work), COVET_INSTALL_LUADIR the absolute place.
# (\073 is `;`, which would end an item of CMake's list.)
function(covet_module_folders target folder)
  cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_FULL_DATADIR NORMALIZE
    OUTPUT_VARIABLE datadir)
  cmake_path(RELATIVE_PATH datadir BASE_DIRECTORY "${folder}"
    OUTPUT_VARIABLE relative_datadir)
  target_compile_definitions(${target} PRIVATE
    "COVET_INSTALL_LUADIR=\"${datadir}/lua/5.1\""
    "COVET_RELATIVE_LUADIR=\"${relative_datadir}/lua/5.1\""
    "COVET_BUILD_LUADIR=\"${CMAKE_SOURCE_DIR}/lua\\073${CMAKE_BINARY_DIR}/lua\"")
endfunction()

# --- The binding and the module covet.core -----------------------------------

covet_sources(lua_sources lua/*.c)
if(lua_sources)
  add_library(covet_lua STATIC ${lua_sources})
  target_link_libraries(covet_lua PUBLIC covet_core covet_luajit_headers)

  # In the build tree it stands where package.cpath finds it:
  # <build>/lua/?.so. Lua's own functions come from whoever loads it.
  add_library(covet_module MODULE)
  set_target_properties(covet_module PROPERTIES PREFIX "" OUTPUT_NAME core
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lua/covet")
  covet_embed(covet_module covet_lua)
  # Its threads run until the process ends: it must not be unmapped before.
  target_link_options(covet_module PRIVATE -Wl,-z,nodelete)
  add_dependencies(covet_module covet_cdef)

  # libcovet has the binding too, for programs that embed LuaJIT. It does not
  # need LuaJIT itself: see weak.h.
  add_library(covet_lua_weak OBJECT ${lua_sources})
  target_compile_options(covet_lua_weak PRIVATE
    -include "${CMAKE_SOURCE_DIR}/src/lua/weak.h")
  covet_module_folders(covet_lua_weak "${CMAKE_INSTALL_FULL_LIBDIR}")
  target_link_libraries(covet_lua_weak PRIVATE covet_core covet_luajit_headers)
  target_sources(libcovet PRIVATE $<TARGET_OBJECTS:covet_lua_weak>)
  add_dependencies(libcovet covet_cdef)
endif()

# --- The command -------------------------------------------------------------

covet_sources(host_sources host/*.c)
if(COVET_HOST AND host_sources AND TARGET covet_lua)
  add_executable(covet ${host_sources})
  # Exported, so that C modules for Lua and ffi.C find what is in it.
  set_target_properties(covet PROPERTIES ENABLE_EXPORTS ON)
  target_include_directories(covet PRIVATE "${CMAKE_SOURCE_DIR}/src")
  # LuaJIT first: another Lua's headers may stand beside luv's.
  target_link_libraries(covet PRIVATE PkgConfig::LUAJIT covet_luv
    PkgConfig::LIBEDIT ${CMAKE_DL_LIBS})
  if(COVET_MIMALLOC)
    target_compile_definitions(covet PRIVATE COVET_MIMALLOC)
    # After libc: for LuaJIT's memory, not in place of malloc.
    target_link_libraries(covet PRIVATE c mimalloc)
  endif()
  covet_embed(covet covet_lua)
  covet_module_folders(covet "${CMAKE_INSTALL_FULL_BINDIR}")
  add_dependencies(covet covet_cdef)
endif()
