/* SPDX-License-Identifier: MIT */
#include "core/sched.h"
#include "host.h"

static const char nested[] =
    "local function nest(n) log(n) task.defer(nest, n + 1) end\n"
    "task.defer(nest, 1)";

/* M6: so many generations, then the timers have their turn, then the rest. */
static void a_flush_has_a_depth(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    o.max_defer_depth = 3;
    host_open(&h, &o);
    host_run(&h, nested);
    host_run(&h, "task.delay(0, log, 'timer')");
    assert_int_equal(kahu_stepped_step(h.m, 1000000000), 4);
    assert_log(&h, "1 2 3 timer");
    assert_true(kahu_is_ready(h.s)); /* no work is lost */
    assert_int_equal(kahu_stepped_step(h.m, 1000000000), 3);
    assert_log(&h, "1 2 3 timer 4 5 6");
    host_close(&h);
}

/* M6 S4.1: what is deferred in a cycle that carries comes after the carried. */
static void what_is_carried_keeps_its_place(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    o.max_defer_depth = 2;
    host_open(&h, &o);
    host_run(&h, "task.defer(function() task.defer(function()\n"
                 "  task.defer(log, 'carried') end) end)\n"
                 "task.delay(0, function() log('timer')\n"
                 "  task.defer(log, 'later') end)");
    assert_true(kahu_stepped_step(h.m, 1000000000) > 0);
    assert_log(&h, "timer");
    assert_int_equal(kahu_stepped_step(h.m, 1000000000), 2);
    assert_log(&h, "timer carried later");
    host_close(&h);
}

/* S4.2: one thread, many wakes, each with its own values, in order. */
static void one_thread_many_times(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "local t = coroutine.create(function(...)\n"
                 "  log(select('#', ...)) while true do\n"
                 "  log(select('#', coroutine.yield())) end end)\n"
                 "for i = 1, 6 do task.defer(t, table.unpack({}, 1, i)) end");
    assert_int_equal(kahu_step(h.s), 6);
    assert_log(&h, "1 2 3 4 5 6");
    host_close(&h);
}

/* S6.1: cancelled in a flush, by one that came before it. */
static void cancelled_in_the_same_flush(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "local t\n"
                 "task.defer(function() task.cancel(t) log('first') end)\n"
                 "t = task.defer(log, 'never', {})\n"
                 "task.defer(log, 'last')");
    assert_int_equal(kahu_step(h.s), 2);
    assert_log(&h, "first last");
    assert_int_equal(h.s->values.live, 0);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flush_has_a_depth),
        cmocka_unit_test(what_is_carried_keeps_its_place),
        cmocka_unit_test(one_thread_many_times),
        cmocka_unit_test(cancelled_in_the_same_flush),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
