/* SPDX-License-Identifier: MIT */
/*
 * fuzz_script.c - any text as a script, under limits.
 *
 * Whatever it is, it ends: time is counted in looks at the clock, so that a
 * run is the same every time, and the clock of the scheduler jumps.
 */
#include <luacode.h>
#include <lualib.h>
#include <stdlib.h>

#include "core/sched.h"
#include "kahu/luau.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEBIBYTES ((size_t)1024 * 1024)
#define STEPS 300

static uint64_t looks;

static uint64_t fuzz_real_ns(void *ud) {
    (void)ud;
    return ++looks * 1000;
}

static void fuzz_ignore(void *ud, lua_State *L, lua_State *co,
                        const char *message, const char *traceback) {
    (void)ud;
    (void)L;
    (void)co;
    (void)message;
    (void)traceback;
}

static void must(bool good) {
    if (!good)
        abort();
}

static int fuzz_open(lua_State *L) {
    luaL_openlibs(L);
    kahu_open_task(L);
    kahu_open_coroutine(L);
    kahu_open_scheduler(L);
    luaL_sandbox(L);
    luaL_sandboxthread(L);
    return 0;
}

static kahu_sched *fuzz_sched(lua_State *L, kahu_driver *driver,
                              uint8_t flavour) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_limits limits = KAHU_LIMITS_INIT;
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    kahu_stepped *m;
    kahu_sched *s;

    must(kahu_stepped_new(&m, driver) == KAHU_OK);
    driver->real_ns = fuzz_real_ns;
    options.driver = driver;
    options.strict_wakes = (flavour & 1) != 0;
    options.preload = (flavour & 2) != 0;
    options.strict_defer_depth = (flavour & 4) != 0;
    must(kahu_new(&s, L, &options) == KAHU_OK);
    limits.max_threads = 300;
    limits.max_wakes = 50;
    limits.max_resume_ns = 2000000;
    limits.max_total_ns = 20000000;
    limits.catch_timeout_once = (flavour & 8) != 0;
    hooks.on_error = fuzz_ignore;
    must(kahu_set_limits(s, &limits) == KAHU_OK);
    must(kahu_add_hooks(s, &hooks) == KAHU_OK);
    return s;
}

struct loading {
    const char *bytecode;
    size_t size;
    lua_State *co;
};

/* Out of memory is an error here, and the end of this input. */
static int fuzz_load(lua_State *L) {
    struct loading *l = lua_tolightuserdata(L, 1);
    lua_State *co = lua_newthread(L);

    if (luau_load(co, "=fuzz", l->bytecode, l->size, 0) != 0)
        return 0;
    (void)lua_ref(L, -1);
    l->co = co;
    return 0;
}

static void fuzz_run(lua_State *L, kahu_sched *s, const kahu_driver *driver,
                     struct loading *l) {
    if (lua_cpcall(L, fuzz_open, NULL) != LUA_OK ||
        lua_cpcall(L, fuzz_load, l) != LUA_OK || l->co == NULL)
        return;
    (void)kahu_spawn(s, l->co, NULL, 0);
    for (int i = 0; i < STEPS && !kahu_is_done(s) && !kahu_is_stopped(s); i++) {
        kahu__verify(s);
        if (driver->turn(driver->ud) != KAHU_OK)
            break;
    }
    kahu__verify(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    kahu_memory memory = {.limit = 24 * MEBIBYTES};
    struct loading l = {0};
    kahu_driver driver;
    char *bytecode;
    kahu_sched *s;
    lua_State *L;

    if (size == 0)
        return 0;
    looks = 0;
    L = lua_newstate(kahu_memory_alloc, &memory);
    must(L != NULL);
    s = fuzz_sched(L, &driver, data[0]);
    bytecode = luau_compile((const char *)data + 1, size - 1, NULL, &l.size);
    l.bytecode = bytecode;
    fuzz_run(L, s, &driver, &l);
    free(bytecode);
    kahu_free(s);
    lua_close(L);
    must(memory.used == 0);
    return 0;
}
