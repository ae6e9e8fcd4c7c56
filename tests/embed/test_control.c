/* SPDX-License-Identifier: MIT */
/*
 * The whole of a scheduler: stopped and going on, cleared, kept from being
 * done, asked what it is doing.
 */
#include "embed.h"
#include "kahu/threads.h"

static kahu_op ops[4];
static int nops;
static const char *after_cancel; /* what on_cancel() starts */

static void on_cancel(void *ud, kahu_op op) {
    struct host *h = ud;

    (void)op;
    host_log(h, "cancelled");
    if (after_cancel != NULL)
        host_run(h, after_cancel);
}

static int begin(lua_State *L) {
    kahu_status status = kahu_op_begin(L, on_cancel, host_of(L), &ops[nops]);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    nops++;
    return kahu_op_yield(L);
}

static int stop(lua_State *L) {
    kahu_stop(host_of(L)->s, 3);
    return 0;
}

static int unstop(lua_State *L) {
    kahu_unstop(host_of(L)->s);
    return 0;
}

static int clear(lua_State *L) {
    kahu_clear(host_of(L)->s);
    return 0;
}

static void open_with(struct host *h, const kahu_options *o) {
    nops = 0;
    after_cancel = NULL;
    host_open(h, o);
    host_global(h, "begin", begin);
    host_global(h, "stop", stop);
    host_global(h, "unstop", unstop);
    host_global(h, "clear", clear);
}

/* ------------------------------------------------------------------------ */
/* kahu_stop, kahu_unstop                                                   */
/* ------------------------------------------------------------------------ */

/* S9.6: the resume under way ends as it likes; everything else stays. */
static void a_stop_keeps_what_is_pending(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    host_run(&h, "task.defer(log, 'd') task.delay(1, log, 'e')"
                 "task.spawn(function() begin() log('o') end)"
                 "task.spawn(function() task.wait(2) log('w') end)");
    host_run(&h, "stop() log('a')");
    assert_log(&h, "a");
    assert_true(kahu_is_stopped(h.s));
    assert_int_equal(kahu_count_all(h.s), 4);
    assert_int_equal(kahu_step(h.s), KAHU_ESTATE);
    assert_int_equal(kahu_stepped_run(h.m), 0);
    assert_int_equal(kahu_stepped_now_ns(h.m), 0);
    assert_false(kahu_is_ready(h.s));
    assert_int_equal(kahu_op_finish(h.s, ops[0], NULL, NULL, NULL), KAHU_OK);
    kahu_unstop(h.s);
    assert_false(kahu_is_stopped(h.s));
    host_finish(&h);
    assert_log(&h, "a d o e w");
    host_close(&h);
}

/* S9.2: the first code counts, until the stop is taken back. */
static void the_exit_code_of_a_stop(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    kahu_stop(h.s, 7);
    kahu_stop(h.s, 8);
    assert_int_equal(kahu_exit_code(h.s), 7);
    kahu_unstop(h.s);
    assert_int_equal(kahu_exit_code(h.s), 0);
    kahu_stop(h.s, 0);
    assert_true(kahu_is_stopped(h.s));
    assert_int_equal(kahu_exit_code(h.s), 0);
    kahu_unstop(h.s);
    host_run(&h, "error('oops')");
    assert_int_equal(kahu_exit_code(h.s), 1);
    kahu_stop(h.s, 0);
    assert_int_equal(kahu_exit_code(h.s), 0);
    kahu_unstop(h.s);
    assert_int_equal(kahu_exit_code(h.s), 1);
    kahu_stop(h.s, -1);
    assert_int_equal(kahu_exit_code(h.s), -1);
    kahu_unstop(h.s);
    host_close(&h);
}

/* Nothing is started from outside either, but it may be put in line. */
static void work_for_a_stopped_scheduler(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_with(&h, NULL);
    kahu_stop(h.s, 0);
    co = host_load(&h, "log('a')");
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_ESTATE);
    assert_int_equal(kahu_defer(h.s, co, 0), KAHU_OK);
    assert_int_equal(kahu_step(h.s), KAHU_ESTATE);
    kahu_unstop(h.s);
    assert_int_equal(kahu_step(h.s), 1);
    assert_log(&h, "a");
    host_close(&h);
}

/* In the middle of a flush: the rest goes on where it was, in its order. */
static void an_unstop_goes_on_where_it_was(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    host_run(&h, "task.defer(log, 'a') task.defer(stop)"
                 "task.defer(log, 'b') task.delay(0, log, 't')");
    assert_int_equal(kahu_step(h.s), 2);
    assert_log(&h, "a");
    kahu_unstop(h.s);
    assert_true(kahu_is_ready(h.s));
    host_finish(&h);
    assert_log(&h, "a b t");
    host_close(&h);
}

/* Taken back in the same step, nothing was the matter. */
static void an_unstop_from_inside(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    host_run(&h, "task.defer(function() stop() log('a') unstop() end)"
                 "task.defer(log, 'b')");
    assert_int_equal(kahu_step(h.s), 2);
    assert_log(&h, "a b");
    kahu_unstop(h.s); /* nor is this */
    assert_int_equal(kahu_get_state(h.s), KAHU_IDLE);
    host_close(&h);
}

/* A loop that has ended for a stop goes on after it: it is woken and armed
 * anew for each of these alone. */
static void an_unstop_on_a_loop(void **state) {
    static const char *const texts[] = {"task.defer(log, 'a')",
                                        "task.delay(0.002, log, 'a')"};

    for (int i = 0; i < 2; i++) {
        struct host h;

        (void)state;
        embed_open(&h, UV);
        host_run(&h, texts[i]);
        kahu_stop(h.s, 0);
        host_finish(&h);
        assert_log(&h, "");
        kahu_unstop(h.s);
        host_finish(&h);
        assert_log(&h, "a");
        host_close(&h);
    }
}

/* ------------------------------------------------------------------------ */
/* kahu_clear                                                               */
/* ------------------------------------------------------------------------ */

static const char one_of_each[] =
    "task.defer(log, 'd') task.delay(1, log, 'e')"
    "task.spawn(function() begin() log('o') end)"
    "w = task.spawn(function() task.wait(2) log('w') end)";

/* Wakes are unlinked, operations cancelled, nothing is resumed or closed. */
static void a_clear_takes_everything(void **state) {
    kahu_stats stats = {.size = sizeof(stats)};
    struct host h;

    (void)state;
    open_with(&h, NULL);
    host_run(&h, one_of_each);
    assert_int_equal(kahu_count_all(h.s), 4);
    kahu_clear(h.s);
    assert_log(&h, "cancelled");
    assert_true(kahu_is_done(h.s));
    assert_int_equal(kahu_get_state(h.s), KAHU_IDLE);
    assert_true(kahu_next_deadline_ns(h.s) == KAHU_NEVER_NS);
    assert_int_equal(kahu_op_abandon(h.s, ops[0]), KAHU_ESTALE);
    kahu_get_stats(h.s, &stats);
    for (int k = 0; k < KAHU_KINDS; k++)
        assert_int_equal(stats.cancelled[k], 1);
    host_close(&h);
}

/* What was waiting is as alive as any thread, and may be scheduled anew. */
static void a_thread_after_a_clear(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    host_run(&h, one_of_each);
    kahu_clear(h.s);
    host_run(&h, "log(coroutine.status(w)) task.defer(w)"
                 "task.wait() log('on')");
    host_finish(&h);
    assert_log(&h, "cancelled suspended w on");
    host_close(&h);
}

/* On an empty one, and twice. */
static void a_clear_of_nothing(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    kahu_clear(h.s);
    kahu_clear(h.s);
    assert_int_equal(kahu_get_state(h.s), KAHU_IDLE);
    host_run(&h, "task.wait() log('on')");
    host_finish(&h);
    assert_log(&h, "on");
    kahu_close(h.s);
    kahu_clear(h.s);
    assert_int_equal(kahu_get_state(h.s), KAHU_CLOSED);
    host_close(&h);
}

/* From inside: what is pending at the call, not what is made after it. */
static void a_clear_from_inside(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    host_run(&h, one_of_each);
    host_run(&h, "task.defer(function() clear() task.defer(log, 'a')"
                 "  task.wait(1) log('b') end)"
                 "task.defer(log, 'never')");
    host_finish(&h);
    assert_log(&h, "d cancelled a b");
    host_close(&h);
}

/* In each phase of a cycle, of what was taken for that phase as well. */
static void a_clear_in_every_phase(void **state) {
    static const char *const texts[] = {
        "for i = 1, 3 do task.defer(clear) end",
        "for i = 1, 3 do task.delay(1, clear) end",
        "for i = 1, 3 do task.spawn(function() begin() clear() end) end",
    };

    for (int i = 0; i < 3; i++) {
        struct host h;

        (void)state;
        open_with(&h, NULL);
        host_run(&h, texts[i]);
        for (int k = 0; k < nops; k++)
            assert_int_equal(kahu_op_finish(h.s, ops[k], NULL, NULL, NULL),
                             KAHU_OK);
        assert_int_equal(kahu_stepped_step(h.m, 2000000000), 1);
        assert_int_equal(kahu_get_state(h.s), KAHU_IDLE);
        host_run(&h, "task.wait() log('on')");
        host_finish(&h);
        assert_log(&h, "on");
        host_close(&h);
    }
}

/* M7: also of what a budget has cut off. */
static void a_clear_of_the_rest_of_a_step(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    o.max_step_resumes = 1;
    open_with(&h, &o);
    host_run(&h, "task.defer(log, 'a') task.defer(log, 'never')");
    assert_int_equal(kahu_step(h.s), 1);
    assert_int_equal(kahu_get_state(h.s), KAHU_READY);
    kahu_clear(h.s);
    assert_int_equal(kahu_get_state(h.s), KAHU_IDLE);
    assert_false(kahu_is_ready(h.s));
    host_run(&h, "task.defer(log, 'b') task.wait() log('c')");
    host_finish(&h);
    assert_log(&h, "a b c");
    host_close(&h);
}

/* What a provider makes on being told is new, and stays. */
static void a_clear_with_a_provider_that_makes_work(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    host_run(&h, one_of_each);
    after_cancel = "task.defer(log, 'n') task.delay(1, log, 'm') log('new')";
    kahu_clear(h.s);
    assert_log(&h, "cancelled new");
    assert_int_equal(kahu_count_all(h.s), 2);
    host_finish(&h);
    assert_log(&h, "cancelled new n m");
    host_close(&h);
}

/* One that clears on being told takes the rest itself, with what it has made;
 * what each makes after its own stays. */
static void a_clear_inside_a_clear(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    host_run(&h, "for i = 1, 2 do task.spawn(begin) end");
    host_run(&h, one_of_each);
    after_cancel = "task.defer(log, 'never') clear() task.defer(log, 'n')";
    kahu_clear(h.s);
    assert_log(&h, "cancelled cancelled cancelled");
    assert_int_equal(kahu_count_all(h.s), 3);
    host_finish(&h);
    assert_log(&h, "cancelled cancelled cancelled n n n");
    host_close(&h);
}

/* Operations begun anew, without end: only those there were are cancelled. */
static void a_clear_with_a_provider_that_begins_anew(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    host_run(&h, "begin()");
    after_cancel = "begin() log('on')";
    kahu_clear(h.s);
    assert_log(&h, "cancelled");
    assert_int_equal(kahu_count(h.s, KAHU_OPERATION), 1);
    after_cancel = NULL;
    assert_int_equal(kahu_op_finish(h.s, ops[1], NULL, NULL, NULL), KAHU_OK);
    host_finish(&h);
    assert_log(&h, "cancelled on");
    host_close(&h);
}

static void close_on_cancel(void *ud, kahu_op op) {
    struct host *h = ud;

    (void)op;
    kahu_close(h->s);
    host_log(h, "closing");
}

static int begin_closing(lua_State *L) {
    kahu_op op;

    if (kahu_op_begin(L, close_on_cancel, host_of(L), &op) != KAHU_OK)
        return 0;
    return kahu_op_yield(L);
}

static void free_on_cancel(void *ud, kahu_op op) {
    struct host *h = ud;

    (void)op;
    kahu_free(h->s);
    h->s = NULL;
}

static int begin_freeing(lua_State *L) {
    kahu_op op;

    if (kahu_op_begin(L, free_on_cancel, host_of(L), &op) != KAHU_OK)
        return 0;
    return kahu_op_yield(L);
}

/* A provider may close or free it all on being told. */
static void a_clear_that_becomes_a_close(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    host_global(&h, "begin_freeing", begin_freeing);
    host_run(&h, "task.spawn(begin_freeing) task.defer(log, 'never')");
    host_run(&h, "task.spawn(begin)");
    kahu_clear(h.s);
    assert_log(&h, "cancelled");
    assert_null(kahu_get(h.L));
    host_close(&h);

    open_with(&h, NULL);
    host_global(&h, "begin_closing", begin_closing);
    host_run(&h, "task.spawn(begin_closing) task.defer(log, 'never')");
    kahu_clear(h.s);
    assert_int_equal(kahu_get_state(h.s), KAHU_CLOSED);
    assert_log(&h, "closing");
    host_close(&h);
}

static kahu_status cancel_one(struct host *h) {
    lua_State *co;

    lua_getglobal(h->L, "t");
    co = lua_tothread(h->L, -1);
    lua_pop(h->L, 1);
    return kahu_cancel(h->s, co);
}

static kahu_status cancel_all(struct host *h) {
    return kahu_cancel_all(h->s);
}

/* A provider that hears of a cancellation clears the rest, and makes new work
 * for others: the thread that was to end ends, those that wait for nothing any
 * more do not. */
static void a_clear_inside_a_cancellation(void **state) {
    static kahu_status (*const ways[])(struct host * h) = {cancel_one,
                                                           cancel_all};

    for (int i = 0; i < 2; i++) {
        struct host h;

        (void)state;
        open_with(&h, NULL);
        host_run(&h, "t = task.spawn(function() task.delay(1, coroutine"
                     ".running()) begin() log('never') end)");
        host_run(&h, one_of_each);
        after_cancel = "clear() task.defer(log, 'n')";
        assert_int_equal(ways[i](&h), KAHU_OK);
        host_run(&h, "log(coroutine.status(t), coroutine.status(w))");
        host_finish(&h);
        assert_log(&h, "cancelled cancelled dead suspended n n");
        host_close(&h);
    }
}

/* What waits for a deadline of its own is forgotten with the rest (S6). */
static void a_clear_of_cancellations(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_with(&h, NULL);
    co = host_run(&h, "coroutine.yield() log('on')");
    assert_int_equal(kahu_cancel_after(h.s, co, 1000), KAHU_OK);
    assert_int_equal(kahu_count_all(h.s), 1);
    kahu_clear(h.s);
    assert_int_equal(kahu_count_all(h.s), 0);
    assert_int_equal(kahu_stepped_run(h.m), 0);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_log(&h, "on");
    host_close(&h);
}

static bool log_end(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)L;
    (void)f;
    host_log(ud, "end");
    return false;
}

/* What is not pending is not cleared: watches and references stay. */
static void what_a_clear_leaves(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_with(&h, NULL);
    co = host_run(&h, "task.wait(1)");
    assert_int_equal(kahu_watch(h.s, co, log_end, &h, NULL), KAHU_OK);
    kahu_ref(h.s);
    kahu_clear(h.s);
    assert_int_equal(kahu_count_all(h.s), 1);
    assert_int_equal(kahu_unref(h.s), KAHU_OK);
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    assert_log(&h, "end");
    host_close(&h);
}

/* Stopped, it is cleared all the same; nothing is left to go on with. */
static void a_clear_of_a_stopped_scheduler(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    host_run(&h, one_of_each);
    embed_post(&h, "never");
    kahu_stop(h.s, 0);
    kahu_clear(h.s);
    assert_true(kahu_is_done(h.s));
    assert_int_equal(kahu_get_state(h.s), KAHU_STOPPED);
    kahu_unstop(h.s);
    host_finish(&h);
    assert_log(&h, "cancelled");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* kahu_ref, kahu_unref                                                     */
/* ------------------------------------------------------------------------ */

/* Counted, and one of the things all done waits for. */
static void references_are_counted(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    assert_int_equal(kahu_unref(h.s), KAHU_ESTATE);
    kahu_ref(h.s);
    kahu_ref(h.s);
    assert_int_equal(kahu_count_all(h.s), 2);
    assert_int_equal(kahu_get_state(h.s), KAHU_WAITING);
    assert_false(kahu_is_ready(h.s));
    assert_int_equal(kahu_step(h.s), 0);
    assert_int_equal(kahu_unref(h.s), KAHU_OK);
    assert_false(kahu_is_done(h.s));
    assert_int_equal(kahu_unref(h.s), KAHU_OK);
    assert_true(kahu_is_done(h.s));
    assert_int_equal(kahu_unref(h.s), KAHU_ESTATE);
    host_close(&h);
}

/* S9.7: a close ends them, and there are none after it. */
static void references_and_a_close(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        struct host h;

        (void)state;
        embed_open(&h, d);
        kahu_ref(h.s);
        kahu_close(h.s);
        assert_int_equal(kahu_count_all(h.s), 0);
        kahu_ref(h.s);
        assert_int_equal(kahu_count_all(h.s), 0);
        assert_int_equal(kahu_unref(h.s), KAHU_ESTATE);
        if (d == UV)
            host_finish(&h);
        host_close(&h);
    }
}

static int unref(lua_State *L) {
    assert_int_equal(kahu_unref(host_of(L)->s), KAHU_OK);
    return 0;
}

/* A loop stays for one, until a thread takes it back. */
static void a_reference_keeps_a_loop(void **state) {
    struct host h;

    (void)state;
    embed_open(&h, UV);
    host_global(&h, "unref", unref);
    kahu_ref(h.s);
    host_run(&h, "task.wait(0.002) log('a') unref()");
    host_finish(&h);
    assert_log(&h, "a");
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* kahu_get_state, kahu_count_all                                           */
/* ------------------------------------------------------------------------ */

static int log_state(lua_State *L) {
    static const char *const names[] = {"idle",    "waiting", "ready",
                                        "running", "stopped", "closed"};

    host_log(host_of(L), names[kahu_get_state(host_of(L)->s)]);
    return 0;
}

static int close_all(lua_State *L) {
    kahu_close(host_of(L)->s);
    return 0;
}

/* From the last, the first that is true. */
static void the_states(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    host_global(&h, "state", log_state);
    host_global(&h, "close", close_all);
    assert_int_equal(kahu_get_state(h.s), KAHU_IDLE);
    host_run(&h, "task.wait(1)");
    assert_int_equal(kahu_get_state(h.s), KAHU_WAITING);
    host_run(&h, "task.defer(log)");
    assert_int_equal(kahu_get_state(h.s), KAHU_READY);
    host_run(&h, "state() stop() state() unstop() state() close() state()");
    assert_log(&h, "running stopped running closed");
    assert_int_equal(kahu_get_state(h.s), KAHU_CLOSED);
    kahu_stop(h.s, 0);
    assert_int_equal(kahu_get_state(h.s), KAHU_CLOSED);
    host_close(&h);
}

/* Ready is what a step would deliver now: a timer when it is due. */
static void the_state_of_timers_and_operations(void **state) {
    struct host h;

    (void)state;
    open_with(&h, NULL);
    host_run(&h, "begin()");
    assert_int_equal(kahu_get_state(h.s), KAHU_WAITING);
    assert_int_equal(kahu_op_finish(h.s, ops[0], NULL, NULL, NULL), KAHU_OK);
    assert_int_equal(kahu_get_state(h.s), KAHU_READY);
    host_finish(&h);
    assert_int_equal(kahu_get_state(h.s), KAHU_IDLE);
    host_run(&h, "task.wait(1)");
    assert_int_equal(kahu_stepped_step(h.m, 999999999), 0);
    assert_int_equal(kahu_get_state(h.s), KAHU_WAITING);
    assert_int_equal(kahu_stepped_step(h.m, 1000000000), 1);
    assert_int_equal(kahu_get_state(h.s), KAHU_IDLE);
    host_close(&h);
}

/* S9.4: wakes of every kind, deadlines, posted calls, references. */
static void the_count_of_all(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_with(&h, NULL);
    host_run(&h, one_of_each);
    co = host_run(&h, "task.wait(3)");
    assert_int_equal(kahu_cancel_after(h.s, co, 1), KAHU_OK);
    embed_post(&h, "p");
    kahu_ref(h.s);
    assert_int_equal(kahu_count_all(h.s), 8);
    assert_int_equal(kahu_count(h.s, KAHU_WAIT), 2);
    assert_int_equal(kahu_count(h.s, KAHU_KINDS), 0);
    assert_int_equal(kahu_cancel_all(h.s), KAHU_OK);
    assert_int_equal(kahu_count_all(h.s), 2);
    assert_int_equal(kahu_unref(h.s), KAHU_OK);
    host_finish(&h);
    assert_int_equal(kahu_count_all(h.s), 0);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_keeps_what_is_pending),
        cmocka_unit_test(the_exit_code_of_a_stop),
        cmocka_unit_test(work_for_a_stopped_scheduler),
        cmocka_unit_test(an_unstop_goes_on_where_it_was),
        cmocka_unit_test(an_unstop_from_inside),
        cmocka_unit_test(an_unstop_on_a_loop),
        cmocka_unit_test(a_clear_takes_everything),
        cmocka_unit_test(a_thread_after_a_clear),
        cmocka_unit_test(a_clear_of_nothing),
        cmocka_unit_test(a_clear_from_inside),
        cmocka_unit_test(a_clear_in_every_phase),
        cmocka_unit_test(a_clear_of_the_rest_of_a_step),
        cmocka_unit_test(a_clear_with_a_provider_that_makes_work),
        cmocka_unit_test(a_clear_inside_a_clear),
        cmocka_unit_test(a_clear_with_a_provider_that_begins_anew),
        cmocka_unit_test(a_clear_that_becomes_a_close),
        cmocka_unit_test(a_clear_inside_a_cancellation),
        cmocka_unit_test(a_clear_of_cancellations),
        cmocka_unit_test(what_a_clear_leaves),
        cmocka_unit_test(a_clear_of_a_stopped_scheduler),
        cmocka_unit_test(references_are_counted),
        cmocka_unit_test(references_and_a_close),
        cmocka_unit_test(a_reference_keeps_a_loop),
        cmocka_unit_test(the_states),
        cmocka_unit_test(the_state_of_timers_and_operations),
        cmocka_unit_test(the_count_of_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
