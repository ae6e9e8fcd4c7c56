/* SPDX-License-Identifier: MIT */
/*
 * Results: the end of one thread, what every resume came to, and what becomes
 * of errors.
 */
#include <stdio.h>
#include <string.h>

#include "host.h"
#include "kahu/threads.h"

/* ------------------------------------------------------------------------ */
/* One thread                                                               */
/* ------------------------------------------------------------------------ */

static const char *const outcomes[] = {"returned", "failed", "cancelled",
                                       "yielded"};

struct watcher {
    struct host *h;
    const char *name;
    bool handles;
    int dropped;
    struct watcher *takes_back; /* another watch of the thread */
    bool watches_again;
    kahu_status again;
};

static bool watched(void *ud, lua_State *L, const kahu_feedback *f) {
    struct watcher *w = ud;
    char word[64];

    assert_int_equal(lua_gettop(L), f->nvalues);
    snprintf(word, sizeof(word), "%s:%s:%s", w->name, outcomes[f->outcome],
             f->nvalues > 0 ? lua_tostring(L, 1) : "-");
    host_log(w->h, word);
    if (w->takes_back != NULL)
        assert_int_equal(kahu_unwatch(w->h->s, f->co, watched, w->takes_back),
                         KAHU_OK);
    if (w->watches_again)
        w->again = kahu_watch(w->h->s, f->co, watched, ud, NULL);
    return w->handles;
}

static void dropped(void *ud) {
    struct watcher *w = ud;

    w->dropped++;
}

static void watch(struct watcher *w, lua_State *co) {
    assert_int_equal(kahu_watch(w->h->s, co, watched, w, dropped), KAHU_OK);
}

static void told_once_in_order(void **state) {
    struct host h;
    struct watcher a = {&h, "a", .handles = false};
    struct watcher b = {&h, "b", .handles = false};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_load(&h, "task.wait(1) return 'r', 2");
    watch(&a, co);
    watch(&b, co);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_log(&h, "");
    host_finish(&h);
    assert_log(&h, "a:returned:r b:returned:r");
    assert_int_equal(a.dropped + b.dropped, 2);
    assert_int_equal(kahu_watch(h.s, co, watched, &a, dropped), KAHU_ESTATE);
    assert_int_equal(kahu_unwatch(h.s, co, watched, &a), KAHU_ESTALE);
    assert_int_equal(a.dropped, 1);
    host_close(&h);
}

/* A watch that takes the error: no report, no exit code. */
static void an_error_may_be_taken(void **state) {
    struct host h;
    struct watcher a = {&h, "a", .handles = true};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_load(&h, "error('bad', 0)");
    watch(&a, co);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_log(&h, "a:failed:bad");
    assert_int_equal(h.errors, 0);
    assert_int_equal(kahu_exit_code(h.s), 0);
    a.handles = false;
    co = host_load(&h, "error('worse', 0)");
    watch(&a, co);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_int_equal(h.errors, 1);
    assert_int_equal(kahu_exit_code(h.s), 1);
    host_close(&h);
}

static void ends_by_others_are_told_too(void **state) {
    struct host h;
    struct watcher a = {&h, "a", .handles = true};
    static const char *const ways[] = {
        "local t = ... coroutine.resume(t)",
        "local t = ... coroutine.resume(t, true)",
        "local t = ... task.cancel(t)",
        "local t = ... coroutine.close(t)",
        "local t = ... pcall(coroutine.resume, t, true)",
    };
    lua_State *target;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        target = host_load(&h, "if ... then error('e', 0) end return 'r'");
        watch(&a, target);
        co = host_load(&h, ways[i]);
        lua_pushthread(target);
        lua_xmove(target, co, 1);
        assert_int_equal(kahu_spawn(h.s, co, NULL, 1), KAHU_OK);
    }
    assert_log(&h, "a:returned:r a:failed:e a:cancelled:- a:cancelled:- "
                   "a:failed:e");
    assert_int_equal(a.dropped, 5);
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

/* The values are still those of whoever resumed the thread. */
static void others_still_get_their_values(void **state) {
    struct host h;
    struct watcher a = {&h, "a", .handles = true};
    lua_State *target;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    target = host_load(&h, "coroutine.yield(1, nil, 3) return 'x', 'y'");
    watch(&a, target);
    co = host_load(&h, "local t = ... log(coroutine.resume(t))"
                       "log(coroutine.resume(t)) log(coroutine.status(t))");
    lua_pushthread(target);
    lua_xmove(target, co, 1);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 1), KAHU_OK);
    assert_log(&h, "true 1 nil 3 a:returned:x true x y dead");
    host_close(&h);
}

static void a_watch_may_take_back_another(void **state) {
    struct host h;
    struct watcher b = {&h, "b", .handles = false};
    struct watcher a = {&h, "a", .takes_back = &b};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_load(&h, "return 1");
    watch(&a, co);
    watch(&b, co);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_log(&h, "a:returned:1");
    assert_int_equal(b.dropped, 1);
    host_close(&h);
}

/* A cancelled thread is not dead yet when it is told of: a watch made then is
 * told as well, and no more. */
static void watching_again_ends(void **state) {
    struct host h;
    struct watcher a = {&h, "a", .watches_again = true};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_run(&h, "task.wait(1)");
    watch(&a, co);
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    assert_log(&h, "a:cancelled:- a:cancelled:-");
    assert_int_equal(a.dropped, 1);
    host_close(&h);
}

static void closing_drops_without_telling(void **state) {
    struct host h;
    struct watcher a = {&h, "a", .handles = false};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_run(&h, "task.wait(1)");
    watch(&a, co);
    assert_true(kahu_count_all(h.s) == 1);
    kahu_close(h.s);
    assert_int_equal(a.dropped, 1);
    assert_log(&h, "");
    assert_int_equal(kahu_watch(h.s, host_load(&h, ""), watched, &a, dropped),
                     KAHU_ECLOSED);
    host_close(&h);
}

/* S9.5: a watch keeps its thread, and is nothing pending. */
static void a_watch_keeps_the_thread(void **state) {
    struct host h;
    struct watcher a = {&h, "a", .handles = false};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = lua_newthread(h.L);
    lua_pushcfunction(co, lua_isyieldable, "f");
    watch(&a, co);
    lua_settop(h.L, 0);
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    assert_true(kahu_is_done(h.s));
    assert_int_equal(lua_costatus(h.L, co), LUA_COSUS);
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    assert_log(&h, "a:cancelled:-");
    host_close(&h);
}

static void bad_watches_are_refused(void **state) {
    struct host h;
    struct host other;
    struct watcher a = {&h, "a", .handles = false};

    (void)state;
    host_open(&h, NULL);
    host_open(&other, NULL);
    assert_int_equal(kahu_watch(h.s, host_load(&h, ""), NULL, &a, dropped),
                     KAHU_EINVAL);
    assert_int_equal(
        kahu_watch(h.s, host_load(&other, ""), watched, &a, dropped),
        KAHU_EINVAL);
    assert_int_equal(kahu_watch(h.s, h.L, watched, &a, dropped), KAHU_EINVAL);
    assert_int_equal(kahu_watch(h.s, NULL, watched, &a, dropped), KAHU_EINVAL);
    assert_int_equal(a.dropped, 0);
    host_close(&other);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Starting                                                                 */
/* ------------------------------------------------------------------------ */

static void push_function(struct host *h, const char *text) {
    lua_State *co = host_load(h, text);

    lua_xmove(co, h->L, 1);
}

static void start_runs_and_tells(void **state) {
    struct host h;
    struct watcher a = {&h, "a", .handles = true};
    lua_State *co = NULL;

    (void)state;
    host_open(&h, NULL);
    lua_pushliteral(h.L, "below");
    push_function(&h, "log(...) task.wait(1) return 'done'");
    lua_pushnumber(h.L, 1);
    lua_pushnumber(h.L, 2);
    assert_int_equal(kahu_start(h.s, h.L, 2, watched, &a, dropped, &co),
                     KAHU_OK);
    assert_int_equal(lua_gettop(h.L), 2);
    assert_ptr_equal(lua_tothread(h.L, 2), co);
    assert_log(&h, "1 2");
    lua_settop(h.L, 0);
    host_finish(&h);
    assert_log(&h, "1 2 a:returned:done");
    assert_int_equal(a.dropped, 1);
    host_close(&h);
}

static void start_takes_a_thread(void **state) {
    struct host h;
    struct watcher a = {&h, "a", .handles = true};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_load(&h, "error(..., 0)");
    lua_pushthread(co);
    lua_xmove(co, h.L, 1);
    lua_pushliteral(h.L, "why");
    assert_int_equal(kahu_start(h.s, h.L, 1, watched, &a, dropped, NULL),
                     KAHU_OK);
    assert_log(&h, "a:failed:why");
    assert_int_equal(kahu_start(h.s, h.L, 0, watched, &a, dropped, NULL),
                     KAHU_ESTATE);
    assert_int_equal(lua_gettop(h.L), 1);
    host_close(&h);
}

static void bad_starts_change_nothing(void **state) {
    struct host h;
    struct watcher a = {&h, "a", .handles = true};

    (void)state;
    host_open(&h, NULL);
    lua_pushnumber(h.L, 1);
    assert_int_equal(kahu_start(h.s, h.L, 0, watched, &a, dropped, NULL),
                     KAHU_EINVAL);
    assert_int_equal(kahu_start(h.s, h.L, 1, watched, &a, dropped, NULL),
                     KAHU_EINVAL);
    push_function(&h, "log('never')");
    assert_int_equal(kahu_start(h.s, h.L, 0, NULL, &a, dropped, NULL),
                     KAHU_EINVAL);
    kahu_stop(h.s, 0);
    assert_int_equal(kahu_start(h.s, h.L, 0, watched, &a, dropped, NULL),
                     KAHU_ESTATE);
    kahu_unstop(h.s);
    kahu_close(h.s);
    assert_int_equal(kahu_start(h.s, h.L, 0, watched, &a, dropped, NULL),
                     KAHU_ECLOSED);
    assert_int_equal(lua_gettop(h.L), 2);
    assert_int_equal(a.dropped, 0);
    assert_log(&h, "");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Every resume                                                             */
/* ------------------------------------------------------------------------ */

static const char *const causes[] = {"defer", "delay",  "wait", "op",
                                     "spawn", "cancel", "user"};

static void on_resume(void *ud, lua_State *L, const kahu_feedback *f) {
    struct host *h = ud;
    char word[64];

    assert_int_equal(lua_gettop(L), f->nvalues);
    assert_true((f->message != NULL) == (f->outcome == KAHU_FAILED));
    assert_true((f->traceback != NULL) == (f->outcome == KAHU_FAILED));
    snprintf(word, sizeof(word), "%s:%s:%d", causes[f->cause],
             outcomes[f->outcome], f->nvalues);
    host_log(h, word);
}

static kahu_hooks add_on_resume(struct host *h, bool user) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    hooks.ud = h;
    hooks.on_resume = on_resume;
    hooks.user_resumes = user;
    assert_int_equal(kahu_add_hooks(h->s, &hooks), KAHU_OK);
    return hooks;
}

static void every_cause_and_outcome(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    (void)add_on_resume(&h, false);
    host_run(&h, "task.defer(function() return 1 end)"
                 "task.delay(1, function() error('x') end)"
                 "task.cancel(task.spawn(coroutine.yield, 1, 2, 3))"
                 "coroutine.wrap(function() coroutine.yield() end)()"
                 "task.wait(2) return nil, nil");
    host_finish(&h);
    assert_log(&h, "spawn:yielded:3 cancel:cancelled:0 spawn:yielded:0 "
                   "defer:returned:1 delay:failed:1 wait:returned:2");
    host_close(&h);
}

/* S8.2: whoever resumed last gets the error, and so the feedback. */
static void resumes_of_others_where_asked(void **state) {
    struct host h;
    kahu_hooks hooks;

    (void)state;
    host_open(&h, NULL);
    hooks = add_on_resume(&h, true);
    host_run(&h, "local t = coroutine.create(function(...) log(...)"
                 "log(coroutine.yield('a', 'b')) error('e') end)"
                 "log(coroutine.resume(t, 1)) log((coroutine.resume(t, 2)))"
                 "local w = coroutine.wrap(function() task.wait(1) end) w()");
    host_finish(&h);
    assert_log(&h, "1 user:yielded:2 true a b 2 user:failed:1 false "
                   "user:yielded:0 spawn:returned:0 wait:returned:0");
    assert_int_equal(h.errors, 0);
    assert_int_equal(kahu_remove_hooks(h.s, &hooks), KAHU_OK);
    assert_int_equal(kahu_remove_hooks(h.s, &hooks), KAHU_ESTALE);
    h.log[0] = '\0';
    host_run(&h, "coroutine.wrap(function() end)()");
    assert_log(&h, "");
    assert_null(lua_callbacks(h.L)->postresume);
    host_close(&h);
}

struct remover {
    struct host *h;
    kahu_hooks first;
    kahu_hooks second;
};

static void on_end_remove(void *ud, lua_State *L, lua_State *co,
                          kahu_outcome outcome, int nresults) {
    struct remover *r = ud;

    (void)L;
    (void)co;
    (void)outcome;
    (void)nresults;
    host_log(r->h, "first");
    assert_int_equal(kahu_remove_hooks(r->h->s, &r->first), KAHU_OK);
    assert_int_equal(kahu_remove_hooks(r->h->s, &r->second), KAHU_OK);
}

static void on_end_second(void *ud, lua_State *L, lua_State *co,
                          kahu_outcome outcome, int nresults) {
    struct remover *r = ud;

    (void)L;
    (void)co;
    (void)outcome;
    (void)nresults;
    host_log(r->h, "second");
}

static void on_end_third(void *ud, lua_State *L, lua_State *co,
                         kahu_outcome outcome, int nresults) {
    struct remover *r = ud;

    (void)L;
    (void)co;
    (void)outcome;
    (void)nresults;
    host_log(r->h, "third");
}

/* From inside of the chain: none of its members is called any more, and the
 * others are. */
static void hooks_may_remove_hooks(void **state) {
    struct host h;
    struct remover r = {&h, KAHU_HOOKS_INIT, KAHU_HOOKS_INIT};
    kahu_hooks third = KAHU_HOOKS_INIT;

    (void)state;
    host_open(&h, NULL);
    r.first.ud = r.second.ud = third.ud = &r;
    r.first.on_end = on_end_remove;
    r.second.on_end = on_end_second;
    third.on_end = on_end_third;
    assert_int_equal(kahu_add_hooks(h.s, &r.first), KAHU_OK);
    assert_int_equal(kahu_add_hooks(h.s, &r.second), KAHU_OK);
    assert_int_equal(kahu_add_hooks(h.s, &third), KAHU_OK);
    host_run(&h, "");
    host_run(&h, "");
    assert_log(&h, "first third third");
    assert_int_equal(kahu_remove_hooks(h.s, NULL), KAHU_EINVAL);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Errors                                                                   */
/* ------------------------------------------------------------------------ */

static void errors_are_collected(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_set_error_policy(h.s, KAHU_ERRORS_COLLECT), KAHU_OK);
    for (int i = 0; i < 10; i++)
        host_run(&h, "local function f() error('bad') end f()");
    assert_int_equal(h.errors, 0);
    assert_int_equal(kahu_count_errors(h.s), 10);
    assert_string_equal(kahu_get_error(h.s, 9).message, "test:1: bad");
    assert_string_equal(kahu_get_error(h.s, 0).traceback,
                        "[C] function error\ntest:1 function f\ntest:1\n");
    assert_null(kahu_get_error(h.s, 10).message);
    assert_int_equal(kahu_exit_code(h.s), 1);
    kahu_clear_errors(h.s);
    assert_int_equal(kahu_count_errors(h.s), 0);
    host_run(&h, "error('left for the end')");
    host_close(&h);
}

static void the_first_error_may_stop(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_set_error_policy(h.s, KAHU_ERRORS_STOP), KAHU_OK);
    host_run(&h, "task.defer(error, 'x') task.defer(log, 'never')");
    host_finish(&h);
    assert_log(&h, "");
    assert_int_equal(h.errors, 1);
    assert_true(kahu_is_stopped(h.s));
    assert_int_equal(kahu_exit_code(h.s), 1);
    kahu_unstop(h.s);
    host_finish(&h);
    assert_log(&h, "never");
    assert_int_equal(kahu_set_error_policy(h.s, (kahu_error_policy)7),
                     KAHU_EINVAL);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_once_in_order),
        cmocka_unit_test(an_error_may_be_taken),
        cmocka_unit_test(ends_by_others_are_told_too),
        cmocka_unit_test(others_still_get_their_values),
        cmocka_unit_test(a_watch_may_take_back_another),
        cmocka_unit_test(watching_again_ends),
        cmocka_unit_test(closing_drops_without_telling),
        cmocka_unit_test(a_watch_keeps_the_thread),
        cmocka_unit_test(bad_watches_are_refused),
        cmocka_unit_test(start_runs_and_tells),
        cmocka_unit_test(start_takes_a_thread),
        cmocka_unit_test(bad_starts_change_nothing),
        cmocka_unit_test(every_cause_and_outcome),
        cmocka_unit_test(resumes_of_others_where_asked),
        cmocka_unit_test(hooks_may_remove_hooks),
        cmocka_unit_test(errors_are_collected),
        cmocka_unit_test(the_first_error_may_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
