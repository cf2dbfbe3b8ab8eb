# Flags for every target of covet.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Release with debug info. Assertions stay in: they guard the state machines
# and cost nothing that a benchmark could see.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")

# _GNU_SOURCE: pthread names, accept4, pipe2 and eventfd. Frame pointers make
# profiles and sanitizer traces readable. (Defined as empty, so that a file that
# says it itself says the same.)
add_compile_definitions(_GNU_SOURCE=)
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -fno-omit-frame-pointer)
# Messages and debug info name sources from the repository's root.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)

if(COVET_WERROR)
  add_compile_options(-Werror)
endif()

if(COVET_ASAN AND COVET_TSAN)
  message(FATAL_ERROR "covet: COVET_ASAN and COVET_TSAN exclude each other")
endif()
if(COVET_ASAN)
  set(covet_sanitizers -fsanitize=address,undefined
    -fno-sanitize-recover=undefined)
elseif(COVET_TSAN)
  set(covet_sanitizers -fsanitize=thread)
endif()
if(DEFINED covet_sanitizers)
  add_compile_options(${covet_sanitizers} -O1)
  add_link_options(${covet_sanitizers})
endif()
if(COVET_COVERAGE)
  add_compile_options(--coverage -O0)
  add_link_options(--coverage)
endif()
if(COVET_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "covet: COVET_FUZZ needs clang (CC=clang)")
  endif()
  # Instrument everything; only the fuzzers get libFuzzer's main.
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -O1)
  add_link_options(-fsanitize=address,undefined)
endif()
