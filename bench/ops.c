/* SPDX-License-Identifier: MIT */
/*
 * ops.c - what one asynchronous operation costs: beside a task.wait, and
 * beside a bare yield and resume of the VM's. And how many a second can be
 * ended from another OS thread.
 *
 * Prints nanoseconds for each, the least of several rounds, and the ratios.
 */
#define _POSIX_C_SOURCE 200809L
#include <lua.h>
#include <luacode.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kahu/kahu.h"
#include "kahu/luau.h"

#define ROUNDS 7
#define COUNT 400000
#define RING 4096 /* operations under way between the two OS threads */

struct bench {
    lua_State *L;
    kahu_sched *s;
};

static double now_s(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "bench: %s failed\n", what);
    exit(1);
}

/* ------------------------------------------------------------------------ */
/* Functions for scripts                                                    */
/* ------------------------------------------------------------------------ */

/* An operation that is over before its thread yields: all that is measured is
 * ours. */
static int bench_op(lua_State *L) {
    kahu_op op;
    kahu_status status = kahu_op_begin(L, NULL, NULL, &op);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    kahu_op_finish(kahu_get(L), op, NULL, NULL, NULL);
    return kahu_op_yield(L);
}

static int bench_yield(lua_State *L) {
    return lua_yield(L, 0);
}

/* Operations on their way to the other OS thread. */
static struct ring {
    kahu_sched *s;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    kahu_op ops[RING];
    size_t first;
    size_t count;
    int over;
} ring = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .filled = PTHREAD_COND_INITIALIZER};

static int bench_remote(lua_State *L) {
    kahu_op op;
    kahu_status status = kahu_op_begin(L, NULL, NULL, &op);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    pthread_mutex_lock(&ring.lock);
    ring.ops[(ring.first + ring.count++) % RING] = op;
    pthread_cond_signal(&ring.filled);
    pthread_mutex_unlock(&ring.lock);
    return kahu_op_yield(L);
}

static void *bench_finisher(void *ud) {
    (void)ud;
    pthread_mutex_lock(&ring.lock);
    for (;;) {
        kahu_op op;

        while (ring.count == 0 && !ring.over)
            pthread_cond_wait(&ring.filled, &ring.lock);
        if (ring.count == 0)
            break;
        op = ring.ops[ring.first++ % RING];
        ring.count--;
        pthread_mutex_unlock(&ring.lock);
        must(kahu_op_finish(ring.s, op, NULL, NULL, NULL) == KAHU_OK, "finish");
        pthread_mutex_lock(&ring.lock);
    }
    pthread_mutex_unlock(&ring.lock);
    return NULL;
}

/* ------------------------------------------------------------------------ */
/* Rounds                                                                   */
/* ------------------------------------------------------------------------ */

static lua_State *bench_load(lua_State *L, const char *text) {
    lua_State *co = lua_newthread(L);
    size_t size;
    char *code = luau_compile(text, strlen(text), NULL, &size);

    must(luau_load(co, "=bench", code, size, 0) == 0, "load");
    free(code);
    return co;
}

static void bench_open(struct bench *b) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_driver driver;

    b->L = luaL_newstate();
    must(kahu_blocking_driver(&driver) == KAHU_OK, "driver");
    options.driver = &driver;
    options.min_wait_ns = 1;
    must(kahu_new(&b->s, b->L, &options) == KAHU_OK, "new");
    luaL_openlibs(b->L);
    kahu_open_task(b->L);
    lua_pop(b->L, 1);
    lua_pushcfunction(b->L, bench_op, "op");
    lua_setglobal(b->L, "op");
    lua_pushcfunction(b->L, bench_remote, "remote");
    lua_setglobal(b->L, "remote");
    lua_pushcfunction(b->L, bench_yield, "yield");
    lua_setglobal(b->L, "yield");
    ring.s = b->s;
}

static void bench_close(struct bench *b) {
    kahu_free(b->s);
    lua_close(b->L);
}

/* Seconds for text, run by the scheduler. */
static double bench_scheduled(const char *text) {
    struct bench b;
    double start;
    double end;

    bench_open(&b);
    must(kahu_spawn(b.s, bench_load(b.L, text), NULL, 0) == KAHU_OK, "spawn");
    start = now_s();
    must(kahu_run(b.s) == KAHU_OK && kahu_exit_code(b.s) == 0, "run");
    end = now_s();
    bench_close(&b);
    return end - start;
}

/* The floor: as many yields and resumes, by nobody but the VM. */
static double bench_bare(const char *text) {
    struct bench b;
    lua_State *co;
    double start;
    double end;

    bench_open(&b);
    co = bench_load(b.L, text);
    start = now_s();
    while (lua_resume(co, NULL, 0) == LUA_YIELD)
        continue;
    end = now_s();
    bench_close(&b);
    return end - start;
}

static double bench_from_thread(const char *text) {
    pthread_t thread;
    double seconds;

    ring.over = 0;
    must(pthread_create(&thread, NULL, bench_finisher, NULL) == 0, "thread");
    seconds = bench_scheduled(text);
    pthread_mutex_lock(&ring.lock);
    ring.over = 1;
    pthread_cond_signal(&ring.filled);
    pthread_mutex_unlock(&ring.lock);
    pthread_join(thread, NULL);
    return seconds;
}

/* Nanoseconds a piece, the least of the rounds. */
static double bench_best(double (*run)(const char *text), const char *text) {
    double best = 1e9;

    for (int i = 0; i < ROUNDS; i++) {
        double seconds = run(text);

        if (seconds < best)
            best = seconds;
    }
    return best * 1e9 / COUNT;
}

#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define ONE(call) "for i = 1, " STRING(COUNT) " do " call "() end"
#define MANY(call)                                                             \
    "for i = 1, 1000 do task.spawn(function() for j = 1, " STRING(             \
        COUNT) " / 1000 do " call "() end end) end"

int main(void) {
    double bare = bench_best(bench_bare, ONE("yield"));
    double wait = bench_best(bench_scheduled, MANY("task.wait"));
    double op = bench_best(bench_scheduled, MANY("op"));
    double remote = bench_best(bench_from_thread, MANY("remote"));

    printf("bare yield and resume   %7.0f ns\n", bare);
    printf("task.wait               %7.0f ns  %5.2f times bare\n", wait,
           wait / bare);
    printf("operation               %7.0f ns  %5.2f times bare, %.2f times "
           "task.wait\n",
           op, op / bare, op / wait);
    printf("ended by another thread %7.0f ns  %7.0f a second\n", remote,
           1e9 / remote);
    return 0;
}
