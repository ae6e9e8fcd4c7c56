# Port of the tree it lies in, to be used as an overlay:
#
#   vcpkg install kahu --overlay-ports=packaging/vcpkg
#
# Luau's sources come by cargo, which checks them against our lock file; vcpkg
# keeps CMake from fetching anything. A triplet that sets KAHU_LUAU to a
# directory of the sources needs neither.

get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

vcpkg_check_features(OUT_FEATURE_OPTIONS FEATURE_OPTIONS
  FEATURES uv KAHU_UV)
if(NOT DEFINED KAHU_LUAU)
  set(KAHU_LUAU cargo)
endif()
if("uv" IN_LIST FEATURES)
  vcpkg_find_acquire_program(PKGCONFIG)
  list(APPEND FEATURE_OPTIONS "-DPKG_CONFIG_EXECUTABLE=${PKGCONFIG}")
endif()

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DKAHU_BOTH=OFF
    -DKAHU_CLI=OFF
    -DKAHU_TESTS=OFF
    "-DKAHU_LUAU=${KAHU_LUAU}"
    ${FEATURE_OPTIONS})
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/kahu)
vcpkg_fixup_pkgconfig()

file(GLOB licenses "${CURRENT_PACKAGES_DIR}/share/doc/kahu/licenses/*.txt")
vcpkg_install_copyright(FILE_LIST ${licenses})
file(REMOVE_RECURSE
  "${CURRENT_PACKAGES_DIR}/debug/include"
  "${CURRENT_PACKAGES_DIR}/debug/share"
  "${CURRENT_PACKAGES_DIR}/share/doc")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage"
  DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
