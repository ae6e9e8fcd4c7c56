# What `cmake --install` puts where: program, libraries, headers, licences, and
# the two descriptions (CMake package, pkg-config) by which others find them.
# When Luau was compiled here it is installed too: libkahu cannot be linked
# without it.
#
# Components, each a Debian package: program, library (the shared one, for
# programs that were linked with it), development (all the rest).

include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kahu)

# What an embedder calls: our library, the VM, and the compiler that feeds it.
set(exported kahu)
foreach(name kahu_shared kahu_luau_common kahu_luau_vm kahu_luau_compiler
    kahu_luau_codegen)
  if(TARGET ${name})
    list(APPEND exported ${name})
  endif()
endforeach()

if(TARGET kahu-cli)
  install(TARGETS kahu-cli
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
  install(FILES cli/kahu.1
    DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)
  # Where the shells look, of themselves or by their packages' defaults.
  install(FILES completions/kahu.bash RENAME kahu
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
    COMPONENT program)
  install(FILES completions/_kahu
    DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT program)
  install(FILES completions/kahu.fish
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
    COMPONENT program)
  install(DIRECTORY types/ DESTINATION ${CMAKE_INSTALL_DATADIR}/kahu/types
    COMPONENT program FILES_MATCHING PATTERN "*.d.luau")
endif()
install(TARGETS ${exported} EXPORT kahuTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
    NAMELINK_COMPONENT development
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT library)

# --- Headers ---------------------------------------------------------------

if(NOT KAHU_UV)
  set(but_uv PATTERN uv.h EXCLUDE)
endif()
install(DIRECTORY include/kahu DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT development FILES_MATCHING PATTERN "*.h" ${but_uv})
if(KAHU_LUAU_BUILT)
  kahu_luau_headers(${PROJECT_BINARY_DIR}/luau_headers)
  install(DIRECTORY ${PROJECT_BINARY_DIR}/luau_headers/
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/kahu/luau COMPONENT development)
endif()

# --- Licences --------------------------------------------------------------

# Of everything that is linked, each under the name of what it is for. Those of
# the system's libraries are where their packages put them; one without brings
# none.
function(kahu_system_license name module)
  find_file(KAHU_${module}_LICENSE NAMES copyright LICENSE
    HINTS ${${module}_PREFIX}/share ${${module}_LIBDIR}/../share /usr/share
    PATH_SUFFIXES ${ARGN} doc/${name} licenses/${name} ${name}
    NO_DEFAULT_PATH)
  mark_as_advanced(KAHU_${module}_LICENSE)
  if(KAHU_${module}_LICENSE)
    configure_file(${KAHU_${module}_LICENSE} ${licenses}/${name}.txt COPYONLY)
  else()
    message(STATUS "${name}: no licence found, none will be installed")
  endif()
endfunction()

set(licenses ${PROJECT_BINARY_DIR}/licenses)
file(REMOVE_RECURSE ${licenses})
configure_file(LICENSE ${licenses}/kahu.txt COPYONLY)
if(KAHU_LUAU_BUILT)
  kahu_luau_licenses(${licenses})
endif()
if(KAHU_UV)
  kahu_system_license(libuv LIBUV doc/libuv1-dev)
endif()
if(KAHU_HAS_REPL)
  kahu_system_license(libedit LIBEDIT doc/libedit-dev)
endif()
install(DIRECTORY ${licenses} DESTINATION ${CMAKE_INSTALL_DOCDIR}
  COMPONENT development)

# --- CMake package ---------------------------------------------------------

install(EXPORT kahuTargets NAMESPACE kahu:: DESTINATION ${package_dir}
  COMPONENT development)
configure_package_config_file(cmake/kahuConfig.cmake.in kahuConfig.cmake
  INSTALL_DESTINATION ${package_dir})
# While 0.x, a minor version may change the interface.
write_basic_package_version_file(kahuConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/kahuConfig.cmake
  ${PROJECT_BINARY_DIR}/kahuConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT development)

# --- pkg-config ------------------------------------------------------------

# Paths relative to the .pc file: the installed tree can be moved.
file(RELATIVE_PATH KAHU_PC_PREFIX
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" KAHU_PC_PREFIX ${KAHU_PC_PREFIX})
file(RELATIVE_PATH KAHU_PC_LIBDIR
  ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH KAHU_PC_INCLUDEDIR
  ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
set(KAHU_PC_CFLAGS "-I\${includedir}")
set(luau "")
if(KAHU_LUAU_BUILT)
  string(APPEND KAHU_PC_CFLAGS " -I\${includedir}/kahu/luau")
  if(NOT KAHU_LUAU_LONGJMP)
    string(APPEND KAHU_PC_CFLAGS " -fexceptions")
  endif()
  foreach(name codegen compiler vm common)
    if(TARGET kahu_luau_${name})
      string(APPEND luau " -lkahu_luau_${name}")
    endif()
  endforeach()
  # Luau's archives are C++ and are linked by whoever links us, C or not.
  list(TRANSFORM kahu_cxx_runtime PREPEND " -l" OUTPUT_VARIABLE runtime)
  string(APPEND luau ${runtime})
endif()

# kahu_pc(<name> <library> <key>): what our code needs beside Luau is put into
# Requires<key> and Libs<key>. A shared library brings that along, so its key
# is .private; an archive leaves it to whoever links it.
function(kahu_pc name library key)
  set(requires "")
  if(KAHU_UV)
    set(requires ${LIBUV_MODULE_NAME})
  endif()
  set(KAHU_PC_NAME ${name})
  set(KAHU_PC_REQUIRES "Requires${key}: ${requires}")
  set(KAHU_PC_LIBS "Libs: -L\${libdir} ${library}${luau}")
  if(key)
    string(APPEND KAHU_PC_LIBS "\nLibs${key}: ${CMAKE_THREAD_LIBS_INIT}")
  else()
    string(APPEND KAHU_PC_LIBS " ${CMAKE_THREAD_LIBS_INIT}")
  endif()
  configure_file(cmake/kahu.pc.in ${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
endfunction()

# Of two libraries of one name the linker takes the shared one; the archive has
# to be asked for by its whole name.
if(TARGET kahu_shared)
  kahu_pc(kahu -lkahu .private)
  kahu_pc(kahu-static \${libdir}/libkahu.a "")
elseif(BUILD_SHARED_LIBS)
  kahu_pc(kahu -lkahu .private)
else()
  kahu_pc(kahu -lkahu "")
endif()
