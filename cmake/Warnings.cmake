# The warnings our own C is compiled with, as a target: never a global flag, so
# that neither Luau nor a project that embeds us is touched by them.

add_library(kahu_warnings INTERFACE)

target_compile_options(kahu_warnings INTERFACE
  $<$<COMPILE_LANG_AND_ID:C,GNU,Clang,AppleClang>:
    -Wall -Wextra -Wpedantic
    -Wconversion -Wshadow
    -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
    -Wcast-qual -Wpointer-arith -Wwrite-strings
    -Wundef -Wvla -Wformat=2 -Wnull-dereference
    -Wimplicit-fallthrough -Wswitch-enum>)

if(KAHU_WERROR)
  # Only a preset asks for this: a new compiler must never break a user's build.
  target_compile_options(kahu_warnings INTERFACE
    $<$<COMPILE_LANG_AND_ID:C,GNU,Clang,AppleClang>:-Werror>)
endif()
