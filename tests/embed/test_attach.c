/* SPDX-License-Identifier: MIT */
/*
 * A scheduler comes to a VM, goes, and another comes; wakes whose thread a
 * host's own resume is running.
 */
#include "host.h"

/* One VM has one scheduler. */
static void a_second_one_is_refused(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    kahu_sched *second = (kahu_sched *)&o;
    kahu_driver driver;
    kahu_stepped *m;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_stepped_new(&m, &driver), KAHU_OK);
    o.driver = &driver;
    assert_int_equal(kahu_new(&second, h.L, &o), KAHU_ESTATE);
    assert_null(second);
    assert_ptr_equal(kahu_get(h.L), h.s);
    kahu_stepped_free(m);
    host_close(&h);
}

/* S9.7: functions made for one scheduler raise without any, and work with the
 * next. */
static void functions_outlive_their_scheduler(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "defer, cancel, close = task.defer, task.cancel,"
                 "  coroutine.close task.delay(1, log, 'never')");
    kahu_free(h.s);
    assert_null(kahu_get(h.L));
    co = host_load(&h, "log(pcall(defer, log))"
                       "local t = coroutine.create(log) cancel(t)"
                       "log(coroutine.status(t), close(t))");
    assert_int_equal(lua_resume(co, NULL, 0), LUA_OK);
    assert_log(&h, "false scheduler is closing dead true");
    h.log[0] = '\0';
    host_attach(&h, NULL);
    host_run(&h, "defer(log, 'again')"
                 "log(coroutine.close(task.delay(1, log)), task.count('s'))");
    host_finish(&h);
    assert_log(&h, "true 0 again");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Parked wakes                                                             */
/* ------------------------------------------------------------------------ */

static int step(lua_State *L) {
    assert_int_equal(kahu_step(host_of(L)->s), 0);
    return 0;
}

static int ready(lua_State *L) {
    lua_pushboolean(L, kahu_is_ready(host_of(L)->s));
    return 1;
}

static const char parked[] =
    "task.defer(coroutine.running(), 'wake') step() log('yields')"
    "log(coroutine.yield())";

/* M2 S4.5: due while its thread runs, below a resume of the host's, a wake is
 * delivered as soon as the thread has yielded; on both drivers. */
static void a_wake_for_a_running_thread_waits(void **state) {
    for (int uv = 0; uv < 2; uv++) {
        struct host h;
        lua_State *co;

        (void)state;
        if (uv)
            host_open_uv(&h, NULL);
        else
            host_open(&h, NULL);
        host_global(&h, "step", step);
        co = host_load(&h, parked);
        assert_int_equal(lua_resume(co, NULL, 0), LUA_YIELD);
        lua_settop(co, 0);
        assert_false(kahu_is_done(h.s));
        assert_true(kahu_is_ready(h.s));
        host_finish(&h);
        assert_log(&h, "yields wake");
        assert_true(kahu_is_done(h.s));
        assert_null(lua_callbacks(h.L)->postresume);
        host_close(&h);
    }
}

/* M2 S9.4: cancelled before the step that would have delivered it, it leaves
 * nothing to do; found by the fuzzer as a kahu_run() without end. */
static void a_parked_wake_is_cancelled(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "step", step);
    host_run(&h, "task.delay(1, log, 'later')");
    co = host_load(&h, parked);
    assert_int_equal(lua_resume(co, NULL, 0), LUA_YIELD);
    lua_settop(co, 0);
    assert_true(kahu_is_ready(h.s));
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    assert_int_equal(kahu_step(h.s), 0);
    assert_false(kahu_is_ready(h.s));
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_log(&h, "yields later");
    host_close(&h);
}

/* M2: what others resume and leave meanwhile frees no wake that is parked: the
 * driver is not asked for a step that could do nothing. */
static void others_yield_while_a_wake_is_parked(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "step", step);
    host_global(&h, "ready", ready);
    co = host_load(&h, "task.defer(coroutine.running(), 'wake') step()"
                       "coroutine.wrap(coroutine.yield)() log(ready())"
                       "coroutine.wrap(function() end)() log(ready())"
                       "log(coroutine.yield())");
    assert_int_equal(lua_resume(co, NULL, 0), LUA_YIELD);
    lua_settop(co, 0);
    assert_log(&h, "false false");
    assert_true(kahu_is_ready(h.s));
    host_finish(&h);
    assert_log(&h, "false false wake");
    host_close(&h);
}

static int resumed;
static void (*chained)(lua_State *L);

static void count_resume(lua_State *L) {
    resumed++;
    if (chained != NULL)
        chained(L);
}

static int chain_callback(lua_State *L) {
    chained = lua_callbacks(L)->postresume;
    lua_callbacks(L)->postresume = count_resume;
    return 0;
}

/* The host's own postresume is called before and while ours is in place, and
 * stays where the host put it, whatever comes and goes. */
static void a_callback_of_the_host_is_chained(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    resumed = 0;
    chained = NULL;
    host_open(&h, NULL);
    host_global(&h, "step", step);
    host_global(&h, "chain", chain_callback);
    lua_callbacks(h.L)->postresume = count_resume;
    co = host_load(&h, parked);
    assert_int_equal(lua_resume(co, NULL, 0), LUA_YIELD);
    lua_settop(co, 0);
    assert_int_equal(resumed, 1);
    host_finish(&h);
    assert_ptr_equal(lua_callbacks(h.L)->postresume, count_resume);

    /* Now the host chains to ours while it is in place, and keeps it. */
    lua_callbacks(h.L)->postresume = NULL;
    co = host_load(&h, "task.defer(coroutine.running(), 'wake') step() chain()"
                       "log(coroutine.yield())");
    assert_int_equal(lua_resume(co, NULL, 0), LUA_YIELD);
    lua_settop(co, 0);
    host_finish(&h);
    kahu_free(h.s);
    host_attach(&h, NULL);
    resumed = 0;
    co = host_load(&h, parked);
    assert_int_equal(lua_resume(co, NULL, 0), LUA_YIELD);
    lua_settop(co, 0);
    assert_int_equal(resumed, 1);
    host_finish(&h);
    assert_log(&h, "yields wake wake yields wake");
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_one_is_refused),
        cmocka_unit_test(functions_outlive_their_scheduler),
        cmocka_unit_test(a_wake_for_a_running_thread_waits),
        cmocka_unit_test(a_parked_wake_is_cancelled),
        cmocka_unit_test(others_yield_while_a_wake_is_parked),
        cmocka_unit_test(a_callback_of_the_host_is_chained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
