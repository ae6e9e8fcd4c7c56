/* SPDX-License-Identifier: MIT */
/*
 * host.c - a host of somebody else's, in C only: what is installed is enough
 * to compile it, to link it with the C compiler, and to run a script.
 */
#include <kahu/kahu.h>
#include <kahu/luau.h>
#include <kahu/threads.h>
#ifdef HOST_UV
#include <kahu/uv.h>
#endif
#include <lua.h>
#include <luacode.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *script = "task.delay(0.01, say, 'delayed')\n"
                            "say('begun')\n"
                            "say(pcall(refuse))\n"
                            "task.wait(0.02)\n"
                            "say('waited')\n";

static int host_say(lua_State *L) {
    (void)puts(luaL_tolstring(L, lua_gettop(L), NULL));
    return 0;
}

/* Luau's error goes through this frame, by whatever means Luau was built. */
static int host_refuse(lua_State *L) {
    luaL_error(L, "refused");
}

static int host_load(lua_State *co) {
    size_t size = 0;
    char *code = luau_compile(script, strlen(script), NULL, &size);
    int status = luau_load(co, "=host", code, size, 0);

    free(code);
    return status;
}

static int host_run(lua_State *L) {
    kahu_driver driver;
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_sched *s = NULL;
    lua_State *co;

#ifdef HOST_UV
    /* Asked for nothing: it is there, and so is libuv behind it. */
    if (kahu_uv_driver(NULL, NULL) != KAHU_EINVAL)
        return 1;
#endif
    if (kahu_version() != KAHU_VERSION_NUMBER)
        return 2;
    if (kahu_blocking_driver(&driver) != KAHU_OK)
        return 3;
    options.driver = &driver;
    if (kahu_new(&s, L, &options) != KAHU_OK)
        return 4;
    (void)kahu_open_task(L);
    (void)kahu_open_coroutine(L);
    lua_settop(L, 0);
    co = lua_newthread(L);
    if (host_load(co) != 0 || kahu_spawn(s, co, NULL, 0) != KAHU_OK ||
        kahu_run(s) != KAHU_OK)
        return 5;
    kahu_free(s);
    return 0;
}

int main(void) {
    lua_State *L = luaL_newstate();
    int status;

    luaL_openlibs(L);
    lua_pushcfunction(L, host_say, "say");
    lua_setglobal(L, "say");
    lua_pushcfunction(L, host_refuse, "refuse");
    lua_setglobal(L, "refuse");
    status = host_run(L);
    lua_close(L);
    return status;
}
