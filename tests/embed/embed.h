/* SPDX-License-Identifier: MIT */
/*
 * embed.h - for tests of more than one driver, or more than one OS thread.
 */
#ifndef KAHU_TESTS_EMBED_H
#define KAHU_TESTS_EMBED_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "host.h"

/* A check for any OS thread: cmocka's own are for the one that runs the
 * tests. */
#define must(condition) must_be(condition, #condition, __FILE__, __LINE__)

static inline void must_be(bool condition, const char *text, const char *file,
                           int line) {
    if (condition)
        return;
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    abort();
}

static inline pthread_t start(void *(*fn)(void *ud), void *ud) {
    pthread_t thread;

    must(pthread_create(&thread, NULL, fn, ud) == 0);
    return thread;
}

static inline void join(pthread_t thread) {
    must(pthread_join(thread, NULL) == 0);
}

/* ------------------------------------------------------------------------ */
/* Drivers                                                                  */
/* ------------------------------------------------------------------------ */

enum driver { STEPPED, UV, BLOCKING, DRIVERS };

static inline void embed_on_error(void *ud, lua_State *L, lua_State *co,
                                  const char *message, const char *traceback) {
    struct host *h = ud;

    (void)L;
    (void)co;
    (void)message;
    (void)traceback;
    h->errors++;
}

/* A scheduler on d in place of the one the host has. */
static inline void embed_attach(struct host *h, const kahu_driver *d,
                                kahu_options o) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    kahu_free(h->s);
    o.driver = d;
    must(kahu_new(&h->s, h->L, &o) == KAHU_OK);
    hooks.ud = h;
    hooks.on_error = embed_on_error;
    must(kahu_add_hooks(h->s, &hooks) == KAHU_OK);
}

static inline void embed_open_with(struct host *h, int driver, kahu_options o) {
    kahu_driver d;

    if (driver == UV)
        host_open_uv(h, &o);
    else
        host_open(h, &o);
    if (driver == BLOCKING) {
        must(kahu_blocking_driver(&d) == KAHU_OK);
        embed_attach(h, &d, o);
        h->m = NULL;
    }
}

static inline void embed_open(struct host *h, int driver) {
    embed_open_with(h, driver, (kahu_options)KAHU_OPTIONS_INIT);
}

/* For a ud that is only read. */
static inline void *embed_word(const char *text) {
    union {
        const char *text;
        void *ud;
    } word = {text};

    return word.ud;
}

/* A call that says it; for kahu_post() and kahu_call(). */
static inline void embed_log(void *ud, lua_State *L) {
    host_log(host_of(L), ud);
}

static inline void embed_post(struct host *h, const char *text) {
    must(kahu_post(h->s, embed_log, embed_word(text), NULL) == KAHU_OK);
}

#endif
