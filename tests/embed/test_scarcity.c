/* SPDX-License-Identifier: MIT */
/*
 * Calls that find no memory, at each of their allocations: the status says so,
 * nothing has changed, and the same call is good when there is memory again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sched.h"
#include "host.h"
#include "kahu/threads.h"

/* ------------------------------------------------------------------------ */
/* The allocator, and a host that has it                                    */
/* ------------------------------------------------------------------------ */

static struct {
    size_t bytes;
    long until;    /* allocations that succeed first; below 0: all do */
    long failures; /* how many fail then */
    bool failed;
} pool;

static bool pool_fails(void) {
    if (pool.until < 0 || pool.failures == 0)
        return false;
    if (pool.until > 0) {
        pool.until--;
        return false;
    }
    pool.failures--;
    pool.failed = true;
    return true;
}

static void *pool_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    void *moved;

    (void)ud;
    if (nsize == 0) {
        free(ptr);
        pool.bytes -= ptr == NULL ? 0 : osize;
        return NULL;
    }
    if (pool_fails())
        return NULL;
    moved = realloc(ptr, nsize);
    assert_non_null(moved);
    pool.bytes += nsize - (ptr == NULL ? 0 : osize);
    return moved;
}

#define THREADS 6

static struct scene {
    struct host h;
    lua_State *co[THREADS];
    kahu_scope scope;
    int told;
    int dropped;
    int gettop; /* of the host's stack, before */
} scene;

static void scene_open(void) {
    memset(&scene, 0, sizeof(scene));
    memset(&pool, 0, sizeof(pool));
    pool.until = -1;
    scene.h.L = lua_newstate(pool_alloc, NULL);
    assert_non_null(scene.h.L);
    luaL_openlibs(scene.h.L);
    lua_callbacks(scene.h.L)->userdata = &scene.h;
    host_attach(&scene.h, NULL);
    for (int i = 0; i < THREADS; i++)
        scene.co[i] = host_run(&scene.h, i % 2 == 0 ? "coroutine.yield()"
                                                    : "task.wait(1e6)");
}

static void scene_close(void) {
    host_close(&scene.h);
    assert_int_equal(pool.bytes, 0);
}

static bool told(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    (void)L;
    (void)f;
    scene.told++;
    return true;
}

static void dropped(void *ud) {
    (void)ud;
    scene.dropped++;
}

static void none_before(void) {
}

/* ------------------------------------------------------------------------ */
/* Every allocation                                                         */
/* ------------------------------------------------------------------------ */

struct trial {
    void (*before)(void);
    kahu_status (*call)(void);
    void (*unchanged)(void); /* after a failure */
    void (*done)(void);      /* after a success */
};

/* False when there was nothing left to fail. */
static bool try_once(const struct trial *t, long until, long failures) {
    kahu_status status;
    bool failed;

    scene_open();
    t->before();
    pool.until = until;
    pool.failures = failures;
    status = t->call();
    pool.until = -1;
    failed = pool.failed;
    kahu__verify(scene.h.s);
    if (status != KAHU_OK) {
        assert_int_equal(status, KAHU_ENOMEM);
        assert_true(failed);
        t->unchanged();
        status = t->call();
    }
    assert_int_equal(status, KAHU_OK);
    t->done();
    kahu__verify(scene.h.s);
    scene_close();
    return failed;
}

static void try_all(const struct trial *t) {
    long n = 0;

    while (try_once(t, n, 1))
        n++;
    assert_true(n > 0);
    for (n = 0; try_once(t, n, 1000);)
        n++;
}

/* ------------------------------------------------------------------------ */
/* Watches                                                                  */
/* ------------------------------------------------------------------------ */

static kahu_status call_watch(void) {
    return kahu_watch(scene.h.s, scene.co[0], told, NULL, dropped);
}

static void watch_others(void) {
    for (int i = 0; i < 4; i++) /* to the end of what is at hand */
        assert_int_equal(
            kahu_watch(scene.h.s, scene.co[1 + i], told, NULL, NULL), KAHU_OK);
}

static void no_watch(void) {
    assert_int_equal(scene.told + scene.dropped, 0);
    assert_int_equal(kahu_unwatch(scene.h.s, scene.co[0], told, NULL),
                     KAHU_ESTALE);
    assert_int_equal(lua_costatus(scene.h.L, scene.co[0]), LUA_COSUS);
    assert_int_equal(lua_gettop(scene.co[0]), 0);
}

static void one_watch(void) {
    assert_int_equal(kahu_cancel(scene.h.s, scene.co[0]), KAHU_OK);
    assert_int_equal(scene.told, 1);
    assert_int_equal(scene.dropped, 1);
}

static void watches(void **state) {
    static const struct trial first = {none_before, call_watch, no_watch,
                                       one_watch};
    static const struct trial more = {watch_others, call_watch, no_watch,
                                      one_watch};

    (void)state;
    try_all(&first);
    try_all(&more);
}

/* ------------------------------------------------------------------------ */
/* Starts                                                                   */
/* ------------------------------------------------------------------------ */

static lua_State *started;

static void push_function(void) {
    lua_xmove(host_load(&scene.h, "coroutine.yield(...)"), scene.h.L, 1);
    lua_pushnumber(scene.h.L, 1);
    lua_pushnumber(scene.h.L, 2);
    scene.gettop = lua_gettop(scene.h.L);
    started = NULL;
}

static void push_thread(void) {
    lua_pushthread(scene.co[0]);
    lua_xmove(scene.co[0], scene.h.L, 1);
    lua_pushnumber(scene.h.L, 1);
    lua_pushnumber(scene.h.L, 2);
    scene.gettop = lua_gettop(scene.h.L);
    started = NULL;
}

static void track_and_push(void) {
    assert_int_equal(kahu_track(scene.h.s), KAHU_OK);
    push_function();
}

static kahu_status call_start(void) {
    return kahu_start(scene.h.s, scene.h.L, 2, told, NULL, dropped, &started);
}

static void not_started(void) {
    lua_State *L = scene.h.L;

    assert_int_equal(scene.told + scene.dropped, 0);
    assert_null(started);
    assert_int_equal(lua_gettop(L), scene.gettop);
    assert_int_equal(lua_tonumber(L, -1), 2);
    assert_true(lua_isfunction(L, -3) || lua_isthread(L, -3));
    assert_int_equal(kahu_count_all(scene.h.s), THREADS / 2);
}

/* The script itself may have found no memory: an end like any other. */
static void is_started(void) {
    assert_int_equal(lua_gettop(scene.h.L), scene.gettop - 2);
    assert_ptr_equal(lua_tothread(scene.h.L, -1), started);
    assert_int_equal(kahu_cancel(scene.h.s, started), KAHU_OK);
    assert_int_equal(scene.told, 1);
    assert_int_equal(scene.dropped, 1);
}

static void starts(void **state) {
    static const struct trial function = {push_function, call_start,
                                          not_started, is_started};
    static const struct trial thread = {push_thread, call_start, not_started,
                                        is_started};
    static const struct trial tracked = {track_and_push, call_start,
                                         not_started, is_started};

    (void)state;
    try_all(&function);
    try_all(&thread);
    try_all(&tracked);
}

/* ------------------------------------------------------------------------ */
/* Scopes                                                                   */
/* ------------------------------------------------------------------------ */

static kahu_scope made;

static void make_scope(void) {
    assert_int_equal(kahu_scope_new(scene.h.s, (kahu_scope){0}, &scene.scope),
                     KAHU_OK);
    made.id = 77;
}

static kahu_status call_scope_new(void) {
    return kahu_scope_new(scene.h.s, scene.scope, &made);
}

static void no_scope(void) {
    assert_int_equal(made.id, 77);
    assert_int_equal(kahu_scope_count(scene.h.s, scene.scope), 0);
}

static void one_scope(void) {
    assert_int_equal(kahu_scope_add(scene.h.s, made, scene.co[0]), KAHU_OK);
    assert_int_equal(kahu_scope_count(scene.h.s, scene.scope), 1);
}

static kahu_status call_scope_add(void) {
    return kahu_scope_add(scene.h.s, scene.scope, scene.co[0]);
}

static void no_member(void) {
    assert_int_equal(kahu_scope_count(scene.h.s, scene.scope), 0);
    assert_int_equal(kahu_scope_cancel(scene.h.s, scene.scope), KAHU_OK);
    assert_int_equal(lua_costatus(scene.h.L, scene.co[0]), LUA_COSUS);
}

static void one_member(void) {
    assert_int_equal(kahu_scope_count(scene.h.s, scene.scope), 1);
    assert_int_equal(kahu_scope_cancel(scene.h.s, scene.scope), KAHU_OK);
    assert_int_equal(lua_costatus(scene.h.L, scene.co[0]), LUA_COFIN);
}

static void scopes(void **state) {
    static const struct trial scope = {make_scope, call_scope_new, no_scope,
                                       one_scope};
    static const struct trial member = {make_scope, call_scope_add, no_member,
                                        one_member};

    (void)state;
    try_all(&scope);
    try_all(&member);
}

/* ------------------------------------------------------------------------ */
/* Cancellations                                                            */
/* ------------------------------------------------------------------------ */

static size_t pending;

/* No record of a wake is at hand. */
static void use_up_wakes(void) {
    while (scene.h.s->wakes.partial != NULL)
        (void)host_run(&scene.h, "task.wait(1e6)");
    pending = kahu_count_all(scene.h.s);
}

static kahu_status call_cancel_after(void) {
    return kahu_cancel_after(scene.h.s, scene.co[0], 1000000000);
}

static void no_deadline(void) {
    assert_int_equal(kahu_count_all(scene.h.s), pending);
    assert_null(lua_callbacks(scene.h.L)->postresume);
}

static void one_deadline(void) {
    assert_int_equal(kahu_count_all(scene.h.s), pending + 1);
    assert_true(kahu_stepped_advance(scene.h.m, 1000000000) >= 0);
    assert_int_equal(lua_costatus(scene.h.L, scene.co[0]), LUA_COFIN);
}

static kahu_status call_cancel_all(void) {
    return kahu_cancel_all(scene.h.s);
}

static void none_cancelled(void) {
    assert_int_equal(kahu_count_all(scene.h.s), THREADS / 2);
}

static void all_cancelled(void) {
    assert_true(kahu_is_done(scene.h.s));
}

static void cancellations(void **state) {
    static const struct trial after = {use_up_wakes, call_cancel_after,
                                       no_deadline, one_deadline};
    static const struct trial all = {none_before, call_cancel_all,
                                     none_cancelled, all_cancelled};

    (void)state;
    try_all(&after);
    try_all(&all);
}

/* Each is due before the last, so that none of them is in a lane: the heap is
 * full, and the room to be reserved has to be made. */
static void use_up_heap(void) {
    const struct kahu__heap *heap = &scene.h.s->timers;
    uint64_t delay_ns = UINT64_C(9999999999);

    do
        assert_int_equal(kahu_delay(scene.h.s, scene.co[1], 0, delay_ns--),
                         KAHU_OK);
    while (heap->count == 0 || heap->count < heap->capacity);
    pending = kahu_count_all(scene.h.s);
}

static void a_full_heap(void **state) {
    static const struct trial after = {use_up_heap, call_cancel_after,
                                       no_deadline, one_deadline};

    (void)state;
    try_all(&after);
}

/* A thread whose end makes its stacks smaller, beside others, so that there is
 * no block of that size left in one case or another. */
static lua_State *load_deep(int others) {
    lua_State *deep;

    deep = host_run(&scene.h, "local function f(n) if n > 0 then f(n - 1)"
                              " else coroutine.yield() end return n end"
                              " f(150)");
    assert_int_equal(kahu_watch(scene.h.s, deep, told, NULL, dropped), KAHU_OK);
    assert_true(lua_checkstack(scene.h.L, others + 2));
    while (others-- > 0)
        (void)lua_newthread(scene.h.L);
    return deep;
}

/* The call itself may find no memory, and has done nothing then. */
static void close_deep(lua_State *deep) {
    lua_State *L = scene.h.L;

    do {
        lua_settop(L, 0);
        lua_getglobal(L, "coroutine");
        lua_getfield(L, -1, "close");
        lua_pushthread(deep);
        lua_xmove(deep, L, 1);
        pool.until = 0;
        (void)lua_pcall(L, 1, 0, 0);
        pool.until = -1;
    } while (scene.told == 0);
}

static void cancel_deep(lua_State *deep) {
    pool.until = 0;
    assert_int_equal(kahu_cancel(scene.h.s, deep), KAHU_OK);
    pool.until = -1;
}

/* False when there was memory for all that the end took. */
static bool end_a_deep_thread(void (*end)(lua_State *deep), int others,
                              long failures) {
    lua_State *deep;

    scene_open();
    deep = load_deep(others);
    pool.failures = failures;
    end(deep);
    assert_true(kahu__is_dead(scene.h.L, deep));
    assert_int_equal(scene.told, 1);
    assert_int_equal(scene.dropped, 1);
    assert_int_equal(kahu_count_all(scene.h.s), THREADS / 2);
    assert_int_equal(kahu_spawn(scene.h.s, deep, NULL, 0), KAHU_ESTATE);
    assert_int_equal(lua_resume(deep, NULL, 0), LUA_ERRRUN);
    scene_close();
    return pool.failed;
}

/* S6.1: it ends all the same, and once; nothing of it can be resumed. */
static void a_deep_thread(void **state) {
    int failed = 0;

    (void)state;
    if (KAHU_LUAU_ASSERTS) /* the VM's: it raises that on another thread */
        skip();
    for (int others = 0; others < 50; others++)
        for (long failures = 1; failures <= 5; failures++) {
            failed += end_a_deep_thread(cancel_deep, others, failures);
            failed += end_a_deep_thread(close_deep, others, failures);
        }
    assert_in_range(failed, 10, 499);
}

/* A running thread of several, the first of them, can't be noted: the others
 * are cancelled. */
static int cancel_all_without_memory(lua_State *L) {
    (void)L;
    use_up_wakes();
    pool.until = 1; /* for the list of threads */
    pool.failures = 1000;
    assert_int_equal(kahu_cancel_all(scene.h.s), KAHU_ENOMEM);
    pool.until = -1;
    return 0;
}

static void a_running_thread_of_several(void **state) {
    lua_State *co;

    (void)state;
    scene_open();
    assert_int_equal(kahu_cancel_all(scene.h.s), KAHU_OK);
    host_global(&scene.h, "cancel", cancel_all_without_memory);
    co = host_run(&scene.h, "task.delay(1, coroutine.running()) cancel()"
                            "coroutine.yield()");
    assert_int_equal(lua_costatus(scene.h.L, co), LUA_COSUS);
    assert_int_equal(kahu_count_all(scene.h.s), 1);
    host_finish(&scene.h);
    assert_int_equal(lua_costatus(scene.h.L, co), LUA_COFIN);
    scene_close();
}

/* A running member can't be noted: the others are cancelled. */
static kahu_status cancelled;

static int cancel_scope(lua_State *L) {
    (void)L;
    pool.until = 0;
    pool.failures = 1000;
    cancelled = kahu_scope_cancel(scene.h.s, scene.scope);
    pool.until = -1;
    return 0;
}

static void a_running_member(void **state) {
    lua_State *co;

    (void)state;
    scene_open();
    make_scope();
    host_global(&scene.h, "cancel", cancel_scope);
    co = host_load(&scene.h, "cancel() coroutine.yield()");
    assert_int_equal(kahu_scope_add(scene.h.s, scene.scope, co), KAHU_OK);
    assert_int_equal(kahu_scope_add(scene.h.s, scene.scope, scene.co[0]),
                     KAHU_OK);
    use_up_wakes();
    assert_int_equal(kahu_spawn(scene.h.s, co, NULL, 0), KAHU_OK);
    assert_int_equal(cancelled, KAHU_ENOMEM);
    assert_int_equal(lua_costatus(scene.h.L, co), LUA_COSUS);
    assert_int_equal(lua_costatus(scene.h.L, scene.co[0]), LUA_COFIN);
    assert_int_equal(kahu_scope_count(scene.h.s, scene.scope), 1);
    scene_close();
}

/* ------------------------------------------------------------------------ */
/* Records and limits                                                       */
/* ------------------------------------------------------------------------ */

static bool count(void *ud, const kahu_thread_info *info) {
    (void)info;
    ++*(int *)ud;
    return true;
}

static kahu_status call_track(void) {
    return kahu_track(scene.h.s);
}

static void not_tracking(void) {
    int n = 0;

    assert_int_equal(kahu_each_thread(scene.h.s, NULL, count, &n), KAHU_ESTATE);
    assert_null(lua_callbacks(scene.h.L)->userthread);
    assert_null(lua_callbacks(scene.h.L)->postresume);
}

static void tracking(void) {
    int n = 0;

    assert_int_equal(kahu_each_thread(scene.h.s, NULL, count, &n), THREADS / 2);
    assert_non_null(lua_callbacks(scene.h.L)->userthread);
}

static kahu_status call_set_limits(void) {
    kahu_limits limits = KAHU_LIMITS_INIT;

    limits.max_threads = 10;
    limits.max_wakes = 1;
    return kahu_set_limits(scene.h.s, &limits);
}

static void not_limited(void) {
    not_tracking();
    for (int i = 0; i < 3; i++)
        assert_int_equal(kahu_defer(scene.h.s, scene.co[0], 0), KAHU_OK);
    assert_int_equal(kahu_cancel(scene.h.s, scene.co[0]), KAHU_OK);
}

static void limited(void) {
    tracking();
    assert_int_equal(kahu_defer(scene.h.s, scene.co[1], 0), KAHU_EWAKES);
}

static void records_and_limits(void **state) {
    static const struct trial track = {none_before, call_track, not_tracking,
                                       tracking};
    static const struct trial limits = {none_before, call_set_limits,
                                        not_limited, limited};

    (void)state;
    try_all(&track);
    try_all(&limits);
}

/* The collection for a walk makes the VM's table of strings smaller, if there
 * is the memory for a smaller one: it collects and walks all the same. */
static void track_and_litter(void) {
    assert_int_equal(kahu_track(scene.h.s), KAHU_OK);
    lua_gc(scene.h.L, LUA_GCSTOP, 0);
    host_run(&scene.h, "for i = 1, 5000 do local s = 'litter' .. i end");
    lua_gc(scene.h.L, LUA_GCRESTART, 0);
}

static kahu_status call_walk(void) {
    int n = 0;
    int64_t walked = kahu_each_thread(scene.h.s, NULL, count, &n);

    assert_int_equal(walked < 0 ? 0 : walked, n);
    return walked < 0 ? (kahu_status)walked : KAHU_OK;
}

static void walks(void **state) {
    static const struct trial walk = {track_and_litter, call_walk, none_before,
                                      tracking};

    (void)state;
    try_all(&walk);
}

/* A label that finds no memory leaves the one before. */
static void set_first_label(void) {
    assert_int_equal(kahu_track(scene.h.s), KAHU_OK);
    assert_int_equal(kahu_set_thread_label(scene.h.s, scene.co[1], "the first"),
                     KAHU_OK);
}

static kahu_status call_label(void) {
    return kahu_set_thread_label(scene.h.s, scene.co[1], "the second");
}

static void assert_label(const char *label) {
    kahu_thread_info info = {.size = sizeof(info)};

    assert_int_equal(kahu_get_thread_info(scene.h.s, scene.co[1], &info),
                     KAHU_OK);
    assert_string_equal(info.label, label);
}

static void first_label(void) {
    assert_label("the first");
}

static void second_label(void) {
    assert_label("the second");
}

static void labels(void **state) {
    static const struct trial label = {set_first_label, call_label, first_label,
                                       second_label};

    (void)state;
    try_all(&label);
}

/* A thread that is met by its first wake finds no memory for its record. */
static void track_only(void) {
    assert_int_equal(kahu_track(scene.h.s), KAHU_OK);
}

static kahu_status call_defer(void) {
    return kahu_defer(scene.h.s, scene.co[0], 0);
}

static void not_deferred(void) {
    assert_int_equal(kahu_count(scene.h.s, KAHU_DEFER), 0);
}

static void deferred(void) {
    assert_int_equal(kahu_count(scene.h.s, KAHU_DEFER), 1);
    assert_int_equal(kahu_step(scene.h.s), 1);
}

static void threads_that_are_met(void **state) {
    static const struct trial met = {track_only, call_defer, not_deferred,
                                     deferred};

    (void)state;
    try_all(&met);
}

/* ------------------------------------------------------------------------ */
/* Telling                                                                  */
/* ------------------------------------------------------------------------ */

/* Memory is out when a thread ends: its watch is let go of, told or not, and
 * the thread is dead. */
static void an_end_without_memory(void **state) {
    static const char *const scripts[] = {
        "return 1, 2, 3", "error('e')", "error({})",
        "error(setmetatable({}, {__tostring = function() return 'e' end}))"};

    (void)state;
    for (int i = 0; i < 4; i++) {
        bool failed = true;

        for (long n = 0; failed; n++) {
            lua_State *co;

            scene_open();
            co = host_load(&scene.h, scripts[i]);
            assert_int_equal(kahu_watch(scene.h.s, co, told, NULL, dropped),
                             KAHU_OK);
            pool.until = n;
            pool.failures = 1000;
            assert_int_equal(kahu_spawn(scene.h.s, co, NULL, 0), KAHU_OK);
            pool.until = -1;
            failed = pool.failed;
            assert_int_equal(scene.dropped, 1);
            assert_true(lua_costatus(scene.h.L, co) == LUA_COFIN ||
                        lua_costatus(scene.h.L, co) == LUA_COERR);
            assert_int_equal(scene.told, 1);
            kahu__verify(scene.h.s);
            scene_close();
        }
    }
}

/* ------------------------------------------------------------------------ */
/* Hooks inside each other                                                  */
/* ------------------------------------------------------------------------ */

#define VICTIMS 40

static lua_State *victims[VICTIMS];
static int victims_ended;
static bool fill;

static void never(void *ud, lua_State *L) {
    (void)ud;
    (void)L;
    fail();
}

/* Each end cancels the next one; some fill their stack before. */
static void cancel_next(void *ud, lua_State *L, lua_State *co,
                        kahu_outcome outcome, int nresults) {
    (void)ud;
    (void)co;
    (void)outcome;
    (void)nresults;
    pool.until = 0;
    pool.failures = 1000000;
    if (victims_ended == VICTIMS)
        return;
    while (fill && lua_checkstack(L, 1))
        lua_pushnil(L);
    if (fill)
        assert_int_equal(kahu_call(scene.h.s, never, NULL), KAHU_ENOMEM);
    assert_int_equal(kahu_cancel(scene.h.s, victims[victims_ended++]), KAHU_OK);
}

static void load_victims(void) {
    victims_ended = 0;
    for (int i = 0; i < VICTIMS; i++)
        victims[i] = host_run(&scene.h, "task.wait(1e6)");
}

/* The first of them returns n values, under which the others end. Those that
 * no memory was left to tell of are ended all the same. */
static void end_inside_each_other(int n) {
    const kahu_hooks hooks = {.size = sizeof(hooks), .on_end = cancel_next};
    lua_State *first;
    size_t waiting;

    scene_open();
    waiting = kahu_count_all(scene.h.s);
    load_victims();
    first = host_load(&scene.h, "return table.unpack({}, 1, ...)");
    lua_pushinteger(first, n);
    assert_int_equal(kahu_add_hooks(scene.h.s, &hooks), KAHU_OK);
    assert_int_equal(kahu_spawn(scene.h.s, first, NULL, 1), KAHU_OK);
    pool.until = -1;

    assert_false(kahu_is_running(scene.h.s));
    kahu__verify(scene.h.s);
    assert_true(victims_ended > 0);
    for (int i = 0; i < victims_ended; i++)
        assert_true(kahu__is_dead(scene.h.L, victims[i]));
    assert_int_equal(kahu_count_all(scene.h.s),
                     waiting + (size_t)(VICTIMS - victims_ended));
    assert_int_equal(kahu_defer(scene.h.s, scene.co[0], 0), KAHU_OK);
    assert_int_equal(kahu_step(scene.h.s), 1);
    scene_close();
}

static void hooks_inside_each_other(void **state) {
    static const int counts[] = {0, 500, 1000, 1036, 1040, 2000, 7900};

    (void)state;
    for (int i = 0; i < 14; i++) {
        fill = i % 2 == 0;
        end_inside_each_other(counts[i / 2]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watches),
        cmocka_unit_test(starts),
        cmocka_unit_test(scopes),
        cmocka_unit_test(cancellations),
        cmocka_unit_test(a_full_heap),
        cmocka_unit_test(a_deep_thread),
        cmocka_unit_test(a_running_thread_of_several),
        cmocka_unit_test(a_running_member),
        cmocka_unit_test(records_and_limits),
        cmocka_unit_test(walks),
        cmocka_unit_test(labels),
        cmocka_unit_test(threads_that_are_met),
        cmocka_unit_test(an_end_without_memory),
        cmocka_unit_test(hooks_inside_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
