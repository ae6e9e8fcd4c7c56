/* SPDX-License-Identifier: MIT */
/*
 * fuzz_api.c - bytes as calls of the C API, made from outside, from hooks,
 * from posted calls, from functions that scripts call, and from callbacks.
 *
 * A byte is what to do, the next one with what. Wherever the library calls
 * back, the bytes go on there, a few levels deep.
 */
#include <luacode.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "core/sched.h"
#include "kahu/luau.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define THREADS 8
#define OPS 8
#define SCOPES 4
#define DEPTH 6

static struct fuzz {
    const uint8_t *data;
    size_t size;
    lua_State *L;
    kahu_sched *s;
    kahu_stepped *m;
    lua_State *threads[THREADS]; /* kept by the registry */
    int refs[THREADS];
    kahu_op ops[OPS];
    unsigned next_op;
    kahu_scope scopes[SCOPES];
    int depth;
    long taken; /* uds handed over and not dropped: 0 at the end */
    bool freed;
} f;

static void must(bool good) {
    if (!good)
        abort();
}

static uint8_t byte(void) {
    if (f.size == 0)
        return 0;
    f.size--;
    return *f.data++;
}

static void act(void);

/* Something of the bytes from inside of a callback. */
static void act_inside(void) {
    if (f.depth >= DEPTH || f.freed)
        return;
    f.depth++;
    for (int n = byte() % 3; n > 0 && f.size > 0; n--)
        act();
    f.depth--;
}

/* ------------------------------------------------------------------------ */
/* Callbacks                                                                */
/* ------------------------------------------------------------------------ */

static void taken_drop(void *ud) {
    must(ud == &f);
    f.taken--;
    act_inside();
}

static void *taken(kahu_status status) {
    if (status == KAHU_OK)
        f.taken++;
    return &f;
}

static int on_push(lua_State *L, void *ud) {
    (void)ud;
    switch (byte() % 4) {
    case 0:
        return 0;
    case 1:
        lua_pushnumber(L, 1);
        lua_pushnil(L);
        return 2;
    case 2:
        return KAHU_EUSER;
    default:
        lua_pushliteral(L, "value");
        return 1;
    }
}

static void on_cancel(void *ud, kahu_op op) {
    (void)ud;
    (void)op;
    act_inside();
}

static bool on_watch(void *ud, lua_State *L, const kahu_feedback *feedback) {
    (void)ud;
    must(lua_gettop(L) == feedback->nvalues);
    act_inside();
    return byte() % 2 == 0;
}

static void on_error(void *ud, lua_State *L, lua_State *co, const char *message,
                     const char *traceback) {
    (void)ud;
    (void)L;
    must(co != NULL && message != NULL && traceback != NULL);
    act_inside();
}

static void on_end(void *ud, lua_State *L, lua_State *co, kahu_outcome outcome,
                   int nresults) {
    (void)ud;
    (void)co;
    (void)outcome;
    must(lua_gettop(L) == nresults);
    act_inside();
}

static void on_resume(void *ud, lua_State *L, const kahu_feedback *feedback) {
    (void)ud;
    must(lua_gettop(L) == feedback->nvalues);
    act_inside();
}

static void on_call(void *ud, lua_State *L) {
    (void)ud;
    act_inside();
    if (byte() % 8 == 0)
        luaL_error(L, "raised in a call");
}

static const kahu_hooks hooks = {
    .size = sizeof(kahu_hooks),
    .on_error = on_error,
    .on_end = on_end,
    .on_resume = on_resume,
    .user_resumes = true,
};

/* Called by scripts: the bytes go on, with the thread as it is. */
static int host_act(lua_State *L) {
    (void)L;
    if (f.size == 0)
        kahu_stop(f.s, 0); /* some scripts would go on for ever */
    act_inside();
    return 0;
}

static int host_op(lua_State *L) {
    kahu_op op;
    kahu_status status = kahu_op_begin(L, on_cancel, NULL, &op);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    f.ops[f.next_op++ % OPS] = op;
    return kahu_op_yield(L);
}

/* ------------------------------------------------------------------------ */
/* Threads                                                                  */
/* ------------------------------------------------------------------------ */

static const char *const scripts[] = {
    "return ...",
    "act() task.wait(1) act() return 1, 2",
    "while true do task.wait(0.5) act() end",
    "op() act() op()",
    "pcall(op) act() error('failed')",
    "local co = coroutine.create(function() act() coroutine.yield(1) act() "
    "task.wait(1) end) coroutine.resume(co) act() coroutine.resume(co) "
    "pcall(coroutine.close, co)",
    "local w = coroutine.wrap(function() op() return 3 end) w() act() "
    "coroutine.yield('mine') act()",
    "task.spawn(function() act() op() end) task.defer(act) "
    "task.delay(1, act) act() task.cancel(task.delay(2, act))",
    "for i = 1, 3 do task.defer(coroutine.running()) end coroutine.yield() "
    "act() coroutine.yield() act()",
    "error(setmetatable({}, {__tostring = function() act() return 'e' end}))",
};

static void thread_new(unsigned slot, unsigned script) {
    const char *text = scripts[script % (sizeof(scripts) / sizeof(*scripts))];
    size_t size;
    char *bytecode = luau_compile(text, strlen(text), NULL, &size);
    lua_State *co;

    must(lua_checkstack(f.L, 2));
    co = lua_newthread(f.L);
    must(luau_load(co, "=fuzz", bytecode, size, 0) == 0);
    free(bytecode);
    if (f.threads[slot] != NULL)
        lua_unref(f.L, f.refs[slot]);
    f.threads[slot] = co;
    f.refs[slot] = lua_ref(f.L, -1);
    lua_pop(f.L, 1);
}

static lua_State *thread_of(uint8_t b) {
    if (f.threads[b % THREADS] == NULL)
        thread_new(b % THREADS, b);
    return f.threads[b % THREADS];
}

/* Values only where the API allows them: on one that is suspended. */
static int thread_values(lua_State *co, uint8_t b) {
    int n = b % 3;

    if (lua_costatus(f.L, co) != LUA_COSUS || !lua_checkstack(co, n))
        return 0;
    for (int i = 0; i < n; i++)
        lua_pushnumber(co, i);
    return n;
}

static void thread_undo(lua_State *co, int n, kahu_status status) {
    if (status != KAHU_OK && n > 0)
        lua_pop(co, n);
}

/* ------------------------------------------------------------------------ */
/* Acts                                                                     */
/* ------------------------------------------------------------------------ */

static void act_spawn(uint8_t b) {
    lua_State *co = thread_of(b);
    int n = thread_values(co, byte());

    thread_undo(co, n, kahu_spawn(f.s, co, NULL, n));
}

static void act_defer(uint8_t b) {
    lua_State *co = thread_of(b);
    int n = thread_values(co, byte());

    thread_undo(co, n, kahu_defer(f.s, co, n));
}

static void act_delay(uint8_t b) {
    lua_State *co = thread_of(b);
    int n = thread_values(co, byte());
    uint64_t ns = (uint64_t)(byte() % 8) * 250000000;

    thread_undo(co, n, kahu_delay(f.s, co, n, b > 250 ? KAHU_NEVER_NS : ns));
}

static void act_cancel(uint8_t b) {
    lua_State *co = thread_of(b);

    if (b % 16 == 0)
        (void)kahu_cancel_all(f.s);
    else if (b % 2 == 0)
        (void)!kahu_cancel(f.s, co);
    else if (kahu_cancel_after(f.s, co, (uint64_t)b * 10000000) != KAHU_OK)
        return;
}

static void act_end_op(uint8_t b) {
    kahu_op op = f.ops[b % OPS];

    if (b % 3 == 0)
        (void)kahu_op_abandon(f.s, op);
    else if (b % 3 == 1)
        (void)taken(kahu_op_finish(f.s, op, on_push, &f, taken_drop));
    else
        (void)taken(kahu_op_fail(f.s, op, on_push, &f, taken_drop));
}

static void act_post(uint8_t b) {
    if (b % 2 == 0)
        (void)taken(kahu_post(f.s, on_call, &f, taken_drop));
    else
        (void)kahu_call(f.s, on_call, &f);
}

static void act_step(uint8_t b) {
    if (b % 4 == 0)
        (void)kahu_step(f.s);
    else if (b % 4 == 1)
        (void)kahu_stepped_advance(f.m, (uint64_t)b * 10000000);
    else if (b % 4 == 2)
        (void)kahu_stepped_step(f.m, kahu_stepped_now_ns(f.m) + b);
    else
        (void)kahu_run_until(f.s, (lua_State *const[]){thread_of(b)}, 1);
}

static void act_watch(uint8_t b) {
    lua_State *co = thread_of(b);

    if (b % 3 == 0)
        (void)kahu_unwatch(f.s, co, on_watch, &f);
    else
        (void)taken(kahu_watch(f.s, co, on_watch, &f, taken_drop));
}

static void act_scope(uint8_t b) {
    kahu_scope *scope = &f.scopes[b % SCOPES];

    switch ((b / SCOPES) % 4) {
    case 0:
        (void)!kahu_scope_new(f.s, f.scopes[(b + 1) % SCOPES], scope);
        break;
    case 1:
        (void)!kahu_scope_add(f.s, *scope, thread_of(b));
        break;
    case 2:
        (void)kahu_scope_cancel(f.s, *scope);
        break;
    default:
        (void)kahu_scope_count(f.s, *scope);
        (void)kahu_scope_free(f.s, *scope);
    }
}

static bool on_thread(void *ud, const kahu_thread_info *info) {
    (void)ud;
    must(info->co != NULL && info->label != NULL);
    return true;
}

static void act_look(uint8_t b) {
    kahu_thread_info info = {.size = sizeof(info)};

    (void)!kahu_track(f.s);
    (void)kahu_each_thread(f.s, b % 2 == 0 ? NULL : thread_of(b), on_thread,
                           NULL);
    (void)kahu_set_thread_label(f.s, thread_of(b), "a label");
    (void)kahu_get_thread_info(f.s, thread_of(b), &info);
    lua_gc(f.L, LUA_GCCOLLECT, 0);
}

static void act_control(uint8_t b) {
    switch (b % 8) {
    case 0:
        kahu_stop(f.s, b);
        break;
    case 1:
    case 2:
        kahu_unstop(f.s);
        break;
    case 3:
        kahu_clear(f.s);
        break;
    case 4:
        kahu_ref(f.s);
        break;
    case 5:
        (void)kahu_unref(f.s);
        break;
    case 6:
        (void)!kahu_add_hooks(f.s, &hooks);
        break;
    default:
        (void)kahu_remove_hooks(f.s, &hooks);
    }
}

static void act_thread(uint8_t b) {
    thread_new(b % THREADS, byte());
}

static void act_start(uint8_t b) {
    (void)b;
    must(lua_checkstack(f.L, 2));
    lua_pushthread(thread_of(b));
    lua_xmove(thread_of(b), f.L, 1);
    (void)taken(kahu_start(f.s, f.L, 0, on_watch, &f, taken_drop, NULL));
    lua_pop(f.L, 1);
}

/* Rarely, or there would be nothing more to do. */
static void act_close(uint8_t b) {
    if (b > 250)
        kahu_close(f.s);
}

static void (*const acts[])(uint8_t b) = {
    act_spawn, act_defer, act_delay, act_cancel,  act_end_op, act_post,
    act_step,  act_watch, act_scope, act_control, act_thread, act_look,
    act_start, act_close, act_step,  act_end_op,
};

static void act(void) {
    uint8_t what = byte();

    acts[what % (sizeof(acts) / sizeof(*acts))](byte());
}

/* ------------------------------------------------------------------------ */
/* One input                                                                */
/* ------------------------------------------------------------------------ */

static void fuzz_open(uint8_t flavour) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_driver driver;

    f.L = luaL_newstate();
    must(kahu_stepped_new(&f.m, &driver) == KAHU_OK);
    options.driver = &driver;
    options.strict_wakes = (flavour & 1) != 0;
    options.preload = (flavour & 2) != 0;
    options.max_step_resumes = (flavour & 4) != 0 ? 2 : 0;
    must(kahu_new(&f.s, f.L, &options) == KAHU_OK);
    must(kahu_add_hooks(f.s, &hooks) == KAHU_OK);
    luaL_openlibs(f.L);
    kahu_open_task(f.L);
    kahu_open_coroutine(f.L);
    lua_pushcfunction(f.L, host_act, "act");
    lua_setglobal(f.L, "act");
    lua_pushcfunction(f.L, host_op, "op");
    lua_setglobal(f.L, "op");
    lua_settop(f.L, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    memset(&f, 0, sizeof(f));
    f.data = data;
    f.size = size;
    fuzz_open(byte());
    while (f.size > 0) {
        act();
        kahu__verify(f.s);
    }
    (void)kahu_stepped_advance(f.m, UINT64_C(1000000000));
    kahu__verify(f.s);
    f.freed = true;
    kahu_free(f.s);
    must(f.taken == 0);
    lua_close(f.L);
    return 0;
}
