/* SPDX-License-Identifier: MIT */
/*
 * Stacks that are as full as the VM lets them be: LUAI_MAXCSTACK values in a
 * frame. What finds no room says so, and has changed nothing.
 */
#include <stdio.h>

#include "host.h"
#include "kahu/threads.h"

#define FULL LUAI_MAXCSTACK

/* n values more on L, and then no room for another one if that is all there
 * may be. */
static void fill(lua_State *L, int n) {
    assert_true(lua_checkstack(L, n));
    for (int i = 0; i < n; i++)
        lua_pushnumber(L, i);
}

static void fill_up(lua_State *L) {
    fill(L, FULL - lua_gettop(L));
    assert_false(lua_checkstack(L, 1));
}

/* A fresh thread, with arguments up to the limit. */
static lua_State *load_full(struct host *h, const char *text) {
    lua_State *co = host_load(h, text);

    fill_up(co);
    return co;
}

static void assert_still_full(lua_State *co) {
    assert_int_equal(lua_gettop(co), FULL);
    assert_true(lua_isfunction(co, 1));
    assert_int_equal(lua_tonumber(co, FULL), FULL - 2);
}

/* ------------------------------------------------------------------------ */
/* The host's stack                                                         */
/* ------------------------------------------------------------------------ */

static void a_scheduler_from_a_full_stack(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    kahu_driver driver;
    kahu_stepped *m;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    fill_up(h.L);
    assert_null(kahu_get(h.L));
    lua_settop(h.L, 0);
    assert_ptr_equal(kahu_get(h.L), h.s);
    kahu_free(h.s);
    assert_int_equal(kahu_stepped_new(&m, &driver), KAHU_OK);
    o.driver = &driver;
    fill_up(h.L);
    assert_int_equal(kahu_new(&h.s, h.L, &o), KAHU_ENOMEM);
    assert_null(h.s);
    assert_int_equal(lua_gettop(h.L), FULL);
    lua_settop(h.L, 0);
    kahu_stepped_free(m);
    host_attach(&h, NULL);
    host_run(&h, "task.defer(log, 'on')");
    host_finish(&h);
    assert_log(&h, "on");
    host_close(&h);
}

static int ends;

static bool count_end(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    (void)L;
    (void)f;
    ends++;
    return false;
}

static void count_drop(void *ud) {
    ++*(int *)ud;
}

/* The VM is asked for its scheduler on the main thread's stack: nobody is told
 * of a resume by somebody else while that has no room, and no harm is done. */
static void a_resume_beside_a_full_stack(void **state) {
    int drops = 0;
    struct host h;
    lua_State *co;

    (void)state;
    ends = 0;
    host_open(&h, NULL);
    for (int full = 0; full < 2; full++) {
        co = host_load(&h, "log('end')");
        assert_int_equal(kahu_watch(h.s, co, count_end, &drops, count_drop),
                         KAHU_OK);
        if (full)
            fill_up(h.L);
        assert_int_equal(lua_resume(co, NULL, 0), LUA_OK);
        assert_int_equal(ends, 1);
        assert_int_equal(drops, 1);
    }
    lua_settop(h.L, 0);
    assert_log(&h, "end end");
    host_close(&h);
    assert_int_equal(ends, 1);
    assert_int_equal(drops, 2);
}

/* ------------------------------------------------------------------------ */
/* A thread's stack                                                         */
/* ------------------------------------------------------------------------ */

/* S3.2: all of them are passed on at once. */
static void a_spawn_of_a_full_thread(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = load_full(&h, "log(select('#', ...)) task.wait(1) log('on')");
    assert_int_equal(kahu_spawn(h.s, co, NULL, FULL - 1), KAHU_OK);
    host_finish(&h);
    assert_log(&h, "7999 on");
    host_close(&h);
}

/* What would have to name the thread by a value on it. */
static kahu_status defer(kahu_sched *s, lua_State *co) {
    return kahu_defer(s, co, FULL - 1);
}

static kahu_status delay(kahu_sched *s, lua_State *co) {
    return kahu_delay(s, co, FULL - 1, 5);
}

static kahu_status cancel_after(kahu_sched *s, lua_State *co) {
    return kahu_cancel_after(s, co, 5);
}

static kahu_status watch(kahu_sched *s, lua_State *co) {
    return kahu_watch(s, co, count_end, NULL, NULL);
}

static void wakes_of_a_full_thread(void **state) {
    static kahu_status (*const calls[])(kahu_sched * s, lua_State * co) = {
        defer, delay, cancel_after, watch};
    struct host h;
    lua_State *co;

    (void)state;
    ends = 0;
    host_open(&h, NULL);
    co = load_full(&h, "log(select('#', ...))");
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        assert_int_equal(calls[i](h.s, co), KAHU_ENOMEM);
        assert_still_full(co);
        assert_int_equal(kahu_count_all(h.s), 0);
    }
    assert_int_equal(kahu_unwatch(h.s, co, count_end, NULL), KAHU_ESTALE);
    lua_pop(co, 1);
    assert_int_equal(kahu_defer(h.s, co, FULL - 2), KAHU_OK);
    host_finish(&h);
    assert_log(&h, "7998");
    assert_int_equal(ends, 0);
    host_close(&h);
}

static void on_end(void *ud, lua_State *L, lua_State *co, kahu_outcome outcome,
                   int nresults) {
    (void)L;
    (void)co;
    (void)nresults;
    host_log(ud, outcome == KAHU_CANCELLED ? "cancelled" : "ended");
}

/* S6.3: nothing is needed to end one. */
static void a_cancel_of_a_full_thread(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    hooks.ud = &h;
    hooks.on_end = on_end;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    co = load_full(&h, "log('never')");
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    assert_log(&h, "cancelled");
    assert_int_equal(lua_costatus(h.L, co), LUA_COFIN);
    host_close(&h);
}

static bool log_state(void *ud, const kahu_thread_info *info) {
    host_log(ud, info->state == KAHU_THREAD_FRESH ? info->where : "?");
    return true;
}

static void a_record_of_a_full_thread(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_track(h.s), KAHU_OK);
    (void)load_full(&h, "log('never')");
    assert_int_equal(kahu_each_thread(h.s, NULL, log_state, &h), 1);
    assert_log(&h, "test:1");
    host_close(&h);
}

/* A thread that has values already may have no room for the arguments. */
static void a_start_with_too_many(void **state) {
    lua_State *started = NULL;
    struct host h;
    lua_State *co;

    (void)state;
    ends = 0;
    host_open(&h, NULL);
    co = host_load(&h, "log(select('#', ...))");
    fill(co, 100);
    lua_pushthread(co);
    lua_xmove(co, h.L, 1);
    fill(h.L, FULL - 50);
    assert_int_equal(
        kahu_start(h.s, h.L, FULL - 50, count_end, NULL, NULL, &started),
        KAHU_ENOMEM);
    assert_null(started);
    assert_int_equal(ends, 0);
    assert_int_equal(lua_gettop(h.L), FULL - 49);
    assert_int_equal(lua_gettop(co), 101);
    lua_settop(h.L, 1);
    lua_settop(co, 1);
    fill(h.L, FULL - 50);
    assert_int_equal(
        kahu_start(h.s, h.L, FULL - 50, count_end, NULL, NULL, &started),
        KAHU_OK);
    assert_int_equal(ends, 1);
    assert_log(&h, "7950");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Values                                                                   */
/* ------------------------------------------------------------------------ */

static int told;

static void note_values(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    assert_int_equal(lua_gettop(L), f->nvalues);
    told = f->nvalues;
}

/* All or none are told of, whatever is near the limit; few of them always. */
static void results_near_the_limit(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    char text[64];
    struct host h;
    lua_State *co;
    int all = 0;

    (void)state;
    host_open(&h, NULL);
    hooks.on_resume = note_values;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    for (int n = FULL - 100; n < FULL - 5; n++) {
        (void)snprintf(text, sizeof(text), "return table.unpack({}, 1, %d)", n);
        told = -1;
        co = host_run(&h, text);
        assert_int_equal(lua_costatus(h.L, co), LUA_COFIN);
        assert_true(told == 0 || (told == n && all == n - FULL + 100));
        all += told == n;
    }
    assert_in_range(all, 20, 90);
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

/* M4: preloaded values that have no more room beside others are kept in their
 * wake. */
static void values_beside_preloaded_ones(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    o.preload = true;
    host_open(&h, &o);
    host_run(&h, "local t = coroutine.create(function(...)"
                 "  log(select('#', ...), (select(-1, ...)))"
                 "  local function again(...)"
                 "    log(select('#', ...), (select(-1, ...))) end"
                 "  again(coroutine.yield()) end)"
                 "local function values(n) return table.unpack("
                 "  table.create(5000, n)) end "
                 "task.delay(1, t, values('a')) task.delay(2, t, values('b'))");
    host_finish(&h);
    assert_log(&h, "5000 a 5000 b");
    host_close(&h);
}

/* M4: a host's values are on the thread itself already, and are moved. */
static void values_that_are_there_are_not_preloaded(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;
    lua_State *co;

    (void)state;
    o.preload = true;
    host_open(&h, &o);
    co = host_load(&h, "log(...) log(coroutine.yield())");
    for (int i = 0; i < 2; i++) {
        fill(co, 3);
        assert_int_equal(kahu_defer(h.s, co, 3), KAHU_OK);
        assert_int_equal(lua_gettop(co), 1);
    }
    host_finish(&h);
    assert_log(&h, "0 1 2 0 1 2");
    host_close(&h);
}

/* The wake itself asks for no room on the thread behind them. */
static void no_room_behind_preloaded_ones(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    o.preload = true;
    host_open(&h, &o);
    host_run(&h, "local t = task.spawn(function()"
                 "  log(select('#', coroutine.yield())) end)"
                 "log((pcall(task.delay, 1, t, 1, 2, 3, 4, 5,"
                 "  table.unpack({}, 1, 7995))))"
                 "log(task.count())");
    host_finish(&h);
    assert_log(&h, "true 1 8000");
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scheduler_from_a_full_stack),
        cmocka_unit_test(a_resume_beside_a_full_stack),
        cmocka_unit_test(a_spawn_of_a_full_thread),
        cmocka_unit_test(wakes_of_a_full_thread),
        cmocka_unit_test(a_cancel_of_a_full_thread),
        cmocka_unit_test(a_record_of_a_full_thread),
        cmocka_unit_test(a_start_with_too_many),
        cmocka_unit_test(results_near_the_limit),
        cmocka_unit_test(values_beside_preloaded_ones),
        cmocka_unit_test(values_that_are_there_are_not_preloaded),
        cmocka_unit_test(no_room_behind_preloaded_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
