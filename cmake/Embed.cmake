# kahu_embed(<target> <symbol> <file>): the bytes of a file of ours, as the
# array <symbol>[] and its size <symbol>_size in C. What is included to build
# is run again, as a script, to do the work: it takes nothing but CMake.

if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${INPUT} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "    \\1\n"
    bytes "${bytes}")
  file(WRITE ${OUTPUT}
    "#include <stddef.h>\n\n"
    "extern const char ${SYMBOL}[];\nextern const size_t ${SYMBOL}_size;\n\n"
    "const char ${SYMBOL}[] = {\n${bytes}\n};\n"
    "const size_t ${SYMBOL}_size = sizeof(${SYMBOL});\n")
  return()
endif()

set(KAHU_EMBED ${CMAKE_CURRENT_LIST_FILE})

function(kahu_embed target symbol file)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DINPUT=${CMAKE_CURRENT_SOURCE_DIR}/${file}
      -DOUTPUT=${output} -DSYMBOL=${symbol} -P ${KAHU_EMBED}
    DEPENDS ${file} ${KAHU_EMBED}
    VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
