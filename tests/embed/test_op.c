/* SPDX-License-Identifier: MIT */
/*
 * Asynchronous operations, on both drivers.
 */
#include <pthread.h>
#include <stdlib.h>

#include "core/sched.h"
#include "host.h"

static struct {
    kahu_op op[64];
    int count;
    int cancelled;
    int dropped;
} ops;

static void on_cancel(void *ud, kahu_op op) {
    (void)op;
    assert_ptr_equal(ud, &ops);
    ops.cancelled++;
}

static void drop(void *ud) {
    assert_ptr_equal(ud, &ops);
    ops.dropped++;
}

static int push_pair(lua_State *L, void *ud) {
    assert_ptr_equal(ud, &ops);
    lua_pushnumber(L, 42);
    lua_pushnil(L);
    return 2;
}

static int push_table(lua_State *L, void *ud) {
    (void)ud;
    lua_newtable(L);
    lua_pushnumber(L, 5);
    lua_setfield(L, -2, "code");
    return 1;
}

static int push_raises(lua_State *L, void *ud) {
    (void)ud;
    luaL_error(L, "no values");
}

static int begin(lua_State *L) {
    kahu_status status = kahu_op_begin(L, on_cancel, &ops, &ops.op[ops.count]);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    ops.count++;
    return kahu_op_yield(L);
}

/* Ended before it yields. */
static int begin_ended(lua_State *L) {
    struct host *h = host_of(L);
    int i = ops.count;
    int result = begin(L);

    assert_int_equal(kahu_op_finish(h->s, ops.op[i], push_pair, &ops, drop),
                     KAHU_OK);
    return result;
}

static void open_ops(struct host *h, bool uv, const kahu_options *o) {
    ops.count = ops.cancelled = ops.dropped = 0;
    if (uv)
        host_open_uv(h, o);
    else
        host_open(h, o);
    host_global(h, "begin", begin);
    host_global(h, "begin_ended", begin_ended);
}

static kahu_status finish(struct host *h, int i) {
    return kahu_op_finish(h->s, ops.op[i], push_pair, &ops, drop);
}

/* S10.1 S10.2: values arrive, once; the second end is stale. */
static void an_end_delivers_once(void **state) {
    for (int uv = 0; uv < 2; uv++) {
        struct host h;

        (void)state;
        open_ops(&h, uv, NULL);
        host_run(&h, "log(select('#', begin())) log('on')");
        assert_int_equal(kahu_count(h.s, KAHU_OPERATION), 1);
        assert_int_equal(finish(&h, 0), KAHU_OK);
        assert_int_equal(finish(&h, 0), KAHU_ESTALE);
        assert_int_equal(kahu_op_abandon(h.s, ops.op[0]), KAHU_ESTALE);
        host_finish(&h);
        assert_log(&h, "2 on");
        assert_int_equal(ops.dropped, 1);
        assert_int_equal(ops.cancelled, 0);
        host_close(&h);
    }
}

/* S10.2: ended before the yield, it resumes in the next operation phase. */
static void an_end_before_the_yield(void **state) {
    struct host h;

    (void)state;
    open_ops(&h, false, NULL);
    host_run(&h, "log(begin_ended())");
    assert_log(&h, "");
    assert_int_equal(kahu_step(h.s), 1);
    assert_log(&h, "42 nil");
    host_close(&h);
}

/* S6.2: cancelling runs the callback once; a late end is stale, and its ud
 * stays with whoever came late. */
static void a_cancelled_operation(void **state) {
    struct host h;

    (void)state;
    open_ops(&h, false, NULL);
    host_run(&h, "local t = task.spawn(begin) task.cancel(t)"
                 "log(coroutine.status(t), task.count('w'))");
    assert_log(&h, "dead 0");
    assert_int_equal(ops.cancelled, 1);
    assert_int_equal(finish(&h, 0), KAHU_ESTALE);
    assert_int_equal(ops.dropped, 0);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
    assert_int_equal(ops.cancelled, 1);
}

/* S6.2 S10.2: cancelled after its end and before delivery: the values are
 * released, and the provider is not told to stop what is over. */
static void cancelled_between_end_and_delivery(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_ops(&h, false, NULL);
    co = host_run(&h, "begin() log('never')");
    assert_int_equal(finish(&h, 0), KAHU_OK);
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    assert_int_equal(ops.dropped, 1);
    assert_int_equal(ops.cancelled, 0);
    host_finish(&h);
    assert_log(&h, "");
    host_close(&h);
}

static void cancel_again(void *ud, kahu_op op) {
    struct host *h = host_of(ud);

    (void)op;
    ops.cancelled++;
    assert_int_equal(kahu_cancel(h->s, ud), KAHU_OK);
}

static int begin_cancelling(lua_State *L) {
    if (kahu_op_begin(L, cancel_again, L, &ops.op[0]) != KAHU_OK)
        return 0;
    return kahu_op_yield(L);
}

static void count_end(void *ud, lua_State *L, lua_State *co,
                      kahu_outcome outcome, int nresults) {
    (void)L;
    (void)co;
    (void)nresults;
    if (outcome == KAHU_CANCELLED)
        ++*(int *)ud;
}

/* S6.2: a callback that cancels the same thread changes nothing. */
static void a_callback_that_cancels_again(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct host h;
    int ends = 0;

    (void)state;
    open_ops(&h, false, NULL);
    hooks.ud = &ends;
    hooks.on_end = count_end;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    host_global(&h, "begin_cancelling", begin_cancelling);
    host_run(&h, "task.cancel(task.spawn(begin_cancelling))");
    assert_int_equal(ops.cancelled, 1);
    assert_int_equal(ends, 1);
    host_close(&h);
}

/* S10.1 S8.5: a failure is raised in the thread, any value, catchable. */
static void a_failure_is_catchable(void **state) {
    struct host h;

    (void)state;
    open_ops(&h, false, NULL);
    host_run(&h, "local ok, e = pcall(begin) log(ok, e.code)"
                 "log(pcall(begin)) log(pcall(begin)) begin()");
    assert_int_equal(kahu_op_fail(h.s, ops.op[0], push_table, NULL, NULL),
                     KAHU_OK);
    host_finish(&h);
    assert_int_equal(kahu_op_abandon(h.s, ops.op[1]), KAHU_OK); /* S10.3 */
    host_finish(&h);
    assert_int_equal(kahu_op_finish(h.s, ops.op[2], push_raises, NULL, NULL),
                     KAHU_OK);
    host_finish(&h);
    assert_log(&h, "false 5 false operation abandoned false no values");
    assert_int_equal(kahu_op_fail(h.s, ops.op[3], NULL, NULL, NULL), KAHU_OK);
    host_finish(&h);
    assert_int_equal(h.errors, 1);
    host_close(&h);
}

/* S10.4 S5.7: where a thread can't yield nothing is begun. */
static void begin_fails_where_no_yield_is_possible(void **state) {
    struct host h;

    (void)state;
    open_ops(&h, false, NULL);
    host_run(&h, "local t = setmetatable({}, {__index = function()"
                 "  return begin() end})"
                 "log(select(2, pcall(function() return t.x end)))");
    assert_log(&h,
               "test:1: attempt to yield across metamethod/C-call boundary");
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

/* S8.3 M2: resumed early, it goes on, and gets the end at its next yield. */
static void an_early_resume(void **state) {
    struct host h;

    (void)state;
    open_ops(&h, false, NULL);
    host_run(&h, "local t = task.spawn(function()"
                 "  log(begin()) log(coroutine.yield()) end)"
                 "task.spawn(t, 'early')");
    assert_int_equal(finish(&h, 0), KAHU_OK);
    host_finish(&h);
    assert_log(&h, "early 42 nil");
    host_close(&h);
}

/* M3: the strict option drops the end of an operation resumed early, and no
 * other. */
static void a_strict_early_resume(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    kahu_stats stats = {.size = sizeof(stats)};
    struct host h;

    (void)state;
    o.strict_wakes = true;
    open_ops(&h, false, &o);
    host_run(&h, "local t = task.spawn(function()"
                 "  log(begin()) log(begin()) log(coroutine.yield()) end)"
                 "task.spawn(t, 'early')");
    assert_int_equal(finish(&h, 0), KAHU_OK);
    assert_int_equal(finish(&h, 1), KAHU_OK);
    host_finish(&h);
    assert_log(&h, "early 42 nil");
    kahu_get_stats(h.s, &stats);
    assert_int_equal(stats.dropped[KAHU_OPERATION], 1);
    assert_int_equal(ops.dropped, 2);
    host_close(&h);
}

/* M3: a wake that was made later and waits for nothing is no sign that the
 * thread went on. */
static void a_strict_end_beside_a_newer_wake(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    o.strict_wakes = true;
    open_ops(&h, false, &o);
    host_run(&h, "local t = task.spawn(function()"
                 "  log(begin()) log(coroutine.yield()) end)"
                 "task.delay(1, t, 'later')");
    assert_int_equal(finish(&h, 0), KAHU_OK);
    host_finish(&h);
    assert_log(&h, "42 nil later");
    host_close(&h);
}

/* M2 M3: of a thread that the host has reset and given a new function nobody
 * can say that it went on: that function gets the wake. */
static void a_strict_wake_of_a_thread_made_anew(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;
    lua_State *co;

    (void)state;
    o.strict_wakes = true;
    open_ops(&h, false, &o);
    co = host_run(&h, "task.wait(1) log('never')");
    lua_resetthread(co);
    lua_xmove(host_load(&h, "log('anew', ...)"), co, 1);
    host_finish(&h);
    assert_log(&h, "anew 1");
    host_close(&h);
}

#define MANY 3000

static kahu_op many[MANY];
static int nmany;

static int begin_of_many(lua_State *L) {
    assert_int_equal(kahu_op_begin(L, NULL, NULL, &many[nmany++]), KAHU_OK);
    return kahu_op_yield(L);
}

/* S10.5: records are kept for the next ones, but not all of a peak. */
static void a_peak_of_operations_is_given_back(void **state) {
    kahu_stats stats = {.size = sizeof(stats)};
    struct host h;

    (void)state;
    open_ops(&h, false, NULL);
    host_global(&h, "begin_of_many", begin_of_many);
    for (int peaks = 0; peaks < 2; peaks++) {
        nmany = 0;
        host_run(&h, "for i = 1, 3000 do task.spawn(begin_of_many) end");
        for (int i = 0; i < MANY; i++)
            assert_int_equal(kahu_op_finish(h.s, many[i], NULL, NULL, NULL),
                             KAHU_OK);
        assert_int_equal(kahu_step(h.s), MANY);
        kahu_get_stats(h.s, &stats);
        assert_in_range(h.s->op_spares, 1, MANY / 2);
        assert_true(stats.bytes_peak - stats.bytes >
                    MANY / 2 * sizeof(struct kahu__op));
    }
    host_close(&h);
}

/* S10.5 M5: delivered in the order they ended. */
static void order_is_that_of_completion(void **state) {
    struct host h;

    (void)state;
    open_ops(&h, false, NULL);
    host_run(&h, "for i = 1, 4 do task.spawn(function()"
                 "  begin() log(i) task.defer(log, 'd' .. i) end) end");
    assert_int_equal(finish(&h, 2), KAHU_OK);
    assert_int_equal(finish(&h, 0), KAHU_OK);
    assert_int_equal(finish(&h, 3), KAHU_OK);
    assert_int_equal(finish(&h, 1), KAHU_OK);
    assert_int_equal(kahu_step(h.s), 8);
    assert_log(&h, "3 1 4 2 d3 d1 d4 d2");
    host_close(&h);
}

/* S9.7 S10.2: a close cancels the open, releases the ended, and makes every
 * later end stale. */
static void a_close_with_operations(void **state) {
    struct host h;

    (void)state;
    open_ops(&h, false, NULL);
    host_run(&h, "for i = 1, 3 do task.spawn(begin) end");
    assert_int_equal(finish(&h, 1), KAHU_OK);
    kahu_close(h.s);
    assert_int_equal(ops.cancelled, 2);
    assert_int_equal(ops.dropped, 1);
    assert_int_equal(finish(&h, 0), KAHU_ESTALE);
    host_close(&h);
}

static void *finish_all(void *ud) {
    struct host *h = ud;

    for (int i = 0; i < ops.count; i++)
        if (finish(h, i) != KAHU_OK)
            abort();
    return NULL;
}

/* S10.2 S9.4: ended on another OS thread while the loop sleeps; the loop ends
 * when the last one has arrived, and not before. */
static void ends_on_another_os_thread(void **state) {
    struct host h;
    pthread_t thread;

    (void)state;
    open_ops(&h, true, NULL);
    host_run(&h, "for i = 1, 50 do task.spawn(begin) end");
    assert_int_equal(pthread_create(&thread, NULL, finish_all, &h), 0);
    host_finish(&h);
    assert_true(kahu_is_done(h.s));
    assert_int_equal(ops.dropped, 50);
    assert_int_equal(pthread_join(thread, NULL), 0);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Callbacks that do something to the thread they are for                    */
/* ------------------------------------------------------------------------ */

static struct meddler {
    struct host *h;
    lua_State *co;
    bool cancels;
} meddler;

static void meddle(void *ud) {
    struct meddler *m = ud;

    if (m->cancels)
        assert_int_equal(kahu_cancel(m->h->s, m->co), KAHU_OK);
    else
        assert_int_equal(kahu_spawn(m->h->s, m->co, NULL, 0), KAHU_OK);
}

static int push_seven(lua_State *L, void *ud) {
    (void)ud;
    lua_pushliteral(L, "seven");
    return 1;
}

/* Ends the operation of a thread that runs text, and resumes or cancels it when
 * its values are dropped. */
static void with_meddler(const char *text, bool strict, bool fails,
                         bool cancels, const char *expected) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    o.strict_wakes = strict;
    open_ops(&h, false, &o);
    meddler = (struct meddler){&h, host_run(&h, text), cancels};
    if (fails)
        assert_int_equal(
            kahu_op_fail(h.s, ops.op[0], push_seven, &meddler, meddle),
            KAHU_OK);
    else
        assert_int_equal(
            kahu_op_finish(h.s, ops.op[0], push_seven, &meddler, meddle),
            KAHU_OK);
    assert_true(kahu_step(h.s) >= 0);
    kahu__verify(h.s);
    assert_log(&h, expected);
    host_close(&h);
}

/* M2: the thread has ended meanwhile, and the wake is dropped. */
static void a_drop_that_ends_the_thread(void **state) {
    (void)state;
    with_meddler("log(begin())", false, false, true, "");
    with_meddler("log(begin())", false, true, true, "");
    with_meddler("log('on', begin())", false, false, false, "on");
    with_meddler("log('on', begin())", false, true, false, "on");
}

/* M3: it waits for something else: there the values arrive, or nowhere. */
static void a_drop_that_resumes_the_thread(void **state) {
    (void)state;
    with_meddler("log('a', begin()) log(coroutine.yield())", false, false,
                 false, "a seven");
    with_meddler("log('a', begin()) log(pcall(begin))", false, true, false,
                 "a false seven");
    with_meddler("log('a', begin()) log(coroutine.yield())", true, false, false,
                 "a");
    with_meddler("log('a', begin()) log(begin())", true, false, false, "a");
    with_meddler("log('a', begin()) log(task.wait(9))", true, true, false, "a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_delivers_once),
        cmocka_unit_test(an_end_before_the_yield),
        cmocka_unit_test(a_cancelled_operation),
        cmocka_unit_test(cancelled_between_end_and_delivery),
        cmocka_unit_test(a_callback_that_cancels_again),
        cmocka_unit_test(a_failure_is_catchable),
        cmocka_unit_test(begin_fails_where_no_yield_is_possible),
        cmocka_unit_test(an_early_resume),
        cmocka_unit_test(a_strict_early_resume),
        cmocka_unit_test(a_strict_end_beside_a_newer_wake),
        cmocka_unit_test(a_strict_wake_of_a_thread_made_anew),
        cmocka_unit_test(a_peak_of_operations_is_given_back),
        cmocka_unit_test(order_is_that_of_completion),
        cmocka_unit_test(a_close_with_operations),
        cmocka_unit_test(a_drop_that_ends_the_thread),
        cmocka_unit_test(a_drop_that_resumes_the_thread),
        cmocka_unit_test(ends_on_another_os_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
