# Type definitions as C, for the program: cmake -DOUT=file.c -P Embed.cmake -- files
#
# Bytes rather than a string: compilers need to take no more than 4095 of those.
set(table "")
set(arrays "")
math(EXPR last "${CMAKE_ARGC} - 1")
set(files FALSE)
foreach(i RANGE ${last})
  if(files)
    set(file ${CMAKE_ARGV${i}})
    cmake_path(GET file FILENAME name)
    string(REPLACE ".d.luau" "" name ${name})
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(APPEND arrays
      "static const char ${name}_text[] = {${bytes} 0};\n")
    string(APPEND table
      "    {\"${name}\", ${name}_text, sizeof(${name}_text) - 1},\n")
  elseif(CMAKE_ARGV${i} STREQUAL "--")
    set(files TRUE)
  endif()
endforeach()
file(WRITE ${OUT} "/* Made by cmake/Embed.cmake. */
#include \"definitions.h\"

${arrays}
const struct definition definitions[] = {
${table}    {0, 0, 0},
};
")
