/* SPDX-License-Identifier: MIT */
/*
 * Calls that make no sense, and systems that have nothing left: a status or a
 * Luau error, and nothing has changed.
 */
#define _POSIX_C_SOURCE 200809L
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "embed.h"
#include "kahu/luau.h"

/* ------------------------------------------------------------------------ */
/* Making one                                                               */
/* ------------------------------------------------------------------------ */

static void a_scheduler_of_nothing(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    kahu_driver driver;
    kahu_sched *s;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    kahu_free(h.s);
    h.s = NULL;
    assert_int_equal(kahu_blocking_driver(&driver), KAHU_OK);
    o.driver = &driver;
    assert_int_equal(kahu_new(NULL, h.L, &o), KAHU_EINVAL);
    assert_int_equal(kahu_new(&s, NULL, &o), KAHU_EINVAL);
    assert_int_equal(kahu_new(&s, h.L, NULL), KAHU_EINVAL);
    o.driver = NULL;
    assert_int_equal(kahu_new(&s, h.L, &o), KAHU_EINVAL);
    assert_null(s);
    assert_null(kahu_get(h.L));
    driver.release(driver.ud);
    kahu_free(NULL);
    host_close(&h);
}

static int lua_step(lua_State *L) {
    kahu_stepped *m = host_of(L)->m;

    assert_int_equal(kahu_stepped_step(m, 5), KAHU_ESTATE);
    assert_int_equal(kahu_stepped_advance(m, 5), KAHU_ESTATE);
    assert_int_equal(kahu_stepped_run(m), KAHU_ESTATE);
    return 0;
}

static void a_stepped_clock_without_a_scheduler(void **state) {
    kahu_driver driver;
    kahu_stepped *m;
    struct host h;

    (void)state;
    assert_int_equal(kahu_stepped_new(NULL, &driver), KAHU_EINVAL);
    assert_int_equal(kahu_stepped_new(&m, NULL), KAHU_EINVAL);
    assert_int_equal(kahu_stepped_new(&m, &driver), KAHU_OK);
    assert_int_equal(kahu_stepped_step(m, 5), KAHU_EINVAL);
    assert_int_equal(kahu_stepped_advance(m, 5), KAHU_EINVAL);
    assert_int_equal(kahu_stepped_now_ns(m), 0);
    kahu_stepped_free(m);
    kahu_stepped_free(NULL);

    host_open(&h, NULL);
    host_global(&h, "step", lua_step);
    host_run(&h, "step() task.wait(1) step()");
    assert_int_equal(kahu_stepped_advance(h.m, UINT64_C(1000000000)), 1);
    assert_int_equal(kahu_stepped_now_ns(h.m), 1000000000);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Threads                                                                  */
/* ------------------------------------------------------------------------ */

static void assert_no_values(struct host *h, lua_State *co, int nargs) {
    int top = lua_gettop(co);

    assert_int_equal(kahu_spawn(h->s, co, NULL, nargs), KAHU_EINVAL);
    assert_int_equal(kahu_defer(h->s, co, nargs), KAHU_EINVAL);
    assert_int_equal(kahu_delay(h->s, co, nargs, 1), KAHU_EINVAL);
    assert_int_equal(lua_gettop(co), top);
    assert_int_equal(lua_costatus(h->L, co), LUA_COSUS);
    assert_true(kahu_is_done(h->s));
}

/* So many values are not there: below none, or the function among them. */
static void values_that_are_not_there(void **state) {
    static const int counts[] = {-1, INT_MIN, 2, INT_MAX};
    struct host h;
    lua_State *fresh, *yielded;

    (void)state;
    host_open(&h, NULL);
    fresh = host_load(&h, "log(...)");
    yielded = host_run(&h, "log(coroutine.yield())");
    lua_pushliteral(fresh, "a");
    lua_pushliteral(yielded, "b");
    for (int i = 0; i < 4; i++) {
        assert_no_values(&h, fresh, counts[i]);
        assert_no_values(&h, yielded, counts[i]);
    }
    assert_int_equal(kahu_spawn(h.s, fresh, NULL, 1), KAHU_OK);
    assert_int_equal(kahu_spawn(h.s, yielded, NULL, 1), KAHU_OK);
    assert_log(&h, "a b");
    host_close(&h);
}

static int spawn_argument(lua_State *L) {
    lua_State *co = lua_tothread(L, 1);
    int top = lua_gettop(co);

    assert_int_equal(kahu_spawn(host_of(L)->s, co, L, 0), KAHU_ESTATE);
    assert_int_equal(lua_gettop(co), top);
    return 0;
}

/* S3.4: one that is running, that has resumed another, or that has ended. */
static void threads_that_are_not_suspended(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "spawn", spawn_argument);
    host_run(&h, "local outer = coroutine.running() spawn(outer)"
                 "task.spawn(function() spawn(outer) end)"
                 "spawn(task.spawn(log, 'ended')) log('on')");
    assert_log(&h, "ended on");
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Libraries                                                                */
/* ------------------------------------------------------------------------ */

static int call_open_coroutine(lua_State *L) {
    return kahu_open_coroutine(L);
}

static void assert_no_library(struct host *h, const char *why) {
    lua_pushcfunction(h->L, call_open_coroutine, "open");
    assert_int_equal(lua_pcall(h->L, 0, 0, 0), LUA_ERRRUN);
    assert_string_equal(lua_tostring(h->L, -1), why);
    lua_pop(h->L, 1);
}

/* What a script put in place of the VM's own can't be called as C. */
static void a_library_that_is_not_the_vms(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_load(&h, "coroutine.close = function() end");
    assert_int_equal(lua_resume(co, NULL, 0), LUA_OK);
    assert_no_library(&h, "coroutine.close is not a C function");
    kahu_free(h.s);
    h.s = NULL;
    assert_no_library(&h, "this VM has no scheduler");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Operations                                                               */
/* ------------------------------------------------------------------------ */

static kahu_op op;

static int lua_begin(lua_State *L) {
    assert_int_equal(kahu_op_begin(L, NULL, NULL, &op), KAHU_OK);
    return kahu_op_yield(L);
}

/* The text of a late one is given back: LeakSanitizer looks. */
static void a_failure_without_words(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "begin", lua_begin);
    host_run(&h, "log(pcall(begin))");
    assert_int_equal(kahu_op_fail_text(h.s, op, NULL), KAHU_OK);
    assert_int_equal(kahu_op_fail_text(h.s, op, "late"), KAHU_ESTALE);
    host_finish(&h);
    assert_log(&h, "false ");
    host_close(&h);
}

static kahu_status begun;

static void begin_in_an_interrupt(lua_State *L, int gc) {
    if (gc >= 0)
        return;
    lua_callbacks(L)->interrupt = NULL;
    begun = kahu_op_begin(L, NULL, NULL, &op);
}

/* M3: strict wakes tell by the function that waits, and a function of a script
 * may do anything next: none is begun in one. */
static void an_operation_of_no_function(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    o.strict_wakes = true;
    host_open(&h, &o);
    begun = KAHU_OK;
    lua_callbacks(h.L)->interrupt = begin_in_an_interrupt;
    host_run(&h, "for i = 1, 9 do end log('on')");
    assert_int_equal(begun, KAHU_ENOMEM);
    assert_int_equal(kahu_count(h.s, KAHU_OPERATION), 0);
    assert_log(&h, "on");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* The system                                                               */
/* ------------------------------------------------------------------------ */

/* So many as are open now; what was allowed before. */
static struct rlimit allow_no_descriptor(void) {
    struct rlimit before, none;
    int next = dup(STDERR_FILENO);

    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    return before;
}

static void no_descriptor_is_left(void **state) {
    struct rlimit before;
    kahu_driver driver;

    (void)state;
    before = allow_no_descriptor();
    assert_int_equal(kahu_blocking_driver(&driver), KAHU_EDRIVER);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(kahu_blocking_driver(&driver), KAHU_OK);
    driver.release(driver.ud);
}

static void ignore(int signal) {
    (void)signal;
}

/* A signal ends a sleep, which then goes on for what is left. */
static void signals_end_no_wait(void **state) {
    struct sigaction action = {.sa_handler = ignore};
    struct itimerval often = {{0, 1000}, {0, 1000}};
    struct itimerval never = {{0, 0}, {0, 0}};
    struct host h;

    (void)state;
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    embed_open(&h, BLOCKING);
    host_run(&h, "log(task.wait(0.05) >= 0.05)");
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_log(&h, "true");
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scheduler_of_nothing),
        cmocka_unit_test(a_stepped_clock_without_a_scheduler),
        cmocka_unit_test(values_that_are_not_there),
        cmocka_unit_test(threads_that_are_not_suspended),
        cmocka_unit_test(a_library_that_is_not_the_vms),
        cmocka_unit_test(a_failure_without_words),
        cmocka_unit_test(an_operation_of_no_function),
        cmocka_unit_test(no_descriptor_is_left),
        cmocka_unit_test(signals_end_no_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
