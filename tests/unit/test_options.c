/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "core/sched.h"
#include "host.h"

static uint64_t now(void *ud) {
    (void)ud;
    return 0;
}

static void arm(void *ud, uint64_t deadline_ns, bool pending) {
    (void)ud;
    (void)deadline_ns;
    (void)pending;
}

static void wake(void *ud) {
    (void)ud;
}

static kahu_driver whole_driver(void) {
    kahu_driver d = KAHU_DRIVER_INIT;

    d.now_ns = now;
    d.arm = arm;
    d.wake = wake;
    return d;
}

static void zero_means_the_default(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT, read;
    kahu_driver d = whole_driver(), driver;

    (void)state;
    o.driver = &d;
    assert_true(kahu__options_read(&read, &driver, &o));
    assert_int_equal(read.min_wait_ns, 1000000);
    assert_int_equal(read.max_defer_depth, 80);
    assert_false(read.preload || read.strict_wakes || read.strict_defer_depth);
    o.min_wait_ns = 1;
    o.max_defer_depth = 3;
    assert_true(kahu__options_read(&read, &driver, &o));
    assert_int_equal(read.min_wait_ns, 1);
    assert_int_equal(read.max_defer_depth, 3);
}

static void a_driver_is_needed_and_whole(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT, read;
    kahu_driver d = whole_driver(), driver;

    (void)state;
    assert_false(kahu__options_read(&read, &driver, NULL));
    assert_false(kahu__options_read(&read, &driver, &o));
    o.driver = &d;
    d.now_ns = NULL;
    assert_false(kahu__options_read(&read, &driver, &o));
    d = whole_driver();
    d.arm = NULL;
    assert_false(kahu__options_read(&read, &driver, &o));
    d = whole_driver();
    d.wake = NULL;
    assert_false(kahu__options_read(&read, &driver, &o));
    d = whole_driver();
    d.size--;
    assert_false(kahu__options_read(&read, &driver, &o));
}

/* A caller built against a newer header: fine while it asks nothing of us that
 * we do not know. */
static void a_larger_struct_must_end_in_zeros(void **state) {
    struct {
        kahu_options options;
        uint64_t added[2];
    } o = {KAHU_OPTIONS_INIT, {0, 0}};
    kahu_driver d = whole_driver(), driver;
    kahu_options read;

    (void)state;
    o.options.size = sizeof(o);
    o.options.driver = &d;
    assert_true(kahu__options_read(&read, &driver, &o.options));
    o.added[1] = 1;
    assert_false(kahu__options_read(&read, &driver, &o.options));
}

/* A caller built against an older header gets the counters it knows. */
static void stats_are_cut_to_size(void **state) {
    kahu_stats stats;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "task.spawn(log)");
    memset(&stats, 0x55, sizeof(stats));
    stats.size = offsetof(kahu_stats, errors);
    kahu_get_stats(h.s, &stats);
    assert_int_equal(stats.resumes, 2);
    assert_int_equal(stats.errors, UINT64_C(0x5555555555555555));
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_means_the_default),
        cmocka_unit_test(a_driver_is_needed_and_whole),
        cmocka_unit_test(a_larger_struct_must_end_in_zeros),
        cmocka_unit_test(stats_are_cut_to_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
