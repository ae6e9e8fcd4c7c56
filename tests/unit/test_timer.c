/* SPDX-License-Identifier: MIT */
#include "core/sched.h"
#include "host.h"

#define TIMERS 500
#define NS_PER_MS UINT64_C(1000000)

static struct {
    uint64_t deadline_ns;
    uint64_t order;
} fired[TIMERS];
static int count;

/* fired(deadline in ms, order of the call) */
static int on_fired(lua_State *L) {
    fired[count].deadline_ns = (uint64_t)lua_tonumber(L, 1) * NS_PER_MS;
    fired[count].order = (uint64_t)lua_tonumber(L, 2);
    assert_true(fired[count].deadline_ns <=
                kahu_stepped_now_ns(host_of(L)->m)); /* S5.6 */
    count++;
    return 0;
}

/* S5.2 S5.6: by deadline, then by the order of the calls; the sequence numbers
 * of this build wrap on the way. */
static void random_timers_fire_in_order(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "fired", on_fired);
    count = 0;
    host_run(&h, "local n = 1\n"
                 "for i = 1, 500 do n = n * 16807 % 2147483647\n"
                 "  local ms = 1 + n % 40\n"
                 "  task.delay(ms / 1000, fired, ms, i) end");
    assert_true(kahu_stepped_run(h.m) >= TIMERS);
    assert_int_equal(count, TIMERS);
    for (int i = 1; i < TIMERS; i++)
        assert_true(fired[i - 1].deadline_ns < fired[i].deadline_ns ||
                    (fired[i - 1].deadline_ns == fired[i].deadline_ns &&
                     fired[i - 1].order < fired[i].order));
    host_close(&h);
}

/* The same for a few durations, many of each, some of them cancelled: such have
 * lanes, and what is out of order there has the heap. */
static void lanes_and_heap_are_one_order(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "fired", on_fired);
    count = 0;
    host_run(&h, "local durations = {10, 10, 70, 400, 3, 11}\n"
                 "local n, threads = 1, {}\n"
                 "for i = 1, 500 do n = n * 16807 % 2147483647\n"
                 "  local ms = durations[1 + n % #durations]\n"
                 "  threads[i] = task.delay(ms / 1000, fired, ms, i) end\n"
                 "for i = 1, 500, 3 do task.cancel(threads[i]) end");
    assert_true(h.s->timers.count > 50);
    assert_true((h.s->lanes_used & (h.s->lanes_used - 1)) != 0);
    kahu__verify(h.s);
    assert_true(kahu_stepped_run(h.m) >= TIMERS - TIMERS / 3 - 1);
    assert_int_equal(count, TIMERS - TIMERS / 3 - 1);
    for (int i = 1; i < count; i++)
        assert_true(fired[i - 1].deadline_ns < fired[i].deadline_ns ||
                    (fired[i - 1].deadline_ns == fired[i].deadline_ns &&
                     fired[i - 1].order < fired[i].order));
    assert_int_equal(h.s->lanes_used, 0);
    host_close(&h);
}

/* S5.1 S5.5: a frame that begins after the deadline, made in that very cycle,
 * does not fire it; the next one does. */
static void a_timer_never_fires_in_its_cycle(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    o.min_wait_ns = 1;
    host_open(&h, &o);
    host_run(&h, "task.delay(0, function() log('a')"
                 "  task.delay(0, log, 'b') end)");
    assert_int_equal(kahu_stepped_step(h.m, NS_PER_MS), 1);
    assert_log(&h, "a");
    assert_int_equal(kahu_stepped_step(h.m, 2 * NS_PER_MS), 1);
    assert_log(&h, "a b");
    host_close(&h);
}

/* M2: first timers of dead threads go, those behind a living one may stay. */
static void the_dead_do_not_hold_the_first_place(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "local t = {}\n"
                 "for i = 1, 3 do t[i] = task.spawn(task.wait, i) end\n"
                 "task.delay(2.5, log, 'alive')\n"
                 "for i = 1, 3 do coroutine.resume(t[i]) end");
    assert_int_equal(kahu_next_deadline_ns(h.s), 2500 * NS_PER_MS);
    assert_int_equal(kahu_count(h.s, KAHU_WAIT), 1);
    host_finish(&h);
    assert_log(&h, "alive");
    assert_true(kahu_is_done(h.s));
    assert_int_equal(kahu_stepped_now_ns(h.m), 2500 * NS_PER_MS);
    host_close(&h);
}

/* S5.3: what is beyond the clock is never, whatever the clock says. */
static void beyond_the_clock_is_never(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_stepped_step(h.m, 10), 0);
    co = host_load(&h, "log('never')");
    assert_int_equal(kahu_delay(h.s, co, 0, UINT64_MAX - 5), KAHU_OK);
    assert_true(kahu_next_deadline_ns(h.s) == KAHU_NEVER_NS);
    assert_int_equal(kahu_stepped_step(h.m, UINT64_MAX), 0);
    assert_false(kahu_is_done(h.s));
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_timers_fire_in_order),
        cmocka_unit_test(lanes_and_heap_are_one_order),
        cmocka_unit_test(a_timer_never_fires_in_its_cycle),
        cmocka_unit_test(the_dead_do_not_hold_the_first_place),
        cmocka_unit_test(beyond_the_clock_is_never),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
