/* SPDX-License-Identifier: MIT */
/*
 * thread_pool.c - work for eight OS threads, asked for by Luau threads.
 *
 *     thread_pool thread_pool.luau
 *
 * Luau runs on one OS thread, the loop's. What takes long is done on others,
 * and whichever of them has a result ends the operation itself: that call is
 * allowed on any OS thread.
 */
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "host.h"

#define WORKERS 8

struct job {
    struct job *next;
    kahu_op op;
    int n;     /* the question */
    int count; /* the answer */
};

struct pool {
    struct host host;
    pthread_t workers[WORKERS];
    int running;
    pthread_mutex_t lock;  /* guards what follows */
    pthread_cond_t change; /* there is a job, or no more will come */
    struct job *first;     /* the queue: first in, first out */
    struct job **last;     /* where the next one goes */
    bool closing;
};

/* ------------------------------------------------------------------------ */
/* The queue                                                                */
/* ------------------------------------------------------------------------ */

static void pool_put(struct pool *p, struct job *job) {
    job->next = NULL;
    pthread_mutex_lock(&p->lock);
    *p->last = job;
    p->last = &job->next;
    pthread_cond_signal(&p->change);
    pthread_mutex_unlock(&p->lock);
}

/* The next job, as soon as there is one; NULL when the pool closes. */
static struct job *pool_take(struct pool *p) {
    struct job *job;

    pthread_mutex_lock(&p->lock);
    while (p->first == NULL && !p->closing)
        pthread_cond_wait(&p->change, &p->lock);
    job = p->first;
    if (job != NULL)
        p->first = job->next;
    if (p->first == NULL)
        p->last = &p->first;
    pthread_mutex_unlock(&p->lock);
    return job;
}

/* ------------------------------------------------------------------------ */
/* The workers: no Luau here, but for the end of the operation              */
/* ------------------------------------------------------------------------ */

static bool is_prime(int n) {
    for (int i = 2; i * i <= n; i++)
        if (n % i == 0)
            return false;
    return n > 1;
}

static int count_primes(int n) {
    int count = 0;

    for (int i = 1; i <= n; i++)
        count += is_prime(i);
    return count;
}

/* Runs on the loop's thread, when the script's thread gets its result. */
static int push_count(lua_State *L, void *ud) {
    const struct job *job = ud;

    lua_pushinteger(L, job->count);
    return 1;
}

/* An operation that was cancelled meanwhile is stale, and its job still ours.
 * Otherwise the scheduler frees the job, delivered or not. */
static void *pool_work(void *ud) {
    struct pool *p = ud;
    struct job *job;

    while ((job = pool_take(p)) != NULL) {
        job->count = count_primes(job->n);
        if (kahu_op_finish(p->host.s, job->op, push_count, job, free) !=
            KAHU_OK)
            free(job);
    }
    return NULL;
}

static bool pool_start(struct pool *p) {
    p->last = &p->first;
    while (p->running < WORKERS &&
           pthread_create(&p->workers[p->running], NULL, pool_work, p) == 0)
        p->running++;
    if (p->running > 0)
        return true;
    fprintf(stderr, "cannot start a thread\n");
    kahu_stop(p->host.s, EXIT_FAILURE);
    return false;
}

/* Before the scheduler is freed: nobody may use it then. */
static void pool_stop(struct pool *p) {
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->change);
    pthread_mutex_unlock(&p->lock);
    while (p->running > 0)
        pthread_join(p->workers[--p->running], NULL);
}

/* ------------------------------------------------------------------------ */
/* What scripts see                                                         */
/* ------------------------------------------------------------------------ */

/* count_primes(n): how many there are up to n. There is nothing to be done
 * when the thread is cancelled, hence no function for that. */
static int pool_ask(lua_State *L) {
    struct pool *p = host_data(L);
    int n = luaL_checkinteger(L, 1);
    struct job *job = malloc(sizeof(*job));
    kahu_status status = KAHU_ENOMEM;

    if (job != NULL)
        status = kahu_op_begin(L, NULL, NULL, &job->op);
    if (status != KAHU_OK) {
        free(job);
        return kahu_raise(L, status);
    }
    job->n = n;
    pool_put(p, job);
    return kahu_op_yield(L);
}

static int pool_open(lua_State *L) {
    lua_pushcfunction(L, pool_ask, "count_primes");
    lua_setglobal(L, "count_primes");
    return 0;
}

/* ------------------------------------------------------------------------ */
/* The program                                                              */
/* ------------------------------------------------------------------------ */

/* Between two results there is nothing to do: the driver sleeps until some
 * worker wakes it. */
static int pool_run(struct pool *p, const char *path) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_driver driver;

    if (kahu_blocking_driver(&driver) != KAHU_OK)
        return EXIT_FAILURE;
    options.driver = &driver;
    if (!host_open(&p->host, &options, pool_open, p))
        return EXIT_FAILURE;
    if (pool_start(p) && host_run(&p->host, path))
        (void)kahu_run(p->host.s); /* until all is done */
    pool_stop(p);
    return host_close(&p->host);
}

int main(int argc, char **argv) {
    struct pool p = {.lock = PTHREAD_MUTEX_INITIALIZER,
                     .change = PTHREAD_COND_INITIALIZER};

    if (argc != 2) {
        fprintf(stderr, "usage: %s SCRIPT\n", argv[0]);
        return EXIT_FAILURE;
    }
    return pool_run(&p, argv[1]);
}
