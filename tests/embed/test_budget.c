/* SPDX-License-Identifier: MIT */
/*
 * Steps that are bounded, and what they leave for the next one.
 */
#include "host.h"

static const char program[] =
    "local function say(...) log(...) end\n"
    "task.defer(function() say('d1') task.defer(say, 'd3') end)\n"
    "task.defer(say, 'd2')\n"
    "for i = 1, 3 do task.delay(i == 3 and 0.002 or 0.001, function()\n"
    "  say('t' .. i) task.defer(say, 't' .. i .. 'd') end) end\n"
    "task.spawn(function() say('w', task.wait(0.001) > 0) end)\n";

static const char order[] = "d1 d2 d3 t1 t2 w true t1d t2d t3 t3d";

static void run_bounded(uint32_t max_resumes, uint64_t max_ns) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    o.max_step_resumes = max_resumes;
    o.max_step_ns = max_ns;
    host_open(&h, &o);
    host_run(&h, program);
    host_finish(&h);
    assert_log(&h, order);
    host_close(&h);
}

/* M7 M9: the order is the same however the steps are cut. */
static void the_order_is_that_of_an_unbounded_step(void **state) {
    (void)state;
    run_bounded(0, 0);
    for (uint32_t n = 1; n < 6; n++)
        run_bounded(n, 0);
    run_bounded(0, 1);
}

/* M7: a step does as many resumes as it may, and says that there is more. */
static void what_is_left_is_ready_at_once(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    o.max_step_resumes = 2;
    host_open(&h, &o);
    host_run(&h, "for i = 1, 5 do task.defer(log, i) end");
    assert_int_equal(kahu_step(h.s), 2);
    assert_log(&h, "1 2");
    assert_true(kahu_is_ready(h.s));
    assert_int_equal(kahu_step(h.s), 2);
    assert_int_equal(kahu_step(h.s), 1);
    assert_log(&h, "1 2 3 4 5");
    assert_false(kahu_is_ready(h.s));
    host_close(&h);
}

static kahu_op saved;

static int begin(lua_State *L) {
    kahu_status status = kahu_op_begin(L, NULL, NULL, &saved);

    return status == KAHU_OK ? kahu_op_yield(L) : kahu_raise(L, status);
}

static int finish(lua_State *L) {
    assert_int_equal(kahu_op_finish(host_of(L)->s, saved, NULL, NULL, NULL),
                     KAHU_OK);
    return 0;
}

/* M7 S10.2: an operation that ends while a cycle is cut is not forgotten. */
static void an_operation_ended_in_a_cut_cycle(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    o.max_step_resumes = 1;
    host_open_uv(&h, &o);
    host_global(&h, "begin", begin);
    host_global(&h, "finish", finish);
    host_run(&h, "task.spawn(function() begin() log('ended') end)"
                 "task.delay(0.001, function() log('timer') finish()"
                 "  task.defer(log, 'deferred') end)");
    host_finish(&h);
    assert_log(&h, "timer deferred ended");
    host_close(&h);
}

/* M6: a flush that ends exactly at the depth carries nothing. */
static void a_full_depth_carries_nothing(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    o.max_defer_depth = 1;
    host_open(&h, &o);
    host_run(&h, "task.defer(log, 'd') task.delay(1, function()"
                 "  log('t') task.defer(log, 'td') end)");
    assert_int_equal(kahu_stepped_step(h.m, 1000000000), 3);
    assert_log(&h, "d t td");
    assert_false(kahu_is_ready(h.s));
    host_close(&h);
}

/* A clock on which time goes by with every look at it. */
static uint64_t ticks;

static uint64_t ticking(void *ud) {
    (void)ud;
    return ticks += 1000;
}

static void open_ticking(struct host *h, kahu_options o) {
    kahu_driver driver;

    host_open(h, NULL);
    kahu_free(h->s);
    assert_int_equal(kahu_stepped_new(&h->m, &driver), KAHU_OK);
    driver.now_ns = driver.real_ns = ticking;
    o.driver = &driver;
    assert_int_equal(kahu_new(&h->s, h->L, &o), KAHU_OK);
}

/* S5.1 S5.5: what is made in a cycle is not due in it, however late it gets. */
static void a_cycle_ends_on_a_clock_that_runs(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    o.min_wait_ns = 1;
    open_ticking(&h, o);
    host_run(&h, "local function again() log('again') task.delay(0, again) end"
                 " for i = 1, 3 do task.delay(0, again) end"
                 " task.spawn(function() while true do task.wait() log('w') end"
                 " end)");
    assert_int_equal(kahu_step(h.s), 4);
    assert_log(&h, "again again again w");
    assert_int_equal(kahu_step(h.s), 4);
    assert_int_equal(kahu_cancel_all(h.s), KAHU_OK);
    h.log[0] = '\0';
    host_run(&h, "task.defer(function() task.delay(0, log, 'next') end)");
    assert_int_equal(kahu_step(h.s), 1);
    assert_log(&h, "");
    assert_int_equal(kahu_step(h.s), 1);
    assert_log(&h, "next");
    host_close(&h);
}

/* M7: as long as there is time left a step goes on, and no longer. */
static void a_step_has_its_time(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    o.max_step_ns = 3500; /* of looks that take 1000, the first is no end */
    open_ticking(&h, o);
    host_run(&h, "for i = 1, 10 do task.defer(log, i) end");
    assert_int_equal(kahu_step(h.s), 4);
    assert_int_equal(kahu_step(h.s), 4);
    assert_int_equal(kahu_step(h.s), 2);
    assert_log(&h, "1 2 3 4 5 6 7 8 9 10");
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_is_that_of_an_unbounded_step),
        cmocka_unit_test(what_is_left_is_ready_at_once),
        cmocka_unit_test(an_operation_ended_in_a_cut_cycle),
        cmocka_unit_test(a_full_depth_carries_nothing),
        cmocka_unit_test(a_cycle_ends_on_a_clock_that_runs),
        cmocka_unit_test(a_step_has_its_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
