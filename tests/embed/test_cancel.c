/* SPDX-License-Identifier: MIT */
/*
 * Cancelling threads from C.
 */
#include "host.h"

/* S6.1: a sleeping thread is closed, its wakes are gone. */
static void a_sleeping_thread_is_closed(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_run(&h, "task.delay(1, coroutine.running()) task.wait(2)");
    assert_int_equal(kahu_count(h.s, KAHU_WAIT), 1);
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    assert_true(kahu_is_done(h.s));
    assert_int_equal(lua_costatus(h.L, co), LUA_COFIN);
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK); /* S6.3 */
    host_close(&h);
}

static int cancel_self(lua_State *L) {
    struct host *h = host_of(L);

    assert_int_equal(kahu_cancel(h->s, L), KAHU_OK);
    return 0;
}

/* S6.8: asked for while it runs, it takes effect at the next yield. */
static void a_running_thread_ends_at_its_next_yield(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "cancel_self", cancel_self);
    co = host_run(&h, "cancel_self() log('goes on') task.wait(1) log('never')");
    assert_log(&h, "goes on");
    assert_int_equal(lua_costatus(h.L, co), LUA_COFIN);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

/* S6.8: one that yields to a resume of its own script ends at the flush. */
static void a_thread_resumed_by_a_script_ends_too(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "cancel_self", cancel_self);
    host_run(&h, "co = coroutine.create(function()"
                 "  cancel_self() coroutine.yield() log('never') end)"
                 "coroutine.resume(co)"
                 "log(coroutine.status(co)) task.wait()"
                 "log(coroutine.status(co))");
    host_finish(&h);
    assert_log(&h, "suspended dead");
    host_close(&h);
}

/* S6.8: one that returns instead of yielding has nothing to be cancelled. */
static void a_thread_that_returns_is_not_held_up(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "cancel_self", cancel_self);
    host_run(&h, "cancel_self() log('end')");
    host_finish(&h);
    assert_log(&h, "end");
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

static int close_and_cancel_self(lua_State *L) {
    struct host *h = host_of(L);

    kahu_close(h->s);
    assert_int_equal(kahu_cancel(h->s, L), KAHU_ECLOSED);
    return 0;
}

/* S9.7: nothing is noted for later in a scheduler that closes; what could be
 * done at once still is. */
static void a_running_thread_of_a_closing_scheduler(void **state) {
    struct host h;
    lua_State *co;
    lua_State *sleeper;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "close_and_cancel_self", close_and_cancel_self);
    sleeper = host_run(&h, "task.wait(1)");
    co = host_run(&h, "close_and_cancel_self() coroutine.yield()");
    assert_int_equal(lua_costatus(h.L, co), LUA_COSUS);
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    assert_int_equal(kahu_cancel(h.s, sleeper), KAHU_OK);
    assert_int_equal(lua_costatus(h.L, co), LUA_COFIN);
    assert_int_equal(lua_costatus(h.L, sleeper), LUA_COFIN);
    host_close(&h);
}

static int cancel_argument(lua_State *L) {
    struct host *h = host_of(L);

    assert_int_equal(kahu_cancel(h->s, lua_tothread(L, 1)), KAHU_OK);
    return 0;
}

/* S6.8: a normal thread, which has resumed the one that cancels it. */
static void a_normal_thread_ends_at_its_next_yield(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "cancel", cancel_argument);
    host_run(&h, "local outer = coroutine.running()"
                 "task.spawn(function() cancel(outer) log('inner') end)"
                 "log('outer') task.wait() log('never')");
    host_finish(&h);
    assert_log(&h, "inner outer");
    host_close(&h);
}

/* S3.4: a thread of another VM is refused by every call. */
static void a_thread_of_another_vm_is_refused(void **state) {
    struct host h, other;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    host_open(&other, NULL);
    co = host_load(&other, "log('ran')");
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_EINVAL);
    assert_int_equal(kahu_defer(h.s, co, 0), KAHU_EINVAL);
    assert_int_equal(kahu_delay(h.s, co, 0, 1), KAHU_EINVAL);
    assert_int_equal(kahu_cancel(h.s, co), KAHU_EINVAL);
    assert_int_equal(kahu_cancel(h.s, h.L), KAHU_EINVAL); /* the main thread */
    assert_int_equal(kahu_spawn(other.s, co, NULL, 0), KAHU_OK);
    assert_log(&other, "ran");
    host_close(&h);
    host_close(&other);
}

static void reschedule(void *ud, lua_State *L, lua_State *co,
                       kahu_outcome outcome, int nresults) {
    struct host *h = ud;

    (void)L;
    (void)nresults;
    if (outcome == KAHU_CANCELLED)
        assert_int_equal(kahu_delay(h->s, co, 0, 1000), KAHU_OK);
}

/* S6.1: not even a hook leaves a cancelled thread with a wake. */
static void a_hook_can_not_reschedule_it(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    hooks.ud = &h;
    hooks.on_end = reschedule;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    host_run(&h, "task.cancel(task.delay(5, log, 'never'))");
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

#define CHAIN 3000
static struct {
    lua_State *threads[CHAIN];
    int next;
} chain;

static void cancel_next(void *ud, lua_State *L, lua_State *co,
                        kahu_outcome outcome, int nresults) {
    struct host *h = ud;

    (void)L;
    (void)co;
    (void)nresults;
    if (outcome == KAHU_CANCELLED && ++chain.next < CHAIN)
        assert_int_equal(kahu_cancel(h->s, chain.threads[chain.next]), KAHU_OK);
}

/* M8: cancellations that hooks make of cancellations have an end on the C
 * stack, and go on in the next step. */
static void a_chain_of_cancelling_hooks_ends(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    hooks.ud = &h;
    hooks.on_end = cancel_next;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    for (int i = 0; i < CHAIN; i++)
        chain.threads[i] = host_run(&h, "task.wait(1)");
    chain.next = 0;
    assert_int_equal(kahu_cancel(h.s, chain.threads[0]), KAHU_OK);
    while (kahu_is_ready(h.s))
        assert_true(kahu_step(h.s) >= 0);
    assert_int_equal(chain.next, CHAIN);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sleeping_thread_is_closed),
        cmocka_unit_test(a_running_thread_ends_at_its_next_yield),
        cmocka_unit_test(a_thread_resumed_by_a_script_ends_too),
        cmocka_unit_test(a_thread_that_returns_is_not_held_up),
        cmocka_unit_test(a_running_thread_of_a_closing_scheduler),
        cmocka_unit_test(a_normal_thread_ends_at_its_next_yield),
        cmocka_unit_test(a_thread_of_another_vm_is_refused),
        cmocka_unit_test(a_hook_can_not_reschedule_it),
        cmocka_unit_test(a_chain_of_cancelling_hooks_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
