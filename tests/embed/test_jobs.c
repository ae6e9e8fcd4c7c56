/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a job on libuv's thread pool when its thread, its scheduler
 * or its VM does not wait for it.
 */
#define _POSIX_C_SOURCE 200809L
#include "jobs.h"

/* A job that runs ends by itself; one in the queue is taken back, and never
 * runs. */
static void a_cancelled_thread_goes_at_once(void **state) {
    struct host h;

    (void)state;
    open_async(&h);
    host_run(&h, "threads = {} for i = 1, 20 do"
                 " threads[i] = task.spawn(gated, i) end");
    gate_await_jobs(POOL);
    host_run(&h, "for _, t in threads do task.cancel(t)"
                 " assert(coroutine.status(t) == 'dead') end threads = nil");
    assert_true(kahu_is_done(h.s));
    gate_set(true);
    uv_run(h.loop, UV_RUN_DEFAULT);
    assert_int_equal(ran, POOL);
    assert_int_equal(dropped, 20);
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

static void a_scheduler_may_go_while_jobs_run(void **state) {
    struct host h;

    (void)state;
    open_async(&h);
    host_run(&h, "for i = 1, 10 do task.spawn(gated, i) end");
    gate_await_jobs(1);
    kahu_free(h.s);
    h.s = NULL;
    gate_set(true);
    uv_run(h.loop, UV_RUN_DEFAULT);
    assert_int_equal(dropped, 10);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* While it is at work                                                      */
/* ------------------------------------------------------------------------ */

/* S9.4: a job is an operation under way, and a run waits for it. */
static void a_job_is_pending(void **state) {
    struct host h;

    (void)state;
    open_async(&h);
    host_run(&h, "gated(1) log('done')");
    assert_int_equal(kahu_count(h.s, KAHU_OPERATION), 1);
    assert_false(kahu_is_done(h.s));
    gate_set(true);
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_log(&h, "done");
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

/* M2 M3: the values come to the next yield, or are dropped. */
static void a_thread_resumed_early(void **state) {
    kahu_options options = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    for (int strict = 0; strict < 2; strict++) {
        options.strict_wakes = strict != 0;
        open_async_with(&h, &options);
        host_run(&h, "local t = task.spawn(function() log(gated(1))"
                     " log(coroutine.yield()) end) coroutine.resume(t, 'e')");
        assert_log(&h, "e");
        gate_set(true);
        host_finish(&h);
        assert_log(&h, strict ? "e" : "e 11 released by drop");
        assert_int_equal(dropped, 1);
        host_close(&h);
    }
}

/* S6.2: whichever is over first, the other's values are dropped. */
static void a_thread_cancelled_by_the_other(void **state) {
    struct host h;

    (void)state;
    open_async(&h);
    host_run(&h, "local t = {} for i = 1, 2 do"
                 " t[i] = task.spawn(function() gated(i)"
                 " task.cancel(t[3 - i]) log('one') end) end");
    gate_await_jobs(2);
    gate_set(true);
    host_finish(&h);
    uv_run(h.loop, UV_RUN_DEFAULT);
    assert_log(&h, "one");
    assert_int_equal(dropped, 2);
    host_close(&h);
}

static void a_clear_takes_jobs_back(void **state) {
    struct host h;

    (void)state;
    open_async(&h);
    host_run(&h, "for i = 1, 10 do task.spawn(gated, i) end");
    gate_await_jobs(POOL);
    kahu_clear(h.s);
    assert_true(kahu_is_done(h.s));
    gate_set(true);
    uv_run(h.loop, UV_RUN_DEFAULT);
    assert_int_equal(ran, POOL);
    assert_int_equal(dropped, 10);
    host_run(&h, "log((add(1)))");
    host_finish(&h);
    assert_log(&h, "11");
    host_close(&h);
}

/* A new scheduler has nothing to do with jobs of the old one. */
static void a_scheduler_in_place_of_another(void **state) {
    struct host h;

    (void)state;
    open_async(&h);
    host_run(&h, "for i = 1, 2 do task.spawn(function() gated(i)"
                 " log('never') end) end");
    gate_await_jobs(2);
    kahu_free(h.s);
    host_attach(&h, NULL);
    host_run(&h, "log((add(1)))");
    while (!kahu_is_done(h.s))
        uv_run(h.loop, UV_RUN_ONCE);
    assert_log(&h, "11");
    assert_int_equal(dropped, 1);
    gate_set(true);
    uv_run(h.loop, UV_RUN_DEFAULT);
    assert_int_equal(dropped, 3);
    assert_log(&h, "11");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Schedulers, VMs, loops                                                   */
/* ------------------------------------------------------------------------ */

static void without_a_scheduler(void **state) {
    struct host h;

    (void)state;
    open_async(&h);
    kahu_free(h.s);
    h.s = NULL;
    assert_int_equal(lua_resume(host_load(&h, "log(pcall(add, 1))"), NULL, 0),
                     LUA_OK);
    assert_log(&h, "false not allowed in the present state");
    collect(h.L);
    assert_int_equal(dropped, 1);
    host_close(&h);
}

/* S10.4: the main thread of a VM can not sleep. */
static void outside_of_any_thread(void **state) {
    struct host h;

    (void)state;
    open_async(&h);
    lua_getglobal(h.L, "add");
    lua_pushnumber(h.L, 1);
    assert_int_equal(lua_pcall(h.L, 1, 0, 0), LUA_ERRRUN);
    assert_string_equal(lua_tostring(h.L, -1),
                        "attempt to yield across metamethod/C-call boundary");
    lua_settop(h.L, 0);
    collect(h.L);
    assert_int_equal(dropped, 1);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

static int log_number(lua_State *L) {
    char text[32];

    snprintf(text, sizeof(text), "%g", luaL_checknumber(L, 1));
    host_log(host_of(L), text);
    return 0;
}

/* Each VM gets its own, on the loop and the pool they share. */
static void two_vms_on_one_loop(void **state) {
    struct host a;
    struct host b = {0};
    kahu_uv_async async = async_of("add");

    (void)state;
    open_async(&a);
    b.loop = a.loop;
    b.L = luaL_newstate();
    luaL_openlibs(b.L);
    lua_callbacks(b.L)->userdata = &b;
    host_global(&b, "log", log_number);
    host_attach(&b, NULL);
    make_global(&b, &async);
    host_run(&a,
             "for i = 1, 20 do task.spawn(function() assert(add(i, 1) =="
             " i + 1) n = (n or 0) + 1 if n == 20 then log(n) end end) end");
    host_run(&b,
             "for i = 1, 30 do task.spawn(function() assert(add(i, 2) =="
             " i + 2) n = (n or 0) + 1 if n == 30 then log(n) end end) end");
    uv_run(a.loop, UV_RUN_DEFAULT);
    assert_log(&a, "20");
    assert_log(&b, "30");
    assert_int_equal(a.errors + b.errors, 0);
    kahu_free(b.s);
    lua_close(b.L);
    host_close(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_cancelled_thread_goes_at_once, let_go),
        cmocka_unit_test_teardown(a_scheduler_may_go_while_jobs_run, let_go),
        cmocka_unit_test_teardown(a_job_is_pending, let_go),
        cmocka_unit_test_teardown(a_thread_resumed_early, let_go),
        cmocka_unit_test_teardown(a_thread_cancelled_by_the_other, let_go),
        cmocka_unit_test_teardown(a_clear_takes_jobs_back, let_go),
        cmocka_unit_test_teardown(a_scheduler_in_place_of_another, let_go),
        cmocka_unit_test_teardown(without_a_scheduler, let_go),
        cmocka_unit_test_teardown(outside_of_any_thread, let_go),
        cmocka_unit_test_teardown(two_vms_on_one_loop, let_go),
    };

    assert_int_equal(setenv("UV_THREADPOOL_SIZE", POOL_TEXT, 1), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
