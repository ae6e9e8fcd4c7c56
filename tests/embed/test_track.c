/* SPDX-License-Identifier: MIT */
/*
 * Records of threads: what is told of each, walks over them, and callbacks of
 * the VM that others have taken too.
 */
#include <luacode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "kahu/threads.h"

#define SECOND UINT64_C(1000000000)

static void track(struct host *h) {
    assert_int_equal(kahu_track(h->s), KAHU_OK);
}

static kahu_thread_info info_of(struct host *h, lua_State *co) {
    kahu_thread_info info = {.size = sizeof(info)};

    assert_int_equal(kahu_get_thread_info(h->s, co, &info), KAHU_OK);
    assert_ptr_equal(info.co, co);
    assert_int_equal(info.size, sizeof(info));
    return info;
}

static lua_State *global_thread(struct host *h, const char *name) {
    lua_State *co;

    lua_getglobal(h->L, name);
    co = lua_tothread(h->L, -1);
    lua_pop(h->L, 1);
    assert_non_null(co);
    return co;
}

static kahu_thread_info info_named(struct host *h, const char *name) {
    return info_of(h, global_thread(h, name));
}

/* ------------------------------------------------------------------------ */
/* One thread                                                               */
/* ------------------------------------------------------------------------ */

/* Where each way to make one was, whoever made it. */
static void where_it_was_started(void **state) {
    static const char *const names[] = {"created", "spawned", "deferred",
                                        "delayed"};
    struct host h;
    char place[32];

    (void)state;
    host_open(&h, NULL);
    track(&h);
    host_run(&h, "local function nothing() coroutine.yield() end\n"
                 "created = coroutine.create(nothing)\n"
                 "spawned = task.spawn(nothing)\n"
                 "deferred = task.defer(nothing)\n"
                 "delayed = task.delay(1, nothing)\n"
                 "coroutine.wrap(function()\n"
                 "wrapped = coroutine.running() inner = task.spawn(nothing)\n"
                 "end)()");
    for (int i = 0; i < 4; i++) {
        snprintf(place, sizeof(place), "test:%d", i + 2);
        assert_string_equal(info_named(&h, names[i]).started, place);
        assert_int_equal(info_named(&h, names[i]).parent_id, 1);
    }
    assert_string_equal(info_named(&h, "wrapped").started, "test:6");
    assert_string_equal(info_named(&h, "inner").started, "test:7");
    assert_int_equal(info_named(&h, "inner").parent_id,
                     info_named(&h, "wrapped").id);
    host_close(&h);
}

/* The host has no line; nor has what lies on its stack meanwhile. */
static void the_host_starts_nowhere(void **state) {
    struct host h;
    kahu_thread_info info;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    lua_xmove(host_load(&h, "\n\n"), h.L, 1);
    info = info_of(&h, lua_newthread(h.L));
    assert_string_equal(info.started, "");
    assert_string_equal(info.where, "");
    assert_int_equal(info.parent_id, 0);
    host_close(&h);
}

static int look_at_itself(lua_State *L) {
    struct host *h = host_of(L);

    assert_string_equal(info_of(h, L).where, "");
    host_log(h, "nowhere");
    return 0;
}

/* Nor has a C function, fresh or running, whatever it was given; nor what was
 * killed before it began. */
static void c_functions_stand_nowhere(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    co = lua_newthread(h.L);
    lua_pushcfunction(co, look_at_itself, "look");
    assert_string_equal(info_of(&h, co).where, "");
    lua_xmove(host_load(&h, "\n"), co, 1);
    assert_string_equal(info_of(&h, co).where, "");
    assert_int_equal(kahu_spawn(h.s, co, NULL, 1), KAHU_OK);
    assert_log(&h, "nowhere");

    co = host_load(&h, "\nlog('never')");
    assert_string_equal(info_of(&h, co).where, "test:1");
    lua_pushliteral(co, "killed");
    assert_int_equal(lua_resumeerror(co, NULL), LUA_ERRRUN);
    assert_string_equal(info_of(&h, co).where, "");
    host_close(&h);
}

/* Scripts on the main thread have lines, though it is not tracked itself. */
static void the_main_thread_s_scripts(void **state) {
    struct host h;
    kahu_thread_info info;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    lua_xmove(host_load(&h, "\nmade = coroutine.create(log)"), h.L, 1);
    assert_int_equal(lua_pcall(h.L, 0, 0, 0), LUA_OK);
    info = info_named(&h, "made");
    assert_string_equal(info.started, "test:2");
    assert_int_equal(info.parent_id, 0);
    assert_int_equal(kahu_get_thread_info(h.s, h.L, &info), KAHU_ESTALE);
    host_close(&h);
}

/* The line is there however long the name of the source is. */
static void long_names_keep_the_line(void **state) {
    struct host h;
    char name[400] = "=";
    lua_State *co;
    char *code;
    size_t size;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    memset(name + 1, 'n', sizeof(name) - 2);
    code = luau_compile("\n\ncoroutine.yield()", 19, NULL, &size);
    co = lua_newthread(h.L);
    assert_int_equal(luau_load(co, name, code, size, 0), 0);
    free(code);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_non_null(strstr(info_of(&h, co).where, "nnnn:3"));
    host_close(&h);
}

/* The innermost line of Luau code, below whatever C functions there are. */
static void where_it_stands(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    host_run(&h, "deep = task.spawn(function()\n"
                 "  local function f() task.wait(9) end\n"
                 "  pcall(function()\n"
                 "    f()\n"
                 "  end)\n"
                 "end)\n"
                 "fresh = coroutine.create(function()\n end)\n"
                 "later = task.delay(1, function(...)\n end, 1, 2, 3)\n"
                 "c = task.spawn(task.wait, 9)");
    assert_string_equal(info_named(&h, "deep").where, "test:2");
    assert_string_equal(info_named(&h, "fresh").where, "test:7");
    assert_string_equal(info_named(&h, "later").where, "test:9");
    assert_string_equal(info_named(&h, "c").where, "");
    assert_int_equal(info_named(&h, "c").waits_for, KAHU_WAIT);
    host_close(&h);
}

static int look_at_both(lua_State *L) {
    struct host *h = host_of(L);

    host_log(h, info_of(h, L).state == KAHU_THREAD_RUNNING ? "runs" : "not");
    host_log(h, info_of(h, lua_tothread(L, 1)).state == KAHU_THREAD_RUNNING
                    ? "runs"
                    : "not");
    host_log(h, info_of(h, lua_tothread(L, 1)).where);
    return 0;
}

/* One that runs, and one that has resumed it; after a yield, an end, an error
 * and a cancellation. */
static void every_state(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    host_global(&h, "look", look_at_both);
    co = host_load(&h, "local me = coroutine.running()\n"
                       "task.spawn(look, me)\n"
                       "coroutine.wrap(look)(me) coroutine.yield()");
    assert_int_equal(info_of(&h, co).state, KAHU_THREAD_FRESH);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_log(&h, "runs runs test:2 runs runs test:3");
    assert_int_equal(info_of(&h, co).state, KAHU_THREAD_YIELDED);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_int_equal(info_of(&h, co).state, KAHU_THREAD_DEAD);
    co = host_run(&h, "error('e')");
    assert_int_equal(info_of(&h, co).state, KAHU_THREAD_DEAD);
    co = host_load(&h, "");
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    assert_int_equal(info_of(&h, co).state, KAHU_THREAD_DEAD);
    host_close(&h);
}

static int begin_op(lua_State *L) {
    kahu_op op;

    assert_int_equal(kahu_op_begin(L, NULL, NULL, &op), KAHU_OK);
    return kahu_op_yield(L);
}

static void assert_waits(struct host *h, const char *name, size_t wakes,
                         kahu_kind kind, uint64_t deadline_ns) {
    kahu_thread_info info = info_named(h, name);

    assert_int_equal(info.wakes, wakes);
    assert_int_equal(info.waits_for, kind);
    assert_int_equal(info.deadline_ns, deadline_ns);
}

/* Of its oldest wake, but for the host's deadlines, which are no reason to
 * resume it. */
static void what_it_waits_for(void **state) {
    struct host h;
    lua_State *both;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    host_global(&h, "op", begin_op);
    (void)kahu_stepped_step(h.m, 100);
    host_run(&h, "wait = task.spawn(task.wait, 1)"
                 "defer = task.defer(log) delay = task.delay(2, log)"
                 "op = task.spawn(op) none = coroutine.create(log)"
                 "never = task.delay(math.huge, log)"
                 "both = task.spawn(task.wait, 3) task.delay(1, both)"
                 "task.defer(both)");
    assert_waits(&h, "wait", 1, KAHU_WAIT, SECOND + 100);
    assert_waits(&h, "defer", 1, KAHU_DEFER, KAHU_NEVER_NS);
    assert_waits(&h, "delay", 1, KAHU_DELAY, 2 * SECOND + 100);
    assert_waits(&h, "op", 1, KAHU_OPERATION, KAHU_NEVER_NS);
    assert_waits(&h, "none", 0, KAHU_KINDS, KAHU_NEVER_NS);
    assert_waits(&h, "never", 1, KAHU_DELAY, KAHU_NEVER_NS);
    assert_waits(&h, "both", 3, KAHU_WAIT, 3 * SECOND + 100);
    both = global_thread(&h, "none");
    assert_int_equal(kahu_cancel_after(h.s, both, SECOND), KAHU_OK);
    assert_waits(&h, "none", 1, KAHU_KINDS, KAHU_NEVER_NS);
    assert_int_equal(kahu_delay(h.s, both, 0, 5 * SECOND), KAHU_OK);
    assert_waits(&h, "none", 2, KAHU_DELAY, 5 * SECOND + 100);
    host_close(&h);
}

/* When it was made; when it last yielded, whoever resumed it. */
static void since_when(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    (void)kahu_stepped_step(h.m, 10);
    co = host_load(&h, "coroutine.yield() coroutine.yield() task.wait(1)"
                       " log('x')");
    assert_int_equal(info_of(&h, co).since_ns, 10);
    (void)kahu_stepped_step(h.m, 20);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_int_equal(info_of(&h, co).since_ns, 20);
    (void)kahu_stepped_step(h.m, 30);
    assert_int_equal(lua_resume(co, NULL, 0), LUA_YIELD);
    assert_int_equal(info_of(&h, co).since_ns, 30);
    (void)kahu_stepped_step(h.m, 40);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    (void)kahu_stepped_step(h.m, 50);
    assert_int_equal(info_of(&h, co).since_ns, 40);
    host_close(&h);
}

/* A caller of an older header gets what it knows, one of a newer header what
 * we do, and neither's memory is touched beyond. */
static void callers_of_other_headers(void **state) {
    struct {
        kahu_thread_info info;
        char added[16];
    } newer;
    kahu_thread_info info;
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    co = host_load(&h, "");
    for (size_t size = 0; size <= sizeof(newer); size++) {
        memset(&newer, 0x55, sizeof(newer));
        newer.info.size = size;
        assert_int_equal(kahu_get_thread_info(h.s, co, &newer.info),
                         size < sizeof(size) ? KAHU_EINVAL : KAHU_OK);
        assert_int_equal(newer.info.size, size);
        for (size_t i = size < sizeof(info) ? size : sizeof(info);
             i < sizeof(newer); i++)
            if (i >= sizeof(size))
                assert_int_equal(((char *)&newer)[i], 0x55);
    }
    assert_int_equal(kahu_get_thread_info(h.s, co, NULL), KAHU_EINVAL);
    host_close(&h);
}

static void who_is_not_tracked_is_stale(void **state) {
    struct host h;
    struct host other;
    kahu_thread_info info = {.size = sizeof(info)};
    lua_State *co[3];

    (void)state;
    host_open(&h, NULL);
    host_open(&other, NULL);
    co[0] = host_load(&h, ""); /* was there before, and has no wake */
    track(&h);
    track(&other);
    co[1] = host_load(&other, "");
    co[2] = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kahu_get_thread_info(h.s, co[i], &info), KAHU_ESTALE);
        assert_int_equal(kahu_set_thread_label(h.s, co[i], "x"), KAHU_ESTALE);
        assert_int_equal(kahu_set_thread_data(h.s, co[i], &h), KAHU_ESTALE);
    }
    co[0] = host_load(&h, "");
    kahu_close(h.s);
    assert_int_equal(kahu_get_thread_info(h.s, co[0], &info), KAHU_ESTALE);
    assert_int_equal(kahu_set_thread_label(h.s, co[0], "x"), KAHU_ESTALE);
    assert_int_equal(kahu_track(h.s), KAHU_ECLOSED);
    host_close(&other);
    host_close(&h);
}

/* Kept for as long as the record is, and let go of with it. */
static void labels_of_any_length(void **state) {
    struct host h;
    char label[5000];
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    memset(label, 'x', sizeof(label));
    label[sizeof(label) - 1] = '\0';
    co = host_load(&h, "");
    assert_int_equal(kahu_set_thread_label(h.s, co, label), KAHU_OK);
    assert_string_equal(info_of(&h, co).label, label);
    assert_int_equal(kahu_set_thread_label(h.s, co, "short"), KAHU_OK);
    assert_string_equal(info_of(&h, co).label, "short");
    assert_int_equal(kahu_set_thread_label(h.s, co, info_of(&h, co).label),
                     KAHU_OK); /* its own */
    assert_string_equal(info_of(&h, co).label, "short");
    assert_int_equal(kahu_set_thread_data(h.s, co, label), KAHU_OK);
    assert_int_equal(kahu_set_thread_data(h.s, co, NULL), KAHU_OK);
    assert_null(info_of(&h, co).ud);
    co = lua_newthread(h.L);
    assert_int_equal(kahu_set_thread_label(h.s, co, label), KAHU_OK);
    lua_settop(h.L, 0);
    lua_gc(h.L, LUA_GCCOLLECT, 0); /* takes it along */
    assert_int_equal(kahu_set_thread_label(h.s, co, label), KAHU_ESTALE);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Walks                                                                    */
/* ------------------------------------------------------------------------ */

static bool log_label(void *ud, const kahu_thread_info *info) {
    assert_true(info->state != KAHU_THREAD_DEAD);
    host_log(ud, info->label);
    return true;
}

static int64_t walk(struct host *h, lua_State *ancestor) {
    h->log[0] = '\0';
    return kahu_each_thread(h->s, ancestor, log_label, h);
}

/* label(t, text) and drop(name) for scripts. */
static int lua_label(lua_State *L) {
    struct host *h = host_of(L);

    assert_int_equal(
        kahu_set_thread_label(h->s, lua_tothread(L, 1), lua_tostring(L, 2)),
        KAHU_OK);
    return 0;
}

static void open_tracking(struct host *h) {
    host_open(h, NULL);
    host_global(h, "label", lua_label);
    track(h);
}

static lua_State *labelled(struct host *h, const char *label,
                           const char *text) {
    lua_State *co = host_load(h, text);

    assert_int_equal(kahu_set_thread_label(h->s, co, label), KAHU_OK);
    assert_int_equal(kahu_spawn(h->s, co, NULL, 0), KAHU_OK);
    return co;
}

/* All are kept. */
#define FAMILY                                                                 \
    "all = all or {} local function child(name, fn)"                           \
    " local t = coroutine.create(fn or coroutine.yield) label(t, name)"        \
    " table.insert(all, t) coroutine.resume(t) newest = t end "

/* Those it made, and what those made; not itself, nor who comes later. */
static void descendants_only(void **state) {
    struct host h;
    lua_State *a;
    lua_State *b;

    (void)state;
    open_tracking(&h);
    a = labelled(&h, "a",
                 FAMILY "child('a1', function() child('a11')"
                        " task.wait(1) child('a12') coroutine.yield() end)"
                        " child('a2') task.wait(9)");
    b = labelled(&h, "b", FAMILY "child('b1') coroutine.yield()");
    assert_int_equal(walk(&h, NULL), 6);
    assert_log(&h, "a a1 a11 a2 b b1");
    assert_int_equal(walk(&h, a), 3);
    assert_log(&h, "a1 a11 a2");
    (void)kahu_stepped_advance(h.m, SECOND);
    assert_int_equal(walk(&h, a), 4);
    assert_log(&h, "a1 a11 a2 a12");
    assert_int_equal(walk(&h, b), 1);
    assert_int_equal(walk(&h, global_thread(&h, "newest")), 0);
    assert_int_equal(kahu_cancel(h.s, a), KAHU_OK);
    assert_int_equal(walk(&h, a), 4); /* of a dead one, too */
    assert_int_equal(walk(&h, NULL), 6);
    assert_log(&h, "a1 a11 a2 b b1 a12");
    host_close(&h);
}

/* Makers that are collected are stepped over, one after the other. */
static void collected_makers(void **state) {
    struct host h;
    lua_State *root;

    (void)state;
    open_tracking(&h);
    root = labelled(&h, "root",
                    "all = {} local function nest(d)"
                    " local t = coroutine.running() label(t, tostring(d))"
                    " table.insert(all, t)"
                    " if d > 0 then task.spawn(nest, d - 1)"
                    " else keep = t end coroutine.yield() end"
                    " nest(5) coroutine.yield()");
    assert_int_equal(walk(&h, root), 5);
    assert_log(&h, "4 3 2 1 0");
    lua_pushnil(h.L);
    lua_setglobal(h.L, "all");
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    assert_int_equal(walk(&h, root), 1);
    assert_log(&h, "0");
    assert_int_equal(info_named(&h, "keep").parent_id, info_of(&h, root).id);
    assert_int_equal(info_of(&h, root).id, 1);
    host_close(&h);
}

/* A whole tree, collected in the middle, is in order with what comes later. */
static void ids_are_never_used_again(void **state) {
    struct host h;
    uint64_t last = 0;

    (void)state;
    open_tracking(&h);
    for (int round = 0; round < 20; round++) {
        host_run(&h, "kept = kept or {} for i = 1, 50 do"
                     " local t = coroutine.create(print)"
                     " if i % 7 == 0 then table.insert(kept, t) end end"
                     " newest = coroutine.create(print)");
        lua_gc(h.L, LUA_GCCOLLECT, 0);
        assert_true(info_named(&h, "newest").id > last + 50);
        last = info_named(&h, "newest").id;
    }
    assert_int_equal(last, 20 * 52);
    host_close(&h);
}

struct walker {
    struct host *h;
    int calls;
    int end;
    uint64_t last_id;
};

static bool collect_and_check(void *ud, const kahu_thread_info *info) {
    struct walker *w = ud;
    uint64_t id = info->id;

    assert_true(id > w->last_id);
    w->last_id = id;
    lua_pushnil(w->h->L);
    lua_setglobal(w->h->L, "hoard");
    lua_gc(w->h->L, LUA_GCCOLLECT, 0);
    assert_int_equal(info->id, id); /* lent for the call */
    assert_int_equal(lua_costatus(w->h->L, info->co), LUA_COSUS);
    return ++w->calls != w->end;
}

static bool is_collecting(struct host *h) {
    return lua_gc(h->L, LUA_GCISRUNNING, 0) != 0;
}

static bool collector_rests(void *ud, const kahu_thread_info *info) {
    (void)info;
    assert_false(is_collecting(ud));
    return true;
}

/* The collector rests during a walk; one that the host has stopped itself is
 * not set going by it. */
static void a_stopped_collector_stays_so(void **state) {
    struct host h;

    (void)state;
    open_tracking(&h);
    host_run(&h, "coroutine.yield()");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(is_collecting(&h), i == 0);
        assert_int_equal(kahu_each_thread(h.s, NULL, collector_rests, &h), 1);
        assert_int_equal(is_collecting(&h), i == 0);
        lua_gc(h.L, LUA_GCSTOP, 0);
    }
    host_close(&h);
}

/* Those that go in the middle of a walk are left out, and nothing else. */
static void the_collector_runs_in_a_walk(void **state) {
    struct host h;
    struct walker w = {.h = &h};

    (void)state;
    open_tracking(&h);
    host_run(&h, "hoard = {} kept = {} for i = 1, 100 do"
                 " local t = coroutine.create(print)"
                 " table.insert(i % 10 == 0 and kept or hoard, t) end");
    assert_int_equal(kahu_each_thread(h.s, NULL, collect_and_check, &w), 11);
    w = (struct walker){.h = &h, .end = 4};
    assert_int_equal(kahu_each_thread(h.s, NULL, collect_and_check, &w), 4);
    assert_int_equal(w.calls, 4);
    host_close(&h);
}

static bool make_another(void *ud, const kahu_thread_info *info) {
    struct walker *w = ud;

    (void)info;
    if (++w->calls < 1000) {
        (void)host_load(w->h, "");
        lua_gc(w->h->L, LUA_GCCOLLECT, 0);
    }
    return true;
}

/* What fn makes is for the next walk: this one ends. */
static void threads_made_in_a_walk(void **state) {
    struct host h;
    struct walker w = {.h = &h};

    (void)state;
    open_tracking(&h);
    for (int i = 0; i < 3; i++)
        (void)host_load(&h, "");
    assert_int_equal(kahu_each_thread(h.s, NULL, make_another, &w), 3);
    assert_int_equal(w.calls, 3);
    host_close(&h);
}

static bool relabel(void *ud, const kahu_thread_info *info) {
    struct walker *w = ud;

    w->calls++;
    assert_int_equal(kahu_each_thread(w->h->s, NULL, relabel, w), KAHU_ESTATE);
    assert_int_equal(kahu_set_thread_data(w->h->s, info->co, w), KAHU_OK);
    assert_int_equal(kahu_set_thread_label(w->h->s, info->co, "new"), KAHU_OK);
    return true;
}

static void records_change_in_a_walk(void **state) {
    struct host h;
    struct walker w = {.h = &h};

    (void)state;
    open_tracking(&h);
    for (int i = 0; i < 3; i++)
        (void)host_load(&h, "");
    assert_int_equal(kahu_each_thread(h.s, NULL, relabel, &w), 3);
    assert_int_equal(walk(&h, NULL), 3);
    assert_log(&h, "new new new");
    host_close(&h);
}

static bool close_inside(void *ud, const kahu_thread_info *info) {
    struct walker *w = ud;

    (void)info;
    w->calls++;
    kahu_close(w->h->s);
    return true;
}

static bool free_inside(void *ud, const kahu_thread_info *info) {
    struct walker *w = ud;

    (void)info;
    w->calls++;
    kahu_free(w->h->s);
    return true;
}

static void the_scheduler_goes_in_a_walk(void **state) {
    struct host h;
    struct walker w = {.h = &h};

    (void)state;
    for (int i = 0; i < 2; i++) {
        open_tracking(&h);
        w.calls = 0;
        for (int k = 0; k < 3; k++)
            (void)host_load(&h, "");
        (void)kahu_each_thread(h.s, NULL, i == 0 ? close_inside : free_inside,
                               &w);
        assert_true(w.calls > 0);
        if (i == 1)
            h.s = NULL;
        host_close(&h);
    }
}

static void bad_walks_are_refused(void **state) {
    struct host h;
    struct host other;
    lua_State *before;

    (void)state;
    host_open(&h, NULL);
    host_open(&other, NULL);
    assert_int_equal(walk(&h, NULL), KAHU_ESTATE);
    before = host_load(&h, "");
    track(&h);
    assert_int_equal(walk(&h, NULL), 0);
    assert_int_equal(walk(&h, before), KAHU_EINVAL);
    assert_int_equal(walk(&h, h.L), KAHU_EINVAL);
    assert_int_equal(walk(&h, host_load(&other, "")), KAHU_EINVAL);
    assert_int_equal(kahu_each_thread(h.s, NULL, NULL, &h), KAHU_EINVAL);
    kahu_close(h.s);
    assert_int_equal(walk(&h, NULL), KAHU_ESTATE);
    host_close(&other);
    host_close(&h);
}

/* By the host's lua_resume() and before: those that have a wake, oldest wake
 * first; made by nobody, anywhere. */
static void tracking_from_now_on(void **state) {
    struct host h;
    lua_State *co[3];
    kahu_thread_info info;

    (void)state;
    host_open(&h, NULL);
    for (int i = 0; i < 3; i++)
        co[i] = host_load(&h, "task.wait(1)");
    assert_int_equal(kahu_defer(h.s, co[2], 0), KAHU_OK);
    assert_int_equal(kahu_spawn(h.s, co[0], NULL, 0), KAHU_OK);
    track(&h);
    assert_int_equal(info_of(&h, co[2]).id, 1);
    assert_int_equal(info_of(&h, co[0]).id, 2);
    info.size = sizeof(info);
    assert_int_equal(kahu_get_thread_info(h.s, co[1], &info), KAHU_ESTALE);
    assert_int_equal(kahu_delay(h.s, co[1], 0, 1), KAHU_OK);
    info = info_of(&h, co[1]);
    assert_int_equal(info.id, 3);
    assert_int_equal(info.parent_id, 0);
    assert_string_equal(info.started, "");
    assert_string_equal(info_of(&h, co[0]).where, "test:1");
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_it_was_started),
        cmocka_unit_test(the_host_starts_nowhere),
        cmocka_unit_test(c_functions_stand_nowhere),
        cmocka_unit_test(the_main_thread_s_scripts),
        cmocka_unit_test(long_names_keep_the_line),
        cmocka_unit_test(where_it_stands),
        cmocka_unit_test(every_state),
        cmocka_unit_test(what_it_waits_for),
        cmocka_unit_test(since_when),
        cmocka_unit_test(callers_of_other_headers),
        cmocka_unit_test(who_is_not_tracked_is_stale),
        cmocka_unit_test(labels_of_any_length),
        cmocka_unit_test(descendants_only),
        cmocka_unit_test(collected_makers),
        cmocka_unit_test(ids_are_never_used_again),
        cmocka_unit_test(a_stopped_collector_stays_so),
        cmocka_unit_test(the_collector_runs_in_a_walk),
        cmocka_unit_test(threads_made_in_a_walk),
        cmocka_unit_test(records_change_in_a_walk),
        cmocka_unit_test(the_scheduler_goes_in_a_walk),
        cmocka_unit_test(bad_walks_are_refused),
        cmocka_unit_test(tracking_from_now_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
