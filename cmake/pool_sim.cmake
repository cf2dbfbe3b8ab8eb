# The pool's simulator, and its mutants: variants of the pool that are broken on
# purpose, to see that the simulator would notice. Each
# spec/unit/pool_sim/mutants/*.patch is applied to copies of the sources that it
# names; these take the place of those in the core's archive.

set(sim_folder ${CMAKE_SOURCE_DIR}/spec/unit/pool_sim)
file(GLOB sim_sources CONFIGURE_DEPENDS ${sim_folder}/*.c)
add_library(pool_sim_parts OBJECT ${sim_sources})
target_include_directories(pool_sim_parts PRIVATE src src/core)

function(covet_pool_sim target)
  add_executable(${target} $<TARGET_OBJECTS:pool_sim_parts> ${ARGN})
  target_include_directories(${target} PRIVATE src src/core)
  target_link_libraries(${target} PRIVATE covet_core)
endfunction()

covet_pool_sim(covet_pool_sim)
add_test(NAME pool_sim COMMAND covet_pool_sim --schedules 2000)

# Not part of `all`: a patch that does not apply any more fails the test of the
# mutants, not everybody's build.
add_custom_target(pool_mutants)

function(covet_pool_mutant patch)
  cmake_path(GET patch STEM name)
  file(STRINGS ${patch} lines REGEX "^\\+\\+\\+ b/src/core/")
  list(TRANSFORM lines REPLACE "^\\+\\+\\+ b/src/core/([a-z_]+\\.c).*" "\\1")
  set(folder ${CMAKE_BINARY_DIR}/mutants/src/${name})
  list(TRANSFORM lines PREPEND ${CMAKE_SOURCE_DIR}/src/core/
    OUTPUT_VARIABLE originals)
  list(TRANSFORM lines PREPEND ${folder}/src/core/ OUTPUT_VARIABLE mutated)
  add_custom_command(OUTPUT ${mutated}
    COMMAND ${CMAKE_COMMAND} -DPATCH=${patch} -DFOLDER=${folder}
      "-DORIGINALS=${originals}" -P ${CMAKE_SOURCE_DIR}/cmake/mutate.cmake
    DEPENDS ${patch} ${originals} ${CMAKE_SOURCE_DIR}/cmake/mutate.cmake
    VERBATIM)
  covet_pool_sim(mutant_${name} ${mutated})
  target_compile_options(mutant_${name} PRIVATE -w)
  set_target_properties(mutant_${name} PROPERTIES EXCLUDE_FROM_ALL ON
    OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/mutants)
  add_dependencies(pool_mutants mutant_${name})
endfunction()

file(GLOB sim_mutants CONFIGURE_DEPENDS ${sim_folder}/mutants/*.patch)
foreach(patch IN LISTS sim_mutants)
  covet_pool_mutant(${patch})
endforeach()
