/* SPDX-License-Identifier: MIT */
/*
 * test_pool.c - several files at once, each on one OS thread from its beginning
 * to its end; they are told of in order, whichever is done first.
 *
 * With --bail the first failure in that order is the end. What comes before it
 * runs to its own end, so that it is the same failure each time.
 */
#include <stdlib.h>
#include <uv.h>

#include "report.h"
#include "test.h"

struct test_pool {
    const struct test_options *options;
    struct test_file *files;
    size_t count;
    uv_mutex_t lock;
    uv_cond_t changed; /* a file is done */
    size_t next;       /* the first that no OS thread has taken */
    size_t end;        /* no file from here on counts */
};

bool test_pool_is_cut(const struct test_file *f) {
    bool cut;

    uv_mutex_lock(&f->pool->lock);
    cut = f->index >= f->pool->end;
    uv_mutex_unlock(&f->pool->lock);
    return cut;
}

static struct test_file *pool_take(struct test_pool *p) {
    struct test_file *f = NULL;

    uv_mutex_lock(&p->lock);
    if (p->next < p->end)
        f = &p->files[p->next++];
    uv_mutex_unlock(&p->lock);
    return f;
}

static void pool_put(struct test_pool *p, struct test_file *f) {
    uv_mutex_lock(&p->lock);
    f->done = true;
    if (p->options->bail && f->counts[TEST_FAILED] > 0 && f->index < p->end)
        p->end = f->index + 1;
    uv_cond_signal(&p->changed);
    uv_mutex_unlock(&p->lock);
}

/* What an OS thread does. */
static void pool_work(void *ud) {
    struct test_pool *p = ud;
    struct test_file *f;

    while ((f = pool_take(p)) != NULL) {
        test_file_run(f, p->options);
        pool_put(p, f);
    }
}

/* False when a failure has made it the end. */
static bool pool_wait(struct test_pool *p, size_t i) {
    bool counts;

    uv_mutex_lock(&p->lock);
    while (i < p->end && !p->files[i].done)
        uv_cond_wait(&p->changed, &p->lock);
    counts = i < p->end;
    uv_mutex_unlock(&p->lock);
    return counts;
}

static bool pool_tell(struct test_pool *p, test_turn_fn turn, void *ud) {
    size_t i = 0;

    for (; i < p->count && pool_wait(p, i); i++)
        turn(ud, &p->files[i]);
    return p->files[i - 1].counts[TEST_FAILED] == 0 || !p->options->bail;
}

/* Starts as many as there is work for; those that can't be are missed. */
static size_t pool_start(struct test_pool *p, uv_thread_t *threads) {
    size_t started = 0;

    while (started < p->options->jobs && started < p->count &&
           uv_thread_create(&threads[started], pool_work, p) == 0)
        started++;
    if (started == 0)
        pool_work(p);
    return started;
}

static void pool_prepare(struct test_pool *p, const struct test_list *files) {
    p->count = p->end = files->count;
    p->files = text_memory(NULL, p->count, sizeof(*p->files));
    for (size_t i = 0; i < p->count; i++)
        p->files[i] =
            (struct test_file){.path = files->paths[i], .index = i, .pool = p};
    uv_mutex_init(&p->lock);
    uv_cond_init(&p->changed);
}

static void pool_free(struct test_pool *p) {
    for (size_t i = 0; i < p->count; i++)
        test_file_free(&p->files[i]);
    free(p->files);
    uv_cond_destroy(&p->changed);
    uv_mutex_destroy(&p->lock);
}

bool test_pool_run(const struct test_options *o, const struct test_list *files,
                   test_turn_fn turn, void *ud) {
    struct test_pool p = {.options = o};
    uv_thread_t *threads = text_memory(NULL, o->jobs, sizeof(*threads));
    size_t started;
    bool complete;

    pool_prepare(&p, files);
    started = pool_start(&p, threads);
    complete = pool_tell(&p, turn, ud);
    while (started > 0)
        uv_thread_join(&threads[--started]);
    free(threads);
    pool_free(&p);
    return complete;
}
