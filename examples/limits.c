/* SPDX-License-Identifier: MIT */
/*
 * limits.c - a host that runs a script it does not trust: limits script.luau
 *
 * Nothing the script does may stop the host, its other threads, or fill the
 * machine: memory is limited by the VM's allocator, all else by the scheduler.
 */
#include <luacode.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "kahu/luau.h"
#include "kahu/threads.h"

#define MILLISECONDS UINT64_C(1000000) /* in ns */
#define MEBIBYTES ((size_t)1024 * 1024)

struct sandbox {
    kahu_memory memory;
    lua_State *L;
    kahu_sched *s;
};

/* What stopped a thread. The others go on. */
static void on_error(void *ud, lua_State *L, lua_State *co, const char *message,
                     const char *traceback) {
    (void)ud;
    (void)L;
    (void)co;
    (void)traceback;
    printf("stopped: %s\n", message);
}

static bool set_limits(kahu_sched *s) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    limits.max_threads = 1000;
    limits.max_wakes = 100;
    limits.max_resume_ns = 1000 * MILLISECONDS;
    limits.max_total_ns = 5000 * MILLISECONDS;
    hooks.on_error = on_error;
    return kahu_set_limits(s, &limits) == KAHU_OK &&
           kahu_add_hooks(s, &hooks) == KAHU_OK;
}

/* The globals of the sandbox: Luau's own libraries can do no harm, as there is
 * nothing of the system in them. */
static int open_libraries(lua_State *L) {
    luaL_openlibs(L);
    kahu_open_task(L);
    kahu_open_coroutine(L);
    luaL_sandbox(L);
    return 0;
}

static bool sandbox_open(struct sandbox *b) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_driver driver;

    b->memory = (kahu_memory){.limit = 32 * MEBIBYTES};
    b->L = lua_newstate(kahu_memory_alloc, &b->memory);
    if (b->L == NULL || kahu_blocking_driver(&driver) != KAHU_OK)
        return false;
    options.driver = &driver;
    if (kahu_new(&b->s, b->L, &options) != KAHU_OK) {
        driver.release(driver.ud);
        return false;
    }
    return set_limits(b->s) && lua_cpcall(b->L, open_libraries, NULL) == LUA_OK;
}

static void sandbox_close(struct sandbox *b) {
    kahu_free(b->s);
    if (b->L != NULL)
        lua_close(b->L);
}

/* ------------------------------------------------------------------------ */
/* The script                                                               */
/* ------------------------------------------------------------------------ */

struct loading {
    const char *bytecode;
    size_t size;
    bool loaded;
};

/* Leaves a thread with the script's function, or with a message. */
static int load(lua_State *L) {
    struct loading *l = lua_tolightuserdata(L, 1);
    lua_State *co = lua_newthread(L);

    (void)lua_ref(L, -1);
    luaL_sandboxthread(co);
    l->loaded = luau_load(co, "=script", l->bytecode, l->size, 0) == 0;
    if (!l->loaded)
        fprintf(stderr, "%s\n", lua_tostring(co, -1));
    else
        (void)kahu_spawn(kahu_get(L), co, NULL, 0);
    return 0;
}

static bool sandbox_run(struct sandbox *b, const char *text, size_t length) {
    struct loading l = {0};
    char *bytecode = luau_compile(text, length, NULL, &l.size);

    l.bytecode = bytecode;
    if (bytecode == NULL || lua_cpcall(b->L, load, &l) != LUA_OK)
        l.loaded = false;
    free(bytecode);
    return l.loaded && kahu_run(b->s) == KAHU_OK;
}

static char text[65536];

int main(int argc, char **argv) {
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    struct sandbox b = {0};
    size_t length;
    bool good;

    if (file == NULL) {
        fprintf(stderr, "usage: limits script.luau\n");
        return EXIT_FAILURE;
    }
    length = fread(text, 1, sizeof(text), file);
    fclose(file);
    good = sandbox_open(&b) && sandbox_run(&b, text, length);
    printf("the host is well, and the VM never held more than %s\n",
           b.memory.peak <= b.memory.limit ? "its limit" : "it should");
    sandbox_close(&b);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
