/* SPDX-License-Identifier: MIT */
/*
 * Records of threads, and the VM's callbacks that are shared with the host.
 */
#include <stdio.h>
#include <string.h>

#include "host.h"
#include "kahu/threads.h"

static bool log_thread(void *ud, const kahu_thread_info *t) {
    struct host *h = ud;
    char word[64];

    assert_int_equal(t->size, sizeof(*t));
    snprintf(word, sizeof(word), "%u<%u", (unsigned)t->id,
             (unsigned)t->parent_id);
    host_log(h, word);
    return true;
}

static int64_t list(struct host *h, lua_State *ancestor) {
    h->log[0] = '\0';
    return kahu_each_thread(h->s, ancestor, log_thread, h);
}

static void track(struct host *h) {
    assert_int_equal(kahu_track(h->s), KAHU_OK);
    assert_int_equal(kahu_track(h->s), KAHU_OK);
}

static void threads_are_listed_in_order_of_making(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_each_thread(h.s, NULL, log_thread, &h), KAHU_ESTATE);
    track(&h);
    co = host_run(&h, "keep = task.spawn(function()"
                      " task.spawn(task.wait, 3) task.wait(1) end)"
                      "task.delay(2, log) coroutine.yield()");
    host_run(&h, "task.wait(1)");
    assert_int_equal(list(&h, NULL), 5);
    assert_log(&h, "1<0 2<1 3<2 4<1 5<0");
    assert_int_equal(list(&h, co), 3);
    assert_log(&h, "2<1 3<2 4<1");
    (void)kahu_stepped_advance(h.m, UINT64_C(1500000000));
    assert_int_equal(list(&h, NULL), 3); /* the dead are not live */
    assert_log(&h, "1<0 3<2 4<1");
    assert_int_equal(kahu_each_thread(h.s, NULL, NULL, NULL), KAHU_EINVAL);
    assert_int_equal(kahu_each_thread(h.s, h.L, log_thread, &h), KAHU_EINVAL);
    host_close(&h);
}

/* What a collected thread made counts as made by its maker. */
static void a_collected_maker_is_stepped_over(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    co = host_run(&h, "task.spawn(function() task.spawn(task.wait, 9) end)"
                      "coroutine.yield()");
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    assert_int_equal(list(&h, co), 1);
    assert_log(&h, "3<1");
    host_close(&h);
}

static bool stop_at_once(void *ud, const kahu_thread_info *t) {
    (void)t;
    ++*(int *)ud;
    return false;
}

static bool collect_and_nest(void *ud, const kahu_thread_info *t) {
    struct host *h = ud;

    (void)t;
    lua_gc(h->L, LUA_GCCOLLECT, 0);
    assert_int_equal(kahu_each_thread(h->s, NULL, log_thread, h), KAHU_ESTATE);
    host_log(h, "one");
    return true;
}

/* What is garbage is no live thread, be it freed already or not. */
static void a_walk_may_end_early_and_bear_the_collector(void **state) {
    struct host h;
    int calls = 0;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    host_run(&h, "for i = 1, 5 do coroutine.create(log) end task.wait(1)"
                 "task.wait(1)");
    assert_int_equal(kahu_each_thread(h.s, NULL, stop_at_once, &calls), 1);
    assert_int_equal(calls, 1);
    assert_int_equal(list(&h, NULL), 1);
    h.log[0] = '\0';
    assert_int_equal(kahu_each_thread(h.s, NULL, collect_and_nest, &h), 1);
    assert_log(&h, "one");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* One thread                                                               */
/* ------------------------------------------------------------------------ */

static kahu_thread_info info_of(struct host *h, lua_State *co) {
    kahu_thread_info info = {.size = sizeof(info)};

    assert_int_equal(kahu_get_thread_info(h->s, co, &info), KAHU_OK);
    assert_ptr_equal(info.co, co);
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

static void what_it_waits_for_and_where(void **state) {
    struct host h;
    kahu_thread_info info;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    (void)kahu_stepped_advance(h.m, 500);
    host_run(&h, "sleeper = task.spawn(function()\n"
                 "  task.wait(1)\n"
                 "end)\n"
                 "fresh = coroutine.create(function()\n end)\n"
                 "delayed = task.delay(2, function() end)\n"
                 "idle = task.spawn(coroutine.yield)\n"
                 "both = task.spawn(task.wait, 5) task.defer(both)");
    info = info_of(&h, global_thread(&h, "sleeper"));
    assert_int_equal(info.state, KAHU_THREAD_YIELDED);
    assert_int_equal(info.wakes, 1);
    assert_int_equal(info.waits_for, KAHU_WAIT);
    assert_int_equal(info.deadline_ns, UINT64_C(1000000500));
    assert_int_equal(info.since_ns, 500);
    assert_string_equal(info.where, "test:2");
    assert_string_equal(info.started, "test:1");
    assert_string_equal(info.label, "");

    info = info_of(&h, global_thread(&h, "fresh"));
    assert_int_equal(info.state, KAHU_THREAD_FRESH);
    assert_int_equal(info.wakes, 0);
    assert_int_equal(info.waits_for, KAHU_KINDS);
    assert_int_equal(info.deadline_ns, KAHU_NEVER_NS);
    assert_string_equal(info.where, "test:4");

    info = info_of(&h, global_thread(&h, "delayed"));
    assert_int_equal(info.waits_for, KAHU_DELAY);
    assert_string_equal(info.where, "test:6");
    assert_string_equal(info_of(&h, global_thread(&h, "idle")).where, "");
    info = info_of(&h, global_thread(&h, "both"));
    assert_int_equal(info.wakes, 2);
    assert_int_equal(info.waits_for, KAHU_WAIT);
    host_close(&h);
}

static int look_at_self(lua_State *L) {
    kahu_thread_info info = info_of(host_of(L), L);

    assert_int_equal(info.state, KAHU_THREAD_RUNNING);
    host_log(host_of(L), info.where);
    return 0;
}

static const char *origin_of(struct host *h, lua_State *co, unsigned level) {
    static char where[KAHU_WHERE_SIZE];

    memset(where, 'x', sizeof(where));
    assert_int_equal(kahu_get_thread_origin(h->s, co, level, where), KAHU_OK);
    return where;
}

static void who_started_whom(void **state) {
    struct host h;
    lua_State *inner;
    char where[KAHU_WHERE_SIZE];

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "before = task.delay(9, function() end)");
    track(&h);
    host_run(&h, "outer = task.spawn(function()\n"
                 "  inner = task.spawn(function() task.wait(1) end)\n"
                 "  task.wait(1)\n"
                 "end)");
    inner = global_thread(&h, "inner");
    assert_string_equal(origin_of(&h, inner, 0), "test:2");
    assert_string_equal(origin_of(&h, inner, 1), "test:1");
    assert_string_equal(origin_of(&h, inner, 2), "");
    assert_int_equal(kahu_get_thread_origin(h.s, inner, 3, where), KAHU_ESTALE);
    assert_int_equal(kahu_get_thread_origin(h.s, inner, 0, NULL), KAHU_EINVAL);
    assert_string_equal(origin_of(&h, global_thread(&h, "before"), 0), "");
    host_close(&h);
}

/* Each of these threads ends as soon as it has made the next one. */
static lua_State *end_of_a_chain(struct host *h, int length) {
    lua_pushinteger(h->L, length);
    lua_setglobal(h->L, "length");
    host_run(h, "local function f(n)\n"
                "  if n == 0 then last = coroutine.running() task.wait(1) end\n"
                "  if n > 0 then task.defer(f, n - 1) end\n"
                "end\n"
                "f(length)");
    (void)kahu_stepped_advance(h->m, 0);
    lua_gc(h->L, LUA_GCCOLLECT, 0);
    return global_thread(h, "last");
}

static void makers_that_were_collected(void **state) {
    struct host h;
    lua_State *last;
    char where[KAHU_WHERE_SIZE];

    (void)state;
    host_open(&h, NULL);
    track(&h);
    last = end_of_a_chain(&h, 2);
    assert_int_equal(info_of(&h, last).id, 3);
    assert_int_equal(info_of(&h, last).parent_id, 1); /* 2 was collected */
    assert_string_equal(origin_of(&h, last, 0), "test:3");
    assert_string_equal(origin_of(&h, last, 1), "test:3");
    assert_string_equal(origin_of(&h, last, 2), "");
    assert_int_equal(kahu_get_thread_origin(h.s, last, 3, where), KAHU_ESTALE);
    host_close(&h);
}

/* As many are told of as are promised, wherever it was that older ones were
 * forgotten. */
static void a_long_line_of_makers(void **state) {
    char where[KAHU_WHERE_SIZE];

    (void)state;
    for (int length = 14; length < 70; length++) {
        struct host h;
        lua_State *last;

        host_open(&h, NULL);
        track(&h);
        last = end_of_a_chain(&h, length);
        for (int level = 0; level < KAHU_ORIGIN_LEVELS; level++)
            if (level <= length)
                assert_string_equal(origin_of(&h, last, (unsigned)level),
                                    level == length ? "" : "test:3");
        assert_int_equal(
            kahu_get_thread_origin(h.s, last, KAHU_ORIGIN_LEVELS, where),
            KAHU_ESTALE);
        host_close(&h);
    }
}

static void nobody_is_known_without_tracking(void **state) {
    struct host h;
    char where[KAHU_WHERE_SIZE];

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "sleeper = task.delay(9, function() end)");
    assert_int_equal(
        kahu_get_thread_origin(h.s, global_thread(&h, "sleeper"), 0, where),
        KAHU_ESTALE);
    host_close(&h);
}

static void a_running_thread_and_when_it_last_yielded(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    host_global(&h, "look", look_at_self);
    co = host_run(&h, "task.wait(1)\nlook()\ncoroutine.wrap(look)()\n"
                      "task.wait(1)");
    (void)kahu_stepped_advance(h.m, UINT64_C(1200000000));
    assert_log(&h, "test:2 ");
    assert_int_equal(info_of(&h, co).since_ns, UINT64_C(1000000000));
    host_finish(&h);
    assert_int_equal(info_of(&h, co).state, KAHU_THREAD_DEAD);
    host_close(&h);
}

static void labels_and_data(void **state) {
    struct host h;
    lua_State *co;
    char label[] = "loader";
    int data;

    (void)state;
    host_open(&h, NULL);
    co = host_load(&h, "");
    assert_int_equal(kahu_set_thread_label(h.s, co, label), KAHU_ESTALE);
    assert_int_equal(kahu_set_thread_data(h.s, co, &data), KAHU_ESTALE);
    track(&h);
    co = host_load(&h, "");
    assert_int_equal(kahu_set_thread_label(h.s, co, label), KAHU_OK);
    label[0] = 'x'; /* it was copied */
    assert_int_equal(kahu_set_thread_data(h.s, co, &data), KAHU_OK);
    assert_string_equal(info_of(&h, co).label, "loader");
    assert_ptr_equal(info_of(&h, co).ud, &data);
    assert_int_equal(kahu_set_thread_label(h.s, co, ""), KAHU_OK);
    assert_string_equal(info_of(&h, co).label, "");
    host_close(&h);
}

/* A caller built against an older header gets what it knows. */
static void an_older_caller_is_served(void **state) {
    struct host h;
    kahu_thread_info info;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    co = host_load(&h, "");
    memset(&info, 0x55, sizeof(info));
    info.size = offsetof(kahu_thread_info, ud);
    assert_int_equal(kahu_get_thread_info(h.s, co, &info), KAHU_OK);
    assert_int_equal(info.id, 1);
    assert_int_equal(info.since_ns, UINT64_C(0x5555555555555555));
    info.size = 0;
    assert_int_equal(kahu_get_thread_info(h.s, co, &info), KAHU_EINVAL);
    assert_int_equal(kahu_get_thread_info(h.s, h.L, &info), KAHU_EINVAL);
    host_close(&h);
}

/* Those that were there before are met when they have a wake. */
static void tracking_may_begin_late(void **state) {
    struct host h;
    lua_State *idle;

    (void)state;
    host_open(&h, NULL);
    idle = host_run(&h, "coroutine.yield() task.wait(1)");
    host_run(&h, "task.wait(2)");
    host_run(&h, "task.wait(1)");
    track(&h);
    assert_int_equal(list(&h, NULL), 2);
    assert_int_equal(kahu_spawn(h.s, idle, NULL, 0), KAHU_OK);
    assert_int_equal(list(&h, NULL), 3);
    assert_log(&h, "1<0 2<0 3<0");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* The host's own callbacks                                                 */
/* ------------------------------------------------------------------------ */

static struct {
    int made;
    int freed;
    int resumes;
} own;

static void own_userthread(lua_State *LP, lua_State *L) {
    assert_non_null(L);
    if (LP != NULL)
        own.made++;
    else
        own.freed++;
}

static void own_postresume(lua_State *L) {
    assert_non_null(L);
    own.resumes++;
}

static void set_own(struct host *h) {
    lua_callbacks(h->L)->userthread = own_userthread;
    lua_callbacks(h->L)->postresume = own_postresume;
    memset(&own, 0, sizeof(own));
}

static void work(struct host *h) {
    host_run(h, "for i = 1, 10 do task.spawn(function() end) end");
    lua_gc(h->L, LUA_GCCOLLECT, 0);
    assert_int_equal(own.made, 11);
    assert_int_equal(own.freed, 10);
    assert_int_equal(own.resumes, 11);
}

static void the_host_s_own_are_called_and_given_back(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    set_own(&h);
    track(&h);
    assert_ptr_not_equal(lua_callbacks(h.L)->userthread, own_userthread);
    work(&h);
    assert_int_equal(list(&h, NULL), 0);
    kahu_free(h.s);
    assert_ptr_equal(lua_callbacks(h.L)->userthread, own_userthread);
    assert_ptr_equal(lua_callbacks(h.L)->postresume, own_postresume);
    host_attach(&h, NULL);
    lua_gc(h.L, LUA_GCCOLLECT, 0); /* the hidden threads of the one before */
    set_own(&h);
    work(&h);
    track(&h);
    memset(&own, 0, sizeof(own));
    work(&h);
    host_close(&h);
}

static void (*chained_userthread)(lua_State *LP, lua_State *L);

static void later_userthread(lua_State *LP, lua_State *L) {
    chained_userthread(LP, L);
    own_userthread(LP, L);
}

/* One that comes later calls ours; taken out again before the end. */
static void a_later_one_may_chain_to_ours(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    memset(&own, 0, sizeof(own));
    chained_userthread = lua_callbacks(h.L)->userthread;
    lua_callbacks(h.L)->userthread = later_userthread;
    host_run(&h, "for i = 1, 10 do task.spawn(function() end) end");
    assert_int_equal(own.made, 11);
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    assert_int_equal(own.freed, 10);
    assert_int_equal(list(&h, NULL), 0);
    lua_callbacks(h.L)->userthread = chained_userthread;
    host_close(&h);
}

/* The host's thread data is its own. */
static void thread_data_is_left_alone(void **state) {
    struct host h;
    lua_State *co;
    int data;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    co = host_load(&h, "task.wait(1)");
    lua_setthreaddata(co, &data);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    host_finish(&h);
    assert_ptr_equal(lua_getthreaddata(co), &data);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_are_listed_in_order_of_making),
        cmocka_unit_test(a_collected_maker_is_stepped_over),
        cmocka_unit_test(a_walk_may_end_early_and_bear_the_collector),
        cmocka_unit_test(what_it_waits_for_and_where),
        cmocka_unit_test(who_started_whom),
        cmocka_unit_test(makers_that_were_collected),
        cmocka_unit_test(a_long_line_of_makers),
        cmocka_unit_test(nobody_is_known_without_tracking),
        cmocka_unit_test(a_running_thread_and_when_it_last_yielded),
        cmocka_unit_test(labels_and_data),
        cmocka_unit_test(an_older_caller_is_served),
        cmocka_unit_test(tracking_may_begin_late),
        cmocka_unit_test(the_host_s_own_are_called_and_given_back),
        cmocka_unit_test(a_later_one_may_chain_to_ours),
        cmocka_unit_test(thread_data_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
