/* SPDX-License-Identifier: MIT */
/*
 * readme_main.c - the rest of a program around the host of README.md: runs
 * script.luau by it.
 */
#include <luacode.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

void run(lua_State *L, lua_State *script); /* the one in README.md */

int main(void) {
    static char text[65536];
    FILE *file = fopen("script.luau", "r");
    size_t length = file != NULL ? fread(text, 1, sizeof(text), file) : 0;
    size_t size;
    char *bytecode = luau_compile(text, length, NULL, &size);
    lua_State *L = luaL_newstate();
    lua_State *script = lua_newthread(L);

    luaL_openlibs(L);
    if (length == 0 || luau_load(script, "=script", bytecode, size, 0) != 0)
        return EXIT_FAILURE;
    run(L, script);
    lua_close(L);
    free(bytecode);
    fclose(file);
    return EXIT_SUCCESS;
}
