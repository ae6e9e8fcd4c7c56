# kahu_crate_dir(<json> <name> <out>): where the sources of a crate are, from what
# `cargo metadata` says.
function(kahu_crate_dir json crate out)
  string(JSON count LENGTH "${json}" packages)
  math(EXPR last "${count} - 1")
  foreach(i RANGE ${last})
    string(JSON name GET "${json}" packages ${i} name)
    if(name STREQUAL crate)
      string(JSON manifest GET "${json}" packages ${i} manifest_path)
      cmake_path(GET manifest PARENT_PATH dir)
      set(${out} ${dir} PARENT_SCOPE)
    endif()
  endforeach()
endfunction()
