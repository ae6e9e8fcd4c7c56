/* SPDX-License-Identifier: MIT */
/*
 * kahu_start(): lua_pcall() for something that takes its time.
 */
#include <stdio.h>
#include <string.h>

#include "host.h"
#include "kahu/threads.h"

struct starter {
    struct host *h;
    lua_State *co; /* what kahu_start() says */
    int told;
    int dropped;
    kahu_feedback seen;
    char text[64];
};

static bool ended(void *ud, lua_State *L, const kahu_feedback *f) {
    struct starter *w = ud;

    assert_int_equal(lua_gettop(L), f->nvalues);
    assert_int_equal(w->dropped, 0);
    if (w->co != NULL)
        assert_ptr_equal(w->co, f->co);
    w->told++;
    w->seen = *f;
    w->text[0] = '\0';
    for (int i = 1; i <= f->nvalues; i++) {
        size_t length = strlen(w->text);

        snprintf(w->text + length, sizeof(w->text) - length, "%.8s;",
                 luaL_tolstring(L, i, NULL));
        lua_pop(L, 1);
    }
    return true;
}

static void dropped(void *ud) {
    struct starter *w = ud;

    w->dropped++;
}

static void push_function(struct host *h, lua_State *L, const char *text) {
    lua_xmove(host_load(h, text), L, 1);
}

static kahu_status start(struct starter *w, lua_State *L, int nargs) {
    return kahu_start(w->h->s, L, nargs, ended, w, dropped, &w->co);
}

static void assert_told(const struct starter *w, kahu_cause cause,
                        kahu_outcome outcome, const char *text) {
    assert_int_equal(w->told, 1);
    assert_int_equal(w->dropped, 1);
    assert_int_equal(w->seen.cause, cause);
    assert_int_equal(w->seen.outcome, outcome);
    assert_string_equal(w->text, text);
}

/* ------------------------------------------------------------------------ */
/* What is started                                                          */
/* ------------------------------------------------------------------------ */

/* With each of its arguments, nils as well; to its end if that comes first. */
static void a_function_that_ends_at_once(void **state) {
    struct host h;
    struct starter w = {.h = &h};

    (void)state;
    host_open(&h, NULL);
    push_function(&h, h.L, "return select('#', ...), ...");
    lua_pushnil(h.L);
    lua_pushliteral(h.L, "x");
    lua_pushnil(h.L);
    assert_int_equal(start(&w, h.L, 3), KAHU_OK);
    assert_told(&w, KAHU_BY_SPAWN, KAHU_RETURNED, "3;nil;x;nil;");
    assert_int_equal(lua_gettop(h.L), 1);
    assert_ptr_equal(lua_tothread(h.L, 1), w.co);
    assert_int_equal(lua_costatus(h.L, w.co), LUA_COFIN);
    host_close(&h);
}

static void a_function_that_takes_its_time(void **state) {
    struct host h;
    struct starter w = {.h = &h};

    (void)state;
    host_open(&h, NULL);
    push_function(&h, h.L, "log(...) task.wait(1) log(2) return 'r'");
    lua_pushnumber(h.L, 1);
    assert_int_equal(start(&w, h.L, 1), KAHU_OK);
    assert_log(&h, "1");
    assert_int_equal(w.told, 0);
    lua_settop(h.L, 0); /* the watch keeps it, too */
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    host_finish(&h);
    assert_log(&h, "1 2");
    assert_told(&w, KAHU_BY_WAIT, KAHU_RETURNED, "r;");
    host_close(&h);
}

static int sum(lua_State *L) {
    lua_pushnumber(L, lua_tonumber(L, 1) + lua_tonumber(L, 2));
    return 1;
}

static int go_on(lua_State *L, int status) {
    assert_int_equal(status, 0);
    lua_pushnumber(L, lua_gettop(L));
    return 1;
}

static int pause_once(lua_State *L) {
    return lua_yield(L, 0);
}

static void a_c_function(void **state) {
    struct host h;
    struct starter w = {.h = &h};

    (void)state;
    host_open(&h, NULL);
    lua_pushcfunction(h.L, sum, "sum");
    lua_pushnumber(h.L, 40);
    lua_pushnumber(h.L, 2);
    assert_int_equal(start(&w, h.L, 2), KAHU_OK);
    assert_told(&w, KAHU_BY_SPAWN, KAHU_RETURNED, "42;");
    w = (struct starter){.h = &h};
    lua_pushcclosurek(h.L, pause_once, "pause", 0, go_on);
    assert_int_equal(start(&w, h.L, 0), KAHU_OK);
    lua_pushnumber(w.co, 1);
    lua_pushnumber(w.co, 2);
    assert_int_equal(kahu_defer(h.s, w.co, 2), KAHU_OK);
    host_finish(&h);
    assert_told(&w, KAHU_BY_DEFER, KAHU_RETURNED, "2;");
    host_close(&h);
}

/* A fresh thread, and one in the middle of its work: the values are those of
 * its yield. Each start is a watch of its own. */
static void a_thread(void **state) {
    struct host h;
    struct starter w[2] = {{.h = &h}, {.h = &h}};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_load(&h, "local a = ... return a, coroutine.yield()");
    lua_pushliteral(h.L, "below");
    for (int i = 0; i < 2; i++) {
        lua_pushthread(co);
        lua_xmove(co, h.L, 1);
        lua_pushnumber(h.L, i);
        lua_pushnumber(h.L, 7);
        assert_int_equal(start(&w[i], h.L, 2), KAHU_OK);
        assert_ptr_equal(w[i].co, co);
        assert_ptr_equal(lua_tothread(h.L, -1), co);
        assert_int_equal(lua_gettop(h.L), 2);
        lua_pop(h.L, 1);
    }
    for (int i = 0; i < 2; i++)
        assert_told(&w[i], KAHU_BY_SPAWN, KAHU_RETURNED, "0;1;7;");
    host_close(&h);
}

static void failure_and_cancellation(void **state) {
    struct host h;
    struct starter w = {.h = &h};

    (void)state;
    host_open(&h, NULL);
    push_function(&h, h.L, "error('e', 0)");
    assert_int_equal(start(&w, h.L, 0), KAHU_OK);
    assert_told(&w, KAHU_BY_SPAWN, KAHU_FAILED, "e;");
    w = (struct starter){.h = &h};
    lua_pushcfunction(h.L, pause_once, "pause");
    assert_int_equal(start(&w, h.L, 0), KAHU_OK);
    assert_int_equal(kahu_cancel(h.s, w.co), KAHU_OK);
    assert_told(&w, KAHU_BY_CANCEL, KAHU_CANCELLED, "");
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

/* Neither drop nor co is required. */
static void nothing_but_fn_is_required(void **state) {
    struct host h;
    struct starter w = {.h = &h};

    (void)state;
    host_open(&h, NULL);
    push_function(&h, h.L, "return 1");
    assert_int_equal(kahu_start(h.s, h.L, 0, ended, &w, NULL, NULL), KAHU_OK);
    assert_int_equal(w.told, 1);
    assert_int_equal(lua_gettop(h.L), 1);
    host_close(&h);
}

#define MANY 5000

static void many_arguments(void **state) {
    struct host h;
    struct starter w = {.h = &h};

    (void)state;
    host_open(&h, NULL);
    assert_true(lua_checkstack(h.L, MANY + 1));
    push_function(&h, h.L, "return select('#', ...), (select(-1, ...))");
    for (int i = 0; i < MANY; i++)
        lua_pushnumber(h.L, i);
    assert_int_equal(start(&w, h.L, MANY), KAHU_OK);
    assert_told(&w, KAHU_BY_SPAWN, KAHU_RETURNED, "5000;4999;");
    assert_int_equal(lua_gettop(h.L), 1);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* From inside                                                              */
/* ------------------------------------------------------------------------ */

static struct starter inner;

/* start(f, ...) for scripts. */
static int lua_start(lua_State *L) {
    kahu_status status = start(&inner, L, lua_gettop(L) - 1);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    assert_int_equal(lua_gettop(L), 1);
    return 1;
}

static void a_script_s_function_may_start(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    inner = (struct starter){.h = &h};
    host_global(&h, "start", lua_start);
    host_run(&h, "local t = start(function(a) log(a) task.wait(1) return 5 end,"
                 " 'a') log(coroutine.status(t)) task.wait(2)"
                 " log(coroutine.status(t))");
    host_finish(&h);
    assert_log(&h, "a suspended dead");
    assert_told(&inner, KAHU_BY_WAIT, KAHU_RETURNED, "5;");
    host_close(&h);
}

/* The caller and who resumed it are not suspended; what has ended is not. */
static void what_is_not_suspended_is_refused(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    inner = (struct starter){.h = &h};
    host_global(&h, "start", lua_start);
    host_run(&h, "local me, dead, bad = coroutine.running(), task.spawn(log),"
                 " task.spawn(pcall, error) pcall(task.spawn, error)"
                 "local failed = coroutine.create(error)"
                 "coroutine.resume(failed)"
                 "for _, t in {me, dead, failed} do"
                 " log(select(2, pcall(start, t))) end "
                 "coroutine.wrap(function()"
                 " log(select(2, pcall(start, me, 1))) end)()");
    assert_log(&h, "not allowed in the present state "
                   "not allowed in the present state "
                   "not allowed in the present state "
                   "not allowed in the present state");
    assert_int_equal(inner.told + inner.dropped, 0);
    host_close(&h);
}

/* A script that starts itself, and what it starts, has an end (S3.7). */
static void starting_without_end_ends(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    inner = (struct starter){.h = &h};
    host_global(&h, "start", lua_start);
    host_run(&h, "local n = 0 local function f() n += 1 task.spawn(f) end"
                 " start(f) log(n > 100)");
    assert_log(&h, "true");
    assert_int_equal(inner.told, 1);
    host_close(&h);
}

struct supervisor {
    struct host *h;
    const char *text;
    int starts;
    int most;
    int told;
    int dropped;
};

static void supervisor_drop(void *ud) {
    ((struct supervisor *)ud)->dropped++;
}

static bool restart(void *ud, lua_State *L, const kahu_feedback *f) {
    struct supervisor *v = ud;

    (void)f;
    v->told++;
    if (v->starts == v->most)
        return true;
    v->starts++;
    push_function(v->h, L, v->text);
    assert_int_equal(
        kahu_start(v->h->s, L, 0, restart, v, supervisor_drop, NULL), KAHU_OK);
    return true;
}

static void supervise(struct supervisor *v) {
    lua_State *L = v->h->L;

    v->starts++;
    push_function(v->h, L, v->text);
    assert_int_equal(
        kahu_start(v->h->s, L, 0, restart, v, supervisor_drop, NULL), KAHU_OK);
    lua_pop(L, 1);
}

/* One that restarts what ended, from the L of its watch. */
static void an_end_may_start_the_next(void **state) {
    struct host h;
    struct supervisor v = {&h, "task.wait(1) error('again')", 0, 500, 0, 0};

    (void)state;
    host_open(&h, NULL);
    supervise(&v);
    host_finish(&h);
    assert_int_equal(v.told, 500);
    assert_int_equal(v.dropped, 500);
    assert_int_equal(kahu_stepped_now_ns(h.m), 500 * UINT64_C(1000000000));
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

/* Of what ends at once each start is inside the one before: there is room for
 * a good number, and what there is not is let go of all the same. */
static void starts_inside_each_other(void **state) {
    struct host h;
    struct supervisor v = {&h, "error('at once')", 0, 100, 0, 0};

    (void)state;
    host_open(&h, NULL);
    supervise(&v);
    assert_int_equal(v.told, 100);
    assert_int_equal(v.dropped, 100);
    v = (struct supervisor){&h, "error('at once')", 0, 3000, 0, 0};
    supervise(&v);
    assert_int_equal(v.dropped, v.starts);
    assert_int_equal(lua_gettop(h.L), 0);
    host_run(&h, "log('lives')");
    assert_log(&h, "lives");
    host_close(&h);
}

static int free_scheduler(lua_State *L) {
    kahu_free(host_of(L)->s);
    return 0;
}

static int close_scheduler(lua_State *L) {
    kahu_close(host_of(L)->s);
    return 0;
}

static int stop_scheduler(lua_State *L) {
    kahu_stop(host_of(L)->s, 0);
    return 0;
}

/* What is started may end it all; its watch is then only let go of, or told,
 * as the end comes first or the close. */
static void the_started_may_end_it_all(void **state) {
    struct host h;
    struct starter w;

    (void)state;
    for (int i = 0; i < 4; i++) {
        host_open(&h, NULL);
        host_global(&h, "quit", i % 2 == 0 ? free_scheduler : close_scheduler);
        w = (struct starter){.h = &h};
        push_function(&h, h.L, i < 2 ? "quit() coroutine.yield()" : "quit()");
        assert_int_equal(start(&w, h.L, 0), KAHU_OK);
        assert_int_equal(lua_gettop(h.L), 1);
        assert_ptr_equal(lua_tothread(h.L, 1), w.co);
        assert_int_equal(w.told, i >= 2);
        assert_int_equal(w.dropped, 1);
        if (i % 2 == 0)
            h.s = NULL;
        host_close(&h);
    }
}

/* ------------------------------------------------------------------------ */
/* Misuse                                                                   */
/* ------------------------------------------------------------------------ */

/* Nothing moves and nothing is taken. */
static void refuse(struct starter *w, lua_State *L, int nargs,
                   kahu_status expected) {
    int top = lua_gettop(L);
    const void *last = top == 0 ? NULL : lua_topointer(L, top);

    w->co = NULL;
    assert_int_equal(start(w, L, nargs), expected);
    assert_int_equal(lua_gettop(L), top);
    if (top > 0)
        assert_ptr_equal(lua_topointer(L, top), last);
    assert_null(w->co);
    assert_int_equal(w->told + w->dropped, 0);
}

static void what_is_no_function_is_refused(void **state) {
    struct host h;
    struct starter w = {.h = &h};

    (void)state;
    host_open(&h, NULL);
    refuse(&w, h.L, 0, KAHU_EINVAL); /* nothing at all */
    refuse(&w, h.L, 1, KAHU_EINVAL);
    push_function(&h, h.L, "log('never')");
    lua_newtable(h.L);
    refuse(&w, h.L, 0, KAHU_EINVAL);
    refuse(&w, h.L, -1, KAHU_EINVAL);
    refuse(&w, h.L, -2, KAHU_EINVAL);
    refuse(&w, h.L, 2, KAHU_EINVAL);
    refuse(&w, h.L, 2000, KAHU_EINVAL);
    refuse(&w, h.L, INT32_MAX, KAHU_EINVAL);
    refuse(&w, h.L, INT32_MIN, KAHU_EINVAL);
    lua_settop(h.L, 1);
    assert_int_equal(kahu_start(h.s, h.L, 0, NULL, &w, dropped, &w.co),
                     KAHU_EINVAL);
    assert_int_equal(lua_gettop(h.L), 1);
    assert_log(&h, "");
    host_close(&h);
}

static void threads_that_can_not_start(void **state) {
    struct host h;
    struct host other;
    struct starter w = {.h = &h};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    host_open(&other, NULL);
    (void)lua_newthread(h.L); /* without a function */
    refuse(&w, h.L, 0, KAHU_ESTATE);
    lua_settop(h.L, 0);
    lua_pushthread(h.L); /* the main thread is no coroutine */
    co = host_load(&h, "");
    lua_xmove(h.L, co, 1);
    refuse(&w, co, 0, KAHU_EINVAL);
    push_function(&other, other.L, "log('never')");
    refuse(&w, other.L, 0, KAHU_EINVAL);
    host_close(&other);
    host_close(&h);
}

/* A function that has nowhere to run, as a thread has. */
static void a_scheduler_at_rest_starts_nothing(void **state) {
    struct host h;
    struct starter w = {.h = &h};

    (void)state;
    host_open(&h, NULL);
    push_function(&h, h.L, "log('at last')");
    kahu_stop(h.s, 3);
    refuse(&w, h.L, 0, KAHU_ESTATE);
    kahu_unstop(h.s);
    assert_int_equal(start(&w, h.L, 0), KAHU_OK);
    assert_log(&h, "at last");
    w = (struct starter){.h = &h};
    push_function(&h, h.L, "");
    kahu_close(h.s);
    refuse(&w, h.L, 0, KAHU_ECLOSED);
    host_close(&h);
}

/* A script that runs on after a stop may still start what it likes, as with
 * task.spawn (S9.6). */
static void a_stop_from_inside(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "stop", stop_scheduler);
    host_global(&h, "start", lua_start);
    inner = (struct starter){.h = &h};
    host_run(&h, "stop() task.spawn(log, 'spawned') start(log, 'started')");
    assert_log(&h, "spawned started");
    assert_int_equal(inner.told, 1);
    host_close(&h);
}

/* A thread can't be started from its own stack, where it would find itself. */
static void a_thread_from_its_own_stack(void **state) {
    static const char *const scripts[] = {"return 1", "coroutine.yield()"};
    struct host h;
    struct starter w = {.h = &h};

    (void)state;
    host_open(&h, NULL);
    for (int i = 0; i < 2; i++) {
        lua_State *co = host_load(&h, scripts[i]);

        if (i == 1)
            assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
        lua_pushthread(co);
        lua_pushnumber(co, 1);
        refuse(&w, co, 1, KAHU_ESTATE);
        lua_pop(co, 2);
        assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
        assert_int_equal(lua_costatus(h.L, co), LUA_COFIN);
    }
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_that_ends_at_once),
        cmocka_unit_test(a_function_that_takes_its_time),
        cmocka_unit_test(a_c_function),
        cmocka_unit_test(a_thread),
        cmocka_unit_test(failure_and_cancellation),
        cmocka_unit_test(nothing_but_fn_is_required),
        cmocka_unit_test(many_arguments),
        cmocka_unit_test(a_script_s_function_may_start),
        cmocka_unit_test(what_is_not_suspended_is_refused),
        cmocka_unit_test(starting_without_end_ends),
        cmocka_unit_test(an_end_may_start_the_next),
        cmocka_unit_test(starts_inside_each_other),
        cmocka_unit_test(the_started_may_end_it_all),
        cmocka_unit_test(what_is_no_function_is_refused),
        cmocka_unit_test(threads_that_can_not_start),
        cmocka_unit_test(a_scheduler_at_rest_starts_nothing),
        cmocka_unit_test(a_stop_from_inside),
        cmocka_unit_test(a_thread_from_its_own_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
