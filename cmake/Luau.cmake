# Luau as static libraries of ours, from whichever source KAHU_LUAU names.
#
# We compile Luau ourselves because every build of kahu wants its own: with
# sanitizers, with Luau's assertions, always with a C interface. Targets:
#
#   kahu_luau_common    shared ground of the others
#   kahu_luau_vm        lua.h lualib.h
#   kahu_luau_compiler  luacode.h (Ast, Bytecode, Compiler)
#   kahu_luau_codegen   luacodegen.h
#   kahu_luau_config    .luaurc reader, for Require
#   kahu_luau_require   Luau/Require.h
#
# Sets KAHU_LUAU_VERSION (text) and KAHU_LUAU_BUILT (true if compiled here).

include(Crate)

set(KAHU_LUAU auto CACHE STRING
  "Luau from: auto, package, cargo, fetch, or a directory of its sources")
set_property(CACHE KAHU_LUAU PROPERTY STRINGS auto package cargo fetch)
option(KAHU_LUAU_LONGJMP
  "Let Luau raise errors by longjmp instead of C++ exceptions" OFF)

set(kahu_luau_pin ${PROJECT_SOURCE_DIR}/third_party/luau)

# --- Where the sources are -------------------------------------------------

# The pinned version, told once: the lock file names it ("0.23.0+luau745").
function(kahu_luau_pinned_version out)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
    ${kahu_luau_pin}/Cargo.lock)
  file(READ ${kahu_luau_pin}/Cargo.lock lock)
  if(NOT lock MATCHES "version = \"[0-9.]+\\+luau([0-9]+)\"")
    message(FATAL_ERROR "third_party/luau/Cargo.lock names no Luau version")
  endif()
  set(${out} 0.${CMAKE_MATCH_1} PARENT_SCOPE)
endfunction()

# An installed package is ours to use only if C can call it: upstream's default
# gives the API C++ names, which no C file can link to.
function(kahu_luau_try_package out)
  set(${out} "" PARENT_SCOPE)
  find_package(Luau CONFIG QUIET)
  if(NOT TARGET Luau::VM OR NOT TARGET Luau::Compiler
      OR NOT TARGET Luau::CodeGen OR NOT TARGET Luau::Require)
    return()
  endif()
  set(probe ${PROJECT_BINARY_DIR}/luau_probe)
  file(WRITE ${probe}/probe.c
    "#include <lua.h>\n#include <lualib.h>\n"
    "int main(void) { lua_State *L = luaL_newstate();"
    " lua_close(L); return 0; }\n")
  # An empty C++ file makes CMake link with the C++ runtime.
  file(WRITE ${probe}/runtime.cpp "")
  try_compile(KAHU_LUAU_PACKAGE_HAS_C_API
    ${probe} SOURCES ${probe}/probe.c ${probe}/runtime.cpp
    LINK_LIBRARIES Luau::VM)
  if(KAHU_LUAU_PACKAGE_HAS_C_API)
    set_property(TARGET Luau::VM Luau::Compiler Luau::CodeGen Luau::Require
      PROPERTY IMPORTED_GLOBAL TRUE)
    set(${out} "${Luau_VERSION}" PARENT_SCOPE)
    if(NOT Luau_VERSION)
      set(${out} "(package)" PARENT_SCOPE)
    endif()
  else()
    message(STATUS "Luau: the installed package has no C interface")
  endif()
endfunction()

# Cargo is the downloader: it checks the crate against the lock file. The
# network is touched only when the crate is not there yet.
function(kahu_luau_try_cargo out)
  set(${out} "" PARENT_SCOPE)
  find_program(KAHU_CARGO cargo HINTS $ENV{CARGO_HOME}/bin $ENV{HOME}/.cargo/bin)
  mark_as_advanced(KAHU_CARGO)
  if(NOT KAHU_CARGO)
    message(STATUS "Luau: no cargo found")
    return()
  endif()
  execute_process(COMMAND ${KAHU_CARGO} --version
    OUTPUT_VARIABLE version ERROR_QUIET)
  if(NOT version MATCHES "cargo ([0-9.]+)" OR CMAKE_MATCH_1 VERSION_LESS 1.85)
    message(STATUS "Luau: cargo >= 1.85 is needed, found: ${version}")
    return()
  endif()
  set(ask ${KAHU_CARGO} metadata --locked --offline --format-version 1)
  execute_process(COMMAND ${ask} WORKING_DIRECTORY ${kahu_luau_pin}
    OUTPUT_VARIABLE json ERROR_QUIET RESULT_VARIABLE failed)
  if(failed)
    message(STATUS "Luau: fetching the sources with cargo")
    execute_process(COMMAND ${KAHU_CARGO} fetch --locked --quiet
      WORKING_DIRECTORY ${kahu_luau_pin})
    execute_process(COMMAND ${ask} WORKING_DIRECTORY ${kahu_luau_pin}
      OUTPUT_VARIABLE json RESULT_VARIABLE failed)
    if(failed)
      return()
    endif()
  endif()
  kahu_crate_dir("${json}" luau0-src dir)
  set(${out} ${dir}/luau PARENT_SCOPE)
endfunction()

function(kahu_luau_fetch tag out)
  include(FetchContent)
  # SOURCE_SUBDIR names nothing on purpose: download, but do not run upstream's
  # own CMakeLists.txt, which builds another set of targets.
  FetchContent_Declare(kahu_luau
    GIT_REPOSITORY https://github.com/luau-lang/luau
    GIT_TAG ${tag} GIT_SHALLOW TRUE SOURCE_SUBDIR not-a-cmake-project)
  FetchContent_MakeAvailable(kahu_luau)
  set(${out} ${kahu_luau_SOURCE_DIR} PARENT_SCOPE)
endfunction()

set(kahu_luau_dir "")
set(kahu_luau_package "")
set(kahu_luau_from ${KAHU_LUAU})
kahu_luau_pinned_version(KAHU_LUAU_VERSION)

if(KAHU_LUAU MATCHES "^(auto|package)$")
  kahu_luau_try_package(kahu_luau_package)
  if(kahu_luau_package)
    set(kahu_luau_from package)
    set(KAHU_LUAU_VERSION ${kahu_luau_package})
  elseif(KAHU_LUAU STREQUAL package)
    message(FATAL_ERROR "No installed Luau package with a C interface")
  endif()
endif()
if(KAHU_LUAU MATCHES "^(auto|cargo)$" AND NOT kahu_luau_package)
  kahu_luau_try_cargo(kahu_luau_dir)
  if(kahu_luau_dir)
    set(kahu_luau_from cargo)
  elseif(KAHU_LUAU STREQUAL cargo)
    message(FATAL_ERROR "Cargo could not give us Luau's sources")
  endif()
endif()
if(KAHU_LUAU MATCHES "^(auto|fetch)$" AND NOT kahu_luau_package
    AND NOT kahu_luau_dir)
  set(kahu_luau_from fetch)
  kahu_luau_fetch(${KAHU_LUAU_VERSION} kahu_luau_dir)
endif()
if(NOT KAHU_LUAU MATCHES "^(auto|package|cargo|fetch)$")
  set(kahu_luau_from directory)
  set(KAHU_LUAU_VERSION "(local sources)")
  get_filename_component(kahu_luau_dir ${KAHU_LUAU} ABSOLUTE
    BASE_DIR ${PROJECT_SOURCE_DIR})
endif()
if(NOT kahu_luau_package AND NOT EXISTS ${kahu_luau_dir}/VM/include/lua.h)
  message(FATAL_ERROR "No Luau sources in '${kahu_luau_dir}'")
endif()
message(STATUS "Luau: ${KAHU_LUAU_VERSION} from ${kahu_luau_from}")

# --- An installed package: our names for its targets -----------------------

if(kahu_luau_package)
  set(KAHU_LUAU_BUILT FALSE)
  foreach(pair vm:VM compiler:Compiler codegen:CodeGen require:Require)
    string(REPLACE ":" ";" pair ${pair})
    list(GET pair 0 ours)
    list(GET pair 1 theirs)
    add_library(kahu_luau_${ours} INTERFACE)
    add_library(kahu::luau_${ours} ALIAS kahu_luau_${ours})
    set_target_properties(kahu_luau_${ours} PROPERTIES
      EXPORT_NAME luau_${ours})
    target_link_libraries(kahu_luau_${ours} INTERFACE Luau::${theirs})
  endforeach()
  return()
endif()

# --- Sources: compile them -------------------------------------------------

set(KAHU_LUAU_BUILT TRUE)

# kahu_luau_library(<name> DIRS <dir>... [LINK <name>...] [PRIVATE <dir>...])
function(kahu_luau_library name)
  cmake_parse_arguments(arg "" "" "DIRS;LINK;PRIVATE" ${ARGN})
  set(target kahu_luau_${name})
  add_library(${target} STATIC)
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME luau_${name} POSITION_INDEPENDENT_CODE ON
    CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
    C_CLANG_TIDY "" CXX_CLANG_TIDY "")
  add_library(kahu::luau_${name} ALIAS ${target})
  foreach(dir ${arg_DIRS})
    file(GLOB sources CONFIGURE_DEPENDS ${kahu_luau_dir}/${dir}/src/*.cpp)
    target_sources(${target} PRIVATE ${sources})
    target_include_directories(${target} SYSTEM PUBLIC
      $<BUILD_INTERFACE:${kahu_luau_dir}/${dir}/include>)
  endforeach()
  foreach(dir ${arg_PRIVATE})
    target_include_directories(${target} SYSTEM PRIVATE ${kahu_luau_dir}/${dir})
  endforeach()
  foreach(other ${arg_LINK})
    target_link_libraries(${target} PUBLIC kahu_luau_${other})
  endforeach()
  # Luau's warnings are Luau's; -fno-math-errno is upstream's own flag, it lets
  # math.sqrt become one instruction.
  target_compile_options(${target} PRIVATE -w -fno-math-errno)
  if(KAHU_ASSERT)
    target_compile_definitions(${target} PRIVATE LUAU_ENABLE_ASSERT)
  endif()
  # string.rep(s, 1e46) and the like: a number that is no int is cut by the VM.
  # And a heap that shrank while the collector marked it makes the VM guess that
  # it grows without bound, in a sum that overflows before it is clamped.
  if(KAHU_FUZZ)
    target_compile_options(${target} PRIVATE
      -fno-sanitize=float-cast-overflow,signed-integer-overflow)
  endif()
endfunction()

kahu_luau_library(common DIRS Common)
kahu_luau_library(vm DIRS VM LINK common)

# C names for the whole API, told to every C++ file that includes its headers.
# A C file needs nothing: there the headers' own `extern` is already right.
# The headers that are installed say both themselves: see kahu_luau_headers().
foreach(api LUA_API LUACODE_API LUACODEGEN_API)
  target_compile_definitions(kahu_luau_common PUBLIC
    "$<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:CXX>:${api}=extern \"C\">>")
endforeach()
if(KAHU_LUAU_LONGJMP)
  target_compile_definitions(kahu_luau_common PUBLIC
    $<BUILD_INTERFACE:LUA_USE_LONGJMP=1>)
else()
  # Luau's exceptions fly through the C of whoever embeds it.
  target_compile_options(kahu_luau_vm INTERFACE
    $<$<COMPILE_LANG_AND_ID:C,GNU,Clang,AppleClang>:-fexceptions>)
endif()
target_include_directories(kahu_luau_common INTERFACE
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/kahu/luau>)

# Luau is C++, and a project that enabled C alone is linked by the C compiler,
# which does not bring the C++ runtime by itself.
set(kahu_cxx_runtime ${CMAKE_CXX_IMPLICIT_LINK_LIBRARIES})
list(FILTER kahu_cxx_runtime INCLUDE REGEX "^((std)?c\\+\\+|m)$")
list(REMOVE_DUPLICATES kahu_cxx_runtime)
if(NOT PROJECT_IS_TOP_LEVEL AND NOT CXX IN_LIST kahu_outer_languages)
  target_link_libraries(kahu_luau_common INTERFACE ${kahu_cxx_runtime})
endif()

kahu_luau_library(compiler DIRS Ast Bytecode Compiler LINK common)
if(KAHU_CLI)
  # Only the program compiles to native code and reads modules from files.
  kahu_luau_library(codegen DIRS CodeGen LINK vm common PRIVATE VM/src)
  kahu_luau_library(config DIRS Config LINK compiler vm)
  kahu_luau_library(require DIRS Require LINK config vm)
endif()

# --- Headers for those who have the installed library only -----------------

# kahu_luau_edit(<text variable> <from> <to>): exactly what we know, or nothing.
function(kahu_luau_edit variable from to)
  string(FIND "${${variable}}" "${from}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "Luau's headers have changed; they lack: ${from}")
  endif()
  string(REPLACE "${from}" "${to}" text "${${variable}}")
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

# kahu_luau_headers(<dir>): Luau's C API as it was compiled here. C names and
# the way errors are raised were told to the compiler; in these copies they are
# told to the reader, so that no user of theirs has to define anything.
function(kahu_luau_headers dir)
  set(headers VM/include/lua.h VM/include/luaconf.h VM/include/lualib.h
    Compiler/include/luacode.h)
  if(TARGET kahu_luau_codegen)
    list(APPEND headers CodeGen/include/luacodegen.h)
  endif()
  foreach(header ${headers})
    file(READ ${kahu_luau_dir}/${header} text)
    foreach(api luaconf:LUA_API luacode:LUACODE_API luacodegen:LUACODEGEN_API)
      string(REPLACE ":" ";" api ${api})
      list(GET api 0 file)
      list(GET api 1 macro)
      if(header MATCHES "/${file}\\.h$")
        kahu_luau_edit(text "#define ${macro} extern\n" "\
#ifdef __cplusplus // kahu: compiled with C names
#define ${macro} extern \"C\"
#else
#define ${macro} extern
#endif
")
      endif()
    endforeach()
    if(KAHU_LUAU_LONGJMP AND header MATCHES "/luaconf\\.h$")
      kahu_luau_edit(text
        "#define LUA_USE_LONGJMP 0" "#define LUA_USE_LONGJMP 1")
    endif()
    cmake_path(GET header FILENAME name)
    file(CONFIGURE OUTPUT ${dir}/${name} CONTENT "${text}" @ONLY)
  endforeach()
endfunction()

# kahu_luau_licenses(<dir>): Luau's and Lua's, as luau.txt and lua.txt. A crate
# of the sources has one file for both, with the names of all holders.
function(kahu_luau_licenses dir)
  foreach(pair luau:../LICENSE luau:LICENSE.txt lua:lua_LICENSE.txt)
    string(REPLACE ":" ";" pair ${pair})
    list(GET pair 0 name)
    list(GET pair 1 file)
    if(EXISTS ${kahu_luau_dir}/${file})
      configure_file(${kahu_luau_dir}/${file} ${dir}/${name}.txt COPYONLY)
    endif()
  endforeach()
  if(NOT EXISTS ${dir}/luau.txt)
    message(WARNING "No licence in '${kahu_luau_dir}': add Luau's by hand")
  endif()
endfunction()
