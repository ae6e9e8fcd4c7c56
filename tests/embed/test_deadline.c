/* SPDX-License-Identifier: MIT */
/*
 * kahu_cancel_after() and kahu_cancel_all().
 */
#include <stdio.h>
#include <string.h>

#include "host.h"
#include "kahu/threads.h"

#define SECOND UINT64_C(1000000000)

static bool is_dead(const struct host *h, lua_State *co) {
    return lua_costatus(h->L, co) == LUA_COFIN;
}

static void cancel_after(struct host *h, lua_State *co, uint64_t delay_ns) {
    assert_int_equal(kahu_cancel_after(h->s, co, delay_ns), KAHU_OK);
}

static void advance(struct host *h, uint64_t by_ns) {
    assert_true(kahu_stepped_advance(h->m, by_ns) >= 0);
}

static const char *const outcomes[] = {"returned", "failed", "cancelled"};

static bool log_outcome(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)L;
    host_log(ud, outcomes[f->outcome]);
    return false;
}

static lua_State *watched(struct host *h, const char *text) {
    lua_State *co = host_load(h, text);

    assert_int_equal(kahu_watch(h->s, co, log_outcome, h, NULL), KAHU_OK);
    assert_int_equal(kahu_spawn(h->s, co, NULL, 0), KAHU_OK);
    return co;
}

/* ------------------------------------------------------------------------ */
/* By the clock                                                             */
/* ------------------------------------------------------------------------ */

/* Whatever it waits for, for nothing, or not resumed at all. */
static void a_deadline_ends_any_thread(void **state) {
    struct host h;
    lua_State *co[4];

    (void)state;
    host_open(&h, NULL);
    co[0] = host_run(&h, "task.wait(9) log('never')");
    co[1] = host_run(&h, "coroutine.yield() log('never')");
    co[2] = host_load(&h, "log('never')");
    co[3] = host_run(&h, "task.delay(5, coroutine.running())"
                         " coroutine.yield() log('never')");
    for (int i = 0; i < 4; i++)
        cancel_after(&h, co[i], (uint64_t)(4 - i) * SECOND);
    for (int i = 3; i >= 0; i--) {
        assert_int_equal(kahu_next_deadline_ns(h.s),
                         kahu_stepped_now_ns(h.m) + SECOND);
        advance(&h, SECOND - 1);
        assert_false(is_dead(&h, co[i]));
        advance(&h, 1);
        assert_true(is_dead(&h, co[i]));
    }
    assert_true(kahu_is_done(h.s));
    assert_log(&h, "");
    host_close(&h);
}

/* The time is the one asked for: what holds back busy loops of scripts is not
 * for the host. */
static void the_time_is_exact(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_run(&h, "coroutine.yield()");
    cancel_after(&h, co, 1000);
    assert_int_equal(kahu_next_deadline_ns(h.s), 1000);
    cancel_after(&h, co, 0);
    assert_int_equal(kahu_next_deadline_ns(h.s), 0);
    assert_false(is_dead(&h, co));
    assert_true(kahu_step(h.s) >= 0);
    assert_true(is_dead(&h, co));
    host_close(&h);
}

/* Timers come by (deadline, order of the calls), and so do these. */
static void in_one_order_with_timers(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = watched(&h, "task.wait(1) log('before') task.wait(1) log('never')");
    cancel_after(&h, co, SECOND);
    host_finish(&h);
    assert_log(&h, "before cancelled");
    h.log[0] = '\0';
    co = host_load(&h, "log('never')");
    assert_int_equal(kahu_watch(h.s, co, log_outcome, &h, NULL), KAHU_OK);
    cancel_after(&h, co, SECOND);
    assert_int_equal(kahu_delay(h.s, co, 0, SECOND), KAHU_OK);
    host_finish(&h);
    assert_log(&h, "cancelled");
    host_close(&h);
}

/* Several; the first counts, and the others go with the thread. */
static void several_deadlines(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = watched(&h, "coroutine.yield()");
    for (uint64_t i = 9; i > 0; i--)
        cancel_after(&h, co, i * SECOND);
    assert_int_equal(kahu_count_all(h.s), 9);
    for (int kind = 0; kind < KAHU_KINDS; kind++)
        assert_int_equal(kahu_count(h.s, (kahu_kind)kind), 0);
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_int_equal(kahu_stepped_now_ns(h.m), SECOND);
    assert_log(&h, "cancelled");
    assert_int_equal(kahu_count_all(h.s), 0);
    host_close(&h);
}

/* S9.4: "all done" waits for the first of the deadline and the end. */
static void the_end_may_come_first(void **state) {
    static const char *const scripts[] = {"task.wait(1)",
                                          "task.wait(1) error('e')"};
    struct host h;
    lua_State *co;

    (void)state;
    for (int i = 0; i < 4; i++) {
        host_open(&h, NULL);
        co = host_run(&h, i < 2 ? scripts[i] : "coroutine.yield()");
        cancel_after(&h, co, 9 * SECOND);
        assert_false(kahu_is_done(h.s));
        if (i == 2)
            assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
        if (i == 3)
            assert_int_equal(lua_resume(co, NULL, 0), LUA_OK);
        host_finish(&h);
        assert_int_equal(kahu_stepped_now_ns(h.m), i < 2 ? SECOND : 0);
        assert_true(kahu_is_done(h.s));
        assert_int_equal(kahu_cancel_after(h.s, co, 1), KAHU_ESTATE);
        host_close(&h);
    }
}

/* Never: pending for as long as the thread lives. */
static void never_is_never(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    advance(&h, 5 * SECOND);
    co = host_run(&h, "coroutine.yield()");
    cancel_after(&h, co, KAHU_NEVER_NS);
    cancel_after(&h, co, KAHU_NEVER_NS - 5);
    assert_int_equal(kahu_next_deadline_ns(h.s), KAHU_NEVER_NS);
    assert_int_equal(kahu_run(h.s), KAHU_EIDLE);
    assert_int_equal(kahu_count_all(h.s), 2);
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    host_close(&h);
}

static int cancel_self_after(lua_State *L) {
    cancel_after(host_of(L), L, SECOND);
    return 0;
}

/* The running thread has that time: no yield of it before is its end. */
static void a_running_thread_has_its_time(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "within", cancel_self_after);
    (void)watched(&h, "within() task.wait(0.4) log(1) task.wait(0.4) log(2)"
                      " task.wait(0.4) log('never')");
    host_finish(&h);
    assert_log(&h, "1 2 cancelled");
    assert_int_equal(kahu_stepped_now_ns(h.m), SECOND);
    host_close(&h);
}

/* S6.8: a deadline is its own thread's: others yield as they like, also those
 * that nothing is pending of. */
static void others_yield_meanwhile(void **state) {
    struct host h;
    lua_State *late;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    late = host_run(&h, "coroutine.yield()");
    cancel_after(&h, late, SECOND);
    co = host_run(&h, "coroutine.yield() log('on') task.wait(2) log('end')");
    assert_int_equal(lua_costatus(h.L, co), LUA_COSUS);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    host_finish(&h);
    assert_true(is_dead(&h, late));
    assert_log(&h, "on end");
    host_close(&h);
}

/* S9.4: of a thread that the host has reset behind our back nothing is left
 * to wait for; of its deadline there is no count. */
static void the_thread_was_reset(void **state) {
    kahu_stats stats = {.size = sizeof(stats)};
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_run(&h, "coroutine.yield()");
    cancel_after(&h, co, SECOND);
    lua_resetthread(co);
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_true(kahu_is_done(h.s));
    assert_int_equal(kahu_stepped_now_ns(h.m), 0);
    assert_null(lua_callbacks(h.L)->postresume);
    kahu_get_stats(h.s, &stats);
    for (int kind = 0; kind < KAHU_KINDS; kind++)
        assert_int_equal(stats.dropped[kind], 0);
    host_close(&h);
}

/* What is due in the same step as its thread's wake, or while it runs. */
static int step_inside(lua_State *L) {
    (void)kahu_stepped_step(host_of(L)->m, 2 * SECOND);
    return 0;
}

static void due_while_it_runs(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "step", step_inside);
    co = host_load(&h, "step() log('runs on') coroutine.yield() log('never')");
    assert_int_equal(kahu_watch(h.s, co, log_outcome, &h, NULL), KAHU_OK);
    cancel_after(&h, co, SECOND);
    assert_int_equal(lua_resume(co, NULL, 0), LUA_YIELD);
    assert_log(&h, "runs on");
    assert_false(kahu_is_done(h.s));
    host_finish(&h);
    assert_log(&h, "runs on cancelled");
    co = host_load(&h, "step() log('ends')");
    cancel_after(&h, co, 0);
    assert_int_equal(lua_resume(co, NULL, 0), LUA_OK);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

/* A clear takes the deadline, not the thread; a stop puts it off. */
static void clear_and_stop(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_run(&h, "coroutine.yield()");
    cancel_after(&h, co, SECOND);
    kahu_clear(h.s);
    assert_true(kahu_is_done(h.s));
    advance(&h, 2 * SECOND);
    assert_false(is_dead(&h, co));
    cancel_after(&h, co, SECOND);
    kahu_stop(h.s, 0);
    assert_int_equal(kahu_stepped_step(h.m, 4 * SECOND), KAHU_ESTATE);
    assert_false(is_dead(&h, co));
    kahu_unstop(h.s);
    assert_int_equal(kahu_stepped_step(h.m, 4 * SECOND), 0);
    assert_true(is_dead(&h, co));
    host_close(&h);
}

static int close_and_try(lua_State *L) {
    kahu_close(host_of(L)->s);
    assert_int_equal(kahu_cancel_after(host_of(L)->s, L, 1), KAHU_ECLOSED);
    return 0;
}

static void bad_deadlines_are_refused(void **state) {
    struct host h;
    struct host other;

    (void)state;
    host_open(&h, NULL);
    host_open(&other, NULL);
    host_global(&h, "close", close_and_try);
    assert_int_equal(kahu_cancel_after(h.s, NULL, 1), KAHU_EINVAL);
    assert_int_equal(kahu_cancel_after(h.s, h.L, 1), KAHU_EINVAL);
    assert_int_equal(kahu_cancel_after(h.s, host_load(&other, ""), 1),
                     KAHU_EINVAL);
    assert_int_equal(kahu_cancel_after(h.s, host_run(&h, ""), 1), KAHU_ESTATE);
    assert_int_equal(kahu_cancel_after(h.s, host_run(&h, "error()"), 1),
                     KAHU_ESTATE);
    assert_true(kahu_is_done(h.s));
    host_run(&h, "close()");
    assert_int_equal(kahu_cancel_after(h.s, host_load(&h, ""), 1),
                     KAHU_ECLOSED);
    host_close(&other);
    host_close(&h);
}

/* The VM's callback is the host's again when none is left. */
static void the_callback_is_given_back(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    for (int i = 0; i < 3; i++) {
        co = host_run(&h, "task.wait(5)");
        cancel_after(&h, co, SECOND);
        assert_non_null(lua_callbacks(h.L)->postresume);
        if (i == 0)
            assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
        else if (i == 1)
            host_finish(&h);
        else
            kahu_free(h.s);
        if (i == 2)
            assert_null(lua_callbacks(h.L)->postresume);
    }
    h.s = NULL;
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* All                                                                      */
/* ------------------------------------------------------------------------ */

static lua_State *named(struct host *h, const char *name, const char *text) {
    lua_State *co = host_load(h, text);

    luaL_sandboxthread(co);
    lua_pushstring(co, name);
    lua_setglobal(co, "name");
    assert_int_equal(kahu_spawn(h->s, co, NULL, 0), KAHU_OK);
    return co;
}

static void say_name(struct host *h, lua_State *co) {
    lua_getglobal(co, "name");
    if (lua_isstring(co, -1))
        host_log(h, lua_tostring(co, -1));
    lua_pop(co, 1);
}

static void on_end(void *ud, lua_State *L, lua_State *co, kahu_outcome outcome,
                   int nresults) {
    (void)L;
    (void)nresults;
    if (outcome == KAHU_CANCELLED)
        say_name(ud, co);
}

static void add_on_end(struct host *h,
                       void (*fn)(void *ud, lua_State *L, lua_State *co,
                                  kahu_outcome outcome, int nresults)) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    hooks.ud = h;
    hooks.on_end = fn;
    assert_int_equal(kahu_add_hooks(h->s, &hooks), KAHU_OK);
}

static int begin_op(lua_State *L) {
    kahu_op op;

    assert_int_equal(kahu_op_begin(L, NULL, NULL, &op), KAHU_OK);
    return kahu_op_yield(L);
}

/* By their oldest wakes, of whatever kind, deadlines too. */
static void all_that_have_a_wake(void **state) {
    struct host h;
    lua_State *idle;
    lua_State *a;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "op", begin_op);
    add_on_end(&h, on_end);
    idle = named(&h, "idle", "coroutine.yield()");
    a = named(&h, "a", "coroutine.yield()");
    (void)named(&h, "b", "task.wait(5)");
    (void)named(&h, "c", "op()");
    cancel_after(&h, a, SECOND);
    (void)named(&h, "d", "task.defer(coroutine.running()) coroutine.yield()");
    (void)named(&h, "e", "task.delay(1, coroutine.running()) task.wait(2)");
    assert_int_equal(kahu_cancel_all(h.s), KAHU_OK);
    assert_log(&h, "b c a d e");
    assert_true(kahu_is_done(h.s));
    assert_false(is_dead(&h, idle));
    assert_int_equal(kahu_cancel_all(h.s), KAHU_OK);
    host_close(&h);
}

static void on_end_start(void *ud, lua_State *L, lua_State *co,
                         kahu_outcome outcome, int nresults) {
    struct host *h = ud;

    on_end(ud, L, co, outcome, nresults);
    if (outcome == KAHU_CANCELLED && strlen(h->log) < 100)
        (void)named(h, "new", "task.wait(1)");
}

static lua_State *another;

static void on_end_anew(void *ud, lua_State *L, lua_State *co,
                        kahu_outcome outcome, int nresults) {
    struct host *h = ud;

    on_end(ud, L, co, outcome, nresults);
    if (outcome != KAHU_CANCELLED)
        return;
    kahu_clear(h->s);
    assert_int_equal(kahu_defer(h->s, another, 0), KAHU_OK);
}

/* A thread whose wakes were cleared meanwhile, and that has a new one, has it
 * from after the call. */
static void what_is_made_anew_stays(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    add_on_end(&h, on_end_anew);
    (void)named(&h, "a", "task.wait(1)");
    another = named(&h, "b", "task.wait(1) log('on')");
    assert_int_equal(kahu_cancel_all(h.s), KAHU_OK);
    assert_log(&h, "a");
    assert_int_equal(kahu_count_all(h.s), 1);
    host_finish(&h);
    assert_log(&h, "a on");
    host_close(&h);
}

/* What comes meanwhile stays. */
static void what_is_made_meanwhile_stays(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    add_on_end(&h, on_end_start);
    (void)named(&h, "a", "task.wait(1)");
    (void)named(&h, "b", "task.wait(1)");
    assert_int_equal(kahu_cancel_all(h.s), KAHU_OK);
    assert_log(&h, "a b");
    assert_int_equal(kahu_count(h.s, KAHU_WAIT), 2);
    host_close(&h);
}

static void on_end_cancel_all(void *ud, lua_State *L, lua_State *co,
                              kahu_outcome outcome, int nresults) {
    struct host *h = ud;

    on_end(ud, L, co, outcome, nresults);
    assert_int_equal(kahu_cancel_all(h->s), KAHU_OK);
}

static void all_inside_of_all(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    add_on_end(&h, on_end_cancel_all);
    for (int i = 0; i < 30; i++)
        (void)named(&h, "x", "task.wait(1)");
    assert_int_equal(kahu_cancel_all(h.s), KAHU_OK);
    assert_int_equal(strlen(h.log), 59);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

static int cancel_all(lua_State *L) {
    assert_int_equal(kahu_cancel_all(host_of(L)->s), KAHU_OK);
    return 0;
}

/* S6.8: a running one that has a wake ends at its next yield; one that has
 * none is not among them. */
static void running_ones(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "cancel_all", cancel_all);
    host_run(&h, "task.defer(coroutine.running()) cancel_all() log('runs')"
                 " task.wait() log('never')");
    host_run(&h, "cancel_all() task.wait() log('not among them')");
    host_finish(&h);
    assert_log(&h, "runs not among them");
    assert_int_equal(kahu_stepped_now_ns(h.m), 1000000);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_ends_any_thread),
        cmocka_unit_test(the_time_is_exact),
        cmocka_unit_test(in_one_order_with_timers),
        cmocka_unit_test(several_deadlines),
        cmocka_unit_test(the_end_may_come_first),
        cmocka_unit_test(never_is_never),
        cmocka_unit_test(a_running_thread_has_its_time),
        cmocka_unit_test(others_yield_meanwhile),
        cmocka_unit_test(the_thread_was_reset),
        cmocka_unit_test(due_while_it_runs),
        cmocka_unit_test(clear_and_stop),
        cmocka_unit_test(bad_deadlines_are_refused),
        cmocka_unit_test(the_callback_is_given_back),
        cmocka_unit_test(all_that_have_a_wake),
        cmocka_unit_test(what_is_made_meanwhile_stays),
        cmocka_unit_test(what_is_made_anew_stays),
        cmocka_unit_test(all_inside_of_all),
        cmocka_unit_test(running_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
