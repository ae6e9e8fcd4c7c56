/* SPDX-License-Identifier: MIT */
/*
 * api.h - bytes as calls of the C API: what the parts of fuzz_api.c share.
 *
 * A byte is what to do, the next ones with what. Wherever the library calls
 * back, the bytes go on there, a few levels deep. Beside the library the host
 * keeps books of its own, and after each call the two have to agree.
 */
#ifndef KAHU_TESTS_FUZZ_API_H
#define KAHU_TESTS_FUZZ_API_H

#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/sched.h"
#include "kahu/luau.h"
#include "kahu/threads.h"

#define FUZZ_THREADS 8
#define FUZZ_SCOPES 4

extern struct fuzz {
    const uint8_t *data;
    size_t size;
    lua_State *L;
    kahu_sched *s;
    kahu_stepped *m;
    kahu_memory memory;
    pthread_t owner;                  /* the OS thread that s belongs to */
    lua_State *from;                  /* the thread that called us, or NULL */
    lua_State *threads[FUZZ_THREADS]; /* kept by the registry */
    int refs[FUZZ_THREADS];
    kahu_scope scopes[FUZZ_SCOPES];
    uint64_t made[KAHU_KINDS]; /* wakes that the host asked for and got */
    long taken;                /* uds handed over and not dropped */
    unsigned work;             /* calls by scripts */
    int depth;                 /* of callbacks inside each other */
    bool closing;              /* kahu_close() was called */
    bool freed;                /* kahu_free() was: s is not ours any more */
} f;

/* Unlike an assertion it is there in every build. */
#define must(good) ((good) ? (void)0 : fuzz_failed(#good, __FILE__, __LINE__))

static inline void fuzz_failed(const char *what, const char *file, int line) {
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}

static inline uint8_t byte(void) {
    if (f.size == 0)
        return 0;
    f.size--;
    return *f.data++;
}

/* Once s is closing nothing new is taken. */
static inline bool accepted(kahu_status status) {
    must(status != KAHU_OK || !f.closing);
    return status == KAHU_OK;
}

/* The same, of a call that takes &f as a ud that taken_drop() drops. */
bool taken(kahu_status status);
void taken_drop(void *ud);

/* One call, by the next bytes; and some from inside of a callback. */
void act(void);
void act_inside(void);

/* All invariants: the library's own, and its books against ours. */
void check(void);

/* --- Memory --------------------------------------------------------------- */

void *fuzz_alloc(void *ud, void *ptr, size_t osize, size_t nsize);

/* From the n-th allocation on, so many fail: the VM's and the C library's. */
void memory_scarce(unsigned n, unsigned failures);

/* The host's own calls of Luau, which have nobody to catch an error. */
void memory_calm(bool calm);

/* --- Operations ----------------------------------------------------------- */

void ops_forget(void);
uint64_t ops_begun(void);
bool ops_all_ended(void);

/* Begins one on L; as kahu_op_begin(), or KAHU_EUSER when there are plenty. */
kahu_status ops_begin(lua_State *L);

/* Ends one, open or not, some way: here, or on another OS thread. */
void ops_end(uint8_t which, uint8_t how);

/* A call posted, from here or from elsewhere. */
void post(uint8_t how);

/* Runs fn(ud) on another OS thread, to its end. */
void elsewhere(void *(*fn)(void *ud), void *ud);

/* --- Callbacks ------------------------------------------------------------ */

extern const kahu_hooks fuzz_hooks;

int on_push(lua_State *L, void *ud);
bool on_watch(void *ud, lua_State *L, const kahu_feedback *feedback);
void on_call(void *ud, lua_State *L);

/* --- Scripts -------------------------------------------------------------- */

/* Opens what they use. */
int scripts_open(lua_State *L);

/* The thread of slot b, made if there is none; NULL when it can't be. */
lua_State *thread_of(uint8_t b);

/* Puts a new thread with some script into a slot. */
void thread_new(unsigned slot, unsigned script);

/* Pushes a few values where the API allows it; how many. */
int thread_values(lua_State *co, uint8_t b);

#endif
