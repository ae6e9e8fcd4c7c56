/* SPDX-License-Identifier: MIT */
/*
 * Calls from inside: of a step, a resume, a hook.
 */
#include <string.h>

#include "host.h"

/* ------------------------------------------------------------------------ */
/* Stepping                                                                 */
/* ------------------------------------------------------------------------ */

static int step_inside(lua_State *L) {
    struct host *h = host_of(L);

    assert_true(kahu_is_running(h->s));
    assert_int_equal(kahu_step(h->s), KAHU_ESTATE);
    if (h->m != NULL) {
        assert_int_equal(kahu_stepped_run(h->m), KAHU_ESTATE);
        assert_int_equal(kahu_stepped_advance(h->m, 5), KAHU_ESTATE);
        assert_int_equal(kahu_stepped_step(h->m, 99), KAHU_ESTATE);
        assert_int_equal(kahu_stepped_now_ns(h->m), 0);
    }
    host_log(h, "refused");
    return 0;
}

static void step_in_hook(void *ud, lua_State *L, lua_State *co,
                         kahu_outcome outcome, int nresults) {
    struct host *h = ud;

    (void)L;
    (void)co;
    (void)outcome;
    (void)nresults;
    assert_int_equal(kahu_step(h->s), KAHU_ESTATE);
}

/* M8: a step inside a resume, a step or a hook is refused; nothing moves. */
static void a_step_inside_is_refused(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    hooks.ud = &h;
    hooks.on_end = step_in_hook;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    host_global(&h, "step", step_inside);
    host_run(&h, "step() task.defer(step) log('still first')");
    assert_log(&h, "refused still first");
    assert_int_equal(kahu_step(h.s), 1);
    assert_log(&h, "refused still first refused");
    assert_false(kahu_is_running(h.s));
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Stopping                                                                 */
/* ------------------------------------------------------------------------ */

static int stop_inside(lua_State *L) {
    kahu_stop(host_of(L)->s, 7);
    return 0;
}

/* S9.6: after a stop nothing runs but the code that runs already. */
static void nothing_runs_after_a_stop(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "stop", stop_inside);
    host_run(&h, "task.defer(stop) task.defer(log, 'never')"
                 "task.delay(0, log, 'never')");
    host_finish(&h);
    assert_log(&h, "");
    assert_true(kahu_is_stopped(h.s));
    assert_false(kahu_is_ready(h.s));
    assert_false(kahu_is_done(h.s));
    assert_int_equal(kahu_step(h.s), KAHU_ESTATE);
    assert_int_equal(kahu_exit_code(h.s), 7);
    kahu_stop(h.s, 9);
    assert_int_equal(kahu_exit_code(h.s), 7); /* S9.2: the first call's */
    host_close(&h);
}

/* S9.6: the running resume goes on to its end, spawns of its own included. */
static void the_running_resume_ends_itself(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "stop", stop_inside);
    host_run(&h, "stop() task.spawn(log, 'nested') log('end')");
    assert_log(&h, "nested end");
    assert_int_equal(kahu_spawn(h.s, host_load(&h, "log('never')"), NULL, 0),
                     KAHU_ESTATE);
    host_close(&h);
}

static void spawn_in_hook(void *ud, lua_State *L, lua_State *co,
                          kahu_outcome outcome, int nresults) {
    struct host *h = ud;
    lua_State *next;

    (void)L;
    (void)co;
    (void)nresults;
    if (outcome != KAHU_CANCELLED || !kahu_is_stopped(h->s))
        return;
    next = host_load(h, "log('never')");
    assert_int_equal(kahu_spawn(h->s, next, NULL, 0), KAHU_ESTATE);
}

/* S9.6: a hook can not start anything either. */
static void a_hook_starts_nothing_after_a_stop(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    hooks.ud = &h;
    hooks.on_end = spawn_in_hook;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    co = host_run(&h, "task.wait(1)");
    kahu_stop(h.s, 0);
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    assert_log(&h, "");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Closing                                                                  */
/* ------------------------------------------------------------------------ */

/* S9.7: what is pending ends without running; closing twice is closing. */
static void a_close_ends_what_is_pending(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_run(&h, "task.defer(log, 'never') task.delay(1, log, 'never')"
                      "task.wait(2) log('never')");
    assert_true(kahu_is_ready(h.s));
    kahu_close(h.s);
    kahu_close(h.s);
    assert_true(kahu_is_done(h.s));
    assert_false(kahu_is_ready(h.s));
    assert_int_equal(kahu_step(h.s), KAHU_ECLOSED);
    assert_int_equal(kahu_defer(h.s, co, 0), KAHU_ECLOSED);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_ECLOSED);
    assert_log(&h, "");
    host_close(&h);
}

static int close_inside(lua_State *L) {
    kahu_close(host_of(L)->s);
    return 0;
}

/* S9.7: from inside, new work is refused at once, in the law's words. */
static void a_close_from_inside_refuses_new_work(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "close", close_inside);
    host_run(&h, "task.delay(1, log, 'never')"
                 "task.defer(function() close()"
                 "  log(select(2, pcall(task.defer, log, 'never')))"
                 "  log(select(2, pcall(task.wait))) end)"
                 "task.defer(log, 'never')");
    assert_int_equal(kahu_step(h.s), 1);
    assert_log(&h, "scheduler is closing scheduler is closing");
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

static int free_inside(lua_State *L) {
    struct host *h = host_of(L);

    kahu_free(h->s);
    h->s = NULL;
    return 0;
}

/* S9.7: a free from inside a step, of each way to step; the functions of the
 * library outlive the scheduler. */
static void a_free_from_inside_a_step(void **state) {
    static const char *const scripts[] = {
        "task.defer(free) task.defer(log, 'never')",
        "task.delay(1, free) task.delay(1, log, 'never')",
        "task.spawn(function() task.wait(1) free()"
        "  log((select(2, pcall(task.defer, log)))) end)",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct host h;

        host_open(&h, NULL);
        host_global(&h, "free", free_inside);
        host_run(&h, scripts[i]);
        assert_true(kahu_stepped_advance(h.m, 2000000000) >= 0);
        assert_null(h.s);
        assert_log(&h, i == 2 ? "scheduler is closing" : "");
        host_close(&h);
    }
}

/* S9.7: a free from inside a spawn that is in no step. */
static void a_free_from_inside_a_spawn(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "free", free_inside);
    co = host_load(&h, "task.defer(log, 'never') free() log('end')");
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_null(h.s);
    assert_log(&h, "end");
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_inside_is_refused),
        cmocka_unit_test(nothing_runs_after_a_stop),
        cmocka_unit_test(the_running_resume_ends_itself),
        cmocka_unit_test(a_hook_starts_nothing_after_a_stop),
        cmocka_unit_test(a_close_ends_what_is_pending),
        cmocka_unit_test(a_close_from_inside_refuses_new_work),
        cmocka_unit_test(a_free_from_inside_a_step),
        cmocka_unit_test(a_free_from_inside_a_spawn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
