/* SPDX-License-Identifier: MIT */
/*
 * stress.c - eight OS threads end operations and post calls, as fast as they
 * can: nothing is lost, nothing doubled, and each one's posts stay in order.
 *
 * Some operations are ended by two at once, and some threads are cancelled
 * meanwhile: one of those who try to end an operation does, and every value
 * that was taken is dropped once.
 *
 * Usage: stress [COUNT [uv]], of operations and posts together, on the blocking
 * driver or on a libuv loop.
 */
#define _POSIX_C_SOURCE 200809L
#include <luacode.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "kahu/kahu.h"
#include "kahu/luau.h"
#include "kahu/uv.h"

#define WORKERS 8
#define SLEEPERS 512    /* Luau threads, each with an operation under way */
#define VICTIMS 16      /* and those that are cancelled now and then */
#define QUEUE (1 << 18) /* operations nobody has taken yet: most of a run's */
#define AHEAD 256       /* posts of one worker that have not run */
#define CALL_EVERY 512  /* posts */
#define DUEL_EVERY 3    /* operations */
#define FAIL_EVERY 16

static void must(int good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "stress: %s\n", what);
    exit(1);
}

struct worker {
    pthread_t thread;
    uint64_t posts;   /* to make */
    uint64_t taken;   /* operations it tried to end */
    uint64_t ended;   /* and did */
    uint64_t arrived; /* the loop thread's */
    uint64_t made;    /* guarded by lock, with run */
    uint64_t run;
    pthread_mutex_t lock;
    pthread_cond_t room;
};

struct item {
    kahu_op op;
    uint64_t number;
    int copies; /* so many are to try to end it */
};

static struct {
    kahu_sched *s;
    uint64_t ops;      /* to be begun, but for those of victims */
    uint64_t numbered; /* begun of these */
    uint64_t begun;    /* of all */
    uint64_t returned;
    uint64_t cancelled;
    uint64_t dropped;
    uint64_t copies;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct item queue[QUEUE];
    uint64_t first;
    uint64_t last;
    bool over;
    struct worker workers[WORKERS];
} st = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

/* ------------------------------------------------------------------------ */
/* Operations                                                               */
/* ------------------------------------------------------------------------ */

static void on_cancel(void *ud, kahu_op op) {
    (void)ud;
    (void)op;
    st.cancelled++;
}

static void hand_over(kahu_op op, uint64_t number) {
    int copies = st.begun++ % DUEL_EVERY == 0 ? 2 : 1;

    pthread_mutex_lock(&st.lock);
    must(st.last - st.first < QUEUE, "too many operations");
    st.queue[st.last++ % QUEUE] = (struct item){op, number, copies};
    st.copies += (uint64_t)copies;
    if (copies > 1)
        pthread_cond_broadcast(&st.filled);
    else
        pthread_cond_signal(&st.filled);
    pthread_mutex_unlock(&st.lock);
}

static int begin(lua_State *L, uint64_t number) {
    kahu_op op;
    kahu_status status = kahu_op_begin(L, on_cancel, NULL, &op);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    hand_over(op, number);
    return kahu_op_yield(L);
}

/* The number of an operation, which it must return; or nothing when there are
 * enough. */
static int stress_number(lua_State *L) {
    if (st.numbered == st.ops)
        return 0;
    lua_pushnumber(L, (double)++st.numbered);
    lua_pushboolean(L, st.numbered % FAIL_EVERY == 0);
    return 2;
}

static int stress_op(lua_State *L) {
    return begin(L, (uint64_t)luaL_checknumber(L, 1));
}

static int stress_returned(lua_State *L) {
    must(lua_tonumber(L, 1) == lua_tonumber(L, 2), "a value went astray");
    st.returned++;
    return 0;
}

static int stress_over(lua_State *L) {
    lua_pushboolean(L, st.returned == st.ops);
    return 1;
}

static int push_number(lua_State *L, void *ud) {
    lua_pushnumber(L, (double)*(uint64_t *)ud);
    return 1;
}

static void drop_number(void *ud) {
    st.dropped++;
    free(ud);
}

static void end_operation(struct worker *w, kahu_op op, uint64_t number) {
    uint64_t *ud = malloc(sizeof(*ud));
    kahu_status status;

    must(ud != NULL, "no memory");
    *ud = number;
    status = number != 0 && number % FAIL_EVERY == 0
                 ? kahu_op_fail(st.s, op, push_number, ud, drop_number)
                 : kahu_op_finish(st.s, op, push_number, ud, drop_number);
    must(status == KAHU_OK || status == KAHU_ESTALE, "an end was refused");
    w->taken++;
    if (status == KAHU_OK)
        w->ended++;
    else
        free(ud);
}

/* False when there is none now, and none will be. */
static bool end_one_operation(struct worker *w, bool wait) {
    struct item *item;
    struct item taken;

    pthread_mutex_lock(&st.lock);
    while (wait && st.first == st.last && !st.over)
        pthread_cond_wait(&st.filled, &st.lock);
    if (st.first == st.last) {
        bool over = st.over;

        pthread_mutex_unlock(&st.lock);
        return !over;
    }
    item = &st.queue[st.first % QUEUE];
    taken = *item;
    if (--item->copies == 0)
        st.first++;
    pthread_mutex_unlock(&st.lock);
    end_operation(w, taken.op, taken.number);
    return true;
}

/* ------------------------------------------------------------------------ */
/* Posts                                                                    */
/* ------------------------------------------------------------------------ */

struct post {
    struct worker *w;
    uint64_t number;
};

static void arrive(void *ud, lua_State *L) {
    const struct post *p = ud;

    (void)L;
    must(p->number == p->w->arrived, "posts out of order");
    p->w->arrived++;
}

static void arrived(void *ud) {
    struct post *p = ud;

    pthread_mutex_lock(&p->w->lock);
    p->w->run++;
    pthread_cond_signal(&p->w->room);
    pthread_mutex_unlock(&p->w->lock);
    free(p);
}

static void post_one(struct worker *w) {
    struct post *p = malloc(sizeof(*p));

    must(p != NULL, "no memory");
    pthread_mutex_lock(&w->lock);
    while (w->made - w->run >= AHEAD)
        pthread_cond_wait(&w->room, &w->lock);
    *p = (struct post){w, w->made++};
    pthread_mutex_unlock(&w->lock);
    must(kahu_post(st.s, arrive, p, arrived) == KAHU_OK, "a post was refused");
}

/* It stands behind the posts its caller has made. */
static void be_called(void *ud, lua_State *L) {
    const struct worker *w = ud;

    (void)L;
    must(w->arrived == w->made, "a call overtook a post");
}

static void unref(void *ud, lua_State *L) {
    (void)ud;
    (void)L;
    must(kahu_unref(st.s) == KAHU_OK, "unref");
}

static void *work(void *ud) {
    struct worker *w = ud;

    for (uint64_t i = 0; i < w->posts; i++) {
        post_one(w);
        (void)end_one_operation(w, false);
        if (i % CALL_EVERY == 0)
            must(kahu_call(st.s, be_called, w) == KAHU_OK, "a call");
    }
    must(kahu_post(st.s, unref, NULL, NULL) == KAHU_OK, "the last post");
    while (end_one_operation(w, true))
        continue;
    return NULL;
}

/* ------------------------------------------------------------------------ */
/* The program                                                              */
/* ------------------------------------------------------------------------ */

static const char script[] =
    "local function work() while true do"
    "  local n, fails = number() if n == nil then return end"
    "  if fails then returned(n, select(2, pcall(op, n)))"
    "  else returned(n, op(n)) end end end"
    " for i = 1, sleepers do task.spawn(work) end"
    " for i = 1, victims do task.spawn(function() while not over() do"
    "  local t = task.spawn(function() while true do op(0) end end)"
    "  task.wait() task.cancel(t) end end) end";

static void run_script(lua_State *L) {
    lua_State *co = lua_newthread(L);
    size_t size;
    char *code = luau_compile(script, strlen(script), NULL, &size);

    must(luau_load(co, "=stress", code, size, 0) == 0, "load");
    free(code);
    must(kahu_spawn(st.s, co, NULL, 0) == KAHU_OK, "spawn");
}

static void set_number(lua_State *L, const char *name, int n) {
    lua_pushinteger(L, n);
    lua_setglobal(L, name);
}

static lua_State *open_vm(uv_loop_t *loop) {
    static const luaL_Reg functions[] = {
        {"number", stress_number},
        {"op", stress_op},
        {"returned", stress_returned},
        {"over", stress_over},
        {NULL, NULL},
    };
    kahu_options options = KAHU_OPTIONS_INIT;
    lua_State *L = luaL_newstate();
    kahu_driver driver;

    if (loop != NULL)
        must(kahu_uv_driver(&driver, loop) == KAHU_OK, "driver");
    else
        must(kahu_blocking_driver(&driver) == KAHU_OK, "driver");
    options.driver = &driver;
    must(kahu_new(&st.s, L, &options) == KAHU_OK, "scheduler");
    luaL_openlibs(L);
    kahu_open_task(L);
    lua_settop(L, 0);
    for (const luaL_Reg *f = functions; f->name != NULL; f++) {
        lua_pushcfunction(L, f->func, f->name);
        lua_setglobal(L, f->name);
    }
    set_number(L, "sleepers", SLEEPERS);
    set_number(L, "victims", VICTIMS);
    return L;
}

static void start_worker(struct worker *w, uint64_t posts) {
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->room, NULL);
    w->posts = posts;
    kahu_ref(st.s);
    must(pthread_create(&w->thread, NULL, work, w) == 0, "thread");
}

static void end_workers(void) {
    pthread_mutex_lock(&st.lock);
    st.over = true;
    pthread_cond_broadcast(&st.filled);
    pthread_mutex_unlock(&st.lock);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(st.workers[i].thread, NULL);
        must(st.workers[i].arrived == st.workers[i].posts, "a post was lost");
    }
}

/* Ended, cancelled: one of them, each. */
static void check_operations(void) {
    uint64_t taken = 0;
    uint64_t ended = 0;

    for (int i = 0; i < WORKERS; i++) {
        taken += st.workers[i].taken;
        ended += st.workers[i].ended;
    }
    must(st.returned == st.ops, "an operation was lost");
    must(taken == st.copies, "an operation was not taken");
    must(ended + st.cancelled == st.begun, "an operation has no end, or two");
    must(st.dropped == ended, "a value was not dropped, or twice");
    must(kahu_exit_code(st.s) == 0, "a script failed");
}

static double now_s(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void close_all(lua_State *L, uv_loop_t *loop) {
    kahu_free(st.s);
    lua_close(L);
    if (loop == NULL)
        return;
    uv_run(loop, UV_RUN_DEFAULT);
    must(uv_loop_close(loop) == 0, "the loop is in use");
}

int main(int argc, char **argv) {
    static uv_loop_t loop;
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    uv_loop_t *uv = argc > 2 && strcmp(argv[2], "uv") == 0 ? &loop : NULL;
    lua_State *L;
    double start;

    if (uv != NULL)
        must(uv_loop_init(uv) == 0, "loop");
    L = open_vm(uv);
    start = now_s();
    st.ops = count / 2;
    for (int i = 0; i < WORKERS; i++)
        start_worker(&st.workers[i], (count - st.ops) / WORKERS);
    run_script(L);
    must(kahu_run(st.s) == KAHU_OK, "run");
    end_workers();
    check_operations();
    printf("stress: %llu operations and posts by %d OS threads, none lost, "
           "%.0f a second; %llu cancelled\n",
           (unsigned long long)count, WORKERS,
           (double)count / (now_s() - start), (unsigned long long)st.cancelled);
    close_all(L, uv);
    return 0;
}
