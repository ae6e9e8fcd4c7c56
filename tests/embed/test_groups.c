/* SPDX-License-Identifier: MIT */
/*
 * Groups: scopes and their children, cancelling by the clock, cancelling all.
 */
#include <stdio.h>
#include <string.h>

#include "host.h"
#include "kahu/threads.h"

static void on_end(void *ud, lua_State *L, lua_State *co, kahu_outcome outcome,
                   int nresults) {
    struct host *h = ud;

    (void)L;
    (void)nresults;
    if (outcome != KAHU_CANCELLED)
        return;
    /* Threads name themselves by a global function of their own. */
    lua_getglobal(co, "name");
    host_log(h, lua_tostring(co, -1));
    lua_pop(co, 1);
}

static void open_telling(struct host *h) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    host_open(h, NULL);
    hooks.ud = h;
    hooks.on_end = on_end;
    assert_int_equal(kahu_add_hooks(h->s, &hooks), KAHU_OK);
}

/* A thread that sleeps for ever; its name is what the log says of its end. */
static lua_State *sleeper(struct host *h, const char *name) {
    lua_State *co = host_load(h, "task.wait(math.huge)");

    luaL_sandboxthread(co);
    lua_pushstring(co, name);
    lua_setglobal(co, "name");
    assert_int_equal(kahu_spawn(h->s, co, NULL, 0), KAHU_OK);
    return co;
}

static kahu_scope scope_new(struct host *h, kahu_scope parent) {
    kahu_scope scope = {0};

    assert_int_equal(kahu_scope_new(h->s, parent, &scope), KAHU_OK);
    assert_true(scope.id != 0);
    return scope;
}

static void add(struct host *h, kahu_scope scope, lua_State *co) {
    assert_int_equal(kahu_scope_add(h->s, scope, co), KAHU_OK);
}

/* ------------------------------------------------------------------------ */
/* Scopes                                                                   */
/* ------------------------------------------------------------------------ */

/* Its own in the order they were added, then the children's. */
static void a_scope_is_cancelled_with_its_children(void **state) {
    struct host h;
    kahu_scope root;
    kahu_scope first;
    kahu_scope second;
    kahu_scope deep;

    (void)state;
    open_telling(&h);
    root = scope_new(&h, (kahu_scope){0});
    first = scope_new(&h, root);
    second = scope_new(&h, root);
    deep = scope_new(&h, first);
    add(&h, second, sleeper(&h, "s1"));
    add(&h, deep, sleeper(&h, "d1"));
    add(&h, first, sleeper(&h, "f1"));
    add(&h, root, sleeper(&h, "r1"));
    add(&h, root, sleeper(&h, "r2"));
    (void)sleeper(&h, "nobody");
    assert_int_equal(kahu_scope_count(h.s, root), 5);
    assert_int_equal(kahu_scope_count(h.s, first), 2);
    assert_int_equal(kahu_scope_cancel(h.s, root), KAHU_OK);
    assert_log(&h, "r1 r2 f1 d1 s1");
    assert_int_equal(kahu_scope_count(h.s, root), 0);
    assert_int_equal(kahu_count_all(h.s), 1);
    host_close(&h);
}

static void a_scope_may_be_used_again(void **state) {
    struct host h;
    kahu_scope scope;

    (void)state;
    open_telling(&h);
    scope = scope_new(&h, (kahu_scope){0});
    add(&h, scope, sleeper(&h, "one"));
    assert_int_equal(kahu_scope_cancel(h.s, scope), KAHU_OK);
    add(&h, scope, sleeper(&h, "two"));
    assert_int_equal(kahu_scope_cancel(h.s, scope), KAHU_OK);
    assert_log(&h, "one two");
    host_close(&h);
}

static void members_leave_when_they_end(void **state) {
    struct host h;
    kahu_scope a;
    kahu_scope b;
    lua_State *co;

    (void)state;
    open_telling(&h);
    a = scope_new(&h, (kahu_scope){0});
    b = scope_new(&h, (kahu_scope){0});
    co = host_run(&h, "task.wait(1)");
    add(&h, a, co);
    add(&h, b, co);
    add(&h, a, co); /* twice is twice */
    assert_int_equal(kahu_scope_count(h.s, a), 2);
    host_finish(&h);
    assert_int_equal(kahu_scope_count(h.s, a) + kahu_scope_count(h.s, b), 0);
    assert_int_equal(kahu_scope_add(h.s, a, co), KAHU_ESTATE);
    host_close(&h);
}

static void freeing_lets_threads_go_on(void **state) {
    struct host h;
    kahu_scope root;
    kahu_scope child;

    (void)state;
    open_telling(&h);
    root = scope_new(&h, (kahu_scope){0});
    child = scope_new(&h, root);
    add(&h, root, host_run(&h, "task.wait(1) log('root')"));
    add(&h, child, host_run(&h, "task.wait(1) log('child')"));
    assert_int_equal(kahu_scope_free(h.s, root), KAHU_OK);
    assert_int_equal(kahu_scope_free(h.s, root), KAHU_ESTALE);
    assert_int_equal(kahu_scope_free(h.s, child), KAHU_ESTALE);
    assert_int_equal(kahu_scope_cancel(h.s, child), KAHU_ESTALE);
    assert_int_equal(kahu_scope_add(h.s, child, host_load(&h, "")),
                     KAHU_ESTALE);
    assert_int_equal(kahu_scope_count(h.s, child), 0);
    host_finish(&h);
    assert_log(&h, "root child");
    host_close(&h);
}

static void bad_scopes_are_refused(void **state) {
    struct host h;
    kahu_scope scope = {0};

    (void)state;
    open_telling(&h);
    assert_int_equal(kahu_scope_new(h.s, (kahu_scope){0}, NULL), KAHU_EINVAL);
    assert_int_equal(kahu_scope_new(h.s, (kahu_scope){77}, &scope),
                     KAHU_ESTALE);
    scope = scope_new(&h, (kahu_scope){0});
    assert_int_equal(kahu_scope_add(h.s, scope, h.L), KAHU_EINVAL);
    assert_int_equal(kahu_scope_count(h.s, scope), 0);
    kahu_close(h.s);
    assert_int_equal(kahu_scope_cancel(h.s, scope), KAHU_ESTALE);
    assert_int_equal(kahu_scope_new(h.s, (kahu_scope){0}, &scope),
                     KAHU_ECLOSED);
    host_close(&h);
}

static kahu_scope cancelled_by_member;

static int cancel_own_scope(lua_State *L) {
    struct host *h = host_of(L);

    assert_int_equal(kahu_scope_cancel(h->s, cancelled_by_member), KAHU_OK);
    host_log(h, "ran-on");
    return 0;
}

/* S6.8: the member that cancels runs until it yields; the others go at once. */
static void a_member_may_cancel_its_scope(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_telling(&h);
    host_global(&h, "cancel", cancel_own_scope);
    cancelled_by_member = scope_new(&h, (kahu_scope){0});
    co = host_load(&h, "task.wait(1) cancel() name = 'self' task.wait(1)"
                       "log('never')");
    luaL_sandboxthread(co);
    add(&h, cancelled_by_member, co);
    add(&h, cancelled_by_member, sleeper(&h, "other"));
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    host_finish(&h);
    assert_log(&h, "other ran-on self");
    assert_int_equal(kahu_scope_count(h.s, cancelled_by_member), 0);
    host_close(&h);
}

static bool start_another(void *ud, lua_State *L, const kahu_feedback *f) {
    struct host *h = ud;

    (void)L;
    if (f->outcome == KAHU_CANCELLED)
        add(h, cancelled_by_member, sleeper(h, "another"));
    return false;
}

/* A supervisor's threads are not cancelled for ever. */
static void what_is_added_meanwhile_stays(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_telling(&h);
    cancelled_by_member = scope_new(&h, (kahu_scope){0});
    for (int i = 0; i < 2; i++) {
        co = sleeper(&h, "first");
        add(&h, cancelled_by_member, co);
        assert_int_equal(kahu_watch(h.s, co, start_another, &h, NULL), KAHU_OK);
    }
    assert_int_equal(kahu_scope_cancel(h.s, cancelled_by_member), KAHU_OK);
    assert_log(&h, "first first");
    assert_int_equal(kahu_scope_count(h.s, cancelled_by_member), 2);
    host_close(&h);
}

static bool free_scope(void *ud, lua_State *L, const kahu_feedback *f) {
    struct host *h = ud;

    (void)L;
    (void)f;
    assert_int_equal(kahu_scope_free(h->s, cancelled_by_member), KAHU_OK);
    return false;
}

/* What a callback frees is not gone on with. */
static void a_scope_may_be_freed_while_it_is_cancelled(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_telling(&h);
    cancelled_by_member = scope_new(&h, (kahu_scope){0});
    co = sleeper(&h, "first");
    add(&h, cancelled_by_member, co);
    add(&h, cancelled_by_member, sleeper(&h, "second"));
    assert_int_equal(kahu_watch(h.s, co, free_scope, &h, NULL), KAHU_OK);
    assert_int_equal(kahu_scope_cancel(h.s, cancelled_by_member), KAHU_OK);
    assert_log(&h, "first");
    assert_int_equal(kahu_count_all(h.s), 1);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* By the clock, and all                                                    */
/* ------------------------------------------------------------------------ */

#define SECOND UINT64_C(1000000000)

static void a_deadline_ends_a_thread(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_telling(&h);
    co = sleeper(&h, "late");
    assert_int_equal(kahu_cancel_after(h.s, co, 2 * SECOND), KAHU_OK);
    assert_int_equal(kahu_next_deadline_ns(h.s), 2 * SECOND);
    (void)kahu_stepped_advance(h.m, 2 * SECOND - 1);
    assert_log(&h, "");
    host_finish(&h);
    assert_log(&h, "late");
    assert_int_equal(kahu_stepped_now_ns(h.m), 2 * SECOND);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

/* S9.4: nobody waits for a deadline whose thread has ended, by itself or by
 * somebody else's resume. */
static void a_deadline_goes_with_its_thread(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_telling(&h);
    co = host_run(&h, "task.wait(1) error('x')");
    assert_int_equal(kahu_cancel_after(h.s, co, 10 * SECOND), KAHU_OK);
    assert_int_equal(kahu_cancel_after(h.s, co, 5 * SECOND), KAHU_OK);
    host_finish(&h);
    assert_int_equal(kahu_stepped_now_ns(h.m), SECOND);
    assert_int_equal(kahu_cancel_after(h.s, co, SECOND), KAHU_ESTATE);

    co = host_load(&h, "coroutine.yield()");
    assert_int_equal(kahu_cancel_after(h.s, co, 10 * SECOND), KAHU_OK);
    assert_int_equal(kahu_cancel_after(h.s, co, 20 * SECOND), KAHU_OK);
    assert_int_equal(lua_resume(co, NULL, 0), LUA_YIELD);
    assert_int_equal(kahu_count_all(h.s), 2);
    assert_int_equal(lua_resume(co, NULL, 0), LUA_OK);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

static int yield_twice(lua_State *L) {
    struct host *h = host_of(L);

    (void)kahu_stepped_step(h->m, kahu_stepped_now_ns(h->m) + SECOND);
    return 0;
}

/* Until then it may yield as often as it likes. */
static void a_deadline_lets_a_thread_work(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_telling(&h);
    co = host_load(&h, "name = 'late' for i = 1, 9 do log(i) task.wait(1) end");
    assert_int_equal(kahu_cancel_after(h.s, co, 3 * SECOND - 1), KAHU_OK);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    host_finish(&h);
    assert_log(&h, "1 2 3 late");
    host_close(&h);
}

/* Due while its thread runs: it ends when it next yields. */
static void a_deadline_waits_for_a_yield(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_telling(&h);
    host_global(&h, "step", yield_twice);
    co = host_load(&h, "name = 'ran' step() log('runs on') coroutine.yield()"
                       "log('never')");
    assert_int_equal(kahu_cancel_after(h.s, co, SECOND), KAHU_OK);
    assert_int_equal(lua_resume(co, NULL, 0), LUA_YIELD);
    host_finish(&h);
    assert_log(&h, "runs on ran");
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

static void all_are_cancelled_oldest_first(void **state) {
    struct host h;
    lua_State *late;

    (void)state;
    open_telling(&h);
    assert_int_equal(kahu_cancel_all(h.s), KAHU_OK);
    late = sleeper(&h, "a");
    (void)sleeper(&h, "b");
    (void)sleeper(&h, "c");
    assert_int_equal(kahu_defer(h.s, late, 0), KAHU_OK);
    assert_int_equal(kahu_cancel_all(h.s), KAHU_OK);
    assert_log(&h, "a b c");
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scope_is_cancelled_with_its_children),
        cmocka_unit_test(a_scope_may_be_used_again),
        cmocka_unit_test(members_leave_when_they_end),
        cmocka_unit_test(freeing_lets_threads_go_on),
        cmocka_unit_test(bad_scopes_are_refused),
        cmocka_unit_test(a_member_may_cancel_its_scope),
        cmocka_unit_test(what_is_added_meanwhile_stays),
        cmocka_unit_test(a_scope_may_be_freed_while_it_is_cancelled),
        cmocka_unit_test(a_deadline_ends_a_thread),
        cmocka_unit_test(a_deadline_lets_a_thread_work),
        cmocka_unit_test(a_deadline_goes_with_its_thread),
        cmocka_unit_test(a_deadline_waits_for_a_yield),
        cmocka_unit_test(all_are_cancelled_oldest_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
