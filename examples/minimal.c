/* SPDX-License-Identifier: MIT */
/* minimal.c - the least host there is: minimal ["text of a script"] */
#include <luacode.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "kahu/luau.h"
#include "kahu/uv.h"

int main(int argc, char **argv) {
    const char *text = argc > 1 ? argv[1] : "task.delay(0.1, print, 'hello')";
    size_t size;
    char *bytecode = luau_compile(text, strlen(text), NULL, &size);
    lua_State *L = luaL_newstate(), *co = lua_newthread(L);
    kahu_driver driver;
    kahu_options options = {.size = sizeof(options), .driver = &driver};
    kahu_sched *s;

    if (kahu_uv_driver(&driver, uv_default_loop()) != KAHU_OK ||
        kahu_new(&s, L, &options) != KAHU_OK)
        return EXIT_FAILURE;
    luaL_openlibs(L);
    kahu_open_task(L);
    kahu_open_coroutine(L);
    int failed = luau_load(co, "=script", bytecode, size, 0);
    free(bytecode);
    if (failed)
        fprintf(stderr, "%s\n", lua_tostring(co, -1));
    else
        kahu_spawn(s, co, NULL, 0);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT); /* ends when all is done */
    failed = failed || kahu_exit_code(s);
    kahu_free(s);
    lua_close(L);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT); /* the driver closes itself */
    return failed;
}
