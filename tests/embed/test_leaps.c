/* SPDX-License-Identifier: MIT */
/*
 * Time that goes by in leaps: a laptop that slept, a debugger that stopped the
 * process, a clock that was told to.
 */
#include "core/sched.h"
#include "embed.h"

#define SECOND UINT64_C(1000000000)
#define HOUR (3600 * SECOND)
#define CENTURY (876600 * HOUR)

static void open_at(struct host *h, uint64_t now_ns) {
    host_open(h, NULL);
    assert_int_equal(kahu_stepped_step(h->m, now_ns), 0);
}

/* ------------------------------------------------------------------------ */
/* One leap                                                                 */
/* ------------------------------------------------------------------------ */

/* S5.2, S5.4, S5.6: all that came due meanwhile, in order of deadlines; what
 * began before is told how long it has been. */
static void what_was_slept_through_comes_in_order(void **state) {
    struct host h;

    (void)state;
    open_at(&h, HOUR);
    host_run(&h, "task.delay(9, log, 'c') task.delay(0.001, log, 'a')"
                 " task.delay(3000, log, 'd') task.delay(1, log, 'b')"
                 " task.delay(4000, log, 'later') log(task.wait(2))");
    assert_int_equal(kahu_stepped_step(h.m, 2 * HOUR), 5);
    assert_log(&h, "a b 3600 c d");
    host_close(&h);
}

/* A thread that waits again does so from the time it is now: nothing is made
 * up for, however many periods have gone by. */
static void a_ticker_ticks_once(void **state) {
    struct host h;

    (void)state;
    open_at(&h, HOUR);
    host_run(&h, "while true do log(task.wait(60)) end");
    assert_int_equal(kahu_stepped_step(h.m, 25 * HOUR), 1);
    assert_log(&h, "86400");
    assert_int_equal(kahu_next_deadline_ns(h.s), 25 * HOUR + 60 * SECOND);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Many leaps                                                               */
/* ------------------------------------------------------------------------ */

#define TIMERS 2000
#define LEAPS 300

static struct host *host;
static uint64_t deadlines_ns[TIMERS];
static int timers;
static int fired;
static int last; /* the timer that fired before */

/* Of every size there is, up to 2^bits. */
static uint64_t random_ns(unsigned bits) {
    static uint64_t seed = 20261124;

    seed = seed * UINT64_C(6364136223846793005) + 1;
    return (UINT64_C(1) << (seed >> 40) % bits) + (seed >> 60);
}

/* Up to 146 years. */
static void add_timer(void) {
    uint64_t delay_ns = random_ns(63);
    lua_State *co = host_load(host, "fired(...)");

    if (delay_ns < SECOND / 1000)
        delay_ns = SECOND / 1000; /* S5.5: the least */
    deadlines_ns[timers] = kahu_stepped_now_ns(host->m) + delay_ns;
    lua_pushinteger(co, timers++);
    assert_int_equal(kahu_delay(host->s, co, 1, delay_ns), KAHU_OK);
}

/* S5.6: none early, and in the order of (deadline, call). */
static int lua_fired(lua_State *L) {
    int timer = lua_tointeger(L, 1);

    assert_true(deadlines_ns[timer] <= kahu_stepped_now_ns(host->m));
    assert_true(last < 0 || deadlines_ns[last] < deadlines_ns[timer] ||
                (deadlines_ns[last] == deadlines_ns[timer] && last < timer));
    last = timer;
    fired++;
    if (timers < TIMERS)
        add_timer();
    return 0;
}

/* None late either: what is due is gone after the step. */
static void leap(uint64_t by_ns) {
    uint64_t now_ns = kahu_stepped_now_ns(host->m) + by_ns;

    last = -1; /* one made in this step may have the deadline of an older one */
    assert_true(kahu_stepped_step(host->m, now_ns) >= 0);
    assert_true(kahu_next_deadline_ns(host->s) > now_ns);
    kahu__verify(host->s);
}

static void leaps_of_every_size(void **state) {
    struct host h;

    (void)state;
    host = &h;
    host_open(&h, NULL);
    host_global(&h, "fired", lua_fired);
    while (timers < TIMERS / 2)
        add_timer();
    for (int i = 0; i < LEAPS; i++)
        leap(random_ns(54));
    assert_true(fired > TIMERS / 2);
    for (int i = 0; i < 4; i++)
        leap(CENTURY);
    assert_int_equal(timers, TIMERS);
    assert_int_equal(fired, TIMERS);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_slept_through_comes_in_order),
        cmocka_unit_test(a_ticker_ticks_once),
        cmocka_unit_test(leaps_of_every_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
