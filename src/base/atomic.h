/* SPDX-License-Identifier: MIT */
/*
 * atomic.h - the few words that more than one OS thread looks at, and the name
 * of an OS thread.
 *
 * Built with KAHU_THREADS=0, for hosts that have only one, they are plain; a
 * signal handler may still set one, hence volatile.
 */
#ifndef KAHU_BASE_ATOMIC_H
#define KAHU_BASE_ATOMIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if !defined(KAHU_THREADS)
#define KAHU_THREADS 1
#endif

#if KAHU_THREADS

#include <stdatomic.h>

typedef _Atomic(uint64_t) kahu__atomic;

static inline uint64_t kahu__atomic_get(const kahu__atomic *a) {
    return atomic_load(a);
}

static inline void kahu__atomic_set(kahu__atomic *a, uint64_t value) {
    atomic_store(a, value);
}

static inline void kahu__atomic_add(kahu__atomic *a, uint64_t by) {
    atomic_fetch_add(a, by);
}

static inline void kahu__atomic_sub(kahu__atomic *a, uint64_t by) {
    atomic_fetch_sub(a, by);
}

/* Sets a to value if it is 0; false when it was not. */
static inline bool kahu__atomic_claim(kahu__atomic *a, uint64_t value) {
    uint64_t zero = 0;

    return atomic_compare_exchange_strong(a, &zero, value);
}

extern _Thread_local uint64_t kahu__thread_name;

uint64_t kahu__thread_make_name(void);

/* Differs between any two OS threads there ever are. */
static inline uint64_t kahu__thread_self(void) {
    return kahu__thread_name != 0 ? kahu__thread_name
                                  : kahu__thread_make_name();
}

/* Lets other OS threads run, for whom this one waits a moment. */
void kahu__thread_give_way(void);

/* Tests: stops for a while, now and then, so that OS threads come in every
 * order. Stands where the order must not matter. */
#if defined(KAHU_HOSTILE)
void kahu__thread_dawdle(void);
#else
static inline void kahu__thread_dawdle(void) {
}
#endif

#else

typedef volatile uint64_t kahu__atomic;

static inline uint64_t kahu__atomic_get(const kahu__atomic *a) {
    return *a;
}

static inline void kahu__atomic_set(kahu__atomic *a, uint64_t value) {
    *a = value;
}

static inline void kahu__atomic_add(kahu__atomic *a, uint64_t by) {
    *a = *a + by;
}

static inline void kahu__atomic_sub(kahu__atomic *a, uint64_t by) {
    *a = *a - by;
}

static inline bool kahu__atomic_claim(kahu__atomic *a, uint64_t value) {
    if (*a != 0)
        return false;
    *a = value;
    return true;
}

static inline uint64_t kahu__thread_self(void) {
    return 1;
}

static inline void kahu__thread_give_way(void) {
}

static inline void kahu__thread_dawdle(void) {
}

#endif

#endif
