/* SPDX-License-Identifier: MIT */
/*
 * stress.c - eight OS threads end operations and post calls, as fast as they
 * can: nothing is lost, nothing doubled, and each one's posts stay in order.
 *
 * Usage: stress [COUNT], of operations and posts together.
 */
#define _POSIX_C_SOURCE 200809L
#include <luacode.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kahu/kahu.h"
#include "kahu/luau.h"

#define WORKERS 8
#define SLEEPERS 512 /* Luau threads, each with an operation under way */
#define AHEAD 256    /* posts of one worker that have not run */

static void must(int good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "stress: %s\n", what);
    exit(1);
}

struct worker {
    pthread_t thread;
    uint64_t posts;   /* to make */
    uint64_t arrived; /* the loop thread's */
    uint64_t made;    /* guarded by lock, with run */
    uint64_t run;
    pthread_mutex_t lock;
    pthread_cond_t room;
};

static struct {
    kahu_sched *s;
    uint64_t ops; /* to be begun */
    uint64_t begun;
    uint64_t returned;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct {
        kahu_op op;
        uint64_t number;
    } queue[SLEEPERS];
    uint64_t first;
    uint64_t last;
    bool over;
    struct worker workers[WORKERS];
} st = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

/* ------------------------------------------------------------------------ */
/* Operations                                                               */
/* ------------------------------------------------------------------------ */

/* Number of this operation, which it must return; or nothing when there are
 * enough. */
static int stress_op(lua_State *L) {
    kahu_op op;
    kahu_status status;

    if (st.begun == st.ops)
        return 0;
    status = kahu_op_begin(L, NULL, NULL, &op);
    if (status != KAHU_OK)
        return kahu_raise(L, status);
    pthread_mutex_lock(&st.lock);
    st.queue[st.last % SLEEPERS].op = op;
    st.queue[st.last % SLEEPERS].number = ++st.begun;
    st.last++;
    pthread_cond_signal(&st.filled);
    pthread_mutex_unlock(&st.lock);
    return kahu_op_yield(L);
}

static int stress_latest(lua_State *L) {
    lua_pushnumber(L, (double)(st.begun + 1));
    return 1;
}

static int stress_returned(lua_State *L) {
    must(lua_tonumber(L, 1) == lua_tonumber(L, 2), "a value went astray");
    st.returned++;
    return 0;
}

static int push_number(lua_State *L, void *ud) {
    lua_pushnumber(L, (double)*(uint64_t *)ud);
    return 1;
}

/* False when there is none now, and none will be. */
static bool end_one_operation(bool wait) {
    kahu_op op;
    uint64_t *number;

    pthread_mutex_lock(&st.lock);
    while (wait && st.first == st.last && !st.over)
        pthread_cond_wait(&st.filled, &st.lock);
    if (st.first == st.last) {
        bool over = st.over;

        pthread_mutex_unlock(&st.lock);
        return !over;
    }
    op = st.queue[st.first % SLEEPERS].op;
    number = malloc(sizeof(*number));
    must(number != NULL, "no memory");
    *number = st.queue[st.first++ % SLEEPERS].number;
    pthread_mutex_unlock(&st.lock);
    must(kahu_op_finish(st.s, op, push_number, number, free) == KAHU_OK,
         "an operation was ended twice");
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

static void unref(void *ud, lua_State *L) {
    (void)ud;
    (void)L;
    must(kahu_unref(st.s) == KAHU_OK, "unref");
}

static void *work(void *ud) {
    struct worker *w = ud;

    for (uint64_t i = 0; i < w->posts; i++) {
        post_one(w);
        (void)end_one_operation(false);
    }
    must(kahu_post(st.s, unref, NULL, NULL) == KAHU_OK, "the last post");
    while (end_one_operation(true))
        continue;
    return NULL;
}

/* ------------------------------------------------------------------------ */
/* The program                                                              */
/* ------------------------------------------------------------------------ */

static const char script[] =
    "for i = 1, 512 do task.spawn(function() while true do"
    " local number = latest() local value = op()"
    " if value == nil then return end returned(number, value) end end) end";

static void run_script(lua_State *L) {
    lua_State *co = lua_newthread(L);
    size_t size;
    char *code = luau_compile(script, strlen(script), NULL, &size);

    must(luau_load(co, "=stress", code, size, 0) == 0, "load");
    free(code);
    must(kahu_spawn(st.s, co, NULL, 0) == KAHU_OK, "spawn");
}

static lua_State *open_vm(void) {
    static const luaL_Reg functions[] = {
        {"op", stress_op},
        {"latest", stress_latest},
        {"returned", stress_returned},
        {NULL, NULL},
    };
    kahu_options options = KAHU_OPTIONS_INIT;
    lua_State *L = luaL_newstate();
    kahu_driver driver;

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

static double now_s(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    lua_State *L = open_vm();
    double start = now_s();

    st.ops = count / 2;
    for (int i = 0; i < WORKERS; i++)
        start_worker(&st.workers[i], (count - st.ops) / WORKERS);
    run_script(L);
    must(kahu_run(st.s) == KAHU_OK, "run");
    end_workers();
    must(st.returned == st.ops, "an operation was lost");
    must(kahu_exit_code(st.s) == 0, "a script failed");
    printf("stress: %llu operations and posts by %d OS threads, none lost, "
           "%.0f a second\n",
           (unsigned long long)count, WORKERS,
           (double)count / (now_s() - start));
    kahu_free(st.s);
    lua_close(L);
    return 0;
}
