/* SPDX-License-Identifier: MIT */
/*
 * What scripts can have at a time: threads, wakes, memory; each against those
 * that want more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sched.h"
#include "host.h"
#include "kahu/threads.h"

static void set_threads(struct host *h, uint32_t most) {
    kahu_limits limits = KAHU_LIMITS_INIT;

    limits.max_threads = most;
    assert_int_equal(kahu_set_limits(h->s, &limits), KAHU_OK);
}

static void set_wakes(struct host *h, uint32_t most) {
    kahu_limits limits = KAHU_LIMITS_INIT;

    limits.max_wakes = most;
    assert_int_equal(kahu_set_limits(h->s, &limits), KAHU_OK);
}

static bool count(void *ud, const kahu_thread_info *info) {
    (void)info;
    ++*(int64_t *)ud;
    return true;
}

static int64_t live(struct host *h) {
    int64_t n = 0;
    int64_t told = kahu_each_thread(h->s, NULL, count, &n);

    assert_int_equal(told, n);
    return n;
}

/* ------------------------------------------------------------------------ */
/* Threads                                                                  */
/* ------------------------------------------------------------------------ */

/* Every way to make one, and none of them leaves anything behind. */
static void every_way_to_make_one_is_refused(void **state) {
    static const char *const ways[] = {
        "coroutine.create(log)", "coroutine.wrap(log)", "task.spawn(log)",
        "task.defer(log)",       "task.delay(1, log)",
    };
    struct host h;
    char script[200];

    (void)state;
    host_open(&h, NULL);
    for (int i = 0; i < 5; i++)
        (void)host_load(&h, "");
    set_threads(&h, 1); /* what was there before is not counted */
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        lua_State *co;

        set_threads(&h, 0);
        snprintf(script, sizeof(script), "log(pcall(function() return %s end))",
                 ways[i]);
        co = host_load(&h, script);
        set_threads(&h, 1);
        h.log[0] = '\0';
        assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
        assert_non_null(strstr(h.log, "false"));
        assert_non_null(strstr(h.log, "thread limit reached"));
        assert_true(kahu_is_done(h.s));
    }
    host_close(&h);
}

/* To the last one, and again when some have gone. */
static void just_as_many_as_allowed(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    set_threads(&h, 10);
    host_run(&h, "hoard = {} for i = 1, 20 do pcall(function()"
                 " table.insert(hoard, coroutine.create(log)) end) end"
                 " log(#hoard) hoard[1] = nil hoard[5] = nil"
                 " coroutine.yield()");
    assert_log(&h, "9");
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    assert_int_equal(live(&h), 8);
    set_threads(&h, 9);
    host_run(&h, "log((pcall(coroutine.create, log)))");
    assert_log(&h, "9 false");
    set_threads(&h, 3); /* below what there is: they all live on */
    assert_int_equal(live(&h), 8);
    set_threads(&h, 30);
    host_run(&h, "log((pcall(coroutine.create, log)))");
    assert_log(&h, "9 false true");
    host_close(&h);
}

/* Without end, inside each other, caught and started again, kept or not. */
static void no_attack_makes_more(void **state) {
    static const char *const attacks[] = {
        "local t = {} while pcall(function()"
        " t[#t + 1] = coroutine.create(log) end) do end",
        "local t = {} while pcall(function()"
        " t[#t + 1] = coroutine.wrap(function() coroutine.yield() end)"
        " t[#t]() end) do end",
        "local function f() task.spawn(f) coroutine.yield() end f()",
        "local function f() pcall(task.spawn, f) coroutine.yield() end f()",
        "local function f() coroutine.wrap(f)() end f()",
        "local function f() pcall(coroutine.wrap(f)) end f()",
        "local function f() task.defer(f) task.defer(f) end f()",
        "local function f() task.delay(0, f) task.delay(0, f) end f()",
        "for i = 1, 500 do pcall(task.defer, task.wait, 1) end",
        "for i = 1, 500 do pcall(task.spawn, error, 'x') end",
        "local function f() local t = task.spawn(coroutine.yield)"
        " task.defer(t) f() end f()",
    };
    struct host h;

    (void)state;
    for (size_t i = 0; i < sizeof(attacks) / sizeof(*attacks); i++) {
        host_open(&h, NULL);
        assert_int_equal(kahu_set_error_policy(h.s, KAHU_ERRORS_COLLECT),
                         KAHU_OK);
        set_threads(&h, 30);
        host_run(&h, attacks[i]);
        for (int step = 0; step < 12; step++) {
            assert_true(live(&h) <= 30);
            assert_true(kahu_stepped_step(h.m, (uint64_t)step * 1000000) >= 0);
            kahu__verify(h.s);
        }
        host_close(&h);
    }
}

/* What is dead does not count, so long as it can be collected. */
static void what_is_dead_does_not_count(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    set_threads(&h, 20);
    host_run(&h, "for i = 1, 3000 do coroutine.wrap(function() end)()"
                 " task.spawn(coroutine.yield) pcall(task.spawn, error) end"
                 " log('through')");
    assert_log(&h, "through");
    host_close(&h);
}

static bool ignore(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    (void)L;
    (void)f;
    return true;
}

static int new_thread(lua_State *L) {
    (void)lua_newthread(L);
    return 1;
}

/* The host is told by status where it asks the library, and by an error where
 * it asks the VM. */
static void the_host_is_limited_too(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    set_threads(&h, 1);
    co = host_load(&h, "return 1");
    lua_xmove(co, h.L, 1);
    for (int i = 0; i < 50; i++)
        assert_int_equal(kahu_start(h.s, h.L, 0, ignore, NULL, NULL, NULL),
                         KAHU_ETHREADS);
    assert_int_equal(lua_gettop(h.L), 1);
    lua_pushcfunction(h.L, new_thread, "new");
    assert_int_equal(lua_pcall(h.L, 0, 1, 0), LUA_ERRRUN);
    assert_string_equal(lua_tostring(h.L, -1), "thread limit reached");
    lua_pop(h.L, 1);
    set_threads(&h, 2);
    assert_int_equal(kahu_start(h.s, h.L, 0, ignore, NULL, NULL, NULL),
                     KAHU_OK);
    lua_settop(h.L, 0);
    lua_pushthread(co);
    host_close(&h);
}

/* The texts of errors take a thread of the library's while they are made; a
 * script at its limit has words all the same. */
static void errors_have_words_at_the_limit(void **state) {
    struct host h;
    lua_State *co[2];

    (void)state;
    host_open(&h, NULL);
    co[0] = host_load(&h, "error('in words', 0)");
    co[1] = host_load(&h, "error(setmetatable({}, {__tostring ="
                          " function() return 'of its own' end}))");
    set_threads(&h, 1);
    (void)host_load(&h, "");
    assert_int_equal(kahu_spawn(h.s, co[0], NULL, 0), KAHU_OK);
    assert_string_equal(h.error, "in words");
    assert_int_equal(kahu_spawn(h.s, co[1], NULL, 0), KAHU_OK);
    assert_int_equal(h.errors, 2);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Wakes                                                                    */
/* ------------------------------------------------------------------------ */

static kahu_status op_status;

static int begin_op(lua_State *L) {
    kahu_op op;

    op_status = kahu_op_begin(L, NULL, NULL, &op);
    return op_status == KAHU_OK ? kahu_op_yield(L) : kahu_raise(L, op_status);
}

/* Whatever the kinds; of each thread by itself. */
static void every_kind_of_wake_counts(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "op", begin_op);
    set_wakes(&h, 2);
    co =
        host_run(&h, "local me = coroutine.running()"
                     " task.defer(me) task.delay(1, me)"
                     " log(pcall(task.defer, me)) log(pcall(task.delay, 1, me))"
                     " log(pcall(task.wait)) log(pcall(op))"
                     " task.spawn(function() task.defer(coroutine.running())"
                     " log('others may') end)"
                     " coroutine.yield() coroutine.yield()");
    assert_log(&h, "false wake limit reached false wake limit reached "
                   "false wake limit reached false wake limit reached "
                   "others may");
    assert_int_equal(op_status, KAHU_EWAKES);
    assert_int_equal(kahu_defer(h.s, co, 0), KAHU_EWAKES);
    assert_int_equal(kahu_delay(h.s, co, 0, 5), KAHU_EWAKES);
    assert_int_equal(kahu_count(h.s, KAHU_DEFER), 2);
    assert_int_equal(kahu_count(h.s, KAHU_DELAY), 1);
    host_close(&h);
}

/* One that was delivered, cancelled or cleared makes room. */
static void a_wake_that_goes_makes_room(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    set_wakes(&h, 1);
    co = host_run(&h, "while true do coroutine.yield() end");
    assert_int_equal(kahu_defer(h.s, co, 0), KAHU_OK);
    assert_int_equal(kahu_defer(h.s, co, 0), KAHU_EWAKES);
    assert_int_equal(kahu_step(h.s), 1);
    assert_int_equal(kahu_delay(h.s, co, 0, 5), KAHU_OK);
    assert_int_equal(kahu_defer(h.s, co, 0), KAHU_EWAKES);
    kahu_clear(h.s);
    assert_int_equal(kahu_defer(h.s, co, 0), KAHU_OK);
    host_run(&h, "for i = 1, 200 do task.wait() end log('waited')");
    host_finish(&h);
    assert_log(&h, "waited");
    host_close(&h);
}

/* The arguments of what is refused stay where they were. */
static void a_refused_wake_changes_nothing(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    set_wakes(&h, 1);
    co = host_load(&h, "log(...)");
    lua_pushnumber(co, 1);
    assert_int_equal(kahu_defer(h.s, co, 1), KAHU_OK);
    lua_pushnumber(co, 2);
    lua_pushnumber(co, 3);
    assert_int_equal(kahu_defer(h.s, co, 2), KAHU_EWAKES);
    assert_int_equal(kahu_delay(h.s, co, 2, 5), KAHU_EWAKES);
    assert_int_equal(lua_gettop(co), 3);
    lua_pop(co, 2);
    host_finish(&h);
    assert_log(&h, "1");
    host_close(&h);
}

/* The host's own may come on top: a deadline is not refused, and a thread
 * that is to end can be told so. */
static int cancel_self_often(lua_State *L) {
    for (int i = 0; i < 5; i++)
        assert_int_equal(kahu_cancel(host_of(L)->s, L), KAHU_OK);
    return 0;
}

static void cancellations_are_not_refused(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "cancel", cancel_self_often);
    set_wakes(&h, 1);
    co = host_run(&h, "task.wait(9)");
    assert_int_equal(kahu_cancel_after(h.s, co, 5), KAHU_OK);
    assert_int_equal(kahu_cancel_after(h.s, co, 6), KAHU_OK);
    host_run(&h, "task.defer(coroutine.running()) cancel()"
                 " coroutine.yield() log('never')");
    host_finish(&h);
    assert_true(kahu_stepped_now_ns(h.m) < 9000000);
    assert_log(&h, "");
    host_close(&h);
}

static void no_flood_of_wakes(void **state) {
    static const char *const floods[] = {
        "local t = coroutine.create(log) while true do task.defer(t) end",
        "local t = coroutine.create(log) while true do"
        " task.defer(t, ('x'):rep(1000)) end",
        "local t = coroutine.create(log) while true do task.delay(0, t) end",
        "while true do task.delay(1e9, coroutine.running()) end",
        "local t = coroutine.create(log)"
        " while pcall(task.delay, 1, t) do end error('x')",
    };
    struct host h;

    (void)state;
    host_open(&h, NULL);
    set_wakes(&h, 100);
    for (int i = 0; i < 5; i++) {
        host_run(&h, floods[i]);
        assert_int_equal(h.errors, i + 1);
        assert_true(kahu_count_all(h.s) <= 100);
        kahu_clear(h.s);
    }
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Setting them                                                             */
/* ------------------------------------------------------------------------ */

static void bad_limits_change_nothing(void **state) {
    struct {
        kahu_limits limits;
        uint64_t added;
    } larger = {KAHU_LIMITS_INIT, 0};
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    set_wakes(&h, 1);
    co = host_run(&h, "coroutine.yield()");
    assert_int_equal(kahu_set_limits(h.s, NULL), KAHU_EINVAL);
    limits.max_threads = 1;
    for (size_t size = 0; size < sizeof(limits); size += 8) {
        limits.size = size;
        assert_int_equal(kahu_set_limits(h.s, &limits), KAHU_EINVAL);
    }
    larger.limits.size = sizeof(larger);
    larger.added = 1;
    assert_int_equal(kahu_set_limits(h.s, &larger.limits), KAHU_EINVAL);
    assert_int_equal(kahu_each_thread(h.s, NULL, count, &larger), KAHU_ESTATE);
    assert_int_equal(kahu_defer(h.s, co, 0), KAHU_OK);
    assert_int_equal(kahu_defer(h.s, co, 0), KAHU_EWAKES);
    larger.added = 0; /* of a newer header, and not used */
    assert_int_equal(kahu_set_limits(h.s, &larger.limits), KAHU_OK);
    assert_int_equal(kahu_defer(h.s, co, 0), KAHU_OK);
    kahu_close(h.s);
    limits.size = sizeof(limits);
    assert_int_equal(kahu_set_limits(h.s, &limits), KAHU_ECLOSED);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Memory                                                                   */
/* ------------------------------------------------------------------------ */

#define MEBIBYTE ((size_t)1024 * 1024)

/* A host in a VM with a limit. The error's text may find no memory either. */
static void limited_open(struct host *h, kahu_memory *memory) {
    memset(h, 0, sizeof(*h));
    h->L = lua_newstate(kahu_memory_alloc, memory);
    assert_non_null(h->L);
    luaL_openlibs(h->L);
    lua_callbacks(h->L)->userdata = h;
    host_attach(h, NULL);
}

/* Loaded without the limit: it is for what the script does. A failed thread
 * has its frames still, and all that is in them: nobody keeps it here. */
static void run_limited(struct host *h, kahu_memory *memory, size_t limit,
                        const char *text) {
    lua_State *co = lua_newthread(h->L);
    size_t before;

    lua_xmove(host_load(h, text), co, 1);
    before = memory->peak = memory->used;
    memory->limit = limit;
    assert_int_equal(kahu_spawn(h->s, co, NULL, 0), KAHU_OK);
    memory->limit = 0;
    if (limit != 0)
        assert_true(memory->peak <= (before > limit ? before : limit));
    lua_settop(h->L, 0);
    assert_int_equal(kahu_cancel_all(h->s), KAHU_OK);
    lua_gc(h->L, LUA_GCCOLLECT, 0);
}

static const char *const hoarders[] = {
    "local t = {} while true do t[#t + 1] = {} end",
    "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
    "local s = 'x' while true do s ..= s end",
    "return ('x'):rep(1e9)",
    "return table.create(1e8, 0)",
    "return buffer.create(1e9)",
    "local t = {} for i = 1, math.huge do t[i] = i end",
    "local t = {} for i = 1, math.huge do t[{}] = i end",
    "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
    "local t = {} while true do t[#t + 1] = function() return t end end",
    "local t = {} while true do t[#t + 1] = vector.create(1, 2, 3) end",
    "local t = {} while true do t[#t + 1] = newproxy(true) end",
    ("local t = coroutine.create(print)"
     " while true do task.defer(t, {}, {}, {}) end"),
    "while true do task.delay(1e9, print, ('x'):rep(100)) end",
    /* What fails is either the new thread or the one that makes it. */
    ("repeat local t = task.spawn(task.wait, 1e9)"
     " until coroutine.status(t) == 'dead'"),
    "local function f(...) return f(..., ...) end f(1)",
    "return table.concat(table.create(1e5, ('x'):rep(1000)))",
    "return ('x'):rep(1e5):gsub('x', ('y'):rep(1e5))",
    ("return string.format(('%s'):rep(50),"
     " table.unpack(table.create(50, ('x'):rep(1e5))))"),
};

/* Each finds the limit, and the next script finds memory. */
static void memory_has_a_limit(void **state) {
    const size_t limit = 4 * MEBIBYTE;
    kahu_memory memory = {.limit = 0};
    struct host h;

    (void)state;
    limited_open(&h, &memory);
    for (size_t i = 0; i < sizeof(hoarders) / sizeof(*hoarders); i++) {
        run_limited(&h, &memory, limit, hoarders[i]);
        if (h.errors != 1)
            fail_msg("%d %s", h.errors, hoarders[i]);
        h.errors = 0;
        run_limited(&h, &memory, limit,
                    "local t = table.create(1e5, 1) assert(#t == 1e5)");
        if (h.errors != 0)
            fail_msg("after: %zu %s", memory.used, hoarders[i]);
    }
    host_close(&h);
    assert_int_equal(memory.used, 0);
}

/* It may be changed at any time: below what is held nothing more is given. */
static void the_limit_may_move(void **state) {
    kahu_memory memory = {.limit = 0};
    struct host h;

    (void)state;
    limited_open(&h, &memory);
    run_limited(&h, &memory, 0, "kept = table.create(3e5, 1)");
    assert_int_equal(h.errors, 0);
    assert_true(memory.used > 4 * MEBIBYTE);
    run_limited(&h, &memory, MEBIBYTE, "kept[1] = table.create(1e5, 1)");
    assert_int_equal(h.errors, 1);
    assert_string_equal(h.error, "not enough memory");
    run_limited(&h, &memory, 0, "kept[1] = table.create(1e5, 1)");
    assert_int_equal(h.errors, 1);
    host_close(&h);
    assert_int_equal(memory.used, 0);
    assert_true(memory.peak > 4 * MEBIBYTE);
}

/* A VM that does not fit is not made, and what was taken is given back. */
static void a_vm_that_does_not_fit(void **state) {
    kahu_memory memory = {.limit = 0};
    lua_State *L;
    size_t limit;

    (void)state;
    for (limit = 1000; limit < MEBIBYTE; limit += 1000) {
        memory = (kahu_memory){.limit = limit};
        L = lua_newstate(kahu_memory_alloc, &memory);
        assert_true(memory.peak <= limit);
        if (L != NULL)
            break;
        assert_int_equal(memory.used, 0);
    }
    assert_true(limit > 1000 && limit < MEBIBYTE);
    lua_close(L);
    assert_int_equal(memory.used, 0);
}

static struct {
    size_t calls;
    bool refuse;
} store;

static void *store_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    (void)osize;
    assert_ptr_equal(ud, &store);
    store.calls++;
    if (nsize == 0) {
        free(ptr);
        return NULL;
    }
    return store.refuse ? NULL : realloc(ptr, nsize);
}

/* To the byte, from wherever it comes. */
static void bytes_are_counted(void **state) {
    kahu_memory m = {.limit = 100, .alloc = store_alloc, .alloc_ud = &store};
    void *a;
    void *b;

    (void)state;
    memset(&store, 0, sizeof(store));
    a = kahu_memory_alloc(&m, NULL, 0, 60);
    assert_non_null(a);
    assert_null(kahu_memory_alloc(&m, NULL, 0, 41));
    assert_null(kahu_memory_alloc(&m, NULL, 0, SIZE_MAX));
    b = kahu_memory_alloc(&m, NULL, 0, 40);
    assert_non_null(b);
    assert_int_equal(m.used, 100);
    assert_null(kahu_memory_alloc(&m, a, 60, 61));
    assert_null(kahu_memory_alloc(&m, a, 60, SIZE_MAX));
    a = kahu_memory_alloc(&m, a, 60, 30);
    b = kahu_memory_alloc(&m, b, 40, 70);
    assert_non_null(b);
    assert_int_equal(m.used, 100);
    store.refuse = true; /* by who has it: nothing is counted */
    assert_null(kahu_memory_alloc(&m, a, 30, 20));
    assert_int_equal(m.used, 100);
    assert_null(kahu_memory_alloc(&m, a, 30, 0));
    assert_null(kahu_memory_alloc(&m, b, 70, 0));
    assert_null(kahu_memory_alloc(&m, NULL, 0, 0));
    assert_int_equal(m.used, 0);
    assert_int_equal(m.peak, 100);
    assert_int_equal(store.calls, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_make_one_is_refused),
        cmocka_unit_test(just_as_many_as_allowed),
        cmocka_unit_test(no_attack_makes_more),
        cmocka_unit_test(what_is_dead_does_not_count),
        cmocka_unit_test(the_host_is_limited_too),
        cmocka_unit_test(errors_have_words_at_the_limit),
        cmocka_unit_test(every_kind_of_wake_counts),
        cmocka_unit_test(a_wake_that_goes_makes_room),
        cmocka_unit_test(a_refused_wake_changes_nothing),
        cmocka_unit_test(cancellations_are_not_refused),
        cmocka_unit_test(no_flood_of_wakes),
        cmocka_unit_test(bad_limits_change_nothing),
        cmocka_unit_test(memory_has_a_limit),
        cmocka_unit_test(the_limit_may_move),
        cmocka_unit_test(a_vm_that_does_not_fit),
        cmocka_unit_test(bytes_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
