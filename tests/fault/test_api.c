/* SPDX-License-Identifier: MIT */
/*
 * What kahu/threads.h has, calls, runs, hooks and errors, with memory running
 * out at every place.
 */
#define _POSIX_C_SOURCE 200809L /* for what uv.h uses of pthread.h */
#include "fault.h"

/* ------------------------------------------------------------------------ */
/* Callbacks                                                                */
/* ------------------------------------------------------------------------ */

static bool on_watch(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    (void)L;
    assert_true(f->outcome != KAHU_YIELDED);
    return true;
}

static void on_resume(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    assert_int_equal(lua_gettop(L), f->nvalues);
    lua_newtable(L);
}

static void on_call(void *ud, lua_State *L) {
    (void)ud;
    lua_newtable(L);
    lua_pushstring(L, "what a call makes");
}

static bool on_thread(void *ud, const kahu_thread_info *info) {
    (void)ud;
    assert_non_null(info->label);
    return true;
}

static void on_line(void *ud, const char *line) {
    (void)ud;
    assert_true(line[0] != '\0');
}

/* ------------------------------------------------------------------------ */
/* Scenarios                                                                */
/* ------------------------------------------------------------------------ */

static void watches_and_starts(void) {
    lua_State *co = new_thread();
    lua_State *started;
    kahu_status status;

    if (co == NULL)
        return;
    (void)took(kahu_watch(a.s, co, on_watch, &a, on_drop));
    if (took(kahu_watch(a.s, co, on_watch, &a, on_drop)))
        assert_int_equal(kahu_unwatch(a.s, co, on_watch, &a), KAHU_OK);
    (void)ok(kahu_defer(a.s, co, 0));
    (void)ok(kahu_delay(a.s, co, 0, 5));
    status = kahu_run_until(a.s, &co, 1);
    assert_true(ok(status == KAHU_EIDLE ? KAHU_OK : status) ||
                status == KAHU_ENOMEM); /* idle: it could not be deferred */
    co = new_thread();
    if (co == NULL || !lua_checkstack(a.L, 2))
        return;
    lua_xmove(co, a.L, 1);
    (void)took(kahu_start(a.s, a.L, 0, on_watch, &a, on_drop, &started));
    lua_settop(a.L, 0);
    (void)kahu_run(a.s);
}

static void groups(void) {
    kahu_scope root = {0};
    kahu_scope child = {0};
    lua_State *co = spawned();

    if (co == NULL || lua_costatus(a.L, co) != LUA_COSUS)
        return;
    if (!ok(kahu_scope_new(a.s, (kahu_scope){0}, &root)) ||
        !ok(kahu_scope_new(a.s, root, &child)))
        return;
    (void)ok(kahu_scope_add(a.s, child, co));
    (void)ok(kahu_scope_add(a.s, root, co));
    (void)ok(kahu_cancel_after(a.s, co, 1000));
    (void)spawned();
    (void)ok(kahu_cancel_all(a.s));
    co = spawned();
    if (co != NULL && lua_costatus(a.L, co) == LUA_COSUS)
        (void)ok(kahu_scope_add(a.s, child, co));
    (void)ok(kahu_scope_cancel(a.s, root));
    assert_int_equal(kahu_scope_count(a.s, root), 0);
    assert_int_equal(kahu_scope_free(a.s, root), KAHU_OK);
}

static int begin_tracking(lua_State *L) {
    (void)ok(kahu_track(kahu_get(L)));
    return 0;
}

static int make_tracker(lua_State *L) {
    lua_State *co = lua_newthread(L);

    lua_pushcfunction(L, begin_tracking, "track");
    lua_xmove(L, co, 1);
    (void)kahu_spawn(a.s, co, NULL, 0);
    return 0;
}

/* By a thread, which is met then: it has no wake. */
static void records_from_inside(void) {
    if (lua_cpcall(a.L, make_tracker, NULL) != LUA_OK) {
        lua_pop(a.L, 1);
        a.told++;
    }
    (void)kahu_dump(a.s, KAHU_DUMP_ALL, on_line, NULL);
}

static void records(void) {
    kahu_thread_info info = {.size = sizeof(info)};
    kahu_limits limits = KAHU_LIMITS_INIT;
    lua_State *co;

    (void)spawned();
    (void)ok(kahu_track(a.s));
    co = spawned();
    (void)kahu_each_thread(a.s, NULL, on_thread, NULL);
    (void)kahu_dump(a.s, KAHU_DUMP_ALL, on_line, NULL);
    if (co != NULL && kahu_get_thread_info(a.s, co, &info) == KAHU_OK)
        (void)ok(kahu_set_thread_label(a.s, co, "a label"));
    if (co != NULL)
        (void)kahu_set_thread_data(a.s, co, &a);
    limits.max_threads = 1000;
    limits.max_wakes = 1000;
    limits.max_resume_ns = UINT64_C(1) << 60;
    (void)ok(kahu_set_limits(a.s, &limits));
    (void)spawned();
    (void)kahu_run(a.s);
}

static void calls(void) {
    kahu_status status;

    (void)took(kahu_post(a.s, on_call, &a, on_drop));
    (void)took(kahu_post(a.s, on_call, &a, on_drop));
    status = kahu_call(a.s, on_call, &a);
    assert_true(status == KAHU_OK || status == KAHU_ERAISED);
    kahu_ref(a.s);
    kahu_clear(a.s);
    (void)took(kahu_post(a.s, on_call, &a, on_drop));
    assert_int_equal(kahu_unref(a.s), KAHU_OK);
    (void)kahu_run(a.s);
    assert_true(kahu_is_done(a.s));
}

static void errors_and_stops(void) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    assert_int_equal(kahu_set_error_policy(a.s, KAHU_ERRORS_COLLECT), KAHU_OK);
    for (int i = 0; i < 5; i++)
        (void)spawned();
    (void)kahu_run(a.s);
    for (size_t i = 0; i < kahu_count_errors(a.s); i++)
        assert_non_null(kahu_get_error(a.s, i).traceback);
    kahu_clear_errors(a.s);
    hooks.on_resume = on_resume;
    if (ok(kahu_add_hooks(a.s, &hooks)))
        assert_int_equal(kahu_remove_hooks(a.s, &hooks), KAHU_OK);
    (void)spawned();
    kahu_stop(a.s, 1);
    (void)kahu_step(a.s);
    kahu_unstop(a.s);
    (void)kahu_run(a.s);
    assert_true(kahu_is_done(a.s));
}

static void jobs(void) {
    for (int i = 0; i < 3; i++)
        (void)spawned();
    (void)kahu_run(a.s);
    assert_true(kahu_is_done(a.s));
}

#define SCRIPT                                                                 \
    "local t = task.spawn(function() task.wait(0.001) return {} end)"          \
    " coroutine.wrap(function() coroutine.yield({}) end)()"                    \
    " task.wait(0.002) return 'a result' .. tostring(t)"

static void test_watches_and_starts(void **state) {
    (void)state;
    fault_everywhere(watches_and_starts, STEPPED, SCRIPT);
    fault_everywhere(watches_and_starts, UV, SCRIPT);
}

static void test_groups(void **state) {
    (void)state;
    fault_everywhere(groups, STEPPED, "task.wait(1)");
}

static void test_records(void **state) {
    (void)state;
    fault_everywhere(records, STEPPED, SCRIPT);
    fault_everywhere(records_from_inside, STEPPED, SCRIPT);
}

static void test_calls(void **state) {
    (void)state;
    fault_everywhere(calls, STEPPED, SCRIPT);
    fault_everywhere(calls, UV, SCRIPT);
}

static void test_errors_and_stops(void **state) {
    (void)state;
    fault_everywhere(errors_and_stops, STEPPED,
                     "task.wait(1) error('an error' .. tostring({}))");
}

static void test_jobs(void **state) {
    (void)state;
    fault_everywhere(jobs, UV, "local n, t = work() assert(n == 42)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watches_and_starts),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_errors_and_stops),
        cmocka_unit_test(test_jobs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
