/* SPDX-License-Identifier: MIT */
/*
 * test_pool.c - several files at once, each on one OS thread from its beginning
 * to its end; they are told of in order, whichever is done first.
 *
 * With --bail the first failure in that order is the end. What comes before it
 * runs to its own end, so that it is the same failure each time.
 *
 * After a signal no file is begun, and those that run come to an early end.
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
    atomic_int signal; /* that ends it; 0 for none */
};

bool test_pool_is_cut(const struct test_file *f) {
    bool cut;

    uv_mutex_lock(&f->pool->lock);
    cut = f->index >= f->pool->end;
    uv_mutex_unlock(&f->pool->lock);
    return cut;
}

int test_pool_signal(const struct test_file *f) {
    return atomic_load_explicit(&f->pool->signal, memory_order_relaxed);
}

void test_pool_set_scheduler(struct test_file *f, kahu_sched *s) {
    uv_mutex_lock(&f->pool->lock);
    f->s = s;
    uv_mutex_unlock(&f->pool->lock);
}

void test_pool_set_running(struct test_file *f, const char *name) {
    char *copy = name != NULL ? text_copy(name) : NULL;
    char *before;

    uv_mutex_lock(&f->pool->lock);
    before = f->running;
    f->running = copy;
    f->running_ns = uv_hrtime();
    uv_mutex_unlock(&f->pool->lock);
    free(before);
}

/* ------------------------------------------------------------------------ */
/* Signals                                                                  */
/* ------------------------------------------------------------------------ */

/* kahu_call_fn: the file's OS thread looks by itself once it does not wait. */
static void pool_woken(void *ud, lua_State *L) {
    (void)ud;
    (void)L;
}

/* Under the lock. What can't be posted to is looked at by whoever spins, or at
 * the next deadline. */
static void pool_wake(struct test_pool *p) {
    for (size_t i = 0; i < p->next; i++)
        if (p->files[i].s != NULL)
            (void)kahu_post(p->files[i].s, pool_woken, NULL, NULL);
}

void test_pool_interrupt(struct test_pool *p, int number) {
    uv_mutex_lock(&p->lock);
    atomic_store(&p->signal, number);
    if (p->end > p->next)
        p->end = p->next;
    pool_wake(p);
    uv_cond_signal(&p->changed);
    uv_mutex_unlock(&p->lock);
}

static void pool_add_running(struct text *out, struct test_file *f) {
    if (f->running == NULL)
        return;
    text_addf(out, "  %s: %s, for %.1f s\n", f->path, f->running,
              (double)(uv_hrtime() - f->running_ns) / 1e9);
    atomic_store(&f->asked, true);
}

/* In one piece: files write there, too. */
void test_pool_explain(struct test_pool *p) {
    struct text out = {NULL, 0, 0};
    size_t size;

    text_add_string(&out, "kahu: running:\n");
    size = out.size;
    uv_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->next; i++)
        pool_add_running(&out, &p->files[i]);
    if (out.size > size)
        fputs(text_string(&out), stderr);
    else
        fputs("kahu: no test is running\n", stderr);
    pool_wake(p);
    uv_mutex_unlock(&p->lock);
    text_free(&out);
}

/* ------------------------------------------------------------------------ */
/* Files                                                                    */
/* ------------------------------------------------------------------------ */

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

/* 0, or what ended it. */
static int pool_tell(struct test_pool *p, test_turn_fn turn, void *ud) {
    bool failed = false;
    int number;

    for (size_t i = 0; i < p->count && pool_wait(p, i); i++) {
        turn(ud, &p->files[i]);
        failed = failed || p->files[i].counts[TEST_FAILED] > 0;
    }
    number = atomic_load(&p->signal);
    if (number != 0)
        return number;
    return failed && p->options->bail ? TEST_BAILED : 0;
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
    atomic_init(&p->signal, 0);
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

int test_pool_run(const struct test_options *o, const struct test_list *files,
                  test_turn_fn turn, void *ud) {
    struct test_pool p = {.options = o};
    uv_thread_t *threads = text_memory(NULL, o->jobs, sizeof(*threads));
    struct test_signals signals;
    size_t started;
    int ended;

    pool_prepare(&p, files);
    test_signals_begin(&signals, &p);
    started = pool_start(&p, threads);
    ended = pool_tell(&p, turn, ud);
    while (started > 0)
        uv_thread_join(&threads[--started]);
    test_signals_end(&signals);
    free(threads);
    pool_free(&p);
    return ended;
}
