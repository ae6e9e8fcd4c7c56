// SPDX-License-Identifier: MIT
// host.cpp - a host of somebody else's, in C++: Luau's headers and ours need
// no extern "C" around them.
#include <kahu/kahu.h>
#include <kahu/luau.h>
#include <kahu/threads.h>
#ifdef HOST_UV
#include <kahu/uv.h>
#endif
#include <lua.h>
#include <luacode.h>
#include <lualib.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

static const std::string script = "task.wait(0.01)\nsay('waited')\n";

static int say(lua_State *L) {
    std::puts(luaL_checkstring(L, 1));
    return 0;
}

int main() {
    std::unique_ptr<lua_State, void (*)(lua_State *)> vm(luaL_newstate(),
                                                         lua_close);
    lua_State *L = vm.get();
    luaL_openlibs(L);
    lua_pushcfunction(L, say, "say");
    lua_setglobal(L, "say");

    kahu_driver driver = KAHU_DRIVER_INIT;
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_sched *s = nullptr;
    if (kahu_blocking_driver(&driver) != KAHU_OK)
        return 1;
    options.driver = &driver;
    if (kahu_new(&s, L, &options) != KAHU_OK)
        return 2;
    kahu_open_task(L);

    lua_State *co = lua_newthread(L);
    size_t size = 0;
    char *code = luau_compile(script.data(), script.size(), nullptr, &size);
    bool loaded = luau_load(co, "=host", code, size, 0) == 0;
    std::free(code);
    if (!loaded || kahu_spawn(s, co, nullptr, 0) != KAHU_OK ||
        kahu_run(s) != KAHU_OK)
        return 3;
    kahu_free(s);
    return 0;
}
