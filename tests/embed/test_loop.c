/* SPDX-License-Identifier: MIT */
/*
 * The drivers: when they are told what, and what a loop makes of it.
 */
#define _POSIX_C_SOURCE 200809L /* for what uv.h uses of pthread.h */
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "host.h"
#include "kahu/uv.h"

/* ------------------------------------------------------------------------ */
/* A driver that writes down what it is told                                */
/* ------------------------------------------------------------------------ */

struct recorder {
    uint64_t now_ns;
    uint64_t deadline_ns;
    bool pending;
    int arms;
    int wakes;
    int released;
};

static uint64_t record_now(void *ud) {
    return ((struct recorder *)ud)->now_ns;
}

static void record_arm(void *ud, uint64_t deadline_ns, bool pending) {
    struct recorder *r = ud;

    r->deadline_ns = deadline_ns;
    r->pending = pending;
    r->arms++;
}

static void record_wake(void *ud) {
    ((struct recorder *)ud)->wakes++;
}

static void record_release(void *ud) {
    ((struct recorder *)ud)->released++;
}

/* A host whose driver is r. */
static void open_recorded(struct host *h, struct recorder *r) {
    kahu_options o = KAHU_OPTIONS_INIT;
    kahu_driver d = KAHU_DRIVER_INIT;

    host_open(h, NULL);
    kahu_free(h->s);
    d.ud = r;
    d.now_ns = record_now;
    d.arm = record_arm;
    d.wake = record_wake;
    d.release = record_release;
    o.driver = &d;
    assert_int_equal(kahu_new(&h->s, h->L, &o), KAHU_OK);
}

/* S5.2: the driver knows the first deadline, as soon as there is one. */
static void the_first_deadline_is_told(void **state) {
    struct recorder r = {.now_ns = 1000};
    struct host h;

    (void)state;
    open_recorded(&h, &r);
    host_run(&h, "a = task.delay(2, log) b = task.delay(1, log)");
    assert_int_equal(r.deadline_ns, 1000001000);
    assert_true(r.pending);
    assert_int_equal(r.wakes, 0);
    host_run(&h, "task.cancel(b)");
    assert_int_equal(r.deadline_ns, 2000001000);
    host_run(&h, "task.cancel(a) never = task.delay(math.huge, log)");
    assert_true(r.deadline_ns == KAHU_NEVER_NS && r.pending); /* S5.3 */
    host_run(&h, "task.cancel(never)");
    assert_false(r.pending); /* S9.4 */
    assert_int_equal(r.wakes, 0);
    host_close(&h);
    assert_int_equal(r.released, 1);
}

/* A wake-up is asked for once, and again after the step it led to. */
static void a_wake_up_is_asked_for_once(void **state) {
    struct recorder r = {0};
    struct host h;

    (void)state;
    open_recorded(&h, &r);
    host_run(&h, "for i = 1, 10 do task.defer(log, i) end");
    host_run(&h, "task.defer(log, 11)");
    assert_int_equal(r.wakes, 1);
    assert_int_equal(kahu_step(h.s), 11);
    assert_int_equal(r.wakes, 1);
    host_run(&h, "task.defer(log)");
    assert_int_equal(r.wakes, 2);
    host_close(&h);
}

/* A thread that the host resumes itself tells the driver all the same. */
static void a_thread_the_host_resumes(void **state) {
    struct recorder r = {0};
    struct host h;
    lua_State *co;

    (void)state;
    open_recorded(&h, &r);
    co = host_load(&h, "task.defer(log, 'd') log(task.wait(1) >= 1)");
    assert_int_equal(lua_resume(co, NULL, 0), LUA_YIELD);
    lua_settop(co, 0);
    assert_int_equal(r.wakes, 1);
    assert_int_equal(r.deadline_ns, 1000000000);
    r.now_ns = 2000000000;
    assert_int_equal(kahu_step(h.s), 2);
    assert_log(&h, "d true");
    co = host_load(&h, "task.defer(log, 'alone')"); /* no wait tells for it */
    assert_int_equal(lua_resume(co, NULL, 0), LUA_OK);
    assert_int_equal(r.wakes, 2);
    assert_int_equal(kahu_step(h.s), 1);
    assert_log(&h, "d true alone");
    host_close(&h);
}

#if !defined(KAHU_THREADS) || KAHU_THREADS
static kahu_op begun[2];
static int nbegun;

static int begin(lua_State *L) {
    kahu_status status = kahu_op_begin(L, NULL, NULL, &begun[nbegun++]);

    if (status != KAHU_OK)
        kahu_raise(L, status);
    return lua_yield(L, 0);
}

struct finisher {
    kahu_sched *s;
    kahu_op op;
};

static void *finish(void *ud) {
    const struct finisher *f = ud;

    if (kahu_op_finish(f->s, f->op, NULL, NULL, NULL) != KAHU_OK)
        abort();
    return NULL;
}

static void finish_elsewhere(kahu_sched *s, kahu_op op) {
    struct finisher f = {s, op};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, finish, &f), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* What a loop does that is run inside a resume. */
static int finish_and_step(lua_State *L) {
    kahu_sched *s = host_of(L)->s;

    finish_elsewhere(s, begun[0]);
    assert_int_equal(kahu_step(s), KAHU_ESTATE);
    return 0;
}

/* M8: the step that was refused had the only wake-up that other OS threads ask
 * for until the next one; there is one even if nothing is left for it. */
static void a_wake_up_used_up_inside(void **state) {
    struct recorder r = {0};
    struct host h;

    (void)state;
    nbegun = 0;
    open_recorded(&h, &r);
    host_global(&h, "begin", begin);
    host_global(&h, "finish_and_step", finish_and_step);
    host_run(&h, "a = task.spawn(begin) begin() log('finished')");
    host_run(&h, "finish_and_step() task.cancel(a)");
    assert_int_equal(r.wakes, 2);
    assert_int_equal(kahu_step(h.s), 0);
    finish_elsewhere(h.s, begun[1]);
    assert_int_equal(r.wakes, 3);
    assert_int_equal(kahu_step(h.s), 1);
    assert_log(&h, "finished");
    host_close(&h);
}
#endif

/* ------------------------------------------------------------------------ */
/* libuv                                                                    */
/* ------------------------------------------------------------------------ */

typedef void opener(struct host *h, const kahu_options *options);

/* Each of these tests runs on both drivers. */
static void on_loops(void (*test)(opener *open)) {
    test(host_open_uv);
#if defined(__linux__)
    test(host_open_precise);
#endif
}

static int run_inside(lua_State *L) {
    struct host *h = host_of(L);

    uv_sleep(5);
    uv_run(h->loop, UV_RUN_NOWAIT);
    return 0;
}

/* M8: a loop run inside a resume uses up the wake-ups; they are not lost. */
static void a_loop_run_inside_loses_nothing(opener *open) {
    struct host h;

    open(&h, NULL);
    host_global(&h, "run", run_inside);
    host_run(&h, "task.delay(0.002, log, 'timer') task.defer(log, 'defer')");
    host_run(&h, "run() log('run')");
    host_finish(&h);
    assert_log(&h, "run defer timer");
    h.log[0] = '\0';
    host_run(&h, "task.defer(log, 'alone')"); /* no timer comes to help */
    host_run(&h, "run()");
    host_finish(&h);
    assert_log(&h, "alone");
    host_close(&h);
}

/* From outside of everything the driver is told at once. */
static void what_a_host_schedules_is_run(opener *open) {
    struct host h;

    open(&h, NULL);
    assert_int_equal(kahu_defer(h.s, host_load(&h, "log('defer')"), 0),
                     KAHU_OK);
    host_finish(&h);
    assert_int_equal(kahu_delay(h.s, host_load(&h, "log('delay')"), 0, 1),
                     KAHU_OK);
    host_finish(&h);
    assert_log(&h, "defer delay");
    host_close(&h);
}

static void cancel_never(uv_timer_t *timer) {
    struct host *h = timer->data;

    host_run(h, "task.cancel(never) log('cancelled')");
    uv_close((uv_handle_t *)timer, NULL);
}

/* S5.3 S9.4: a wait without end keeps the loop until it is cancelled. */
static void a_wait_without_end_keeps_the_loop(opener *open) {
    struct host h;
    uv_timer_t timer;

    open(&h, NULL);
    host_run(&h, "never = task.spawn(task.wait, math.huge)");
    uv_timer_init(h.loop, &timer);
    timer.data = &h;
    uv_timer_start(&timer, cancel_never, 5, 0);
    uv_unref((uv_handle_t *)&timer); /* only the wait keeps the loop */
    host_finish(&h);
    assert_log(&h, "cancelled");
    host_close(&h);
}

static void *stop_soon(void *ud) {
    struct host *h = ud;

    uv_sleep(5);
    kahu_stop(h->s, 3);
    return NULL;
}

/* S9.6: a stop from another OS thread ends the loop. */
static void a_stop_from_another_os_thread(opener *open) {
    struct host h;
    pthread_t thread;

    open(&h, NULL);
    host_run(&h, "task.wait(3600)");
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, &h), 0);
    host_finish(&h);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(kahu_exit_code(h.s), 3);
    assert_false(kahu_is_done(h.s));
    host_close(&h);
}

/* S5.1: never early, in the order of the deadlines. */
static void many_sleep(opener *open) {
    struct host h;

    open(&h, NULL);
    host_run(&h, "local last = 0"
                 " for i = 1, 200 do"
                 "   local delay = 0.001 + i * 7 % 31 / 7000"
                 "   task.spawn(function()"
                 "     local due = os.clock() + delay"
                 "     if task.wait(delay) < delay then log('early') end"
                 "     if os.clock() < due then log('earlier') end"
                 "   end)"
                 " end"
                 " for i = 1, 20 do"
                 "   task.delay(0.002 + i / 20000, function()"
                 "     if i < last then log('disorder') end"
                 "     last = i"
                 "   end)"
                 " end"
                 " task.wait(0.01) log(last)");
    host_finish(&h);
    assert_log(&h, "20");
    host_close(&h);
}

static void count_turn(uv_prepare_t *prepare) {
    ++*(int *)prepare->data;
}

/* The loop sleeps: it does not turn until something is due. A turn or two is
 * for a timer of milliseconds that rang too soon. */
static void a_wait_is_a_turn_or_two(opener *open) {
    struct host h;
    uv_prepare_t prepare;
    int turns = 0;

    open(&h, NULL);
    uv_prepare_init(h.loop, &prepare);
    prepare.data = &turns;
    uv_prepare_start(&prepare, count_turn);
    uv_unref((uv_handle_t *)&prepare);
    for (int i = 1; i <= 20; i++)
        host_run(&h, "task.wait(0.02) task.wait(0.0207)");
    host_finish(&h);
    assert_in_range(turns, 2, 200);
    uv_close((uv_handle_t *)&prepare, NULL);
    host_close(&h);
}

struct slow {
    uv_timer_t timer;
    int timeout_ms; /* how long the loop would sleep after the step */
};

static void close_timer(uv_timer_t *timer) {
    uv_close((uv_handle_t *)timer, NULL);
}

/* A long resume, in which a timer of the host's is due before its end. */
static int start_and_dawdle(lua_State *L) {
    struct slow *slow = lua_touserdata(L, lua_upvalueindex(1));

    uv_timer_start(&slow->timer, close_timer, 5, 0);
    uv_sleep(20);
    return 0;
}

static void look_at_timeout(uv_prepare_t *prepare) {
    struct slow *slow = prepare->data;

    if (uv_is_active((uv_handle_t *)&slow->timer))
        slow->timeout_ms = uv_backend_timeout(prepare->loop);
}

/* V17: what a step took is no time that the loop sleeps besides, when it waits
 * for somebody else's timer. */
static void a_long_step_keeps_no_timer(opener *open) {
    struct host h;
    uv_prepare_t prepare;
    struct slow slow = {.timeout_ms = -1};

    open(&h, NULL);
    uv_timer_init(h.loop, &slow.timer);
    uv_prepare_init(h.loop, &prepare);
    prepare.data = &slow;
    uv_prepare_start(&prepare, look_at_timeout);
    uv_unref((uv_handle_t *)&prepare);
    lua_pushlightuserdata(h.L, &slow);
    lua_pushcclosure(h.L, start_and_dawdle, "slow", 1);
    lua_setglobal(h.L, "slow");
    host_run(&h, "task.wait(0.001)"); /* the loop knows its descriptors */
    host_finish(&h);
    host_run(&h, "task.defer(slow)");
    host_finish(&h);
    assert_int_equal(slow.timeout_ms, 0);
    uv_close((uv_handle_t *)&prepare, NULL);
    host_close(&h);
}

/* What is due but not delivered yet is left to the next turn of the loop, in
 * which others have theirs: the timers of a loop are run until none is due. */
static void what_is_due_leaves_the_loop_its_turns(opener *open) {
    static const char ten[] = "for i = 1, 10 do task.delay(0.001, log, i) end";
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;
    lua_State *co;
    uv_prepare_t prepare;
    int turns = 0;

    o.max_step_resumes = 1;
    open(&h, &o);
    uv_prepare_init(h.loop, &prepare);
    prepare.data = &turns;
    uv_prepare_start(&prepare, count_turn);
    uv_unref((uv_handle_t *)&prepare);
    host_run(&h, ten);
    uv_sleep(2);
    host_finish(&h);
    assert_log(&h, "1 2 3 4 5 6 7 8 9 10");
    assert_true(turns >= 5); /* a timer's and a wake-up's step in each */
    uv_close((uv_handle_t *)&prepare, NULL);
    host_close(&h);

    open(&h, NULL);
    co = host_load(&h, "task.wait(0.001) log('it')");
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    host_run(&h, ten);
    uv_sleep(2);
    assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_OK);
    assert_log(&h, "it");
    host_finish(&h);
    assert_log(&h, "it 1 2 3 4 5 6 7 8 9 10");
    host_close(&h);
}

/* The clock of a precise driver is told again what it was told already. */
static void a_deadline_comes_and_goes(opener *open) {
    struct host h;

    open(&h, NULL);
    host_run(&h, "for i = 1, 3 do"
                 "  local far = task.delay(3600, log, 'far')"
                 "  local near = task.delay(3599, log, 'near')"
                 "  task.wait(0.001) task.cancel(near)"
                 "  task.delay(0.001, log, i) task.wait(0.002) task.cancel(far)"
                 " end");
    host_finish(&h);
    assert_log(&h, "1 2 3");
    host_close(&h);
}

static void loops_inside(void **state) {
    (void)state;
    on_loops(a_loop_run_inside_loses_nothing);
}

static void what_hosts_schedule(void **state) {
    (void)state;
    on_loops(what_a_host_schedules_is_run);
}

static void waits_without_end(void **state) {
    (void)state;
    on_loops(a_wait_without_end_keeps_the_loop);
}

static void stops_from_other_os_threads(void **state) {
    (void)state;
    on_loops(a_stop_from_another_os_thread);
}

static void sleepers(void **state) {
    (void)state;
    on_loops(many_sleep);
    on_loops(a_deadline_comes_and_goes);
}

static void turns_of_a_loop(void **state) {
    (void)state;
    on_loops(a_wait_is_a_turn_or_two);
    on_loops(a_long_step_keeps_no_timer);
    on_loops(what_is_due_leaves_the_loop_its_turns);
}

static void set_descriptors(rlim_t most) {
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* What can't be had is a status, and leaves nothing behind. */
static void a_precise_driver_without_a_descriptor(void **state) {
    struct rlimit before;
    kahu_driver driver = KAHU_DRIVER_INIT;
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(kahu_uv_precise_driver(NULL, &loop), KAHU_EINVAL);
    assert_int_equal(kahu_uv_precise_driver(&driver, NULL), KAHU_EINVAL);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    set_descriptors(3);
    assert_int_equal(kahu_uv_precise_driver(&driver, &loop), KAHU_EDRIVER);
    set_descriptors(before.rlim_cur);
    assert_null(driver.ud);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* ------------------------------------------------------------------------ */
/* Stepped                                                                  */
/* ------------------------------------------------------------------------ */

/* M9: advance visits every deadline; step is one frame. */
static void the_two_ways_to_move_the_clock(void **state) {
    static const char ticker[] = "while true do task.wait(0.1) log('t') end";
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, ticker);
    assert_int_equal(kahu_stepped_advance(h.m, 350000000), 3);
    assert_int_equal(kahu_stepped_now_ns(h.m), 350000000);
    assert_log(&h, "t t t");
    assert_int_equal(kahu_stepped_step(h.m, 900000000), 1);
    assert_log(&h, "t t t t");
    assert_int_equal(kahu_stepped_step(h.m, 1), 0); /* never back */
    assert_int_equal(kahu_stepped_now_ns(h.m), 900000000);
    host_close(&h);
}

/* S5.3: at the end of time nothing fires, and nothing spins. */
static void the_end_of_time(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "task.delay(math.huge, log, 'never')");
    assert_int_equal(kahu_stepped_advance(h.m, UINT64_MAX), 0);
    assert_false(kahu_is_ready(h.s));
    assert_int_equal(kahu_stepped_run(h.m), 0);
    assert_false(kahu_is_done(h.s));
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_deadline_is_told),
        cmocka_unit_test(a_wake_up_is_asked_for_once),
        cmocka_unit_test(a_thread_the_host_resumes),
#if !defined(KAHU_THREADS) || KAHU_THREADS
        cmocka_unit_test(a_wake_up_used_up_inside),
#endif
        cmocka_unit_test(loops_inside),
        cmocka_unit_test(what_hosts_schedule),
        cmocka_unit_test(waits_without_end),
        cmocka_unit_test(stops_from_other_os_threads),
        cmocka_unit_test(sleepers),
        cmocka_unit_test(turns_of_a_loop),
        cmocka_unit_test(a_precise_driver_without_a_descriptor),
        cmocka_unit_test(the_two_ways_to_move_the_clock),
        cmocka_unit_test(the_end_of_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
