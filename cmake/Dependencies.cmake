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

if(KAHU_TESTS)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka>=1.1.5)
endif()
