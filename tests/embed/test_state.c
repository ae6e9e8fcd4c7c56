/* SPDX-License-Identifier: MIT */
/*
 * Running until something has come about; stopping, going on, clearing; what
 * state a scheduler is in.
 */
#include <string.h>

#include "host.h"
#include "kahu/luau.h"
#include "kahu/threads.h"
#include "kahu/uv.h"

static void each_driver(void (*test)(struct host *h)) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_driver driver;
    struct host h;

    host_open(&h, NULL);
    test(&h);
    host_close(&h);
    host_open_uv(&h, NULL);
    test(&h);
    host_close(&h);

    host_open(&h, NULL);
    kahu_free(h.s);
    h.m = NULL;
    assert_int_equal(kahu_blocking_driver(&driver), KAHU_OK);
    options.driver = &driver;
    assert_int_equal(kahu_new(&h.s, h.L, &options), KAHU_OK);
    test(&h);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Running                                                                  */
/* ------------------------------------------------------------------------ */

static void run_all(struct host *h) {
    assert_int_equal(kahu_run(h->s), KAHU_OK);
    host_run(h, "for i = 1, 3 do task.delay(i / 1000, log, i) end"
                " task.defer(log, 'first')");
    assert_int_equal(kahu_get_state(h->s), KAHU_READY);
    assert_int_equal(kahu_run(h->s), KAHU_OK);
    assert_log(h, "first 1 2 3");
    assert_int_equal(kahu_get_state(h->s), KAHU_IDLE);
}

static void a_run_ends_when_all_is_done(void **state) {
    (void)state;
    each_driver(run_all);
}

static void run_some(struct host *h) {
    lua_State *threads[3];

    threads[0] = host_run(h, "repeat task.wait(0.001) until over log('a')"
                             " task.defer(log, 'after')");
    threads[1] = host_run(h, "task.wait(0.001) over = true log('b')"
                             " error('x', 0)");
    threads[2] = host_run(h, "log('c')");
    assert_int_equal(kahu_run_until(h->s, threads, 3), KAHU_OK);
    assert_log(h, "c b a");
    assert_int_equal(kahu_run_until(h->s, threads, 3), KAHU_OK);
    assert_log(h, "c b a");
    assert_int_equal(kahu_run(h->s), KAHU_OK);
    assert_log(h, "c b a after");
}

/* What is due at the same time waits with the rest. */
static void a_run_ends_inside_of_a_phase(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_run(&h, "task.wait(1) log('a') task.defer(log, 'c')");
    host_run(&h, "task.wait(1) log('b')");
    assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_OK);
    assert_log(&h, "a");
    assert_int_equal(kahu_get_state(h.s), KAHU_READY);
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_log(&h, "a b c");
    host_close(&h);
}

/* Nothing is resumed after the last of them. */
static void a_run_ends_with_the_last_thread(void **state) {
    (void)state;
    each_driver(run_some);
}

static void run_for_nothing(struct host *h) {
    lua_State *co = host_run(h, "coroutine.yield()");

    assert_int_equal(kahu_run_until(h->s, &co, 1), KAHU_EIDLE);
    assert_int_equal(kahu_run_until(h->s, &h->L, 1), KAHU_EINVAL);
    assert_int_equal(kahu_run_until(h->s, &co, 0), KAHU_OK);
    kahu_stop(h->s, 3);
    assert_int_equal(kahu_get_state(h->s), KAHU_STOPPED);
    assert_int_equal(kahu_run(h->s), KAHU_ESTOPPED);
    kahu_unstop(h->s);
    assert_int_equal(kahu_exit_code(h->s), 0);
    kahu_close(h->s);
    assert_int_equal(kahu_get_state(h->s), KAHU_CLOSED);
    assert_int_equal(kahu_run(h->s), KAHU_ECLOSED);
    assert_int_equal(kahu_step(h->s), KAHU_ECLOSED);
}

static void a_run_that_can_not_be_is_refused(void **state) {
    (void)state;
    each_driver(run_for_nothing);
}

static int run_inside(lua_State *L) {
    struct host *h = host_of(L);

    assert_int_equal(kahu_get_state(h->s), KAHU_RUNNING);
    assert_int_equal(kahu_run(h->s), KAHU_ESTATE);
    assert_int_equal(kahu_run_until(h->s, &L, 1), KAHU_ESTATE);
    host_log(h, "refused");
    return 0;
}

static void a_run_inside_is_refused(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "run", run_inside);
    host_run(&h, "run()");
    assert_log(&h, "refused");
    host_close(&h);
}

static int stop_inside(lua_State *L) {
    kahu_stop(host_of(L)->s, 7);
    return 0;
}

static int close_inside(lua_State *L) {
    kahu_close(host_of(L)->s);
    return 0;
}

static int free_inside(lua_State *L) {
    kahu_free(host_of(L)->s);
    host_of(L)->s = NULL;
    return 0;
}

static void end_inside(struct host *h) {
    kahu_sched *s = h->s;

    host_global(h, "stop", stop_inside);
    host_global(h, "close", close_inside);
    host_global(h, "free", free_inside);
    host_run(h, "task.wait(0.001) stop() task.defer(log, 'later')");
    assert_int_equal(kahu_run(s), KAHU_ESTOPPED);
    assert_int_equal(kahu_exit_code(s), 7);
    assert_log(h, "");
    kahu_unstop(s);
    assert_int_equal(kahu_run(s), KAHU_OK);
    assert_log(h, "later");
    if (h->m == NULL)
        host_run(h, "task.wait(0.001) close() task.wait(1) log('never')");
    else
        host_run(h, "task.wait(0.001) free() task.wait(1) log('never')");
    assert_int_equal(kahu_run(s), KAHU_ECLOSED);
    assert_log(h, "later");
}

static void a_run_may_be_ended_from_inside(void **state) {
    (void)state;
    each_driver(end_inside);
}

/* What is pending there waits for others, and this clock can't. */
static void a_stepped_clock_has_an_end(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "task.wait(math.huge)");
    assert_int_equal(kahu_run(h.s), KAHU_EIDLE);
    assert_int_equal(kahu_get_state(h.s), KAHU_WAITING);
    host_close(&h);
}

static uint64_t no_time(void *ud) {
    (void)ud;
    return 0;
}

static void no_arm(void *ud, uint64_t deadline_ns, bool pending) {
    (void)ud;
    (void)deadline_ns;
    (void)pending;
}

static void no_wake(void *ud) {
    (void)ud;
}

static void a_driver_may_have_no_turn(void **state) {
    kahu_driver driver = KAHU_DRIVER_INIT;
    kahu_options options = KAHU_OPTIONS_INIT;
    lua_State *L = luaL_newstate();
    kahu_sched *s;

    (void)state;
    driver.now_ns = no_time;
    driver.arm = no_arm;
    driver.wake = no_wake;
    options.driver = &driver;
    assert_int_equal(kahu_new(&s, L, &options), KAHU_OK);
    assert_int_equal(kahu_run(s), KAHU_EINVAL);
    kahu_free(s);
    lua_close(L);
    assert_int_equal(kahu_blocking_driver(NULL), KAHU_EINVAL);
}

/* ------------------------------------------------------------------------ */
/* Going on                                                                 */
/* ------------------------------------------------------------------------ */

static void stop_and_go_on(struct host *h) {
    host_run(h, "task.delay(0.001, log, 'timer') task.defer(log, 'defer')");
    kahu_stop(h->s, 1);
    assert_int_equal(kahu_step(h->s), KAHU_ESTATE);
    kahu_unstop(h->s);
    assert_false(kahu_is_stopped(h->s));
    assert_int_equal(kahu_run(h->s), KAHU_OK);
    assert_log(h, "defer timer");
}

static void what_was_stopped_goes_on(void **state) {
    (void)state;
    each_driver(stop_and_go_on);
}

static void a_ref_keeps_it_from_being_done(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_unref(h.s), KAHU_ESTATE);
    kahu_ref(h.s);
    kahu_ref(h.s);
    assert_false(kahu_is_done(h.s));
    assert_int_equal(kahu_count_all(h.s), 2);
    assert_int_equal(kahu_get_state(h.s), KAHU_WAITING);
    assert_int_equal(kahu_run(h.s), KAHU_EIDLE);
    assert_int_equal(kahu_unref(h.s), KAHU_OK);
    assert_int_equal(kahu_unref(h.s), KAHU_OK);
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    kahu_ref(h.s);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Clearing                                                                 */
/* ------------------------------------------------------------------------ */

static void cancelled(void *ud, kahu_op op) {
    struct host *h = ud;

    (void)op;
    host_log(h, "cancelled");
    assert_int_equal(kahu_defer(h->s, host_load(h, "log('made meanwhile')"), 0),
                     KAHU_OK);
}

static int begin_op(lua_State *L) {
    kahu_op op;

    assert_int_equal(kahu_op_begin(L, cancelled, host_of(L), &op), KAHU_OK);
    return kahu_op_yield(L);
}

static int clear_inside(lua_State *L) {
    kahu_clear(host_of(L)->s);
    return 0;
}

static void clear_ends_what_is_pending(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "op", begin_op);
    co = host_run(&h, "op() log('again')");
    host_run(&h, "task.wait(1) log('never')");
    host_run(&h, "task.defer(log, 'never') task.delay(1, log, 'never')");
    kahu_clear(h.s);
    assert_int_equal(kahu_count_all(h.s), 1);
    host_finish(&h);
    assert_log(&h, "cancelled made meanwhile");
    assert_int_equal(lua_costatus(h.L, co), LUA_COSUS);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_log(&h, "cancelled made meanwhile again");
    host_close(&h);
}

/* Inside of a step: what is due in it, too. */
static void clear_from_inside(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "clear", clear_inside);
    host_run(&h, "task.delay(1, function() clear() task.defer(log, 'new') end)"
                 " task.delay(1, log, 'never') task.delay(2, log, 'never')");
    host_finish(&h);
    assert_log(&h, "new");
    assert_int_equal(kahu_stepped_now_ns(h.m), UINT64_C(1000000000));
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* The scheduler library                                                    */
/* ------------------------------------------------------------------------ */

static void scripts_may_have_a_say(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_open_scheduler(h.L), 1);
    lua_settop(h.L, 0);
    host_run(&h, "task.delay(1, log, 'never') log(scheduler.counts().all)"
                 " scheduler.clear() log(scheduler.counts().all)"
                 " task.defer(function() scheduler.stop(9) log('never') end)"
                 " task.defer(log, 'never')");
    host_finish(&h);
    assert_log(&h, "1 0");
    assert_int_equal(kahu_exit_code(h.s), 9);
    kahu_close(h.s);
    kahu_free(h.s);
    h.s = NULL;
    lua_getglobal(h.L, "scheduler");
    lua_getfield(h.L, -1, "counts");
    assert_int_equal(lua_pcall(h.L, 0, 0, 0), LUA_ERRRUN);
    assert_string_equal(lua_tostring(h.L, -1), "scheduler is closing");
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_ends_when_all_is_done),
        cmocka_unit_test(a_run_ends_with_the_last_thread),
        cmocka_unit_test(a_run_ends_inside_of_a_phase),
        cmocka_unit_test(a_run_that_can_not_be_is_refused),
        cmocka_unit_test(a_run_inside_is_refused),
        cmocka_unit_test(a_run_may_be_ended_from_inside),
        cmocka_unit_test(a_stepped_clock_has_an_end),
        cmocka_unit_test(a_driver_may_have_no_turn),
        cmocka_unit_test(what_was_stopped_goes_on),
        cmocka_unit_test(a_ref_keeps_it_from_being_done),
        cmocka_unit_test(clear_ends_what_is_pending),
        cmocka_unit_test(clear_from_inside),
        cmocka_unit_test(scripts_may_have_a_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
