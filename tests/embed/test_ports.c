/* SPDX-License-Identifier: MIT */
/*
 * The ports of our own drivers, called by hand: before a scheduler has taken
 * one, and in the ways in which ours never calls them.
 */
#define _POSIX_C_SOURCE 200809L /* for what uv.h uses of pthread.h */
#include <sys/resource.h>
#include <uv.h>

#include "embed.h"
#include "kahu/uv.h"

static uint64_t cycles(struct host *h) {
    kahu_stats stats = {.size = sizeof(stats)};

    kahu_get_stats(h->s, &stats);
    return stats.cycles;
}

/* ------------------------------------------------------------------------ */
/* Stepped                                                                  */
/* ------------------------------------------------------------------------ */

static kahu_driver stepped;

static int turn_inside(lua_State *L) {
    assert_int_equal(stepped.turn(stepped.ud), KAHU_ESTATE);
    assert_int_equal(kahu_stepped_now_ns(host_of(L)->m), 0);
    return 0;
}

/* M8: refused before there is a scheduler, and inside of a step; then one step
 * at the next deadline, if there is one. */
static void turns_of_a_stepped_clock(void **state) {
    kahu_stepped *m;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_stepped_new(&m, &stepped), KAHU_OK);
    assert_int_equal(stepped.turn(stepped.ud), KAHU_EINVAL);
    embed_attach(&h, &stepped, (kahu_options)KAHU_OPTIONS_INIT);
    h.m = m;
    assert_int_equal(stepped.turn(stepped.ud), KAHU_EIDLE);
    host_global(&h, "turn", turn_inside);
    host_run(&h, "turn() task.wait(1) log('a') task.wait(1) log('b')");
    assert_int_equal(cycles(&h), 0);
    assert_int_equal(stepped.turn(stepped.ud), KAHU_OK);
    assert_log(&h, "a");
    assert_int_equal(kahu_stepped_now_ns(m), 1000000000);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* libuv                                                                    */
/* ------------------------------------------------------------------------ */

typedef kahu_status maker(kahu_driver *out, struct uv_loop_s *loop);

/* Each of these tests runs on both drivers. */
static void on_loops(void (*test)(maker *make)) {
    test(kahu_uv_driver);
#if defined(__linux__)
    test(kahu_uv_precise_driver);
#endif
}

/* What rings before a scheduler is there finds nobody, and one that comes later
 * is driven as always. */
static void rings_before_a_scheduler(maker *make) {
    kahu_driver driver;
    struct host h;

    host_open_uv(&h, NULL);
    assert_int_equal(make(&driver, h.loop), KAHU_OK);
    driver.wake(driver.ud);
    driver.arm(driver.ud, driver.now_ns(driver.ud) + 1000, true);
    assert_int_equal(driver.turn(driver.ud), KAHU_OK);
    driver.arm(driver.ud, KAHU_NEVER_NS, false);
    embed_attach(&h, &driver, (kahu_options)KAHU_OPTIONS_INIT);
    host_run(&h, "task.wait() log('on')");
    host_finish(&h);
    assert_log(&h, "on");
    host_close(&h);
}

/* With nothing alive on the loop there is nothing to wait for. */
static void a_turn_of_an_empty_loop(maker *make) {
    kahu_driver driver;
    uv_loop_t loop;

    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(make(&driver, &loop), KAHU_OK);
    assert_int_equal(driver.turn(driver.ud), KAHU_EIDLE);
    driver.release(driver.ud);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* As on a clock that starts with the machine: a time that has passed rings at
 * once, and 0 is one. */
static void the_first_of_all_deadlines(maker *make) {
    kahu_driver driver;
    struct host h;

    host_open_uv(&h, NULL);
    assert_int_equal(make(&driver, h.loop), KAHU_OK);
    embed_attach(&h, &driver, (kahu_options)KAHU_OPTIONS_INIT);
    driver.arm(driver.ud, 0, true);
    assert_int_equal(driver.turn(driver.ud), KAHU_OK);
    assert_int_equal(cycles(&h), 1);
    driver.arm(driver.ud, KAHU_NEVER_NS, false);
    host_finish(&h);
    host_close(&h);
}

static void loops_by_hand(void **state) {
    (void)state;
    on_loops(rings_before_a_scheduler);
    on_loops(a_turn_of_an_empty_loop);
    on_loops(the_first_of_all_deadlines);
}

/* ------------------------------------------------------------------------ */
/* A host's own                                                             */
/* ------------------------------------------------------------------------ */

static struct {
    int agains;
    int wakes;
} asked;

static uint64_t asked_now(void *ud) {
    (void)ud;
    return 0;
}

static void asked_arm(void *ud, uint64_t deadline_ns, bool pending) {
    (void)ud;
    (void)deadline_ns;
    (void)pending;
}

static void asked_wake(void *ud) {
    (void)ud;
    asked.wakes++;
}

static void asked_again(void *ud) {
    (void)ud;
    asked.agains++;
}

static void open_asked(struct host *h, bool with_again) {
    kahu_driver d = KAHU_DRIVER_INIT;

    host_open(h, NULL);
    d.now_ns = asked_now;
    d.arm = asked_arm;
    d.wake = asked_wake;
    d.again = with_again ? asked_again : NULL;
    embed_attach(h, &d, (kahu_options)KAHU_OPTIONS_INIT);
    asked.agains = asked.wakes = 0;
}

static void post_nothing(void *ud, lua_State *L) {
    (void)ud;
    (void)L;
}

static void post_from_elsewhere(void *s) {
    assert_int_equal(kahu_post(s, post_nothing, NULL, NULL), KAHU_OK);
}

/* What the loop's own OS thread queues is asked for in the cheap way, what
 * comes from others, and a stop, never. */
static void another_step_and_a_wake(void **state) {
    uv_thread_t other;
    struct host h;

    (void)state;
    open_asked(&h, true);
    host_run(&h, "task.defer(log, 'a')");
    assert_int_equal(asked.agains, 1);
    assert_true(kahu_step(h.s) >= 0);
    assert_int_equal(asked.wakes, 0);
    assert_int_equal(uv_thread_create(&other, post_from_elsewhere, h.s), 0);
    assert_int_equal(uv_thread_join(&other), 0);
    assert_int_equal(asked.agains, 1);
    assert_int_equal(asked.wakes, 1);
    assert_true(kahu_step(h.s) >= 0);
    kahu_stop(h.s, 0);
    assert_int_equal(asked.wakes, 2);
    assert_log(&h, "a");
    host_close(&h);
}

/* Who has one way only is asked in that. */
static void a_port_without_again(void **state) {
    struct host h;

    (void)state;
    open_asked(&h, false);
    host_run(&h, "task.defer(log, 'a')");
    assert_int_equal(asked.wakes, 1);
    assert_true(kahu_step(h.s) >= 0);
    assert_log(&h, "a");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Blocking                                                                 */
/* ------------------------------------------------------------------------ */

/* A system that lets a process watch no descriptor at all: the run says so, and
 * goes on when it can. */
static void a_sleep_the_system_refuses(void **state) {
    struct rlimit before, none;
    struct host h;

    (void)state;
    embed_open(&h, BLOCKING);
    host_run(&h, "task.wait(0.001) log('on')");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(kahu_run(h.s), KAHU_EDRIVER);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_log(&h, "");
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_log(&h, "on");
    host_close(&h);
}

static void stop(void *ud, lua_State *L) {
    (void)L;
    kahu_stop(((struct host *)ud)->s, 3);
}

/* S5.3: longer than the system can sleep for at a time. */
static void a_sleep_of_a_year(void **state) {
    struct host h;

    (void)state;
    embed_open(&h, BLOCKING);
    host_run(&h, "task.wait(365 * 24 * 3600) log('never')");
    assert_int_equal(kahu_post(h.s, stop, &h, NULL), KAHU_OK);
    assert_int_equal(kahu_run(h.s), KAHU_ESTOPPED);
    assert_int_equal(kahu_count(h.s, KAHU_WAIT), 1);
    assert_log(&h, "");
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_of_a_stepped_clock),
        cmocka_unit_test(loops_by_hand),
        cmocka_unit_test(another_step_and_a_wake),
        cmocka_unit_test(a_port_without_again),
        cmocka_unit_test(a_sleep_the_system_refuses),
        cmocka_unit_test(a_sleep_of_a_year),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
