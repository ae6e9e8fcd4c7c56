/* SPDX-License-Identifier: MIT */
/*
 * jobs.h - asynchronous functions of libuv's pool, for tests: one that adds,
 * and one whose jobs wait at a gate until they are let go.
 *
 * Before any include: #define _POSIX_C_SOURCE 200809L
 */
#ifndef KAHU_TESTS_JOBS_H
#define KAHU_TESTS_JOBS_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "embed.h"
#include "kahu/uv.h"

/* ------------------------------------------------------------------------ */
/* Jobs                                                                     */
/* ------------------------------------------------------------------------ */

struct job {
    double a;
    double b;
    double sum;
    bool fails;
    bool waits;
    char *owned;
};

#define POOL 4 /* threads of libuv's */
#define POOL_TEXT "4"

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_opened = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int inside; /* jobs waiting at the gate */
static int ran;    /* guarded as well: of the pool's threads */
static int dropped;

static inline void gate_set(bool open) {
    pthread_mutex_lock(&gate_lock);
    gate_open = open;
    pthread_cond_broadcast(&gate_opened);
    pthread_mutex_unlock(&gate_lock);
}

static inline void gate_await_jobs(int n) {
    pthread_mutex_lock(&gate_lock);
    while (inside < n)
        pthread_cond_wait(&gate_opened, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
}

static inline void job_read(lua_State *L, void *ud) {
    struct job *job = ud;

    job->owned = strdup("released by drop");
    job->a = luaL_checknumber(L, 1);
    job->b = luaL_optnumber(L, 2, 10);
    job->fails = luaL_optboolean(L, 3, false);
}

static inline void job_run(void *ud) {
    struct job *job = ud;

    pthread_mutex_lock(&gate_lock);
    inside++;
    pthread_cond_broadcast(&gate_opened);
    while (job->waits && !gate_open)
        pthread_cond_wait(&gate_opened, &gate_lock);
    inside--;
    ran++;
    pthread_mutex_unlock(&gate_lock);
    job->sum = job->a + job->b;
}

static inline int job_push(lua_State *L, void *ud) {
    struct job *job = ud;

    if (job->fails)
        luaL_error(L, "job %d failed", (int)job->a);
    lua_pushnumber(L, job->sum);
    lua_pushstring(L, job->owned);
    return 2;
}

static inline void job_drop(void *ud) {
    struct job *job = ud;

    free(job->owned);
    dropped++;
}

static inline void gated_read(lua_State *L, void *ud) {
    struct job *job = ud;

    job_read(L, ud);
    job->waits = true;
}

static inline kahu_uv_async async_of(const char *name) {
    kahu_uv_async async = KAHU_UV_ASYNC_INIT;

    async.name = name;
    async.job_size = sizeof(struct job);
    async.params = 3;
    async.read = job_read;
    async.run = job_run;
    async.push = job_push;
    async.drop = job_drop;
    return async;
}

static inline void make_global(struct host *h, const kahu_uv_async *async) {
    assert_int_equal(kahu_uv_push_async(h->L, h->loop, async), 1);
    lua_setglobal(h->L, async->name);
}

static inline void collect(lua_State *L) {
    (void)lua_gc(L, LUA_GCCOLLECT, 0);
    (void)lua_gc(L, LUA_GCCOLLECT, 0);
}

static inline void open_async_with(struct host *h,
                                   const kahu_options *options) {
    kahu_uv_async async = async_of("add");

    host_open_uv(h, options);
    make_global(h, &async);
    async.name = "gated";
    async.read = gated_read;
    make_global(h, &async);
    gate_set(false);
    dropped = ran = 0; /* no job is under way */
}

static inline void open_async(struct host *h) {
    open_async_with(h, NULL);
}

/* What a test that failed has left waiting would keep the program. */
static inline int let_go(void **state) {
    (void)state;
    gate_set(true);
    return 0;
}

#endif
