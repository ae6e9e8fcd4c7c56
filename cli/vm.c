/* SPDX-License-Identifier: MIT */
#include "vm.h"

#include <luacode.h>
#include <luacodegen.h>
#include <lualib.h>
#include <stdlib.h>

#include "kahu/luau.h"
#include "modules.h"

/* ------------------------------------------------------------------------ */
/* Libraries                                                                */
/* ------------------------------------------------------------------------ */

static int vm_clock(lua_State *L) {
    const kahu_stepped *m = lua_tolightuserdata(L, lua_upvalueindex(1));

    lua_pushnumber(L, (double)kahu_stepped_now_ns(m) / 1e9);
    return 1;
}

/* Under virtual time os.clock and task.wait speak of the same clock. */
static void vm_set_clock(lua_State *L, kahu_stepped *m) {
    lua_getglobal(L, "os");
    lua_pushlightuserdata(L, m);
    lua_pushcclosure(L, vm_clock, "clock", 1);
    lua_setfield(L, -2, "clock");
    lua_pop(L, 1);
}

static int vm_open_protected(lua_State *L) {
    const struct vm_setup *setup = lua_tolightuserdata(L, 1);

    if (setup->options->codegen && luau_codegen_supported())
        luau_codegen_create(L);
    luaL_openlibs(L);
    kahu_open_task(L);
    kahu_open_coroutine(L);
    modules_open(L, setup->modules);
    if (setup->stepped != NULL)
        vm_set_clock(L, setup->stepped);
    luaL_sandbox(L);
    return 0;
}

int vm_open(lua_State *L, struct vm_setup *setup) {
    return lua_cpcall(L, vm_open_protected, setup);
}

/* ------------------------------------------------------------------------ */
/* Compiling                                                                */
/* ------------------------------------------------------------------------ */

static void vm_text_free(void *ud) {
    struct vm_text *text = ud;

    source_free(&text->source);
    free(text->bytecode);
    text->bytecode = NULL;
}

static void vm_text_collect(lua_State *L, void *ud) {
    (void)L;
    vm_text_free(ud);
}

struct vm_text *vm_text_new(lua_State *L) {
    struct vm_text *text =
        lua_newuserdatadtor(L, sizeof(*text), vm_text_collect);

    *text = (struct vm_text){{NULL, 0}, NULL};
    return text;
}

void vm_compile(lua_State *L, struct vm_text *text, const char *chunkname,
                const struct options *o) {
    lua_CompileOptions compile = {0};
    size_t size;
    int failed;

    compile.optimizationLevel = o->optimization;
    compile.debugLevel = o->debug;
    source_strip(&text->source);
    text->bytecode =
        luau_compile(text->source.text, text->source.size, &compile, &size);
    source_free(&text->source);
    if (text->bytecode == NULL)
        luaL_error(L, "not enough memory");
    failed = luau_load(L, chunkname, text->bytecode, size, 0);
    vm_text_free(text);
    if (failed)
        lua_error(L);
    if (o->codegen && luau_codegen_supported())
        luau_codegen_compile(L, -1);
}

/* ------------------------------------------------------------------------ */
/* Scripts                                                                  */
/* ------------------------------------------------------------------------ */

static void vm_push_arguments(lua_State *L, const struct options *o) {
    luaL_checkstack(L, o->argc, "too many arguments");
    for (int i = 0; i < o->argc; i++)
        lua_pushstring(L, o->argv[i]);
}

static int vm_load_protected(lua_State *L) {
    struct vm_script *script = lua_tolightuserdata(L, 1);
    struct vm_text *text = vm_text_new(L);
    lua_State *co = lua_newthread(L);

    script->ref = lua_ref(L, -1);
    luaL_sandboxthread(co);
    text->source = script->source;
    script->source = (struct source){NULL, 0};
    /* Loaded here and moved: an error has to be raised on this thread. The
     * function's globals are set to the thread's. */
    vm_compile(L, text, script->chunkname, script->options);
    lua_pushvalue(co, LUA_GLOBALSINDEX);
    lua_xmove(co, L, 1);
    lua_setfenv(L, -2);
    lua_xmove(L, co, 1);
    vm_push_arguments(L, script->options);
    lua_xmove(L, co, script->options->argc);
    script->thread = co;
    return 0;
}

int vm_load(lua_State *L, struct vm_script *script) {
    return lua_cpcall(L, vm_load_protected, script);
}
