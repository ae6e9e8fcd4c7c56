# What `cmake --install` puts where: program, library, headers, and the two
# descriptions (CMake package, pkg-config) by which others find them. When Luau
# was compiled here it is installed too: libkahu cannot be linked without it.

include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kahu)

if(TARGET kahu-cli)
  install(TARGETS kahu-cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  if(EXISTS ${PROJECT_SOURCE_DIR}/cli/kahu.1)
    install(FILES cli/kahu.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  endif()
endif()

# What an embedder calls: our library, the VM, and the compiler that feeds it.
set(exported kahu)
foreach(name common vm compiler codegen)
  if(TARGET kahu_luau_${name})
    list(APPEND exported kahu_luau_${name})
  endif()
endforeach()
if(KAHU_LUAU_BUILT)
  install(FILES
    ${kahu_luau_dir}/VM/include/lua.h
    ${kahu_luau_dir}/VM/include/luaconf.h
    ${kahu_luau_dir}/VM/include/lualib.h
    ${kahu_luau_dir}/Compiler/include/luacode.h
    ${kahu_luau_dir}/CodeGen/include/luacodegen.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/kahu/luau)
endif()

install(DIRECTORY include/kahu DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
install(TARGETS ${exported} EXPORT kahuTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(EXPORT kahuTargets NAMESPACE kahu:: DESTINATION ${package_dir})

# --- CMake package ---------------------------------------------------------

configure_package_config_file(cmake/kahuConfig.cmake.in kahuConfig.cmake
  INSTALL_DESTINATION ${package_dir})
# While 0.x, a minor version may change the interface.
write_basic_package_version_file(kahuConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/kahuConfig.cmake
  ${PROJECT_BINARY_DIR}/kahuConfigVersion.cmake
  DESTINATION ${package_dir})

# --- pkg-config ------------------------------------------------------------

# Paths relative to the .pc file: the installed tree can be moved.
file(RELATIVE_PATH KAHU_PC_PREFIX
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" KAHU_PC_PREFIX ${KAHU_PC_PREFIX})
set(KAHU_PC_CFLAGS "-I\${includedir}")
set(KAHU_PC_LIBS "-L\${libdir} -lkahu")
set(KAHU_PC_REQUIRES "")
if(KAHU_LUAU_BUILT)
  string(APPEND KAHU_PC_CFLAGS " -I\${includedir}/kahu/luau")
  foreach(name codegen compiler vm common)
    if(TARGET kahu_luau_${name})
      string(APPEND KAHU_PC_LIBS " -lkahu_luau_${name}")
    endif()
  endforeach()
  # Luau's archives are C++ and are linked by whoever links us, C or not.
  foreach(lib ${CMAKE_CXX_IMPLICIT_LINK_LIBRARIES})
    if(lib MATCHES "^(std)?c\\+\\+$")
      string(APPEND KAHU_PC_LIBS " -l${lib}")
    endif()
  endforeach()
  string(APPEND KAHU_PC_LIBS " -lm")
endif()
string(APPEND KAHU_PC_LIBS " ${CMAKE_THREAD_LIBS_INIT}")
if(KAHU_UV)
  set(KAHU_PC_REQUIRES libuv)
endif()
if(BUILD_SHARED_LIBS)
  set(KAHU_PC_REQUIRES_KEY Requires.private)
else()
  set(KAHU_PC_REQUIRES_KEY Requires)
endif()
configure_file(cmake/kahu.pc.in kahu.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/kahu.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
