/* SPDX-License-Identifier: MIT */
/*
 * api_scripts.c - threads with scripts on them that call the host back.
 */
#include <luacode.h>
#include <string.h>

#include "api.h"

#define WORK 2000 /* calls by scripts that are enough for one input */

/* ------------------------------------------------------------------------ */
/* Functions for scripts                                                    */
/* ------------------------------------------------------------------------ */

/* The bytes go on, with the thread as it is. */
static void act_on(lua_State *L) {
    lua_State *from = f.from;

    if (++f.work >= WORK)
        f.size = 0;
    if (f.size == 0 && !f.freed)
        kahu_stop(f.s, 0); /* some scripts would go on for ever */
    f.from = L;
    act_inside();
    f.from = from;
}

static int host_act(lua_State *L) {
    act_on(L);
    return 0;
}

static int op_failed(lua_State *L, kahu_status status) {
    if (status == KAHU_EUSER)
        luaL_error(L, "too many operations");
    return kahu_raise(L, status);
}

/* An asynchronous function; anything may happen before it yields. */
static int host_op(lua_State *L) {
    kahu_status status = ops_begin(L);

    if (status != KAHU_OK)
        return op_failed(L, status);
    act_on(L);
    return kahu_op_yield(L);
}

/* Ended before it yields. */
static int host_early(lua_State *L) {
    kahu_status status = ops_begin(L);

    if (status != KAHU_OK)
        return op_failed(L, status);
    if (!f.freed)
        ops_end(0, byte());
    return kahu_op_yield(L);
}

/* Begun, and then it does not get as far as to yield. */
static int host_broken(lua_State *L) {
    kahu_status status = ops_begin(L);

    if (status != KAHU_OK)
        return op_failed(L, status);
    act_on(L);
    luaL_error(L, "raised after a beginning");
}

/* Operations one after the other, in a continuation. */
static int host_chain_next(lua_State *L, int status) {
    int left = lua_tointeger(L, 1);

    (void)status;
    act_on(L);
    if (left <= 0)
        return lua_gettop(L);
    lua_settop(L, 0);
    lua_pushinteger(L, left - 1);
    return host_op(L);
}

static int host_chain(lua_State *L) {
    lua_settop(L, 0);
    lua_pushinteger(L, byte() % 4);
    return host_op(L);
}

/* The thread of a slot, for scripts to do something with. */
static int host_thread(lua_State *L) {
    lua_State *co = thread_of(byte());

    if (co == NULL)
        return 0;
    memory_calm(true);
    must(lua_checkstack(co, 1) != 0 && lua_checkstack(L, 1) != 0);
    lua_pushthread(co);
    if (co != L)
        lua_xmove(co, L, 1);
    memory_calm(false);
    return 1;
}

int scripts_open(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"act", host_act},       {"op", host_op},         {"early", host_early},
        {"broken", host_broken}, {"thread", host_thread}, {NULL, NULL}};

    kahu_open_task(L);
    kahu_open_coroutine(L);
    kahu_open_scheduler(L);
    for (const luaL_Reg *r = functions; r->name != NULL; r++) {
        lua_pushcfunction(L, r->func, r->name);
        lua_setglobal(L, r->name);
    }
    lua_pushcclosurek(L, host_chain, "chain", 0, host_chain_next);
    lua_setglobal(L, "chain");
    return 0;
}

/* ------------------------------------------------------------------------ */
/* Scripts                                                                  */
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
    "pcall(task.cancel, thread()) act() pcall(task.spawn, thread(), 1) act() "
    "pcall(task.defer, thread(), 2) pcall(task.delay, 0.5, thread(), 3)",
    "for i = 1, 60 do pcall(early) act() end",
    "return chain(1)",
    "pcall(broken) act() task.wait() broken()",
    "local t = thread() pcall(coroutine.resume, t, 1) act() "
    "pcall(coroutine.close, t) act() return coroutine.status(t)",
    "while true do act() pcall(chain) task.wait() end",
    "task.spawn(act) scheduler.clear() act() scheduler.stop(3) act()",
    "return task.count('sdw'), scheduler.counts().all, scheduler.next()",
    "local t = {} for i = 1, 50 do t[i] = task.delay(i / 10, act) end op() "
    "for i = 1, 50, 2 do task.cancel(t[i]) end act()",
    "local function nest(n) act() if n > 0 then task.spawn(nest, n - 1) end "
    "op() end nest(20)",
    "table.sort({1, 2, 3}, function() act() pcall(task.wait) pcall(op) "
    "return false end)",
    "local me = coroutine.running() task.defer(function() act() "
    "task.cancel(me) act() end) pcall(op) act()",
    "local n = 0 repeat n += 1 act() until n > 200 "
    "xpcall(op, function(e) act() return e end)",
    "for i = 1, 30 do task.defer(function(a) act() task.defer(act, a) end, i) "
    "end return coroutine.yield(act())",
};

#define SCRIPTS (sizeof(scripts) / sizeof(*scripts))

/* Compiled once a process. */
static struct code {
    char *bytes;
    size_t size;
} codes[SCRIPTS];

static const struct code *code_of(unsigned script) {
    struct code *code = &codes[script % SCRIPTS];
    const char *text = scripts[script % SCRIPTS];

    if (code->bytes == NULL)
        code->bytes = luau_compile(text, strlen(text), NULL, &code->size);
    must(code->bytes != NULL);
    return code;
}

struct making {
    const struct code *code;
    lua_State *co;
    int ref;
};

/* Raises where a limit of threads is reached. */
static int thread_make(lua_State *L) {
    struct making *m = lua_tolightuserdata(L, 1);
    lua_State *co = lua_newthread(L);

    m->ref = lua_ref(L, -1);
    must(luau_load(co, "=fuzz", m->code->bytes, m->code->size, 0) == 0);
    m->co = co;
    return 0;
}

void thread_new(unsigned slot, unsigned script) {
    struct making m = {.code = code_of(script)};

    memory_calm(true);
    if (lua_cpcall(f.L, thread_make, &m) != LUA_OK)
        lua_pop(f.L, 1);
    if (m.co != NULL) {
        if (f.threads[slot] != NULL)
            lua_unref(f.L, f.refs[slot]);
        f.threads[slot] = m.co;
        f.refs[slot] = m.ref;
    }
    memory_calm(false);
}

lua_State *thread_of(uint8_t b) {
    if (f.threads[b % FUZZ_THREADS] == NULL)
        thread_new(b % FUZZ_THREADS, b);
    return f.threads[b % FUZZ_THREADS];
}

/* Only on one that is suspended. */
int thread_values(lua_State *co, uint8_t b) {
    int n = b % 3;
    int room;

    memory_calm(true);
    room = lua_checkstack(co, n);
    memory_calm(false);
    if (room == 0 || lua_costatus(f.L, co) != LUA_COSUS)
        return 0;
    for (int i = 0; i < n; i++)
        lua_pushnumber(co, i);
    return n;
}
