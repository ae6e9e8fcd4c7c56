/* SPDX-License-Identifier: MIT */
/*
 * kahu_watch(), kahu_unwatch(), kahu_start(): every way to end, every way to
 * use them wrongly, and all that may be done from inside.
 */
#include <stdio.h>
#include <string.h>

#include "host.h"
#include "kahu/threads.h"

/* ------------------------------------------------------------------------ */
/* Watching with words                                                      */
/* ------------------------------------------------------------------------ */

static const char *const causes[] = {"defer", "delay",  "wait", "op",
                                     "spawn", "cancel", "user"};
static const char *const outcomes[] = {"returned", "failed", "cancelled",
                                       "yielded"};

struct watcher {
    struct host *h;
    const char *name;
    bool handles;
    int told;
    int dropped;
    kahu_status status; /* of what a function below tried */
};

static void say(struct host *h, const char *name, const kahu_feedback *f) {
    char word[64];

    snprintf(word, sizeof(word), "%s:%s:%s:%d", name, causes[f->cause],
             outcomes[f->outcome], f->nvalues);
    host_log(h, word);
}

static bool told(void *ud, lua_State *L, const kahu_feedback *f) {
    struct watcher *w = ud;

    assert_int_equal(lua_gettop(L), f->nvalues);
    assert_false(lua_isyieldable(L));
    assert_int_equal(w->dropped, 0);
    w->told++;
    say(w->h, w->name, f);
    return w->handles;
}

static void dropped(void *ud) {
    struct watcher *w = ud;

    w->dropped++;
}

static void watch(struct watcher *w, lua_State *co) {
    assert_int_equal(kahu_watch(w->h->s, co, told, w, dropped), KAHU_OK);
}

static lua_State *watched(struct watcher *w, const char *text) {
    lua_State *co = host_load(w->h, text);

    watch(w, co);
    return co;
}

/* Runs the script with the thread as its argument. */
static void give(struct host *h, const char *text, lua_State *target) {
    lua_State *co = host_load(h, text);

    lua_pushthread(target);
    lua_xmove(target, co, 1);
    assert_int_equal(kahu_spawn(h->s, co, NULL, 1), KAHU_OK);
}

/* ------------------------------------------------------------------------ */
/* Ends                                                                     */
/* ------------------------------------------------------------------------ */

static kahu_op op;

static int begin_op(lua_State *L) {
    assert_int_equal(kahu_op_begin(L, NULL, NULL, &op), KAHU_OK);
    return kahu_op_yield(L);
}

/* The cause is that of the last resume, not of the first. */
static void every_cause_is_named(void **state) {
    static const char *const scripts[] = {"", "task.wait(1)", "op() return 1",
                                          "coroutine.yield() return 1, 2",
                                          "error('x')"};
    struct host h;
    struct watcher w = {.h = &h, .name = "w", .handles = true};
    lua_State *co[5];

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "op", begin_op);
    for (int i = 0; i < 5; i++) {
        co[i] = host_load(&h, scripts[i]);
        assert_int_equal(kahu_watch(h.s, co[i], told, &w, NULL), KAHU_OK);
        assert_int_equal(kahu_spawn(h.s, co[i], NULL, 0), KAHU_OK);
    }
    assert_int_equal(kahu_op_finish(h.s, op, NULL, NULL, NULL), KAHU_OK);
    assert_int_equal(kahu_defer(h.s, co[3], 0), KAHU_OK);
    host_finish(&h);
    assert_log(&h, "w:spawn:returned:0 w:spawn:failed:1 w:defer:returned:2 "
                   "w:op:returned:1 w:wait:returned:0");
    h.log[0] = '\0';
    co[0] = watched(&w, "coroutine.yield(1)");
    assert_int_equal(kahu_delay(h.s, co[0], 0, 5), KAHU_OK);
    host_finish(&h);
    assert_int_equal(kahu_cancel(h.s, co[0]), KAHU_OK);
    assert_log(&h, "w:cancel:cancelled:0");
    host_close(&h);
}

/* Whoever resumes: the host itself, too, whose values stay where it wants. */
static void a_resume_of_the_host_s_is_seen(void **state) {
    struct host h;
    struct watcher w = {.h = &h, .name = "w"};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = watched(&w, "coroutine.yield(1, nil) return 'a', nil, 'c', nil");
    assert_int_equal(lua_resume(co, NULL, 0), LUA_YIELD);
    assert_int_equal(lua_gettop(co), 2);
    assert_int_equal(w.told, 0);
    lua_settop(co, 0);
    assert_int_equal(lua_resume(co, NULL, 0), LUA_OK);
    assert_int_equal(lua_gettop(co), 4);
    assert_string_equal(lua_tostring(co, 3), "c");
    co = watched(&w, "error('e', 0)");
    w.dropped = 0;
    assert_int_equal(lua_resume(co, NULL, 0), LUA_ERRRUN);
    assert_string_equal(lua_tostring(co, -1), "e");
    assert_log(&h, "w:user:returned:4 w:user:failed:1");
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

static bool look_at_values(void *ud, lua_State *L, const kahu_feedback *f) {
    struct watcher *w = ud;

    assert_int_equal(f->nvalues, 4);
    assert_int_equal(lua_tonumber(L, 1), 7);
    assert_true(lua_isnil(L, 2));
    lua_getfield(L, 3, "x");
    assert_string_equal(lua_tostring(L, -1), "field");
    assert_true(lua_isnil(L, 4));
    assert_null(f->message);
    assert_null(f->traceback);
    assert_int_equal(lua_costatus(L, f->co), LUA_COFIN);
    w->told++;
    return false;
}

static bool look_at_error(void *ud, lua_State *L, const kahu_feedback *f) {
    struct watcher *w = ud;

    assert_int_equal(f->nvalues, 1);
    lua_getfield(L, 1, "code");
    assert_int_equal(lua_tonumber(L, -1), 5);
    assert_string_equal(f->message, "in words");
    assert_string_equal(f->traceback,
                        "[C] function error\ntest:2 function f\ntest:3\n");
    assert_int_equal(lua_costatus(L, f->co), LUA_COERR);
    w->told++;
    return true;
}

static bool look_at_cancelled(void *ud, lua_State *L, const kahu_feedback *f) {
    struct watcher *w = ud;

    assert_int_equal(f->nvalues, 0);
    assert_null(f->message);
    assert_null(f->traceback);
    assert_int_equal(lua_costatus(L, f->co), LUA_COSUS);
    w->told++;
    return true;
}

static void what_is_told_of_each_outcome(void **state) {
    struct host h;
    struct watcher w = {.h = &h};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_load(&h, "return 7, nil, {x = 'field'}, nil");
    assert_int_equal(kahu_watch(h.s, co, look_at_values, &w, NULL), KAHU_OK);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    co = host_load(&h, "local e = setmetatable({code = 5}, {__tostring ="
                       " function() return 'in words' end})\n"
                       "local function f() error(e) end\nf()");
    assert_int_equal(kahu_watch(h.s, co, look_at_error, &w, NULL), KAHU_OK);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    co = host_run(&h, "coroutine.yield(1, 2)");
    assert_int_equal(kahu_watch(h.s, co, look_at_cancelled, &w, NULL), KAHU_OK);
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    assert_int_equal(w.told, 3);
    assert_int_equal(kahu_exit_code(h.s), 0);
    host_close(&h);
}

/* S6.8: cancelled while it runs, it is told of when it yields; a thread that
 * returns instead was not cancelled. */
static int cancel_self(lua_State *L) {
    assert_int_equal(kahu_cancel(host_of(L)->s, L), KAHU_OK);
    return 0;
}

static void a_cancellation_is_told_when_it_happens(void **state) {
    struct host h;
    struct watcher w = {.h = &h, .name = "w"};

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "cancel", cancel_self);
    assert_int_equal(
        kahu_spawn(h.s, watched(&w, "cancel() log('on') task.wait()"), NULL, 0),
        KAHU_OK);
    w.dropped = 0;
    assert_int_equal(
        kahu_spawn(h.s, watched(&w, "cancel() log('end')"), NULL, 0), KAHU_OK);
    assert_log(&h, "on w:cancel:cancelled:0 end w:spawn:returned:0");
    host_finish(&h);
    assert_int_equal(w.told, 2);
    host_close(&h);
}

/* S6.7: the library's close too, but not of what has ended already. */
static void closing_is_told_once(void **state) {
    struct host h;
    struct watcher w = {.h = &h, .name = "w"};

    (void)state;
    host_open(&h, NULL);
    give(&h,
         "local t = ... coroutine.resume(t) coroutine.close(t)"
         "log(coroutine.status(t)) coroutine.close(t) task.cancel(t)",
         watched(&w, "coroutine.yield()"));
    assert_log(&h, "w:cancel:cancelled:0 dead");
    w = (struct watcher){.h = &h, .name = "f"};
    h.log[0] = '\0';
    give(&h, "local t = ... coroutine.resume(t) log(coroutine.close(t))",
         watched(&w, "error('e', 0)"));
    assert_log(&h, "f:user:failed:1 false e");
    assert_int_equal(w.dropped, 1);
    host_close(&h);
}

/* A thread that fails inside a pcall has not ended. */
static void what_is_caught_is_no_end(void **state) {
    struct host h;
    struct watcher w = {.h = &h, .name = "w"};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = watched(&w, "pcall(error) pcall(function() task.wait(1) error() end)"
                     "log('caught') task.wait(1)");
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    host_finish(&h);
    assert_log(&h, "caught w:wait:returned:0");
    host_close(&h);
}

/* S3.7: a resume that the VM refuses ends the thread, and is told of. */
static void a_refused_resume_is_an_end(void **state) {
    struct host h;
    struct watcher w = {.h = &h, .name = "w", .handles = true};

    (void)state;
    host_open(&h, NULL);
    give(&h,
         "local t = ... local function nest()"
         " local u = coroutine.create(function() end)"
         " if coroutine.resume(u) then return coroutine.wrap(nest)() end"
         " task.spawn(t) log(coroutine.status(t)) end nest()",
         watched(&w, "log('ran')"));
    assert_log(&h, "w:spawn:failed:1 dead");
    assert_int_equal(w.dropped, 1);
    host_close(&h);
}

/* A lua_resetthread() goes by unseen; the watch is still there for what the
 * thread is used for next, or to be taken back. */
static void a_reset_goes_by_unseen(void **state) {
    struct host h;
    struct watcher w = {.h = &h, .name = "w"};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = watched(&w, "coroutine.yield()");
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    lua_resetthread(co);
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    assert_int_equal(w.told, 0);
    lua_xmove(host_load(&h, "return 1"), co, 1);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_log(&h, "w:spawn:returned:1");
    co = watched(&w, "coroutine.yield()");
    lua_resetthread(co);
    assert_int_equal(kahu_unwatch(h.s, co, told, &w), KAHU_OK);
    host_close(&h);
}

static bool look_if_dead(void *ud, lua_State *L, const kahu_feedback *f) {
    struct watcher *w = ud;

    assert_int_equal(lua_costatus(L, f->co), LUA_COFIN);
    assert_int_equal(kahu_spawn(w->h->s, f->co, NULL, 0), KAHU_ESTATE);
    assert_int_equal(kahu_watch(w->h->s, f->co, told, w, NULL), KAHU_ESTATE);
    w->told++;
    return false;
}

/* V1: as many values as a stack has room for, and more than the hidden ones
 * have: it is an end all the same. */
static void very_many_values_are_told(void **state) {
    static const char *const scripts[] = {
        "return table.unpack({}, 1, 5000)", "return table.unpack({}, 1, 7960)",
        "return table.unpack({}, 1, 7980)", "return table.unpack({}, 1, 7990)"};
    struct host h;
    struct watcher w = {.h = &h, .name = "w"};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = watched(&w, scripts[0]);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_log(&h, "w:spawn:returned:5000");
    for (int i = 1; i < 4; i++) {
        co = host_load(&h, scripts[i]);
        assert_int_equal(kahu_watch(h.s, co, look_if_dead, &w, NULL), KAHU_OK);
        assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
        assert_int_equal(lua_costatus(h.L, co), LUA_COFIN);
    }
    assert_int_equal(h.errors, 0);
    assert_int_equal(w.told, 4);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Owning                                                                   */
/* ------------------------------------------------------------------------ */

static bool tell_then_drop(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)L;
    (void)f;
    host_log(ud, "fn");
    return false;
}

static void log_drop(void *ud) {
    host_log(ud, "drop");
}

static void log_other_drop(void *ud) {
    host_log(ud, "other");
}

/* Each is told and let go of before the next. */
static void drop_follows_fn(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_load(&h, "");
    assert_int_equal(kahu_watch(h.s, co, tell_then_drop, &h, log_drop),
                     KAHU_OK);
    assert_int_equal(kahu_watch(h.s, co, tell_then_drop, &h, NULL), KAHU_OK);
    assert_int_equal(kahu_watch(h.s, co, tell_then_drop, &h, log_other_drop),
                     KAHU_OK);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_log(&h, "fn drop fn fn other");
    host_close(&h);
}

/* The oldest of those with this fn and ud; each by itself. */
static void the_oldest_is_taken_back(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_load(&h, "");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kahu_watch(h.s, co, tell_then_drop, &h, log_drop),
                         KAHU_OK);
        assert_int_equal(
            kahu_watch(h.s, co, tell_then_drop, &h, log_other_drop), KAHU_OK);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(kahu_unwatch(h.s, co, tell_then_drop, &h), KAHU_OK);
    assert_log(&h, "drop other drop");
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_log(&h, "drop other drop fn other");
    assert_int_equal(kahu_unwatch(h.s, co, tell_then_drop, &h), KAHU_ESTALE);
    host_close(&h);
}

static void what_is_not_there_is_stale(void **state) {
    struct host h;
    struct host other;
    struct watcher a = {.h = &h, .name = "a"};
    struct watcher b = {.h = &h, .name = "b"};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    host_open(&other, NULL);
    co = watched(&a, "");
    assert_int_equal(kahu_unwatch(h.s, co, told, &b), KAHU_ESTALE);
    assert_int_equal(kahu_unwatch(h.s, co, look_if_dead, &a), KAHU_ESTALE);
    assert_int_equal(kahu_unwatch(h.s, co, NULL, NULL), KAHU_ESTALE);
    assert_int_equal(kahu_unwatch(h.s, NULL, told, &a), KAHU_ESTALE);
    assert_int_equal(kahu_unwatch(h.s, h.L, told, &a), KAHU_ESTALE);
    assert_int_equal(kahu_unwatch(other.s, co, told, &a), KAHU_ESTALE);
    assert_int_equal(a.dropped, 0);
    kahu_close(h.s);
    assert_int_equal(a.dropped, 1);
    assert_int_equal(kahu_unwatch(h.s, co, told, &a), KAHU_ESTALE);
    host_close(&other);
    host_close(&h);
}

/* Each is told or let go of once, whatever the order. */
#define MANY 300

static void many_watches_in_any_order(void **state) {
    struct host h;
    struct watcher w[MANY];
    lua_State *co[10];

    (void)state;
    host_open(&h, NULL);
    for (int i = 0; i < 10; i++)
        co[i] = host_load(&h, "");
    for (int i = 0; i < MANY; i++) {
        w[i] = (struct watcher){.h = &h, .name = ""};
        watch(&w[i], co[i % 10]);
    }
    for (int i = 0; i < MANY; i += 3) {
        int k = i * 7 % MANY;

        assert_int_equal(kahu_unwatch(h.s, co[k % 10], told, &w[k]), KAHU_OK);
    }
    for (int i = 0; i < 9; i++) {
        h.log[0] = '\0';
        assert_int_equal(kahu_spawn(h.s, co[i], NULL, 0), KAHU_OK);
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(w[i].told, i % 3 != 0 && i % 10 != 9);
        assert_int_equal(w[i].dropped, i % 3 == 0 || i % 10 != 9);
    }
    kahu_free(h.s);
    h.s = NULL;
    for (int i = 0; i < MANY; i++)
        assert_int_equal(w[i].dropped, 1);
    host_close(&h);
}

/* A weak table of one thread, made here; is it still there? */
static lua_State *loose_thread(struct host *h, const char *text) {
    lua_State *co = lua_newthread(h->L);

    lua_xmove(host_load(h, text), co, 1);
    lua_createtable(h->L, 1, 0);
    lua_createtable(h->L, 0, 1);
    lua_pushliteral(h->L, "v");
    lua_setfield(h->L, -2, "__mode");
    lua_setmetatable(h->L, -2);
    lua_insert(h->L, -2);
    lua_rawseti(h->L, -2, 1);
    lua_setglobal(h->L, "weak");
    return co;
}

static bool is_loose_thread_there(struct host *h) {
    bool there;

    lua_gc(h->L, LUA_GCCOLLECT, 0);
    lua_gc(h->L, LUA_GCCOLLECT, 0);
    lua_getglobal(h->L, "weak");
    lua_rawgeti(h->L, -1, 1);
    there = !lua_isnil(h->L, -1);
    lua_pop(h->L, 2);
    return there;
}

/* S9.5: kept alive until then, and not longer. */
static void a_thread_is_kept_until_its_end(void **state) {
    struct host h;
    struct watcher w = {.h = &h, .name = "w"};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    watch(&w, co = loose_thread(&h, "coroutine.yield()"));
    assert_true(is_loose_thread_there(&h));
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_true(is_loose_thread_there(&h));
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_int_equal(w.told, 1);
    assert_false(is_loose_thread_there(&h));
    w.dropped = 0;
    watch(&w, co = loose_thread(&h, ""));
    watch(&w, co);
    assert_int_equal(kahu_unwatch(h.s, co, told, &w), KAHU_OK);
    assert_true(is_loose_thread_there(&h));
    assert_int_equal(kahu_unwatch(h.s, co, told, &w), KAHU_OK);
    assert_false(is_loose_thread_there(&h));
    watch(&w, loose_thread(&h, ""));
    kahu_close(h.s);
    assert_false(is_loose_thread_there(&h));
    host_close(&h);
}

/* S9.4: nothing pending, so that a run ends without it. */
static void a_watch_is_nothing_pending(void **state) {
    struct host h;
    struct watcher w = {.h = &h, .name = "w"};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = watched(&w, "coroutine.yield()");
    assert_int_equal(kahu_count_all(h.s), 0);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_int_equal(kahu_get_state(h.s), KAHU_IDLE);
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_int_equal(w.told, 0);
    assert_int_equal(kahu_unwatch(h.s, co, told, &w), KAHU_OK);
    assert_null(lua_callbacks(h.L)->postresume);
    host_close(&h);
}

/* What lies on its stack stays there, whatever it is doing. */
static int watch_self(lua_State *L) {
    struct watcher *w = lua_tolightuserdata(L, 1);

    assert_int_equal(kahu_watch(w->h->s, L, told, w, dropped), KAHU_OK);
    assert_int_equal(lua_gettop(L), 2);
    assert_int_equal(lua_tonumber(L, 2), 5);
    return 0;
}

static void the_stack_is_left_alone(void **state) {
    struct host h;
    struct watcher w = {.h = &h, .name = "w"};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "watch", watch_self);
    co = host_load(&h, "watch(...) return 'done'");
    lua_pushlightuserdata(co, &w);
    lua_pushnumber(co, 5);
    watch(&w, co);
    assert_int_equal(kahu_unwatch(h.s, co, told, &w), KAHU_OK);
    w.dropped = 0;
    assert_int_equal(lua_gettop(co), 3);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 2), KAHU_OK);
    assert_log(&h, "w:spawn:returned:1");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* From inside                                                              */
/* ------------------------------------------------------------------------ */

static bool raising(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    (void)f;
    luaL_error(L, "raised by a watch of this test");
}

/* S9.8: an error in a watch is nobody's but the watch's. */
static void an_error_in_a_watch_changes_nothing(void **state) {
    struct host h;
    struct watcher raises = {.h = &h};
    struct watcher w = {.h = &h, .name = "w"};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_load(&h, "error('e')");
    assert_int_equal(kahu_watch(h.s, co, raising, &raises, dropped), KAHU_OK);
    watch(&w, co);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_log(&h, "w:spawn:failed:1");
    assert_int_equal(h.errors, 1);
    assert_int_equal(raises.dropped, 1);
    assert_false(kahu_is_running(h.s));
    host_close(&h);
}

/* One is enough, and all are told; of what is no error it means nothing. */
static void one_of_several_takes_the_error(void **state) {
    struct host h;
    struct watcher a = {.h = &h, .name = "a"};
    struct watcher b = {.h = &h, .name = "b", .handles = true};
    struct watcher c = {.h = &h, .name = "c"};
    kahu_stats stats = {.size = sizeof(stats)};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_set_error_policy(h.s, KAHU_ERRORS_STOP), KAHU_OK);
    watch(&a, co = host_load(&h, "error('e')"));
    watch(&b, co);
    watch(&c, co);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_log(&h, "a:spawn:failed:1 b:spawn:failed:1 c:spawn:failed:1");
    kahu_get_stats(h.s, &stats);
    assert_int_equal(stats.errors, 0);
    assert_int_equal(h.errors, 0);
    assert_int_equal(kahu_exit_code(h.s), 0);
    assert_false(kahu_is_stopped(h.s));
    host_close(&h);
}

static bool take_itself_back(void *ud, lua_State *L, const kahu_feedback *f) {
    struct watcher *w = ud;

    (void)L;
    w->told++;
    w->status = kahu_unwatch(w->h->s, f->co, take_itself_back, w);
    return false;
}

/* What is told is no watch any more. */
static void it_can_not_be_taken_back_when_told(void **state) {
    struct host h;
    struct watcher w = {.h = &h};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_load(&h, "");
    assert_int_equal(kahu_watch(h.s, co, take_itself_back, &w, dropped),
                     KAHU_OK);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_int_equal(w.status, KAHU_ESTALE);
    assert_int_equal(w.told, 1);
    assert_int_equal(w.dropped, 1);
    host_close(&h);
}

static bool close_it(void *ud, lua_State *L, const kahu_feedback *f) {
    struct watcher *w = ud;

    (void)L;
    (void)f;
    w->told++;
    kahu_close(w->h->s);
    assert_int_equal(kahu_watch(w->h->s, host_load(w->h, ""), told, w, dropped),
                     KAHU_ECLOSED);
    return false;
}

static bool free_it(void *ud, lua_State *L, const kahu_feedback *f) {
    struct watcher *w = ud;

    (void)L;
    (void)f;
    w->told++;
    kahu_free(w->h->s);
    return true;
}

/* The rest is let go of at the end of the outermost resume. */
static void a_watch_may_close_and_free(void **state) {
    static const kahu_watch_fn fns[] = {close_it, free_it};
    struct host h;
    struct watcher w;
    struct watcher other;
    lua_State *co;

    (void)state;
    for (int i = 0; i < 2; i++) {
        host_open(&h, NULL);
        w = (struct watcher){.h = &h};
        other = (struct watcher){.h = &h, .name = "other"};
        (void)watched(&other, "");
        co = host_load(&h, "error('e')");
        assert_int_equal(kahu_watch(h.s, co, fns[i], &w, dropped), KAHU_OK);
        assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
        assert_int_equal(w.told + w.dropped, 2);
        assert_int_equal(other.told, 0);
        assert_int_equal(other.dropped, 1);
        if (fns[i] == free_it)
            h.s = NULL;
        host_close(&h);
    }
}

static void drop_frees(void *ud) {
    struct watcher *w = ud;

    w->dropped++;
    kahu_free(w->h->s);
}

/* So may what lets go: by itself, on the way to a close, from an unwatch. */
static void a_drop_may_free(void **state) {
    struct host h;
    struct watcher w = {.h = &h};
    struct watcher other;
    lua_State *co;

    (void)state;
    for (int i = 0; i < 3; i++) {
        host_open(&h, NULL);
        w.dropped = 0;
        other = (struct watcher){.h = &h, .name = "other"};
        co = host_load(&h, "");
        assert_int_equal(kahu_watch(h.s, co, told, &w, drop_frees), KAHU_OK);
        (void)watched(&other, "");
        if (i == 0)
            assert_int_equal(kahu_unwatch(h.s, co, told, &w), KAHU_OK);
        else if (i == 1)
            kahu_close(h.s);
        else
            assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
        assert_int_equal(w.dropped, 1);
        assert_int_equal(other.dropped, 1);
        h.s = NULL;
        host_close(&h);
    }
}

/* S8.1: somebody watches; a script that has nothing to do with it must not
 * notice, not even by the __tostring of its errors. */
static void others_notice_nothing(void **state) {
    struct host h;
    struct watcher w = {.h = &h, .name = "w"};
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = watched(&w, "coroutine.yield()");
    host_run(&h, "local e = setmetatable({}, {__tostring = function()"
                 " log('words') return 'e' end})"
                 "log(coroutine.resume(coroutine.create(error), 'x'))"
                 "coroutine.resume(coroutine.create(error), e)"
                 "pcall(coroutine.wrap(error), e)");
    assert_log(&h, "false x");
    assert_int_equal(kahu_unwatch(h.s, co, told, &w), KAHU_OK);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cause_is_named),
        cmocka_unit_test(a_resume_of_the_host_s_is_seen),
        cmocka_unit_test(what_is_told_of_each_outcome),
        cmocka_unit_test(a_cancellation_is_told_when_it_happens),
        cmocka_unit_test(closing_is_told_once),
        cmocka_unit_test(what_is_caught_is_no_end),
        cmocka_unit_test(a_refused_resume_is_an_end),
        cmocka_unit_test(a_reset_goes_by_unseen),
        cmocka_unit_test(very_many_values_are_told),
        cmocka_unit_test(drop_follows_fn),
        cmocka_unit_test(the_oldest_is_taken_back),
        cmocka_unit_test(what_is_not_there_is_stale),
        cmocka_unit_test(many_watches_in_any_order),
        cmocka_unit_test(a_thread_is_kept_until_its_end),
        cmocka_unit_test(a_watch_is_nothing_pending),
        cmocka_unit_test(the_stack_is_left_alone),
        cmocka_unit_test(an_error_in_a_watch_changes_nothing),
        cmocka_unit_test(one_of_several_takes_the_error),
        cmocka_unit_test(it_can_not_be_taken_back_when_told),
        cmocka_unit_test(a_watch_may_close_and_free),
        cmocka_unit_test(a_drop_may_free),
        cmocka_unit_test(others_notice_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
