/* SPDX-License-Identifier: MIT */
/*
 * Calls that make no sense, and systems that have nothing left: a status or a
 * Luau error, and nothing has changed.
 */
#define _POSIX_C_SOURCE 200809L
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
        cmocka_unit_test(a_library_that_is_not_the_vms),
        cmocka_unit_test(a_failure_without_words),
        cmocka_unit_test(no_descriptor_is_left),
        cmocka_unit_test(signals_end_no_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
