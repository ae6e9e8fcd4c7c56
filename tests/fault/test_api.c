/* SPDX-License-Identifier: MIT */
/*
 * The C API as hosts use it, with every allocation failing in turn, the VM's
 * and the C library's: a status each time, nothing taken that is not released,
 * nothing leaked, and the books right.
 */
#define _POSIX_C_SOURCE 200809L /* for what uv.h uses of pthread.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <luacode.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "core/sched.h"
#include "kahu/luau.h"
#include "kahu/uv.h"

/* ------------------------------------------------------------------------ */
/* Allocations that fail                                                    */
/* ------------------------------------------------------------------------ */

static struct {
    bool armed;
    long until;    /* allocations before the first that fails */
    long failures; /* how many fail then */
    long failed;
    size_t bytes; /* the VM's, held */
} fault;

static bool fails(void) {
    if (!fault.armed || fault.failed == fault.failures)
        return false;
    if (fault.until > 0) {
        fault.until--;
        return false;
    }
    fault.failed++;
    return true;
}

static void *vm_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    void *moved;

    (void)ud;
    if (nsize == 0) {
        free(ptr);
        fault.bytes -= osize;
        return NULL;
    }
    if (nsize > osize && fails())
        return NULL;
    moved = realloc(ptr, nsize);
    assert_non_null(moved);
    fault.bytes += nsize - (ptr == NULL ? 0 : osize);
    return moved;
}

/* What the library takes from the C library: drivers, posts, jobs. */
void *__real_kahu__alloc_libc(void *ud, void *ptr, size_t osize, size_t nsize);
void *__wrap_kahu__alloc_libc(void *ud, void *ptr, size_t osize, size_t nsize);

void *__wrap_kahu__alloc_libc(void *ud, void *ptr, size_t osize, size_t nsize) {
    if (nsize > 0 && fails())
        return NULL;
    return __real_kahu__alloc_libc(ud, ptr, osize, nsize);
}

/* ------------------------------------------------------------------------ */
/* One host                                                                 */
/* ------------------------------------------------------------------------ */

struct api {
    lua_State *L;
    kahu_sched *s;
    uv_loop_t loop;
    bool uv;
    kahu_stepped *m;
    const char *bytecode;
    size_t size;
    lua_State *co; /* the last that was made */
    long taken;    /* uds handed over and not dropped */
    kahu_op op;
};

static struct api a;

/* Nothing but success or the lack of memory: what depends on it goes on only
 * where it is there. */
static bool ok(kahu_status status) {
    if (status != KAHU_OK)
        assert_int_equal(status, KAHU_ENOMEM);
    return status == KAHU_OK;
}

static bool took(kahu_status status) {
    a.taken += status == KAHU_OK;
    return ok(status);
}

static void on_drop(void *ud) {
    assert_ptr_equal(ud, &a);
    a.taken--;
}

static bool on_watch(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    (void)L;
    assert_true(f->outcome != KAHU_YIELDED);
    return true;
}

static void on_error(void *ud, lua_State *L, lua_State *co, const char *message,
                     const char *traceback) {
    (void)ud;
    (void)L;
    assert_non_null(co);
    assert_non_null(message);
    assert_non_null(traceback);
}

static void on_resume(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    assert_int_equal(lua_gettop(L), f->nvalues);
    lua_newtable(L);
}

static void on_call(void *ud, lua_State *L) {
    (void)ud;
    lua_newtable(L);
    lua_pushstring(L, "what a call makes");
}

static bool on_thread(void *ud, const kahu_thread_info *info) {
    (void)ud;
    assert_non_null(info->label);
    return true;
}

static int begin(lua_State *L) {
    kahu_status status = kahu_op_begin(L, NULL, NULL, &a.op);

    return status == KAHU_OK ? kahu_op_yield(L) : kahu_raise(L, status);
}

static void job_run(void *job) {
    *(double *)job = 42;
}

static int job_push(lua_State *L, void *job) {
    lua_pushnumber(L, *(double *)job);
    lua_newtable(L);
    return 2;
}

static int open_libraries(lua_State *L) {
    kahu_uv_async async = KAHU_UV_ASYNC_INIT;

    kahu_open_task(L);
    kahu_open_coroutine(L);
    kahu_open_scheduler(L);
    lua_pushcfunction(L, begin, "op");
    lua_setglobal(L, "op");
    if (!a.uv)
        return 0;
    async.name = "work";
    async.job_size = sizeof(double);
    async.run = job_run;
    async.push = job_push;
    kahu_uv_push_async(L, &a.loop, &async);
    lua_setglobal(L, "work");
    return 0;
}

/* A thread with the script on it, kept by the registry. */
static int make_thread(lua_State *L) {
    lua_State *co = lua_newthread(L);

    (void)lua_ref(L, -1);
    if (luau_load(L, "=test", a.bytecode, a.size, 0) != 0)
        lua_error(L);
    lua_xmove(L, co, 1);
    a.co = co;
    return 0;
}

static lua_State *new_thread(void) {
    a.co = NULL;
    if (lua_cpcall(a.L, make_thread, NULL) != LUA_OK)
        lua_pop(a.L, 1);
    return a.co;
}

static lua_State *spawned(void) {
    lua_State *co = new_thread();

    if (co != NULL)
        assert_int_equal(kahu_spawn(a.s, co, NULL, 0), KAHU_OK);
    return co;
}

static kahu_status make_driver(kahu_driver *driver) {
    return a.uv ? kahu_uv_driver(driver, &a.loop)
                : kahu_stepped_new(&a.m, driver);
}

static bool api_open(void) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    kahu_driver driver;

    a.L = lua_newstate(vm_alloc, NULL);
    assert_non_null(a.L);
    luaL_openlibs(a.L);
    fault.armed = true;
    if (!ok(make_driver(&driver)))
        return false;
    options.driver = &driver;
    if (!ok(kahu_new(&a.s, a.L, &options))) {
        driver.release(driver.ud);
        return false;
    }
    hooks.on_error = on_error;
    hooks.on_resume = on_resume;
    hooks.user_resumes = true;
    return ok(kahu_add_hooks(a.s, &hooks)) &&
           lua_cpcall(a.L, open_libraries, NULL) == LUA_OK;
}

static void api_close(void) {
    fault.armed = false;
    if (a.s != NULL)
        kahu__verify(a.s);
    kahu_free(a.s);
    if (a.uv) {
        uv_run(&a.loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&a.loop), 0);
    }
    lua_close(a.L);
    assert_int_equal(a.taken, 0);
    assert_int_equal(fault.bytes, 0);
}

/* ------------------------------------------------------------------------ */
/* Scenarios                                                                */
/* ------------------------------------------------------------------------ */

static void watches_and_starts(void) {
    lua_State *co = new_thread();
    lua_State *started;
    kahu_status status;

    if (co == NULL)
        return;
    (void)took(kahu_watch(a.s, co, on_watch, &a, on_drop));
    if (took(kahu_watch(a.s, co, on_watch, &a, on_drop)))
        assert_int_equal(kahu_unwatch(a.s, co, on_watch, &a), KAHU_OK);
    (void)ok(kahu_defer(a.s, co, 0));
    (void)ok(kahu_delay(a.s, co, 0, 5));
    status = kahu_run_until(a.s, &co, 1);
    assert_true(ok(status == KAHU_EIDLE ? KAHU_OK : status) ||
                status == KAHU_ENOMEM); /* idle: it could not be deferred */
    co = new_thread();
    if (co == NULL || !lua_checkstack(a.L, 2))
        return;
    lua_xmove(co, a.L, 1);
    (void)took(kahu_start(a.s, a.L, 0, on_watch, &a, on_drop, &started));
    lua_settop(a.L, 0);
    (void)kahu_run(a.s);
}

static void groups(void) {
    kahu_scope root = {0};
    kahu_scope child = {0};
    lua_State *co = spawned();

    if (co == NULL || lua_costatus(a.L, co) != LUA_COSUS)
        return;
    if (!ok(kahu_scope_new(a.s, (kahu_scope){0}, &root)) ||
        !ok(kahu_scope_new(a.s, root, &child)))
        return;
    (void)ok(kahu_scope_add(a.s, child, co));
    (void)ok(kahu_scope_add(a.s, root, co));
    (void)ok(kahu_cancel_after(a.s, co, 1000));
    (void)spawned();
    (void)ok(kahu_cancel_all(a.s));
    co = spawned();
    if (co != NULL && lua_costatus(a.L, co) == LUA_COSUS)
        (void)ok(kahu_scope_add(a.s, child, co));
    (void)ok(kahu_scope_cancel(a.s, root));
    assert_int_equal(kahu_scope_count(a.s, root), 0);
    assert_int_equal(kahu_scope_free(a.s, root), KAHU_OK);
}

static void records(void) {
    kahu_thread_info info = {.size = sizeof(info)};
    kahu_limits limits = KAHU_LIMITS_INIT;
    lua_State *co;

    (void)spawned();
    (void)ok(kahu_track(a.s));
    co = spawned();
    (void)kahu_each_thread(a.s, NULL, on_thread, NULL);
    if (co != NULL && kahu_get_thread_info(a.s, co, &info) == KAHU_OK)
        (void)ok(kahu_set_thread_label(a.s, co, "a label"));
    if (co != NULL)
        (void)kahu_set_thread_data(a.s, co, &a);
    limits.max_threads = 1000;
    limits.max_wakes = 1000;
    limits.max_resume_ns = UINT64_C(1) << 60;
    (void)ok(kahu_set_limits(a.s, &limits));
    (void)spawned();
    (void)kahu_run(a.s);
}

static void calls(void) {
    kahu_status status;

    (void)took(kahu_post(a.s, on_call, &a, on_drop));
    (void)took(kahu_post(a.s, on_call, &a, on_drop));
    status = kahu_call(a.s, on_call, &a);
    assert_true(status == KAHU_OK || status == KAHU_ERAISED);
    kahu_ref(a.s);
    kahu_clear(a.s);
    (void)took(kahu_post(a.s, on_call, &a, on_drop));
    assert_int_equal(kahu_unref(a.s), KAHU_OK);
    (void)kahu_run(a.s);
    assert_true(kahu_is_done(a.s));
}

static void errors_and_stops(void) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    assert_int_equal(kahu_set_error_policy(a.s, KAHU_ERRORS_COLLECT), KAHU_OK);
    for (int i = 0; i < 5; i++)
        (void)spawned();
    (void)kahu_run(a.s);
    for (size_t i = 0; i < kahu_count_errors(a.s); i++)
        assert_non_null(kahu_get_error(a.s, i).traceback);
    kahu_clear_errors(a.s);
    hooks.on_resume = on_resume;
    if (ok(kahu_add_hooks(a.s, &hooks)))
        assert_int_equal(kahu_remove_hooks(a.s, &hooks), KAHU_OK);
    (void)spawned();
    kahu_stop(a.s, 1);
    (void)kahu_step(a.s);
    kahu_unstop(a.s);
    (void)kahu_run(a.s);
    assert_true(kahu_is_done(a.s));
}

static void jobs(void) {
    for (int i = 0; i < 3; i++)
        (void)spawned();
    (void)kahu_run(a.s);
    assert_true(kahu_is_done(a.s));
}

/* ------------------------------------------------------------------------ */
/* Running them                                                             */
/* ------------------------------------------------------------------------ */

static bool once(void (*scenario)(void), bool uv, const char *bytecode,
                 size_t size, long until, long failures) {
    memset(&a, 0, sizeof(a));
    memset(&fault, 0, sizeof(fault));
    fault.until = until;
    fault.failures = failures;
    a.bytecode = bytecode;
    a.size = size;
    a.uv = uv;
    if (uv)
        assert_int_equal(uv_loop_init(&a.loop), 0);
    if (api_open()) {
        scenario();
        kahu__verify(a.s);
    }
    api_close();
    return fault.failed == 0;
}

static void every_allocation(void (*scenario)(void), bool uv,
                             const char *script) {
    size_t size;
    char *bytecode = luau_compile(script, strlen(script), NULL, &size);

    for (long failures = 1; failures < 100; failures *= 7) {
        long n = 0;

        while (!once(scenario, uv, bytecode, size, n, failures))
            n++;
        assert_true(n > 5); /* some did fail */
    }
    free(bytecode);
}

#define SCRIPT                                                                 \
    "local t = task.spawn(function() task.wait(0.001) return {} end)"          \
    " coroutine.wrap(function() coroutine.yield({}) end)()"                    \
    " task.wait(0.002) return 'a result' .. tostring(t)"

static void test_watches_and_starts(void **state) {
    (void)state;
    every_allocation(watches_and_starts, false, SCRIPT);
    every_allocation(watches_and_starts, true, SCRIPT);
}

static void test_groups(void **state) {
    (void)state;
    every_allocation(groups, false, "task.wait(1)");
}

static void test_records(void **state) {
    (void)state;
    every_allocation(records, false, SCRIPT);
}

static void test_calls(void **state) {
    (void)state;
    every_allocation(calls, false, SCRIPT);
    every_allocation(calls, true, SCRIPT);
}

static void test_errors_and_stops(void **state) {
    (void)state;
    every_allocation(errors_and_stops, false,
                     "task.wait(1) error('an error' .. tostring({}))");
}

static void test_jobs(void **state) {
    (void)state;
    every_allocation(jobs, true, "local n, t = work() assert(n == 42)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watches_and_starts),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_errors_and_stops),
        cmocka_unit_test(test_jobs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
