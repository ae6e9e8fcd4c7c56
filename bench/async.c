/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "async.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kahu/kahu.h"

#define REMOTE_RING 4096 /* operations on their way to the other OS threads */
#define REMOTE_THREADS 4
#define REMOTE_MOST 16

int async_op(lua_State *L) {
    kahu_op op;
    kahu_status status = kahu_op_begin(L, NULL, NULL, &op);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    (void)kahu_op_finish(kahu_get(L), op, NULL, NULL, NULL); /* it is open */
    return kahu_op_yield(L);
}

/* ------------------------------------------------------------------------ */
/* Operations that other OS threads end                                     */
/* ------------------------------------------------------------------------ */

struct remote_item {
    kahu_sched *s;
    kahu_op op;
};

static struct remote {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_cond_t emptied; /* the ring was full */
    pthread_cond_t ended;   /* somebody waits for it */
    struct remote_item ring[REMOTE_RING];
    size_t first;
    size_t count;
    size_t under_way; /* in the ring, or being ended */
    bool over;
    pthread_t threads[REMOTE_MOST];
    int nthreads;
} remote = {.lock = PTHREAD_MUTEX_INITIALIZER,
            .filled = PTHREAD_COND_INITIALIZER,
            .emptied = PTHREAD_COND_INITIALIZER,
            .ended = PTHREAD_COND_INITIALIZER};

/* Under the lock; false at the end. */
static bool remote_take(struct remote *r, struct remote_item *out) {
    while (r->count == 0 && !r->over)
        pthread_cond_wait(&r->filled, &r->lock);
    if (r->count == 0)
        return false;
    if (r->count-- == REMOTE_RING)
        pthread_cond_signal(&r->emptied);
    *out = r->ring[r->first++ % REMOTE_RING];
    return true;
}

/* One whose thread was cancelled meanwhile is stale, and that is all. */
static void *remote_main(void *ud) {
    struct remote *r = ud;
    struct remote_item item;

    pthread_mutex_lock(&r->lock);
    while (remote_take(r, &item)) {
        pthread_mutex_unlock(&r->lock);
        (void)kahu_op_finish(item.s, item.op, NULL, NULL, NULL);
        pthread_mutex_lock(&r->lock);
        r->under_way--;
        pthread_cond_signal(&r->ended);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

void async_remote_start(int threads) {
    remote.over = false;
    while (remote.nthreads < threads) {
        if (pthread_create(&remote.threads[remote.nthreads], NULL, remote_main,
                           &remote) != 0) {
            fputs("bench: cannot start an OS thread\n", stderr);
            exit(EXIT_FAILURE);
        }
        remote.nthreads++;
    }
}

static void remote_give(struct remote *r, struct remote_item item) {
    pthread_mutex_lock(&r->lock);
    while (r->count == REMOTE_RING)
        pthread_cond_wait(&r->emptied, &r->lock);
    r->ring[(r->first + r->count++) % REMOTE_RING] = item;
    r->under_way++;
    pthread_cond_signal(&r->filled);
    pthread_mutex_unlock(&r->lock);
}

int async_remote(lua_State *L) {
    kahu_op op;
    kahu_status status = kahu_op_begin(L, NULL, NULL, &op);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    if (remote.nthreads == 0)
        async_remote_start(REMOTE_THREADS);
    remote_give(&remote, (struct remote_item){kahu_get(L), op});
    return kahu_op_yield(L);
}

bool async_remote_wait(void) {
    bool any;
    size_t before;

    pthread_mutex_lock(&remote.lock);
    before = remote.under_way;
    any = before > 0;
    while (any && remote.under_way == before)
        pthread_cond_wait(&remote.ended, &remote.lock);
    pthread_mutex_unlock(&remote.lock);
    return any;
}

void async_remote_stop(void) {
    pthread_mutex_lock(&remote.lock);
    remote.over = true;
    pthread_cond_broadcast(&remote.filled);
    pthread_mutex_unlock(&remote.lock);
    while (remote.nthreads > 0)
        pthread_join(remote.threads[--remote.nthreads], NULL);
}
