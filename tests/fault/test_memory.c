/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of the VM and of the scheduler fails once, in turn, and
 * then all from the n-th on for a while, or for good: no crash, no leak, no
 * wake that the books do not know of, and an error wherever a script did not
 * do its work. The same with every option there is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <lua.h>
#include <luacode.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "core/sched.h"
#include "kahu/luau.h"
#include "kahu/threads.h"
#include "tight.h"

/* ------------------------------------------------------------------------ */
/* The allocator                                                            */
/* ------------------------------------------------------------------------ */

struct faulty {
    size_t bytes;  /* held */
    long calls;    /* allocations that succeeded */
    long until;    /* allocations that succeed before the first that fails */
    long failures; /* how many fail then */
    bool armed;
};

static bool faulty_fails(struct faulty *f) {
    if (!f->armed || f->failures == 0)
        return false;
    if (f->until > 0) {
        f->until--;
        return false;
    }
    f->failures--;
    return true;
}

static void *faulty_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    struct faulty *f = ud;
    void *moved;

    if (nsize == 0) {
        free(ptr);
        f->bytes -= osize;
        return NULL;
    }
    if (faulty_fails(f))
        return NULL;
    moved = realloc(ptr, nsize);
    assert_non_null(moved);
    f->calls++;
    f->bytes += nsize - osize;
    return moved;
}

/* ------------------------------------------------------------------------ */
/* A run                                                                    */
/* ------------------------------------------------------------------------ */

/* What a scheduler may be asked for. */
enum variant { PLAIN, STRICT, PRELOAD, TRACKED, LIMITED, WATCHFUL, VARIANTS };

struct run {
    struct faulty f;
    enum variant variant;
    lua_State *L;
    kahu_sched *s;
    kahu_stepped *m;
    int told;  /* errors the hooks were told of */
    int marks; /* what the script has to reach */
    kahu_op op;
};

static struct run *run_of(lua_State *L) {
    return lua_callbacks(L)->userdata;
}

static int run_mark(lua_State *L) {
    run_of(L)->marks++;
    return 0;
}

static int run_push(lua_State *L, void *ud) {
    (void)ud;
    lua_newtable(L);
    lua_pushstring(L, "values of an operation, made at delivery");
    return 2;
}

static int run_begin(lua_State *L) {
    kahu_status status = kahu_op_begin(L, NULL, NULL, &run_of(L)->op);

    assert_true(status == KAHU_OK || status == KAHU_ENOMEM);
    return status == KAHU_OK ? kahu_op_yield(L) : kahu_raise(L, status);
}

static int run_end(lua_State *L) {
    struct run *r = run_of(L);

    (void)kahu_op_finish(r->s, r->op, run_push, NULL, NULL);
    return 0;
}

static void run_on_error(void *ud, lua_State *L, lua_State *co,
                         const char *message, const char *traceback) {
    (void)L;
    (void)co;
    assert_non_null(message);
    assert_non_null(traceback);
    ((struct run *)ud)->told++;
}

static void run_on_resume(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    assert_int_equal(lua_gettop(L), f->nvalues);
}

static int run_open_libraries(lua_State *L) {
    static const luaL_Reg functions[] = {{"mark", run_mark},
                                         {"begin", run_begin},
                                         {"finish", run_end},
                                         {NULL, NULL}};

    for (const luaL_Reg *f = functions; f->name != NULL; f++) {
        lua_pushcfunction(L, f->func, f->name);
        lua_setglobal(L, f->name);
    }
    kahu_open_task(L);
    kahu_open_coroutine(L);
    return 0;
}

struct loading {
    const char *bytecode;
    size_t size;
    lua_State *co;
};

static int run_load(lua_State *L) {
    struct loading *l = lua_tolightuserdata(L, 1);
    lua_State *co = lua_newthread(L);

    (void)lua_ref(L, -1);
    if (luau_load(L, "=test", l->bytecode, l->size, 0) != 0)
        lua_error(L);
    lua_xmove(L, co, 1);
    l->co = co;
    return 0;
}

static kahu_status run_add_hooks(struct run *r) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    hooks.ud = r;
    hooks.on_error = run_on_error;
    if (r->variant == WATCHFUL) {
        hooks.on_resume = run_on_resume;
        hooks.user_resumes = true;
    }
    return kahu_add_hooks(r->s, &hooks);
}

static kahu_status run_vary(struct run *r) {
    kahu_limits limits = KAHU_LIMITS_INIT;

    if (r->variant == TRACKED)
        return kahu_track(r->s);
    if (r->variant != LIMITED)
        return KAHU_OK;
    limits.max_threads = limits.max_wakes = 1000;
    limits.max_resume_ns = limits.max_total_ns = UINT64_C(1) << 60;
    return kahu_set_limits(r->s, &limits);
}

/* Nothing but success, or the lack of memory. */
static bool run_got(kahu_status status) {
    if (status != KAHU_OK)
        assert_int_equal(status, KAHU_ENOMEM);
    return status == KAHU_OK;
}

static bool run_make(struct run *r) {
    kahu_options o = KAHU_OPTIONS_INIT;
    kahu_driver driver;

    assert_int_equal(kahu_stepped_new(&r->m, &driver), KAHU_OK);
    o.driver = &driver;
    o.strict_wakes = r->variant == STRICT;
    o.preload = r->variant == PRELOAD;
    if (run_got(kahu_new(&r->s, r->L, &o)))
        return true;
    assert_null(r->s);
    kahu_stepped_free(r->m);
    return false;
}

/* False when there was no memory for one of these; the hooks told nothing. */
static bool run_prepare(struct run *r, struct loading *loading) {
    return run_make(r) && run_got(run_add_hooks(r)) && run_got(run_vary(r)) &&
           lua_cpcall(r->L, run_open_libraries, NULL) == LUA_OK &&
           lua_cpcall(r->L, run_load, loading) == LUA_OK;
}

static void run_check_books(struct run *r) {
    kahu_stats stats = {.size = sizeof(stats)};

    kahu__verify(r->s);
    kahu_get_stats(r->s, &stats);
    for (int k = 0; k < KAHU_KINDS; k++)
        assert_int_equal(stats.made[k],
                         stats.delivered[k] + stats.cancelled[k] +
                             stats.dropped[k] + kahu_count(r->s, (kahu_kind)k));
}

struct plan {
    enum variant variant;
    int spare; /* blocks of each size the VM has left */
    long until;
    long failures;
    int marks;
};

/*
 * One run in which allocations fail: true if none was left to fail. The
 * script has reached all its marks, or somebody was told of an error.
 */
static bool run_once(struct loading loading, const struct plan *p) {
    struct run r = {.f = {.until = p->until, .failures = p->failures},
                    .variant = p->variant};
    bool untouched;

    r.L = lua_newstate(faulty_alloc, &r.f);
    assert_non_null(r.L);
    luaL_openlibs(r.L);
    lua_callbacks(r.L)->userdata = &r;
    assert_true(tighten(r.L, &r.f.calls, p->spare));

    r.f.armed = true;
    if (run_prepare(&r, &loading)) {
        assert_int_equal(kahu_spawn(r.s, loading.co, NULL, 0), KAHU_OK);
        run_check_books(&r);
        assert_true(kahu_stepped_run(r.m) >= 0);
        run_check_books(&r);
        assert_true(r.marks == p->marks || r.told > 0);
    }
    r.f.armed = false;
    untouched = r.f.failures == p->failures;
    if (untouched)
        assert_int_equal(r.marks, p->marks);
    kahu_free(r.s);
    lua_close(r.L);
    assert_int_equal(r.f.bytes, 0);
    return untouched;
}

static void run_each_allocation(struct loading loading, struct plan p) {
    while (!run_once(loading, &p))
        p.until++;
    assert_true(p.until > 10); /* some did fail */
}

/* marks counts the calls of mark() in a run in which nothing fails. */
static void run_all(const char *script, int marks) {
    static const long failures[] = {1, 3, LONG_MAX};
    static const int spares[] = {0, 2, 1000};
    struct loading loading = {NULL, 0, NULL};
    char *bytecode = luau_compile(script, strlen(script), NULL, &loading.size);

    loading.bytecode = bytecode;
    for (int variant = PLAIN; variant < VARIANTS; variant++)
        for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
            for (size_t j = 0; j < sizeof(spares) / sizeof(*spares); j++)
                run_each_allocation(
                    loading, (struct plan){(enum variant)variant, spares[j], 0,
                                           failures[i], marks});
    free(bytecode);
}

/* ------------------------------------------------------------------------ */
/* Scripts                                                                  */
/* ------------------------------------------------------------------------ */

/* S4 S5: deferred and delayed calls with values. */
static void calls_with_values(void **state) {
    (void)state;
    run_all("for i = 1, 5 do\n"
            "  task.defer(function(...) assert(select('#', ...) == 3) mark() "
            "end, i, 'a string of values', {})\n"
            "  task.delay(i, mark, i, {})\n"
            "end mark()",
            11);
}

/* S3 S9.1: spawned threads, and errors in them with words of their own. */
static void spawns_and_errors(void **state) {
    (void)state;
    run_all("local t = setmetatable({}, {__tostring = function()\n"
            "  return 'an error' .. tostring({}) end})\n"
            "for i = 1, 3 do task.spawn(function() task.wait(i) error(t) end)\n"
            "  task.spawn(error, {}) end mark()",
            1);
}

/* S5.4 S6: waits, early resumes, cancels. */
static void waits_and_cancels(void **state) {
    (void)state;
    run_all("local threads = {}\n"
            "for i = 1, 6 do threads[i] = task.spawn(function()\n"
            "  task.wait(i) mark() coroutine.yield() end) end\n"
            "task.wait(3.5) for i = 1, 6 do task.cancel(threads[i]) end\n"
            "task.spawn(task.delay(9, mark))\n"
            "coroutine.close(task.delay(5, mark, 'x')) mark()",
            5);
}

/* S10: operations, ended with values that have to be made. */
static void operations(void **state) {
    (void)state;
    run_all(
        "task.defer(function() finish() end)\n"
        "local t, s = begin() assert(type(t) == 'table' and #s > 9) mark()\n"
        "task.delay(1, finish) pcall(begin) mark()",
        2);
}

/* S8: threads that scripts resume themselves. */
static void resumes_by_scripts(void **state) {
    (void)state;
    run_all("for i = 1, 3 do\n"
            "  coroutine.wrap(function() task.wait(i) mark() end)() end\n"
            "local t = coroutine.create(function()\n"
            "  local a, b = coroutine.yield({}) assert(b == 'b') mark()\n"
            "  error({}) end)\n"
            "coroutine.resume(t) local _, e = coroutine.resume(t, {}, 'b')\n"
            "assert(type(e) == 'table') mark()\n"
            "for v in coroutine.wrap(function() for i = 1, 2 do\n"
            "  coroutine.yield({}) end end) do mark() end",
            7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_with_values),
        cmocka_unit_test(spawns_and_errors),
        cmocka_unit_test(waits_and_cancels),
        cmocka_unit_test(operations),
        cmocka_unit_test(resumes_by_scripts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
