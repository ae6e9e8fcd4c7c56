/* SPDX-License-Identifier: MIT */
#include "vm.h"

#include <luacode.h>
#include <luacodegen.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "kahu/luau.h"
#include "memory.h"
#include "modules.h"
#include "texts.h"

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

static void vm_set_pace(lua_State *L, const struct gc_pace *pace) {
    lua_gc(L, LUA_GCSETGOAL, pace->goal);
    lua_gc(L, LUA_GCSETSTEPMUL, pace->speed);
    lua_gc(L, LUA_GCSETSTEPSIZE, pace->step);
}

/* What fails in the middle of making it leaves it unfit to be unwound. */
static void vm_open_codegen(lua_State *L, const struct options *o) {
    if (!o->codegen || !luau_codegen_supported())
        return;
    memory_set_fatal(true);
    luau_codegen_create(L);
    memory_set_fatal(false);
}

static int vm_open_protected(lua_State *L) {
    const struct vm_setup *setup = lua_tolightuserdata(L, 1);

    vm_set_pace(L, &setup->options->gc_pace);
    vm_open_codegen(L, setup->options);
    luaL_openlibs(L);
    kahu_open_task(L);
    kahu_open_coroutine(L);
    kahu_open_scheduler(L);
    modules_open(L, setup->modules);
    if (setup->stepped != NULL)
        vm_set_clock(L, setup->stepped);
    if (setup->open_more != NULL)
        setup->open_more(L, setup->ud);
    luaL_sandbox(L);
    return 0;
}

int vm_open(lua_State *L, struct vm_setup *setup) {
    return lua_cpcall(L, vm_open_protected, setup);
}

/* ------------------------------------------------------------------------ */
/* Threads                                                                  */
/* ------------------------------------------------------------------------ */

bool vm_is_no_memory(const char *message) {
    return strcmp(message, "not enough memory") == 0 ||
           strcmp(message, "std::bad_alloc") == 0;
}

void vm_raise(lua_State *L) {
    const char *text = lua_tostring(L, -1);

    if (text != NULL && vm_is_no_memory(text))
        lua_pushliteral(L, "not enough memory");
    lua_error(L);
}

/* Calls f on co. What it raises is raised again on L: an error must not cross
 * from one thread to another by itself. */
static void vm_protect(lua_State *L, lua_State *co, lua_CFunction f, void *ud) {
    if (lua_cpcall(co, f, ud) == LUA_OK)
        return;
    lua_xmove(co, L, 1);
    vm_raise(L);
}

static int vm_sandbox_protected(lua_State *co) {
    luaL_sandboxthread(co);
    return 0;
}

/* The globals below are the VM's, not those of the thread that asks: a module
 * sees nothing of whoever requires it. */
lua_State *vm_thread_new(lua_State *L) {
    lua_State *co = lua_newthread(L);

    lua_xpush(lua_mainthread(L), co, LUA_GLOBALSINDEX);
    lua_replace(co, LUA_GLOBALSINDEX);
    vm_protect(L, co, vm_sandbox_protected, NULL);
    return co;
}

void vm_where(lua_State *co, lua_Debug *ar) {
    int level = 0;

    ar->short_src = "?";
    ar->currentline = 0;
    while (lua_getinfo(co, level, "sl", ar) && ar->what[0] == 'C')
        level++;
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

    *text = (struct vm_text){{NULL, 0}, NULL, 0};
    return text;
}

struct vm_loading {
    lua_State *L; /* gets the function */
    struct vm_text *text;
    const char *chunkname;
    const struct options *options;
};

char *vm_bytecode(struct source *source, const struct options *o,
                  size_t *size) {
    lua_CompileOptions compile = {0};

    compile.optimizationLevel = o->optimization;
    compile.debugLevel = o->debug;
    source_strip(source);
    return luau_compile(source->text, source->size, &compile, size);
}

static int vm_compile_protected(lua_State *co) {
    const struct vm_loading *l = lua_tolightuserdata(co, 1);
    struct vm_text *text = l->text;

    if (text->bytecode == NULL) {
        text->bytecode = vm_bytecode(&text->source, l->options, &text->size);
        texts_keep(l->chunkname, &text->source);
    }
    if (text->bytecode == NULL)
        luaL_error(co, "not enough memory");
    if (luau_load(co, l->chunkname, text->bytecode, text->size, 0) != 0)
        lua_error(co);
    if (l->options->codegen && luau_codegen_supported())
        luau_codegen_compile(co, -1);
    lua_xmove(co, l->L, 1);
    return 0;
}

/* Loading looks up globals that are only read in the globals of the thread it
 * runs on, so it has to be on the thread that will run the function. */
void vm_compile(lua_State *L, lua_State *co, struct vm_text *text,
                const char *chunkname, const struct options *o) {
    struct vm_loading loading = {L, text, chunkname, o};

    vm_protect(L, co, vm_compile_protected, &loading);
    vm_text_free(text);
}

/* ------------------------------------------------------------------------ */
/* Scripts                                                                  */
/* ------------------------------------------------------------------------ */

static void vm_push_arguments(lua_State *L, const struct options *o) {
    luaL_checkstack(L, o->argc, "too many arguments");
    for (int i = 0; i < o->argc; i++)
        lua_pushstring(L, o->argv[i]);
}

/* The script is the first unit of a bundle, if there is one. Raises. */
static void vm_take_bundled(lua_State *L, struct vm_text *text,
                            const struct bundle *bundle) {
    if (bundle == NULL)
        return;
    text->bytecode = bundle_read(bundle, 0, &text->size);
    if (text->bytecode == NULL)
        luaL_error(L, "not enough memory");
}

static int vm_load_protected(lua_State *L) {
    struct vm_script *script = lua_tolightuserdata(L, 1);
    struct vm_text *text = vm_text_new(L);
    lua_State *co = vm_thread_new(L);

    script->ref = lua_ref(L, -1);
    text->source = script->source;
    script->source = (struct source){NULL, 0};
    vm_take_bundled(L, text, script->options->bundle);
    /* Made here and moved: an error has to be raised on this thread. */
    vm_compile(L, co, text, script->chunkname, script->options);
    vm_push_arguments(L, script->options);
    if (!lua_checkstack(co, script->options->argc + 1))
        luaL_error(L, "too many arguments");
    lua_xmove(L, co, script->options->argc + 1);
    script->thread = co;
    return 0;
}

int vm_load(lua_State *L, struct vm_script *script) {
    return lua_cpcall(L, vm_load_protected, script);
}
