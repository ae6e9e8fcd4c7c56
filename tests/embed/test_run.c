/* SPDX-License-Identifier: MIT */
/*
 * kahu_run() on every driver, and what kahu_run_until() shares with it; what it
 * has for itself is in test_until.c.
 */
#define _POSIX_C_SOURCE 200809L /* for what uv.h uses of pthread.h */
#include <signal.h>
#include <uv.h>

#include "embed.h"

/* ------------------------------------------------------------------------ */
/* Hosts                                                                    */
/* ------------------------------------------------------------------------ */

static int stop(lua_State *L) {
    kahu_stop(host_of(L)->s, 3);
    return 0;
}

static int close_all(lua_State *L) {
    kahu_close(host_of(L)->s);
    return 0;
}

static int free_all(lua_State *L) {
    kahu_free(host_of(L)->s);
    host_of(L)->s = NULL;
    return 0;
}

static int clear(lua_State *L) {
    kahu_clear(host_of(L)->s);
    return 0;
}

static kahu_op op;

static int begin(lua_State *L) {
    kahu_status status = kahu_op_begin(L, NULL, NULL, &op);

    return status == KAHU_OK ? kahu_op_yield(L) : kahu_raise(L, status);
}

static void open_on(struct host *h, int driver) {
    embed_open(h, driver);
    host_global(h, "stop", stop);
    host_global(h, "close", close_all);
    host_global(h, "free", free_all);
    host_global(h, "clear", clear);
    host_global(h, "begin", begin);
}

/* What kahu_run() says; and kahu_run_until(), of a thread that never ends. */
static kahu_status run_either(struct host *h, bool until) {
    lua_State *never;

    if (!until)
        return kahu_run(h->s);
    never = host_load(h, "");
    return kahu_run_until(h->s, &never, 1);
}

/* ------------------------------------------------------------------------ */
/* Until all is done                                                        */
/* ------------------------------------------------------------------------ */

/* S9.4: to the end of everything, in order; then there is nothing to do. */
static void a_run_until_all_is_done(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        struct host h;

        (void)state;
        open_on(&h, d);
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        host_run(&h, "task.defer(log, 'd') task.wait(0.002) log('a')"
                     "task.delay(0.001, log, 'b') task.wait(0.002) log('c')");
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        assert_log(&h, "d a b c");
        assert_true(kahu_is_done(h.s));
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        host_close(&h);
    }
}

/* M7: a budget makes more turns of it. */
static void a_run_with_a_budget(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        kahu_options o = KAHU_OPTIONS_INIT;
        struct host h;

        (void)state;
        o.max_step_resumes = 1;
        embed_open_with(&h, d, o);
        host_run(&h, "for i = 1, 5 do task.defer(log, i) end");
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        assert_log(&h, "1 2 3 4 5");
        host_close(&h);
    }
}

/* A stepped clock jumps no further than it must. */
static void the_clock_of_a_run(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_on(&h, STEPPED);
    co = host_run(&h, "task.delay(5, log) task.wait(1)");
    assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_OK);
    assert_int_equal(kahu_stepped_now_ns(h.m), 1000000000);
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_int_equal(kahu_stepped_now_ns(h.m), 5000000000);
    host_close(&h);
}

/* S9.1 S9.2: an error is its thread's end, not the run's. */
static void a_run_with_errors(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        struct host h;

        (void)state;
        open_on(&h, d);
        host_run(&h, "task.defer(error, 'a') task.defer(log, 'b')");
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        assert_int_equal(kahu_exit_code(h.s), 1);
        assert_int_equal(h.errors, 1);
        assert_log(&h, "b");
        (void)kahu_set_error_policy(h.s, KAHU_ERRORS_STOP);
        host_run(&h, "task.defer(error, 'a') task.defer(log, 'never')");
        assert_int_equal(kahu_run(h.s), KAHU_ESTOPPED);
        assert_log(&h, "b");
        host_close(&h);
    }
}

static void *post_from_afar(void *ud) {
    embed_post(ud, "a");
    return NULL;
}

/* What another OS thread has posted before keeps no loop alive, but is done.
 * A wake-up that came before the turn is not slept through. */
static void a_run_with_nothing_but_a_post(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        struct host h;

        (void)state;
        open_on(&h, d);
        join(start(post_from_afar, &h));
        assert_int_equal(kahu_count_all(h.s), 1);
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        assert_log(&h, "a");
        host_close(&h);
    }
}

static void on_host_timer(uv_timer_t *timer) {
    host_log(timer->data, "timer");
    uv_stop(timer->loop);
}

/* The loop's other handles get their turns, and may stop it; they do not keep
 * the run. */
static void a_run_shares_its_loop(void **state) {
    uv_timer_t timer;
    struct host h;

    (void)state;
    open_on(&h, UV);
    uv_timer_init(h.loop, &timer);
    timer.data = &h;
    uv_timer_start(&timer, on_host_timer, 1, 3600000);
    host_run(&h, "task.wait(0.02) log('end')");
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_log(&h, "timer end");
    uv_close((uv_handle_t *)&timer, NULL);
    host_close(&h);
}

/* S9.4: a thread that somebody else has resumed to its end leaves a wake, and
 * nothing to wait for. */
static void a_run_with_nothing_but_the_dead(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        for (int until = 0; until < 2; until++) {
            struct host h;
            lua_State *co;

            (void)state;
            open_on(&h, d);
            co = host_run(&h, "task.wait(3600) log('end')");
            assert_int_equal(lua_resume(co, NULL, 0), LUA_OK);
            assert_log(&h, "end");
            assert_int_equal(run_either(&h, until),
                             until ? KAHU_EIDLE : KAHU_OK);
            assert_true(kahu_is_done(h.s));
            host_close(&h);
        }
    }
}

/* ------------------------------------------------------------------------ */
/* Idle                                                                     */
/* ------------------------------------------------------------------------ */

/* Nothing on a stepped clock brings these about; somebody else may. */
static void an_idle_run_on_a_stepped_clock(void **state) {
    static const char *const texts[] = {"begin() log('on')",
                                        "task.wait(math.huge)"};

    for (int until = 0; until < 2; until++) {
        for (int i = 0; i < 2; i++) {
            struct host h;

            (void)state;
            open_on(&h, STEPPED);
            host_run(&h, texts[i]);
            assert_int_equal(run_either(&h, until), KAHU_EIDLE);
            assert_int_equal(kahu_count_all(h.s), 1);
            assert_int_equal(kahu_get_state(h.s), KAHU_WAITING);
            host_close(&h);
        }
    }
}

/* The same of a reference; and it goes on when it can. */
static void an_idle_run_that_goes_on(void **state) {
    struct host h;

    (void)state;
    open_on(&h, STEPPED);
    kahu_ref(h.s);
    host_run(&h, "task.wait(1) begin() log('on')");
    assert_int_equal(kahu_run(h.s), KAHU_EIDLE);
    assert_int_equal(kahu_op_finish(h.s, op, NULL, NULL, NULL), KAHU_OK);
    assert_int_equal(kahu_run(h.s), KAHU_EIDLE);
    assert_log(&h, "on");
    assert_int_equal(kahu_unref(h.s), KAHU_OK);
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    host_close(&h);
}

/* S9.3: a thread that nobody will resume; on any driver, nothing is pending. */
static void a_thread_nobody_resumes(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        struct host h;
        lua_State *co;

        (void)state;
        open_on(&h, d);
        co = host_run(&h, "task.wait() coroutine.yield() log('on')");
        assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_EIDLE);
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
        assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_OK);
        assert_log(&h, "on");
        host_close(&h);
    }
}

/* What a clear took away can't come about either. */
static void a_clear_inside_a_run(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        struct host h;
        lua_State *co;

        (void)state;
        open_on(&h, d);
        co = host_run(&h, "task.delay(0.001, clear) task.wait(60)");
        assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_EIDLE);
        host_run(&h, "task.delay(0.001, clear) task.wait(60)");
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        host_close(&h);
    }
}

/* ------------------------------------------------------------------------ */
/* Stopped                                                                  */
/* ------------------------------------------------------------------------ */

/* S9.6: from inside; also when it is run again, until that is taken back. */
static void a_run_that_is_stopped(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        for (int until = 0; until < 2; until++) {
            struct host h;

            (void)state;
            open_on(&h, d);
            host_run(&h, "task.wait() task.defer(log, 'b')"
                         "stop() log('a') task.wait() log('c')");
            assert_int_equal(run_either(&h, until), KAHU_ESTOPPED);
            assert_log(&h, "a");
            assert_int_equal(kahu_exit_code(h.s), 3);
            assert_int_equal(run_either(&h, until), KAHU_ESTOPPED);
            kahu_unstop(h.s);
            assert_int_equal(run_either(&h, until),
                             until ? KAHU_EIDLE : KAHU_OK);
            assert_log(&h, "a b c");
            host_close(&h);
        }
    }
}

static void *stop_from_afar(void *ud) {
    kahu_stop(((struct host *)ud)->s, 4);
    return NULL;
}

/* S9.6: from another OS thread, asleep or not. */
static void a_run_stopped_from_afar(void **state) {
    for (int d = UV; d < DRIVERS; d++) {
        pthread_t thread;
        struct host h;

        (void)state;
        open_on(&h, d);
        host_run(&h, "task.wait(3600)");
        thread = start(stop_from_afar, &h);
        assert_int_equal(kahu_run(h.s), KAHU_ESTOPPED);
        join(thread);
        assert_int_equal(kahu_count_all(h.s), 1);
        host_close(&h);
    }
}

static kahu_sched *signalled;

static void on_signal(int number) {
    kahu_stop(signalled, number);
}

struct killer {
    pthread_t target;
    int stop;
};

static void *kill_soon(void *ud) {
    struct killer *k = ud;

    (void)pthread_kill(k->target, k->stop);
    return NULL;
}

/* S9.6: from a signal handler, with the blocking driver's wake. */
static void a_run_stopped_by_a_signal(void **state) {
    struct sigaction action = {.sa_handler = on_signal};
    struct killer k = {pthread_self(), SIGUSR1};
    pthread_t thread;
    struct host h;

    (void)state;
    open_on(&h, BLOCKING);
    signalled = h.s;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    host_run(&h, "task.wait(3600)");
    thread = start(kill_soon, &k);
    assert_int_equal(kahu_run(h.s), KAHU_ESTOPPED);
    join(thread);
    assert_int_equal(kahu_exit_code(h.s), SIGUSR1);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Closed, freed                                                            */
/* ------------------------------------------------------------------------ */

/* S9.7: from inside; nothing runs after it. */
static void a_run_that_is_closed(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        for (int until = 0; until < 2; until++) {
            struct host h;

            (void)state;
            open_on(&h, d);
            host_run(&h, "task.defer(log, 'a') task.defer(close)"
                         "task.defer(log, 'never') task.wait(60)");
            assert_int_equal(run_either(&h, until), KAHU_ECLOSED);
            assert_log(&h, "a");
            assert_int_equal(run_either(&h, until), KAHU_ECLOSED);
            host_close(&h);
        }
    }
}

/* A free from inside waits until the run has returned. */
static void a_run_that_is_freed(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        for (int until = 0; until < 2; until++) {
            struct host h;

            (void)state;
            open_on(&h, d);
            host_run(&h, "task.wait() task.defer(log, 'never') free()"
                         "log(pcall(task.wait))");
            assert_int_equal(run_either(&h, until), KAHU_ECLOSED);
            assert_log(&h, "false scheduler is closing");
            assert_null(kahu_get(h.L));
            host_close(&h);
        }
    }
}

static void free_on_timer(uv_timer_t *timer) {
    struct host *h = timer->data;

    kahu_free(h->s);
    h->s = NULL;
    uv_close((uv_handle_t *)timer, NULL);
}

/* The same from a callback of the loop that is no step. */
static void a_run_freed_by_the_loop(void **state) {
    for (int until = 0; until < 2; until++) {
        uv_timer_t timer;
        struct host h;

        (void)state;
        open_on(&h, UV);
        uv_timer_init(h.loop, &timer);
        timer.data = &h;
        uv_timer_start(&timer, free_on_timer, 1, 0);
        host_run(&h, "task.wait(60)");
        assert_int_equal(run_either(&h, until), KAHU_ECLOSED);
        host_close(&h);
    }
}

/* ------------------------------------------------------------------------ */
/* Where it can't                                                           */
/* ------------------------------------------------------------------------ */

static int run_inside(lua_State *L) {
    struct host *h = host_of(L);

    assert_int_equal(run_either(h, false), KAHU_ESTATE);
    assert_int_equal(run_either(h, true), KAHU_ESTATE);
    assert_int_equal(kahu_run_until(h->s, NULL, 0), KAHU_ESTATE);
    host_log(h, "inside");
    return 0;
}

static void run_on_end(void *ud, lua_State *L, lua_State *co,
                       kahu_outcome outcome, int nresults) {
    (void)ud;
    (void)co;
    (void)outcome;
    (void)nresults;
    (void)run_inside(L);
}

/* M8: nor is it by a step of its own: the loop is run once at a time. */
static void a_run_inside_a_run(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        kahu_hooks hooks = KAHU_HOOKS_INIT;
        struct host h;

        (void)state;
        open_on(&h, d);
        host_global(&h, "run", run_inside);
        hooks.on_end = run_on_end;
        assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
        host_run(&h, "run() task.wait() run()");
        assert_log(&h, "inside");
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        assert_log(&h, "inside inside inside");
        assert_int_equal(kahu_remove_hooks(h.s, &hooks), KAHU_OK);
        host_close(&h);
    }
}

static void run_on_timer(uv_timer_t *timer) {
    (void)run_inside(((struct host *)timer->data)->L);
    uv_close((uv_handle_t *)timer, NULL);
}

/* The loop is under way, though no step is. */
static void a_run_inside_a_callback_of_the_loop(void **state) {
    uv_timer_t timer;
    struct host h;

    (void)state;
    open_on(&h, UV);
    uv_timer_init(h.loop, &timer);
    timer.data = &h;
    uv_timer_start(&timer, run_on_timer, 1, 0);
    host_run(&h, "task.wait(0.01) log('end')");
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_log(&h, "inside end");
    host_close(&h);
}

static struct host *other;

static int run_other(lua_State *L) {
    (void)L;
    assert_int_equal(kahu_run(other->s), KAHU_OK);
    return 0;
}

/* Another scheduler is not in the way. */
static void a_run_inside_a_run_of_another(void **state) {
    struct host a;
    struct host b;

    (void)state;
    open_on(&a, STEPPED);
    open_on(&b, BLOCKING);
    other = &b;
    host_global(&a, "run", run_other);
    host_run(&b, "task.wait(0.001) log('b')");
    host_run(&a, "task.wait() run() log('a')");
    assert_int_equal(kahu_run(a.s), KAHU_OK);
    assert_log(&a, "a");
    assert_log(&b, "b");
    host_close(&b);
    host_close(&a);
}

/* ------------------------------------------------------------------------ */
/* Drivers of the host's                                                    */
/* ------------------------------------------------------------------------ */

struct mute {
    kahu_status says;
    int turns;
};

static uint64_t mute_now(void *ud) {
    (void)ud;
    return 0;
}

static void mute_arm(void *ud, uint64_t deadline_ns, bool pending) {
    (void)ud;
    (void)deadline_ns;
    (void)pending;
}

static void mute_wake(void *ud) {
    (void)ud;
}

static kahu_status mute_turn(void *ud) {
    struct mute *m = ud;

    m->turns++;
    return m->says;
}

static void open_mute(struct host *h, struct mute *m, bool turns) {
    kahu_driver d = KAHU_DRIVER_INIT;

    host_open(h, NULL);
    d.ud = m;
    d.now_ns = mute_now;
    d.arm = mute_arm;
    d.wake = mute_wake;
    d.turn = turns ? mute_turn : NULL;
    embed_attach(h, &d, (kahu_options)KAHU_OPTIONS_INIT);
}

/* The host has its own loop: there is none to run. */
static void a_driver_without_a_turn(void **state) {
    struct mute m = {KAHU_OK, 0};
    struct host h;

    (void)state;
    open_mute(&h, &m, false);
    host_run(&h, "task.defer(log, 'a')");
    assert_int_equal(run_either(&h, false), KAHU_EINVAL);
    assert_int_equal(run_either(&h, true), KAHU_EINVAL);
    assert_log(&h, "");
    host_close(&h);
}

/* What the turn says is what the run says, and nothing is left of it: the
 * thread that was waited for may end later. */
static void a_turn_that_fails(void **state) {
    struct mute m = {KAHU_EUSER, 0};
    struct host h;
    lua_State *co;

    (void)state;
    open_mute(&h, &m, true);
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_int_equal(m.turns, 0);
    co = host_run(&h, "task.defer(log, 'a') task.wait()");
    assert_int_equal(kahu_run(h.s), KAHU_EUSER);
    assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_EUSER);
    assert_int_equal(m.turns, 2);
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    m.says = KAHU_EDRIVER;
    assert_int_equal(kahu_run(h.s), KAHU_EDRIVER);
    assert_int_equal(kahu_step(h.s), 1);
    assert_log(&h, "a");
    host_close(&h);
}

/* Nobody took it: it is given back by hand. */
static void a_blocking_driver_nobody_took(void **state) {
    kahu_driver d;
    uint64_t now_ns;

    (void)state;
    assert_int_equal(kahu_blocking_driver(NULL), KAHU_EINVAL);
    assert_int_equal(kahu_blocking_driver(&d), KAHU_OK);
    assert_int_equal(d.size, sizeof(d));
    now_ns = d.now_ns(d.ud);
    assert_true(d.now_ns(d.ud) >= now_ns);
    d.release(d.ud);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_until_all_is_done),
        cmocka_unit_test(a_run_with_a_budget),
        cmocka_unit_test(the_clock_of_a_run),
        cmocka_unit_test(a_run_with_errors),
        cmocka_unit_test(a_run_with_nothing_but_a_post),
        cmocka_unit_test(a_run_with_nothing_but_the_dead),
        cmocka_unit_test(a_run_shares_its_loop),
        cmocka_unit_test(an_idle_run_on_a_stepped_clock),
        cmocka_unit_test(an_idle_run_that_goes_on),
        cmocka_unit_test(a_thread_nobody_resumes),
        cmocka_unit_test(a_clear_inside_a_run),
        cmocka_unit_test(a_run_that_is_stopped),
        cmocka_unit_test(a_run_stopped_from_afar),
        cmocka_unit_test(a_run_stopped_by_a_signal),
        cmocka_unit_test(a_run_that_is_closed),
        cmocka_unit_test(a_run_that_is_freed),
        cmocka_unit_test(a_run_freed_by_the_loop),
        cmocka_unit_test(a_run_inside_a_run),
        cmocka_unit_test(a_run_inside_a_callback_of_the_loop),
        cmocka_unit_test(a_run_inside_a_run_of_another),
        cmocka_unit_test(a_driver_without_a_turn),
        cmocka_unit_test(a_turn_that_fails),
        cmocka_unit_test(a_blocking_driver_nobody_took),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
