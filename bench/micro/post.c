/* SPDX-License-Identifier: MIT */
/* Calls that are posted: by the scheduler's own OS thread, and by another. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>

#include "micro.h"

static struct {
    struct vm vm;
    const struct micro *m;
    uint32_t left; /* of the calls */
} post;

/* With the last one all is done: see kahu_ref(). */
static void post_micro_call(void *ud, lua_State *L) {
    (void)ud;
    (void)L;
    if (--post.left == 0)
        must(kahu_unref(post.vm.host.s) == KAHU_OK, "an unref");
}

static void *post_micro_all(void *ud) {
    (void)ud;
    for (uint32_t i = 0; i < post.m->items; i++)
        must(kahu_post(post.vm.host.s, post_micro_call, NULL, NULL) == KAHU_OK,
             "a post");
    return NULL;
}

static void post_micro_open(const struct micro *m) {
    vm_open(&post.vm, micro_clock(m));
    post.m = m;
    post.left = m->items;
    kahu_ref(post.vm.host.s);
}

static void post_micro_close(const struct micro *m) {
    (void)m;
    vm_close(&post.vm);
}

static void post_micro_here(const struct micro *m) {
    (void)m;
    (void)post_micro_all(NULL);
    vm_run(&post.vm);
}

static void post_micro_from_thread(const struct micro *m) {
    pthread_t thread;

    (void)m;
    must(pthread_create(&thread, NULL, post_micro_all, NULL) == 0, "a thread");
    vm_run(&post.vm);
    pthread_join(thread, NULL);
}

const struct micro micro_post[] = {
    {.name = "post",
     .items = 50000,
     .open = post_micro_open,
     .run = post_micro_here,
     .close = post_micro_close},
    {.name = "post_from_thread",
     .items = 100000,
     .flags = MICRO_CLOCK | MICRO_THREADS | MICRO_RATE,
     .open = post_micro_open,
     .run = post_micro_from_thread,
     .close = post_micro_close},
    {.name = NULL},
};
