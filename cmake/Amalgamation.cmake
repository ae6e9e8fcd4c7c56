# KAHU_AMALGAMATION: the library, and its twins for the tests, from the one
# file that tools/amalgamate writes.

find_package(Python3 REQUIRED COMPONENTS Interpreter)

set(amalgam ${PROJECT_BINARY_DIR}/amalgamation)
file(GLOB_RECURSE inputs CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/src/*.[ch] ${PROJECT_SOURCE_DIR}/include/kahu/*.h)
add_custom_command(OUTPUT ${amalgam}/kahu.c
  COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/amalgamate ${amalgam}
  DEPENDS ${inputs} ${PROJECT_SOURCE_DIR}/tools/amalgamate
    ${PROJECT_SOURCE_DIR}/src/CMakeLists.txt
  VERBATIM)
# One target makes the file, so that no two libraries make it at once.
add_custom_target(kahu-amalgamation DEPENDS ${amalgam}/kahu.c)

kahu_sources(${amalgam}/kahu.c)
foreach(target kahu kahu_testing kahu_single)
  if(TARGET ${target})
    add_dependencies(${target} kahu-amalgamation)
    if(NOT KAHU_UV)
      target_compile_definitions(${target} PRIVATE KAHU_NO_UV)
    endif()
  endif()
endforeach()
