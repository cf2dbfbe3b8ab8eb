# What covet is built on, by pkg-config.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

pkg_check_modules(LUAJIT REQUIRED IMPORTED_TARGET luajit)
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)

# LuaJIT's headers without its library: a module that is loaded into a host
# takes Lua's functions from that host.
add_library(covet_luajit_headers INTERFACE)
target_include_directories(covet_luajit_headers SYSTEM INTERFACE
  ${LUAJIT_INCLUDE_DIRS})

# A client library that may be missing: its driver is then left out, and asking
# for that database at run time is an error that says so.
function(covet_optional_client prefix module database package)
  option(COVET_WITH_${prefix} "Build the ${database} driver" ON)
  if(COVET_WITH_${prefix})
    pkg_check_modules(${prefix} QUIET IMPORTED_TARGET GLOBAL ${module})
  endif()
  if(NOT COVET_WITH_${prefix})
    message(STATUS "covet: ${database} driver: left out, switched off")
  elseif(NOT ${prefix}_FOUND)
    message(STATUS "covet: ${database} driver: left out, ${package} not found")
  endif()
  set(${prefix}_FOUND ${${prefix}_FOUND} PARENT_SCOPE)
endfunction()

covet_optional_client(POSTGRESQL libpq PostgreSQL libpq)
covet_optional_client(MYSQL libmariadb MySQL libmariadb)

# libpq's internal headers, for src/driver/postgres_input.c. Debian's libpq-dev has
# them but for one, which is not needed; they ask for those of Kerberos too.
option(COVET_LIBPQ_BUFFER "Take rows from libpq's input buffer" ON)
if(COVET_LIBPQ_BUFFER AND POSTGRESQL_FOUND)
  include(CheckCSourceCompiles)
  set(covet_libpq_internal "${CMAKE_SOURCE_DIR}/src/driver/libpq")
  foreach(folder IN LISTS POSTGRESQL_INCLUDE_DIRS)
    list(APPEND covet_libpq_internal "${folder}/internal" "${folder}")
  endforeach()
  set(CMAKE_REQUIRED_INCLUDES ${covet_libpq_internal})
  set(CMAKE_REQUIRED_QUIET ON)
  check_c_source_compiles("#include <c.h>
    #include <libpq-int.h>
    int main(void)
    {
      PGconn *pq = 0;
      return pq->next_result == pq->result && pq->singleRowMode &&
             pq->error_result && pq->asyncStatus == PGASYNC_BUSY;
    }" COVET_LIBPQ_INTERNAL)
  unset(CMAKE_REQUIRED_INCLUDES)
  unset(CMAKE_REQUIRED_QUIET)
  if(NOT COVET_LIBPQ_INTERNAL)
    message(STATUS "covet: rows from libpq's buffer: left out, internal headers"
      " not found (Debian: libpq-dev, libkrb5-dev)")
    set(COVET_LIBPQ_BUFFER OFF)
  endif()
endif()

if(COVET_HOST)
  # The command's memory. The sanitizers watch their own allocator alone. LuaJIT
  # keeps addresses in 47 bits, which is what a program has on x86-64; and one with
  # 32-bit references takes no allocator but its own.
  option(COVET_MIMALLOC "Use mimalloc in the command" ON)
  if(COVET_ASAN OR COVET_TSAN OR
      NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
    set(COVET_MIMALLOC OFF)
  elseif(COVET_MIMALLOC)
    include(CheckCSourceRuns)
    set(CMAKE_REQUIRED_LIBRARIES PkgConfig::LUAJIT)
    set(CMAKE_REQUIRED_QUIET ON)
    check_c_source_runs("#include <lua.h>
      #include <stdlib.h>
      static void *allocate(void *u, void *block, size_t old, size_t size)
      {
        (void) u, (void) old;
        return size == 0 ? (free(block), NULL) : realloc(block, size);
      }
      int main(void)
      {
        return lua_newstate(allocate, NULL) == NULL;
      }" COVET_LUAJIT_ALLOCATOR)
    unset(CMAKE_REQUIRED_LIBRARIES)
    unset(CMAKE_REQUIRED_QUIET)
    find_package(mimalloc QUIET)
    if(NOT COVET_LUAJIT_ALLOCATOR OR NOT mimalloc_FOUND)
      message(STATUS "covet: mimalloc: left out, libmimalloc not found, or LuaJIT "
        "takes no allocator")
      set(COVET_MIMALLOC OFF)
    endif()
  endif()
  pkg_check_modules(LIBEDIT REQUIRED IMPORTED_TARGET libedit)
  # luv is linked statically, so that `require "luv"` needs nothing installed
  # and shares the command's loop. Debian: lua-luv-dev.
  find_path(LUV_INCLUDE_DIR NAMES luv/luv.h PATH_SUFFIXES lua5.1 luajit-2.1)
  find_library(LUV_LIBRARY NAMES liblua5.1-luv.a libluv.a libluv_a.a)
  mark_as_advanced(LUV_INCLUDE_DIR LUV_LIBRARY)
  if(NOT LUV_INCLUDE_DIR OR NOT LUV_LIBRARY)
    message(FATAL_ERROR "covet: luv not found (Debian: lua-luv-dev); "
      "-DCOVET_HOST=OFF builds without the command")
  endif()
  add_library(covet_luv STATIC IMPORTED)
  set_target_properties(covet_luv PROPERTIES
    IMPORTED_LOCATION "${LUV_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${LUV_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES "PkgConfig::LIBUV")
endif()

if(COVET_TESTS)
  pkg_check_modules(CMOCKA QUIET IMPORTED_TARGET cmocka)
  if(NOT CMOCKA_FOUND)
    message(STATUS "covet: C units: left out, cmocka not found")
  endif()
endif()
