# `cpack -G DEB` in a build directory makes three Debian packages, one for each
# component of cmake/Install.cmake: kahu, libkahu0.1, libkahu-dev.

set(CPACK_PACKAGE_NAME kahu)
set(CPACK_PACKAGE_VENDOR "kahu contributors")
set(CPACK_PACKAGE_CONTACT "kahu contributors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_STRIP_FILES ON)
set(CPACK_GENERATOR DEB)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL development)
set(CPACK_COMPONENTS_GROUPING IGNORE)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS OFF)

set(soname libkahu${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(depends "libstdc++-dev | g++")
if(KAHU_UV)
  list(PREPEND depends "libuv1-dev (>= 1.44)")
endif()

if(TARGET kahu-cli)
  list(APPEND CPACK_COMPONENTS_ALL program)
  set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME kahu)
  set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION interpreters)
  set(CPACK_COMPONENT_PROGRAM_DESCRIPTION
    "Runs Luau scripts with the task library: spawn, defer, delay, wait, cancel.")
endif()
if(BUILD_SHARED_LIBS OR TARGET kahu_shared)
  list(APPEND CPACK_COMPONENTS_ALL library)
  set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME ${soname})
  set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
  set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
    "The shared library, for programs that were linked with it.")
  list(APPEND depends "${soname} (= ${PROJECT_VERSION})")
endif()
if(BUILD_SHARED_LIBS)
  # dpkg-shlibdeps asks installed packages, and ours is not one of them.
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})
  set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS "${soname} (= ${PROJECT_VERSION})")
endif()
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libkahu-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
list(JOIN depends ", " CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
  "Headers, archives, and Luau with a C interface, for embedding the scheduler.")

# Debian's rule: each package names its licences in a file of this name. Only
# packages have it, hence out of what `cmake --install` does by itself.
file(WRITE ${PROJECT_BINARY_DIR}/copyright "")
file(GLOB files ${PROJECT_BINARY_DIR}/licenses/*.txt)
foreach(file ${files})
  cmake_path(GET file STEM name)
  file(READ ${file} text)
  file(APPEND ${PROJECT_BINARY_DIR}/copyright
    "=== ${name} ===\n\n${text}\n")
endforeach()
foreach(pair program:kahu library:${soname} development:libkahu-dev)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 component)
  list(GET pair 1 package)
  install(FILES ${PROJECT_BINARY_DIR}/copyright
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package}
    COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()

include(CPack)
