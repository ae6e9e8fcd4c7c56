# What we take from the system: threads, for the lock that lets any thread end
# an operation; libuv, for one driver; cmocka, for the C tests.

find_package(Threads REQUIRED)
if(KAHU_UV OR KAHU_TESTS)
  find_package(PkgConfig REQUIRED)
endif()

if(KAHU_UV)
  # 1.44 is what Debian 12 ships; nothing newer is used. Where only an archive
  # was installed, it goes by the other name.
  pkg_search_module(LIBUV REQUIRED IMPORTED_TARGET
    libuv>=1.44 libuv-static>=1.44)
endif()

# The program's sessions need a line editor; all else does without.
set(KAHU_HAS_REPL OFF)
if(KAHU_CLI AND NOT KAHU_REPL STREQUAL "OFF")
  pkg_check_modules(LIBEDIT IMPORTED_TARGET libedit>=3.1)
  if(KAHU_REPL STREQUAL "ON" AND NOT LIBEDIT_FOUND)
    message(FATAL_ERROR "KAHU_REPL=ON needs libedit")
  endif()
  set(KAHU_HAS_REPL ${LIBEDIT_FOUND})
endif()

if(KAHU_TESTS)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka>=1.1.5)
endif()
