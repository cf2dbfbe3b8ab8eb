# cmake --install: where a distribution wants things. With the default prefix
# /usr/local, Debian's LuaJIT finds covet without being told.

set(COVET_INSTALL_LMOD "${CMAKE_INSTALL_DATADIR}/lua/5.1" CACHE STRING
  "Folder of the Lua modules, below the prefix")
set(COVET_INSTALL_CMOD "${CMAKE_INSTALL_LIBDIR}/lua/5.1" CACHE STRING
  "Folder of the C modules for Lua, below the prefix")

install(TARGETS libcovet
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  PUBLIC_HEADER DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET covet)
  install(TARGETS covet RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET covet_module)
  install(TARGETS covet_module
    LIBRARY DESTINATION "${COVET_INSTALL_CMOD}/covet")
endif()
install(DIRECTORY lua/ DESTINATION "${COVET_INSTALL_LMOD}"
  FILES_MATCHING PATTERN "*.lua")
install(FILES "${covet_cdef}" DESTINATION "${COVET_INSTALL_LMOD}/covet")
if(EXISTS "${CMAKE_SOURCE_DIR}/docs/covet.1")
  install(FILES docs/covet.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()

if(TARGET covet)
  install(FILES docs/completions/covet.bash RENAME covet
    DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
  install(FILES docs/completions/_covet
    DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions")
  install(FILES docs/completions/covet.fish
    DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")
endif()

# covet.pc finds the prefix from where it stands, so that `cmake --install
# --prefix` and moved trees stay right.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
  BASE_DIRECTORY "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig"
  OUTPUT_VARIABLE COVET_PC_PREFIX)
cmake_path(APPEND libdir "\${prefix}" "${CMAKE_INSTALL_LIBDIR}"
  OUTPUT_VARIABLE COVET_PC_LIBDIR)
cmake_path(APPEND includedir "\${prefix}" "${CMAKE_INSTALL_INCLUDEDIR}"
  OUTPUT_VARIABLE COVET_PC_INCLUDEDIR)
set(COVET_PC_REQUIRES "libuv sqlite3")
if(TARGET covet_postgresql)
  string(APPEND COVET_PC_REQUIRES " libpq")
endif()
if(TARGET covet_mysql)
  string(APPEND COVET_PC_REQUIRES " libmariadb")
endif()
configure_file(covet.pc.in covet.pc @ONLY)
install(FILES "${CMAKE_BINARY_DIR}/covet.pc"
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
