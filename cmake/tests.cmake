# The C units and the fuzzers. scripts/test runs both; ctest runs the units.

enable_testing()

# Each spec/unit/*.c is one program, spec/unit/support/*.c is linked into all.
# They may look behind the public header.
if(COVET_TESTS AND CMOCKA_FOUND AND NOT COVET_FUZZ)
  file(GLOB unit_sources CONFIGURE_DEPENDS spec/unit/*.c)
  file(GLOB unit_support CONFIGURE_DEPENDS spec/unit/support/*.c)
  if(NOT TARGET covet_postgresql)
    list(FILTER unit_sources EXCLUDE REGEX "/postgres_")
  endif()
  if(NOT TARGET covet_mysql)
    list(FILTER unit_sources EXCLUDE REGEX "/mysql_")
  endif()
  foreach(source IN LISTS unit_sources)
    cmake_path(GET source STEM name)
    add_executable(unit_${name} ${source} ${unit_support})
    set_target_properties(unit_${name} PROPERTIES OUTPUT_NAME ${name}
      RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/unit")
    target_include_directories(unit_${name} PRIVATE src/core src/driver
      spec/unit)
    target_link_libraries(unit_${name} PRIVATE covet_core PkgConfig::CMOCKA)
    if(name MATCHES "sqlite")
      # The units of a driver may use its client library as an oracle.
      target_link_libraries(unit_${name} PRIVATE PkgConfig::SQLITE)
    endif()
    if(name MATCHES "^postgres")
      target_sources(unit_${name} PRIVATE spec/unit/postgres/bed.c)
      target_include_directories(unit_${name} PRIVATE src)
      target_link_libraries(unit_${name} PRIVATE covet_postgresql
        PkgConfig::POSTGRESQL)
    endif()
    if(name MATCHES "^mysql")
      target_include_directories(unit_${name} PRIVATE src)
      target_link_libraries(unit_${name} PRIVATE covet_mysql PkgConfig::MYSQL)
    endif()
    add_test(NAME ${name} COMMAND unit_${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT 120)
  endforeach()

  include(cmake/pool_sim.cmake)

  # C programs of examples/ and spec/embed/ use the public header and the
  # shared library only, as a stranger's program would.
  file(GLOB programs CONFIGURE_DEPENDS examples/*.c spec/embed/*.c)
  foreach(source IN LISTS programs)
    cmake_path(GET source STEM name)
    add_executable(program_${name} ${source})
    set_target_properties(program_${name} PROPERTIES OUTPUT_NAME ${name}
      RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/examples")
    target_link_libraries(program_${name} PRIVATE libcovet Threads::Threads)
  endforeach()
endif()

# Each spec/fuzz/*.c defines LLVMFuzzerTestOneInput; seeds may stand in
# spec/fuzz/<name>/.
if(COVET_FUZZ)
  file(GLOB fuzz_sources CONFIGURE_DEPENDS spec/fuzz/*.c)
  if(NOT TARGET covet_postgresql)
    list(FILTER fuzz_sources EXCLUDE REGEX "/postgres_")
  endif()
  if(NOT TARGET covet_mysql)
    list(FILTER fuzz_sources EXCLUDE REGEX "/mysql_")
  endif()
  foreach(source IN LISTS fuzz_sources)
    cmake_path(GET source STEM name)
    add_executable(fuzz_${name} ${source})
    set_target_properties(fuzz_${name} PROPERTIES OUTPUT_NAME ${name}
      RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz")
    target_include_directories(fuzz_${name} PRIVATE src/core src/driver)
    target_link_libraries(fuzz_${name} PRIVATE covet_core)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    if(name MATCHES "^mysql")
      target_link_libraries(fuzz_${name} PRIVATE PkgConfig::MYSQL)
    endif()
    if(name MATCHES "^lua_")
      target_compile_definitions(fuzz_${name} PRIVATE
        "COVET_LUADIR=\"${CMAKE_SOURCE_DIR}/lua\"")
      target_link_libraries(fuzz_${name} PRIVATE PkgConfig::LUAJIT)
    endif()
  endforeach()
endif()
