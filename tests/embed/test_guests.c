/* SPDX-License-Identifier: MIT */
/*
 * Limits: scripts that take what they can get.
 */
#include <luacode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "kahu/luau.h"
#include "kahu/threads.h"

#define TIMEOUT "script timeout: exhausted allowed execution time"

/* Time that goes by with every look at it: a run is the same every time. */
static uint64_t looks;

static uint64_t real_ns(void *ud) {
    (void)ud;
    return ++looks;
}

struct guest {
    struct host h;
    kahu_driver driver;
};

/* A scheduler like the host's, but for its sense of time. */
static void guest_open(struct guest *g, const kahu_limits *limits) {
    kahu_options options = KAHU_OPTIONS_INIT;

    host_open(&g->h, NULL);
    kahu_free(g->h.s);
    assert_int_equal(kahu_stepped_new(&g->h.m, &g->driver), KAHU_OK);
    g->driver.real_ns = real_ns;
    options.driver = &g->driver;
    assert_int_equal(kahu_new(&g->h.s, g->h.L, &options), KAHU_OK);
    assert_int_equal(kahu_set_limits(g->h.s, limits), KAHU_OK);
    assert_int_equal(kahu_set_error_policy(g->h.s, KAHU_ERRORS_COLLECT),
                     KAHU_OK);
    kahu_open_task(g->h.L);
    kahu_open_coroutine(g->h.L);
    lua_settop(g->h.L, 0);
    looks = 0;
}

static const char *error_of(struct guest *g) {
    size_t n = kahu_count_errors(g->h.s);

    return n == 0 ? "none" : kahu_get_error(g->h.s, n - 1).message;
}

static void assert_stopped(struct guest *g, const char *text) {
    host_run(&g->h, text);
    assert_non_null(strstr(error_of(g), TIMEOUT));
    kahu_clear_errors(g->h.s);
}

/* ------------------------------------------------------------------------ */
/* Time                                                                     */
/* ------------------------------------------------------------------------ */

static const char *const loops[] = {
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "while true do xpcall(function() while true do end end,"
    " function() while true do end end) end",
    "local function f() pcall(f) f() end f()",
    "while true do coroutine.wrap(function() while true do end end)() end",
    "while true do coroutine.resume(coroutine.create(function()"
    " while true do end end)) end",
    "while true do task.spawn(function() while true do end end) end",
    "setmetatable({}, {__index = function() while true do end end}).x = nil"
    " local t = setmetatable({}, {__index = function() while true do end end})"
    " print(t.x)",
    "table.sort({3, 1, 2}, function() while true do end end)",
    "string.gsub('x', '.', function() while true do end end)",
    "for _ in function() return 1 end do end",
    "repeat until false",
};

static void no_loop_outlives_its_time(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct guest g;

    (void)state;
    limits.max_resume_ns = 2000;
    guest_open(&g, &limits);
    for (size_t i = 0; i < sizeof(loops) / sizeof(*loops); i++)
        assert_stopped(&g, loops[i]);
    host_run(&g.h, "log('others live')");
    assert_log(&g.h, "others live");
    assert_null(lua_callbacks(g.h.L)->interrupt);
    host_close(&g.h);
}

/* Nor does the text of an error. */
static void no_text_takes_for_ever(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct guest g;

    (void)state;
    limits.max_resume_ns = 2000;
    guest_open(&g, &limits);
    host_run(&g.h, "error(setmetatable({}, {__tostring = function()"
                   " while true do end end}))");
    assert_string_equal(error_of(&g), "(error object is a table value)");
    host_run(&g.h, "error(setmetatable({}, {__tostring = function()"
                   " return 'in words' end}))");
    assert_string_equal(error_of(&g), "in words");
    host_run(&g.h, "error(setmetatable({}, {__tostring = function()"
                   " while true do task.spawn(function() end) end end}))");
    assert_string_equal(error_of(&g), "(error object is a table value)");
    host_close(&g.h);
}

static int clear_interrupt(lua_State *L) {
    lua_callbacks(L)->interrupt = NULL;
    return 0;
}

/* A host that takes all callbacks away has no limit in that resume, and has it
 * again in the next. */
static void a_limit_comes_back(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct guest g;

    (void)state;
    limits.max_resume_ns = 2000;
    guest_open(&g, &limits);
    host_global(&g.h, "clear", clear_interrupt);
    host_run(&g.h, "clear() for i = 1, 5000 do end log('ran on')");
    assert_log(&g.h, "ran on");
    assert_stopped(&g, "while true do end");
    host_close(&g.h);
}

/* Each resume has its time anew; sleeping takes none. */
static void time_is_for_one_resume(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct guest g;

    (void)state;
    limits.max_resume_ns = 2000;
    guest_open(&g, &limits);
    host_run(&g.h, "for i = 1, 20 do for j = 1, 500 do end task.wait(100) end"
                   " log('done')");
    host_finish(&g.h);
    assert_log(&g.h, "done");
    assert_string_equal(error_of(&g), "none");
    host_close(&g.h);
}

static void time_in_all_runs_out(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct guest g;

    (void)state;
    limits.max_total_ns = 5000;
    guest_open(&g, &limits);
    host_run(&g.h, "for i = 1, 20 do for j = 1, 500 do end task.wait(100)"
                   " n = i end");
    host_finish(&g.h);
    assert_non_null(strstr(error_of(&g), TIMEOUT));
    lua_getglobal(g.h.L, "n");
    assert_in_range((unsigned)lua_tonumber(g.h.L, -1), 5, 10);
    kahu_clear_errors(g.h.s);
    assert_stopped(&g, "for i = 1, 10 do end log('never')");
    assert_log(&g.h, "");
    host_close(&g.h);
}

/* Whichever is less. */
static void both_times_are_heeded(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct guest g;

    (void)state;
    limits.max_resume_ns = 2000;
    limits.max_total_ns = 3000;
    guest_open(&g, &limits);
    assert_stopped(&g, "while true do end");
    assert_in_range((unsigned)looks, 2000, 2100);
    assert_stopped(&g, "while true do end");
    assert_in_range((unsigned)looks, 3000, 3200);
    host_close(&g.h);
}

/* The first may be caught, and leaves the time of one more resume; what goes
 * on then is ended for good. */
static void a_timeout_may_be_caught_once(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct guest g;

    (void)state;
    limits.max_resume_ns = 2000;
    limits.catch_timeout_once = true;
    guest_open(&g, &limits);
    host_run(&g.h, "local ok, why = pcall(function() while true do end end)"
                   " log(ok, why) for i = 1, 100 do end log('in order')");
    assert_log(&g.h, "false test:1: " TIMEOUT " in order");
    assert_string_equal(error_of(&g), "none");
    g.h.log[0] = '\0';
    assert_stopped(&g, "pcall(function() while true do end end) log('once')"
                       " while true do pcall(function() while true do end end)"
                       " end");
    assert_log(&g.h, "once");
    limits.catch_timeout_once = false;
    assert_int_equal(kahu_set_limits(g.h.s, &limits), KAHU_OK);
    g.h.log[0] = '\0';
    assert_stopped(&g, "pcall(function() while true do end end) log('never')");
    assert_log(&g.h, "");
    host_close(&g.h);
}

static int interrupts;

static void own_interrupt(lua_State *L, int gc) {
    (void)L;
    (void)gc;
    interrupts++;
}

static void the_host_s_interrupt_is_called_too(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct guest g;

    (void)state;
    limits.max_resume_ns = 2000;
    guest_open(&g, &limits);
    lua_callbacks(g.h.L)->interrupt = own_interrupt;
    interrupts = 0;
    assert_stopped(&g, "while true do end");
    assert_true(interrupts > 1000);
    assert_ptr_equal(lua_callbacks(g.h.L)->interrupt, own_interrupt);
    host_close(&g.h);
}

static void (*below)(lua_State *L, int gc);

static void chaining_interrupt(lua_State *L, int gc) {
    interrupts++;
    below(L, gc);
}

static int set_interrupt(lua_State *L) {
    if (lua_callbacks(L)->interrupt != chaining_interrupt) {
        below = lua_callbacks(L)->interrupt;
        lua_callbacks(L)->interrupt = chaining_interrupt;
    }
    return 0;
}

/* One that the host sets during a resume, and which calls ours. */
static void a_later_interrupt_may_chain_to_ours(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct guest g;

    (void)state;
    limits.max_resume_ns = 2000;
    guest_open(&g, &limits);
    host_global(&g.h, "set", set_interrupt);
    interrupts = 0;
    for (int i = 0; i < 3; i++)
        assert_stopped(&g, "set() while true do end");
    assert_true(interrupts > 3000);
    lua_callbacks(g.h.L)->interrupt = below;
    assert_stopped(&g, "while true do end");
    assert_null(lua_callbacks(g.h.L)->interrupt);
    host_close(&g.h);
}

static struct guest inner;

static int run_inner(lua_State *L) {
    (void)L;
    assert_stopped(&inner, "while true do end");
    return 0;
}

/* One VM's script runs the other's: each has its own time. */
static void two_vms_have_each_their_time(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct guest g;

    (void)state;
    limits.max_resume_ns = 2000;
    guest_open(&inner, &limits);
    limits.max_resume_ns = 100000;
    guest_open(&g, &limits);
    host_global(&g.h, "inner", run_inner);
    host_run(&g.h, "for i = 1, 10 do inner() end log('outer goes on')");
    assert_log(&g.h, "outer goes on");
    assert_stopped(&g, "while true do end");
    host_close(&g.h);
    host_close(&inner.h);
}

/* ------------------------------------------------------------------------ */
/* Threads and wakes                                                        */
/* ------------------------------------------------------------------------ */

static void live_threads_are_limited(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct guest g;

    (void)state;
    limits.max_threads = 50;
    guest_open(&g, &limits);
    host_run(&g.h, "local hoard = {} log(pcall(function() for i = 1, 100 do"
                   " table.insert(hoard, coroutine.create(print)) end end))"
                   " log(#hoard, pcall(task.spawn, print)) hoard = nil "
                   "pcall(task.spawn, print)"
                   " for i = 1, 1000 do coroutine.wrap(function() end)() end"
                   " log('what is dead does not count')");
    assert_log(&g.h, "false test:1: thread limit reached 49 false thread limit "
                     "reached what is dead does not count");
    host_close(&g.h);
}

static bool ignore(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    (void)L;
    (void)f;
    return false;
}

static void a_host_is_told_of_the_limit(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct guest g;
    lua_State *co;

    (void)state;
    limits.max_threads = 1;
    guest_open(&g, &limits);
    co = host_load(&g.h, "return");
    lua_xmove(co, g.h.L, 1);
    assert_int_equal(kahu_start(g.h.s, g.h.L, 0, ignore, NULL, NULL, NULL),
                     KAHU_ETHREADS);
    assert_int_equal(lua_gettop(g.h.L), 1);
    host_close(&g.h);
}

static void wakes_of_a_thread_are_limited(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct guest g;
    lua_State *co;

    (void)state;
    limits.max_wakes = 3;
    guest_open(&g, &limits);
    host_run(&g.h, "local t = task.spawn(task.wait, 1)"
                   " task.defer(t) task.delay(1, t)"
                   " log(pcall(task.defer, t)) log(pcall(task.delay, 1, t))"
                   " task.spawn(function() for i = 1, 3 do"
                   " task.defer(coroutine.running()) end"
                   " log(pcall(task.wait)) end)");
    assert_log(&g.h, "false wake limit reached false wake limit reached "
                     "false wake limit reached");
    co = host_run(&g.h, "for i = 1, 3 do task.defer(coroutine.running()) end"
                        " coroutine.yield() coroutine.yield()"
                        " coroutine.yield()");
    assert_int_equal(kahu_defer(g.h.s, co, 0), KAHU_EWAKES);
    assert_int_equal(kahu_delay(g.h.s, co, 0, 1), KAHU_EWAKES);
    host_finish(&g.h);
    assert_string_equal(error_of(&g), "none");
    host_close(&g.h);
}

static void bad_limits_are_refused(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_set_limits(h.s, NULL), KAHU_EINVAL);
    limits.size = 3;
    assert_int_equal(kahu_set_limits(h.s, &limits), KAHU_EINVAL);
    limits.size = sizeof(limits);
    kahu_close(h.s);
    assert_int_equal(kahu_set_limits(h.s, &limits), KAHU_ECLOSED);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Memory                                                                   */
/* ------------------------------------------------------------------------ */

#define MEBIBYTE ((size_t)1024 * 1024)

static int open_libraries(lua_State *L) {
    luaL_openlibs(L);
    kahu_open_task(L);
    return 0;
}

struct program {
    const char *text;
    kahu_sched *s;
};

/* To collect errors takes memory. */
static void count_error(void *ud, lua_State *L, lua_State *co,
                        const char *message, const char *traceback) {
    (void)L;
    (void)co;
    (void)traceback;
    assert_string_equal(message, "not enough memory");
    ++*(size_t *)ud;
}

static int run_program(lua_State *L) {
    const struct program *p = lua_tolightuserdata(L, 1);
    lua_State *co = lua_newthread(L);
    size_t size;
    char *code = luau_compile(p->text, strlen(p->text), NULL, &size);

    assert_int_equal(luau_load(co, "=test", code, size, 0), 0);
    free(code);
    (void)kahu_spawn(p->s, co, NULL, 0);
    return 0;
}

static void memory_is_limited(void **state) {
    static const char *const hoarders[] = {
        "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
        "local s = 'x' while true do s = s .. s end",
        "local b = {} while true do b[#b + 1] = buffer.create(65536) end",
        "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
        "local t = {} for i = 1, math.huge do t[i] = i end",
        "while true do task.defer(print, 1, 2, 3) end",
    };
    kahu_memory memory = {.limit = 4 * MEBIBYTE};
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    size_t errors = 0;
    kahu_driver driver;
    kahu_stepped *m;
    struct program p;
    lua_State *L = lua_newstate(kahu_memory_alloc, &memory);

    (void)state;
    assert_int_equal(kahu_stepped_new(&m, &driver), KAHU_OK);
    options.driver = &driver;
    assert_int_equal(kahu_new(&p.s, L, &options), KAHU_OK);
    hooks.ud = &errors;
    hooks.on_error = count_error;
    assert_int_equal(kahu_add_hooks(p.s, &hooks), KAHU_OK);
    assert_int_equal(lua_cpcall(L, open_libraries, NULL), LUA_OK);
    for (size_t i = 0; i < sizeof(hoarders) / sizeof(*hoarders); i++) {
        p.text = hoarders[i];
        assert_int_equal(lua_cpcall(L, run_program, &p), LUA_OK);
        assert_int_equal(errors, i + 1);
        kahu_clear(p.s);
        lua_gc(L, LUA_GCCOLLECT, 0);
    }
    assert_true(memory.peak <= memory.limit);
    kahu_free(p.s);
    lua_close(L);
    assert_int_equal(memory.used, 0);
}

static void *refuse(void *ud, void *ptr, size_t osize, size_t nsize) {
    (void)osize;
    ++*(int *)ud;
    if (nsize == 0)
        free(ptr);
    return NULL;
}

static void memory_may_come_from_elsewhere(void **state) {
    int calls = 0;
    kahu_memory memory = {.alloc = refuse, .alloc_ud = &calls};
    void *block;

    (void)state;
    assert_null(kahu_memory_alloc(&memory, NULL, 5, 10));
    assert_int_equal(calls, 1);
    assert_int_equal(memory.used, 0);
    memory = (kahu_memory){.limit = 100};
    block = kahu_memory_alloc(&memory, NULL, 5, 100); /* osize is a kind here */
    assert_non_null(block);
    assert_null(kahu_memory_alloc(&memory, block, 100, 101));
    memory.limit = 10;
    block = kahu_memory_alloc(&memory, block, 100, 50); /* less is granted */
    assert_non_null(block);
    assert_int_equal(memory.used, 50);
    assert_int_equal(memory.peak, 100);
    assert_null(kahu_memory_alloc(&memory, block, 50, 0));
    assert_int_equal(memory.used, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_loop_outlives_its_time),
        cmocka_unit_test(no_text_takes_for_ever),
        cmocka_unit_test(a_limit_comes_back),
        cmocka_unit_test(time_is_for_one_resume),
        cmocka_unit_test(time_in_all_runs_out),
        cmocka_unit_test(both_times_are_heeded),
        cmocka_unit_test(a_timeout_may_be_caught_once),
        cmocka_unit_test(the_host_s_interrupt_is_called_too),
        cmocka_unit_test(a_later_interrupt_may_chain_to_ours),
        cmocka_unit_test(two_vms_have_each_their_time),
        cmocka_unit_test(live_threads_are_limited),
        cmocka_unit_test(a_host_is_told_of_the_limit),
        cmocka_unit_test(wakes_of_a_thread_are_limited),
        cmocka_unit_test(bad_limits_are_refused),
        cmocka_unit_test(memory_is_limited),
        cmocka_unit_test(memory_may_come_from_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
