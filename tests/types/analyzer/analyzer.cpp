// SPDX-License-Identifier: MIT
//
// analyzer.cpp - Luau's type checker as a program, for tools/check_types.
//
//     kahu-analyzer --solver=old|new SCRIPT DEFINITIONS...
//
// Prints `file:line: message` for each complaint and exits with 1 if there is
// one, with 2 if it could not begin.

#include <Luau/BuiltinDefinitions.h>
#include <Luau/Common.h>
#include <Luau/Error.h>
#include <Luau/Frontend.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

namespace {

std::optional<std::string> read_file(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;

    if (!file || !(text << file.rdbuf()))
        return std::nullopt;
    return text.str();
}

struct Files : Luau::FileResolver {
    std::optional<Luau::SourceCode>
    readSource(const Luau::ModuleName& name) override {
        auto text = read_file(name);

        if (!text)
            return std::nullopt;
        return Luau::SourceCode{*text, Luau::SourceCode::Script};
    }
};

struct Strict : Luau::ConfigResolver {
    Luau::Config config;

    Strict() {
        config.mode = Luau::Mode::Strict;
    }

    const Luau::Config&
    getConfig(const Luau::ModuleName&,
              const Luau::TypeCheckLimits&) const override {
        return config;
    }
};

void tell(const std::string& path, const Luau::Location& at,
          const std::string& text) {
    std::printf("%s:%u: ", path.c_str(), at.begin.line + 1);
    for (char c : text)
        std::putchar(c == '\n' ? ' ' : c);
    std::putchar('\n');
}

bool load_definitions(Luau::Frontend& frontend, const std::string& path) {
    auto text = read_file(path);

    if (!text) {
        std::fprintf(stderr, "cannot read %s\n", path.c_str());
        return false;
    }
    auto result =
        frontend.loadDefinitionFile(frontend.globals, frontend.globals.globalScope,
                                    *text, "@kahu", false);
    for (const auto& error : result.parseResult.errors)
        tell(path, error.getLocation(), error.getMessage());
    if (result.module)
        for (const auto& error : result.module->errors)
            tell(path, error.location, Luau::toString(error));
    return result.success;
}

int check(Luau::SolverMode mode, const std::string& script, char** definitions) {
    Files files;
    Strict strict;
    Luau::Frontend frontend(mode, &files, &strict);
    bool failed = false;

    Luau::unfreeze(frontend.globals.globalTypes);
    Luau::registerBuiltinGlobals(frontend, frontend.globals);
    for (; *definitions; definitions++)
        failed |= !load_definitions(frontend, *definitions);
    Luau::freeze(frontend.globals.globalTypes);
    for (const auto& error : frontend.check(script).errors) {
        tell(script, error.location, Luau::toString(error));
        failed = true;
    }
    return failed;
}

}  // namespace

int main(int argc, char** argv) {
    const char* solver = argc > 3 ? argv[1] : "";

    if (std::strcmp(solver, "--solver=old") == 0)
        return check(Luau::SolverMode::Old, argv[2], argv + 3);
    if (std::strcmp(solver, "--solver=new") == 0)
        return check(Luau::SolverMode::New, argv[2], argv + 3);
    std::fputs("usage: kahu-analyzer --solver=old|new SCRIPT DEFINITIONS...\n",
               stderr);
    return 2;
}
