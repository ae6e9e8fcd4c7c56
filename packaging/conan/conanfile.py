"""Recipe for Conan 2, of the tree it lies in:

    conan create packaging/conan
"""
import re
from pathlib import Path

from conan import ConanFile
from conan.tools.build import stdcpp_library
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, rmdir
from conan.tools.gnu import PkgConfigDeps

required_conan_version = ">=2.0"


class Kahu(ConanFile):
    name = "kahu"
    description = "A task scheduler for Luau"
    license = "MIT"
    topics = "luau", "lua", "coroutines", "scheduler"
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "shared": [True, False],
        "uv": [True, False],
        "threads": [True, False],
        # Where Luau's sources are from: as KAHU_LUAU of CMake.
        "luau": ["auto", "cargo", "fetch", "ANY"],
    }
    default_options = {
        "shared": False,
        "uv": True,
        "threads": True,
        "luau": "auto",
    }

    @property
    def _tree(self):
        return Path(self.recipe_folder).parent.parent

    def set_version(self):
        text = (self._tree / "include/kahu/version.h").read_text("utf-8")
        self.version = ".".join(
            re.findall(r"KAHU_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", text))

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "bench/*", "cmake/*",
                        "include/*", "src/*", "third_party/*"):
            copy(self, pattern, self._tree, self.export_sources_folder,
                 excludes="*/target/*")

    def layout(self):
        cmake_layout(self)

    def package_id(self):
        # The pinned version, wherever it is fetched from.
        if self.info.options.luau in ("auto", "cargo", "fetch"):
            del self.info.options.luau

    def requirements(self):
        if self.options.uv:
            self.requires("libuv/[>=1.44 <2]")

    def build_requirements(self):
        if self.options.uv and not self.conf.get("tools.gnu:pkg_config"):
            self.tool_requires("pkgconf/[>=2 <3]")

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables.update({
            "KAHU_BOTH": False,
            "KAHU_CLI": False,
            "KAHU_TESTS": False,
            "KAHU_UV": bool(self.options.uv),
            "KAHU_THREADS": bool(self.options.threads),
            "KAHU_LUAU": str(self.options.luau),
        })
        toolchain.generate()
        CMakeDeps(self).generate()
        PkgConfigDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        installed = Path(self.package_folder)
        copy(self, "*", installed / "share/doc/kahu/licenses",
             installed / "licenses")
        # Conan writes its own from what follows.
        for folder in ("share", "lib/cmake", "lib/pkgconfig"):
            rmdir(self, installed / folder)

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "kahu")

        core = self.cpp_info.components["kahu"]
        core.set_property("cmake_target_name", "kahu::kahu")
        core.set_property("pkg_config_name", "kahu")
        core.libs = ["kahu"]
        core.requires = ["luau_vm"]
        if self.options.uv:
            core.requires.append("libuv::libuv")
        if self.settings.os in ("Linux", "FreeBSD"):
            core.system_libs = ["pthread"]

        vm = self.cpp_info.components["luau_vm"]
        vm.set_property("cmake_target_name", "kahu::luau_vm")
        vm.includedirs = ["include", "include/kahu/luau"]
        vm.libs = ["kahu_luau_vm", "kahu_luau_common"]
        # Luau is C++: those who link in C are told, and raise through C.
        vm.cflags = ["-fexceptions"]
        vm.system_libs = [stdcpp_library(self) or "stdc++", "m"]

        compiler = self.cpp_info.components["luau_compiler"]
        compiler.set_property("cmake_target_name", "kahu::luau_compiler")
        compiler.libs = ["kahu_luau_compiler"]
        compiler.requires = ["luau_vm"]
