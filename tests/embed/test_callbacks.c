/* SPDX-License-Identifier: MIT */
/*
 * Callbacks of the VM that host and library both have taken: each is called
 * once, in order, and has what was before it back in the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "kahu/threads.h"

static struct {
    struct host *h;
    int made;
    int freed;
    int resumes;
    int above_made; /* those set after ours */
    int above_resumes;
    int refuse; /* the how manieth thread is refused, from 1 */
} own;

static void own_userthread(lua_State *LP, lua_State *L) {
    kahu_thread_info info = {.size = sizeof(info)};

    if (LP == NULL) {
        own.freed++;
        return;
    }
    own.made++;
    if (own.h != NULL && own.h->s != NULL)
        assert_int_equal(kahu_get_thread_info(own.h->s, L, &info), KAHU_ESTALE);
    if (own.made == own.refuse)
        luaL_error(LP, "refused by the host");
}

static void own_postresume(lua_State *L) {
    assert_non_null(L);
    own.resumes++;
}

static void (*below_userthread)(lua_State *LP, lua_State *L);
static void (*below_postresume)(lua_State *L);

static void above_userthread(lua_State *LP, lua_State *L) {
    own.above_made += LP != NULL;
    below_userthread(LP, L);
}

static void above_postresume(lua_State *L) {
    own.above_resumes++;
    below_postresume(L);
}

static void set_own(struct host *h) {
    memset(&own, 0, sizeof(own));
    own.h = h;
    lua_callbacks(h->L)->userthread = own_userthread;
    lua_callbacks(h->L)->postresume = own_postresume;
}

static void set_above(struct host *h) {
    lua_Callbacks *callbacks = lua_callbacks(h->L);

    below_userthread = callbacks->userthread;
    below_postresume = callbacks->postresume;
    callbacks->userthread = above_userthread;
    callbacks->postresume = above_postresume;
}

static void take_above_out(struct host *h) {
    lua_callbacks(h->L)->userthread = below_userthread;
    lua_callbacks(h->L)->postresume = below_postresume;
}

static void assert_own_are_back(struct host *h) {
    assert_true(lua_callbacks(h->L)->userthread == own_userthread);
    assert_true(lua_callbacks(h->L)->postresume == own_postresume);
}

static bool count(void *ud, const kahu_thread_info *info) {
    (void)info;
    ++*(int64_t *)ud;
    return true;
}

static int64_t live(struct host *h) {
    int64_t n = 0;
    int64_t told = kahu_each_thread(h->s, NULL, count, &n);

    assert_int_equal(told, n);
    return n;
}

static void track(struct host *h) {
    assert_int_equal(kahu_track(h->s), KAHU_OK);
}

/* Ten threads that end, and their maker, which is kept. */
static void work(struct host *h) {
    host_run(h, "for i = 1, 5 do task.spawn(function() end)"
                " coroutine.wrap(function() end)() end");
    lua_gc(h->L, LUA_GCCOLLECT, 0);
}

static bool ended(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)L;
    ++*(int *)ud;
    return f->outcome == KAHU_FAILED;
}

/* ------------------------------------------------------------------------ */
/* Before and after ours                                                    */
/* ------------------------------------------------------------------------ */

/* The host's first: there is no record yet when it is called. */
static void those_from_before(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    set_own(&h);
    track(&h);
    work(&h);
    assert_int_equal(own.made, 11);
    assert_int_equal(own.freed, 10);
    assert_int_equal(own.resumes, 11);
    assert_int_equal(live(&h), 0);
    kahu_close(h.s);
    assert_own_are_back(&h);
    (void)host_load(&h, "");
    assert_int_equal(own.made, 12);
    host_close(&h);
}

/* A host that refuses a thread: none is made, and there is no record. */
static void a_host_may_refuse_a_thread(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    set_own(&h);
    track(&h);
    own.refuse = 3;
    host_run(&h, "kept = {} for i = 1, 4 do"
                 " log((pcall(function() kept[i] = coroutine.create(log)"
                 " end))) end");
    assert_log(&h, "true false true true");
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    assert_int_equal(live(&h), 3);
    assert_int_equal(own.freed, 1);
    host_close(&h);
}

static int ends;

static void those_from_after(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    set_own(&h);
    track(&h);
    set_above(&h);
    work(&h);
    assert_int_equal(own.made, 11);
    assert_int_equal(own.above_made, 11);
    assert_int_equal(own.resumes, 11);
    assert_int_equal(own.above_resumes, 11);
    assert_int_equal(live(&h), 0);
    ends = 0;
    co = host_load(&h, "");
    assert_int_equal(kahu_watch(h.s, co, ended, &ends, NULL), KAHU_OK);
    assert_int_equal(lua_resume(co, NULL, 0), LUA_OK);
    assert_int_equal(ends, 1);
    assert_int_equal(own.resumes, 12);
    assert_int_equal(own.above_resumes, 12);
    take_above_out(&h);
    kahu_close(h.s);
    assert_own_are_back(&h);
    host_close(&h);
}

/* Taken and given back with what needs it; never twice while one above stays,
 * so that each resume is told of once. */
static void watches_come_and_go_below_another(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    set_own(&h);
    ends = 0;
    for (int i = 1; i <= 5; i++) {
        co = host_load(&h, "");
        assert_int_equal(kahu_watch(h.s, co, ended, &ends, NULL), KAHU_OK);
        if (i == 1)
            set_above(&h);
        assert_int_equal(lua_resume(co, NULL, 0), LUA_OK);
        assert_int_equal(ends, i);
        assert_int_equal(own.resumes, i);
        assert_int_equal(own.above_resumes, i);
    }
    take_above_out(&h);
    co = host_load(&h, "");
    assert_int_equal(kahu_watch(h.s, co, ended, &ends, NULL), KAHU_OK);
    assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    assert_own_are_back(&h);
    host_close(&h);
}

/* Every reason by itself, and all together. */
static void no_reason_no_callback(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    set_own(&h);
    hooks.on_resume = NULL;
    hooks.user_resumes = true; /* and nobody who would be told */
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    assert_own_are_back(&h);
    co = host_run(&h, "coroutine.yield()");
    assert_int_equal(kahu_watch(h.s, co, ended, &ends, NULL), KAHU_OK);
    assert_int_equal(kahu_cancel_after(h.s, co, 5), KAHU_OK);
    assert_true(lua_callbacks(h.L)->postresume != own_postresume);
    assert_true(lua_callbacks(h.L)->userthread == own_userthread);
    assert_int_equal(kahu_unwatch(h.s, co, ended, &ends), KAHU_OK);
    assert_true(lua_callbacks(h.L)->postresume != own_postresume);
    host_finish(&h);
    host_run(&h, "");
    assert_own_are_back(&h);
    host_close(&h);
}

static void count_user_resumes(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)L;
    *(int *)ud += f->cause == KAHU_BY_USER;
}

static void add_counter(struct host *h, int *resumes) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    *resumes = 0;
    hooks.ud = resumes;
    hooks.on_resume = count_user_resumes;
    hooks.user_resumes = true;
    assert_int_equal(kahu_add_hooks(h->s, &hooks), KAHU_OK);
}

static int lua_break_here(lua_State *L) {
    return lua_break(L);
}

/* A thread that a debugger has stopped has neither yielded nor ended: nobody is
 * told, by whomever it was resumed, until it has gone on. */
static void a_debugger_breaks_in(void **state) {
    struct host h;
    int resumes;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "stop", lua_break_here);
    add_counter(&h, &resumes);
    for (int by_hand = 0; by_hand < 2; by_hand++) {
        lua_State *co = host_load(&h, "stop() log('on')");

        ends = 0;
        assert_int_equal(kahu_watch(h.s, co, ended, &ends, NULL), KAHU_OK);
        if (by_hand)
            assert_int_equal(lua_resume(co, NULL, 0), LUA_BREAK);
        else
            assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
        assert_int_equal(lua_status(co), LUA_BREAK);
        assert_int_equal(ends, 0);
        assert_int_equal(resumes, by_hand);
        assert_int_equal(lua_resume(co, NULL, 0), LUA_OK);
        assert_int_equal(ends, 1);
        assert_int_equal(resumes, by_hand + 1);
    }
    assert_log(&h, "on on");
    host_close(&h);
}

/* The main thread is no coroutine, and nothing is told of it. */
static void the_main_thread_is_resumed(void **state) {
    struct host h;
    int resumes;

    (void)state;
    host_open(&h, NULL);
    add_counter(&h, &resumes);
    lua_xmove(host_load(&h, "coroutine.wrap(log)('on')"), h.L, 1);
    assert_int_equal(lua_resume(h.L, NULL, 0), LUA_OK);
    assert_log(&h, "on");
    assert_int_equal(resumes, 1); /* the wrapped one's */
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Lives of schedulers                                                      */
/* ------------------------------------------------------------------------ */

/* One after the other, with threads that live on and are collected later. */
static void attached_again(void **state) {
    struct host h;
    lua_State *old;

    (void)state;
    host_open(&h, NULL);
    set_own(&h);
    for (int i = 0; i < 4; i++) {
        track(&h);
        old = host_run(&h, "kept = {} for i = 1, 9 do"
                           " kept[i] = task.delay(1, log) end task.wait(1)");
        assert_int_equal(live(&h), 10);
        assert_int_equal(kahu_set_thread_label(h.s, old, "old"), KAHU_OK);
        own.h = NULL; /* the next scheduler's threads are made meanwhile */
        kahu_free(h.s);
        assert_own_are_back(&h);
        host_attach(&h, NULL);
        own.h = &h;
        host_run(&h, "kept = nil");
        lua_gc(h.L, LUA_GCCOLLECT, 0);
    }
    assert_int_equal(kahu_each_thread(h.s, NULL, count, &own.made),
                     KAHU_ESTATE);
    host_close(&h);
}

static void resume_by_hand(struct host *h) {
    lua_State *co = host_load(h, "coroutine.yield()");

    assert_int_equal(lua_resume(co, NULL, 0), LUA_YIELD);
}

/* Not as the manual wants it, but no harm: one above stays for two lives, and
 * calls the host's own, and nobody else, between them. */
static void one_above_outlives_the_scheduler(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    set_own(&h);
    track(&h);
    set_above(&h);
    own.h = NULL;
    kahu_free(h.s);
    own.made = own.above_made = own.resumes = own.above_resumes = 0;
    resume_by_hand(&h);
    assert_int_equal(own.made, 1);
    assert_int_equal(own.above_made, 1);
    assert_int_equal(own.resumes, 1);
    assert_int_equal(own.above_resumes, 1);
    host_attach(&h, NULL);
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    own.made = own.above_made = own.resumes = own.above_resumes = 0;
    work(&h);
    assert_int_equal(own.made, 11);
    assert_int_equal(own.above_made, 11);
    track(&h);
    work(&h);
    assert_int_equal(own.made, 22);
    assert_int_equal(own.above_made, 22);
    assert_int_equal(own.resumes, 22);
    assert_int_equal(own.above_resumes, 22);
    assert_int_equal(live(&h), 0);
    take_above_out(&h);
    kahu_free(h.s);
    h.s = NULL;
    assert_own_are_back(&h);
    host_close(&h);
}

/* One that comes back after ours were given back calls what is nobody's any
 * more; the next scheduler is not in its way. */
static void one_above_that_comes_back(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    set_own(&h);
    track(&h);
    set_above(&h);
    take_above_out(&h);
    own.h = NULL;
    kahu_free(h.s);
    assert_own_are_back(&h);
    lua_callbacks(h.L)->userthread = above_userthread;
    own.made = own.above_made = own.freed = 0;
    resume_by_hand(&h);
    assert_int_equal(own.above_made, 1);
    assert_int_equal(own.made, 0);
    lua_callbacks(h.L)->userthread = own_userthread;
    host_attach(&h, NULL);
    track(&h);
    work(&h);
    assert_int_equal(live(&h), 0);
    host_close(&h);
}

/* Several VMs at a time, opened and closed in any order. */
#define VMS 5

static void several_vms(void **state) {
    struct host h[VMS];
    static const int order[VMS] = {2, 0, 4, 3, 1};

    (void)state;
    for (int i = 0; i < VMS; i++) {
        host_open(&h[i], NULL);
        track(&h[i]);
    }
    for (int i = 0; i < VMS; i++) {
        for (int k = 0; k <= order[i]; k++)
            host_run(&h[order[i]], "coroutine.yield()");
        for (int k = 0; k < VMS; k++)
            work(&h[k]);
    }
    for (int i = 0; i < VMS; i++)
        assert_int_equal(live(&h[i]), i + 1);
    for (int i = 0; i < VMS; i++) {
        host_close(&h[order[i]]);
        for (int k = i + 1; k < VMS; k++) {
            work(&h[order[k]]);
            assert_int_equal(live(&h[order[k]]), order[k] + 1);
        }
    }
}

/* What is collected takes its record along: memory is where it was. */
static void records_take_no_more_than_threads(void **state) {
    kahu_stats stats = {.size = sizeof(stats)};
    uint64_t before = 0;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    track(&h);
    for (int i = 0; i < 4; i++) {
        host_run(&h, "local t = {} for i = 1, 2000 do"
                     " t[i] = coroutine.create(log) end");
        lua_gc(h.L, LUA_GCCOLLECT, 0);
        kahu_get_stats(h.s, &stats);
        if (i > 0)
            assert_true(stats.bytes <= before + 65536);
        before = stats.bytes;
    }
    assert_true(stats.bytes_peak > before);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* The collector, and memory that is out                                    */
/* ------------------------------------------------------------------------ */

static struct {
    size_t bytes;
    long until; /* allocations that succeed; below 0: all do */
} pool;

static void *pool_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    (void)ud;
    if (nsize == 0) {
        free(ptr);
        pool.bytes -= ptr == NULL ? 0 : osize;
        return NULL;
    }
    if (pool.until == 0)
        return NULL;
    if (pool.until > 0)
        pool.until--;
    pool.bytes += nsize - (ptr == NULL ? 0 : osize);
    return realloc(ptr, nsize);
}

static int make_threads(lua_State *L) {
    for (int i = 0; i < 20; i++) {
        (void)lua_newthread(L);
        lua_pop(L, 1);
    }
    return 0;
}

/* A thread whose making failed half-way is the collector's to free, too. */
static void half_made_threads(void **state) {
    int failures = 0;

    (void)state;
    for (long n = 0; failures == (int)n; n++) {
        struct host h = {0};

        pool.bytes = 0;
        pool.until = -1;
        h.L = lua_newstate(pool_alloc, NULL);
        assert_non_null(h.L);
        luaL_openlibs(h.L);
        lua_callbacks(h.L)->userdata = &h;
        host_attach(&h, NULL);
        track(&h);
        pool.until = n;
        failures += lua_cpcall(h.L, make_threads, NULL) != LUA_OK;
        pool.until = -1;
        lua_settop(h.L, 0);
        lua_gc(h.L, LUA_GCCOLLECT, 0);
        assert_int_equal(live(&h), 0);
        host_close(&h);
        assert_int_equal(pool.bytes, 0);
    }
    assert_true(failures > 10);
}

/* A collector that goes in small steps, in the middle of everything. */
static int lua_step(lua_State *L) {
    (void)lua_gc(L, LUA_GCSTEP, 1);
    return 0;
}

static void the_collector_in_small_steps(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    set_own(&h);
    track(&h);
    host_global(&h, "step", lua_step);
    host_run(&h, "kept = {} for i = 1, 3000 do"
                 " local t = task.spawn(function() step()"
                 "  if i % 2 == 0 then coroutine.yield() end end)"
                 " if i % 3 == 0 then table.insert(kept, t) end step()"
                 " if #kept > 40 then kept = {} end end");
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    lua_getglobal(h.L, "kept");
    assert_int_equal(live(&h), lua_objlen(h.L, -1) / 2);
    assert_int_equal(own.made - own.freed, lua_objlen(h.L, -1) + 1);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Hooks that do something to a thread somebody else has resumed             */
/* ------------------------------------------------------------------------ */

struct closer {
    struct host *h;
    const char *text; /* run once, when a script's resume has failed */
};

static void close_it(void *ud, lua_State *L, const kahu_feedback *f) {
    struct closer *c = ud;
    const char *text = c->text;

    (void)L;
    if (f->cause != KAHU_BY_USER || f->outcome != KAHU_FAILED || text == NULL)
        return;
    c->text = NULL;
    host_run(c->h, text);
}

/* The VM takes the error value from the stack of the thread it has resumed:
 * there it is, whatever a hook has done to that thread. */
static void errors_are_safe_from_hooks(void **state) {
    static const char *const resumes[] = {
        "log(coroutine.resume(co))",
        "log(pcall(coroutine.wrap(function() error('boom', 0) end)))",
    };
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct host h;
        struct closer c = {&h, "coroutine.close(co)"};

        host_open(&h, NULL);
        hooks.ud = &c;
        hooks.on_resume = close_it;
        hooks.user_resumes = true;
        assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
        host_run(&h, "co = coroutine.create(function() error('boom', 0) end)");
        host_run(&h, resumes[i]);
        assert_log(&h, "false boom");
        host_run(&h, "log(coroutine.status(co))");
        host_close(&h);
    }
}

static void empty_it(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    (void)L;
    if (f->cause == KAHU_BY_USER && f->outcome == KAHU_FAILED)
        lua_settop(f->co, 0);
}

/* Also one that does what no hook may, and takes it from there. */
static void errors_are_safe_from_bad_hooks(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    hooks.on_resume = empty_it;
    hooks.user_resumes = true;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    host_run(&h, "log(coroutine.resume(coroutine.create(function()"
                 " error('boom', 0) end)))");
    assert_log(&h, "false boom");
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_from_before),
        cmocka_unit_test(a_host_may_refuse_a_thread),
        cmocka_unit_test(those_from_after),
        cmocka_unit_test(watches_come_and_go_below_another),
        cmocka_unit_test(no_reason_no_callback),
        cmocka_unit_test(a_debugger_breaks_in),
        cmocka_unit_test(the_main_thread_is_resumed),
        cmocka_unit_test(attached_again),
        cmocka_unit_test(one_above_outlives_the_scheduler),
        cmocka_unit_test(one_above_that_comes_back),
        cmocka_unit_test(several_vms),
        cmocka_unit_test(records_take_no_more_than_threads),
        cmocka_unit_test(half_made_threads),
        cmocka_unit_test(the_collector_in_small_steps),
        cmocka_unit_test(errors_are_safe_from_hooks),
        cmocka_unit_test(errors_are_safe_from_bad_hooks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
