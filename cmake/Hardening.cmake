# What makes a mistake in C harder to use, where it costs next to nothing: in
# our own optimized builds. A project that has our sources inside its own says
# itself how it is compiled.

include(CheckCCompilerFlag)
include(CheckLinkerFlag)

# kahu_harden(<flag>...): those of the flags that the compiler knows.
function(kahu_harden)
  foreach(flag ${ARGN})
    string(MAKE_C_IDENTIFIER "KAHU_HAS_${flag}" has)
    check_c_compiler_flag(${flag} ${has})
    if(${has})
      add_compile_options(${flag})
    endif()
  endforeach()
endfunction()

set(KAHU_HARDENED OFF)
if(KAHU_HARDENING AND NOT sanitizers AND NOT KAHU_COVERAGE
    AND CMAKE_SYSTEM_NAME STREQUAL "Linux"
    AND CMAKE_BUILD_TYPE MATCHES "^(Release|RelWithDebInfo|MinSizeRel)$")
  set(KAHU_HARDENED ON)
  kahu_harden(-fstack-protector-strong -fstack-clash-protection)
  # A distribution's compiler may have a level of its own set.
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  check_linker_flag(C -Wl,-z,relro,-z,now KAHU_HAS_RELRO_NOW)
  if(KAHU_HAS_RELRO_NOW)
    add_link_options(-Wl,-z,relro,-z,now)
  endif()
endif()
