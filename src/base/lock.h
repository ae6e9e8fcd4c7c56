/* SPDX-License-Identifier: MIT */
/*
 * lock.h - a lock, held for a moment at a time, and a signal to wait for. With
 * KAHU_THREADS=0 there is nobody to keep out, and nothing to wait for.
 */
#ifndef KAHU_BASE_LOCK_H
#define KAHU_BASE_LOCK_H

#include "atomic.h"

#if !KAHU_THREADS

typedef struct kahu__lock {
    char unused;
} kahu__lock;

#define KAHU__LOCK_INIT                                                        \
    { 0 }

static inline void kahu__lock_init(kahu__lock *l) {
    (void)l;
}

static inline void kahu__lock_deinit(kahu__lock *l) {
    (void)l;
}

static inline void kahu__lock_take(kahu__lock *l) {
    (void)l;
}

static inline void kahu__lock_give(kahu__lock *l) {
    (void)l;
}

#elif defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

typedef SRWLOCK kahu__lock;
typedef CONDITION_VARIABLE kahu__signal;

#define KAHU__LOCK_INIT SRWLOCK_INIT

static inline void kahu__lock_init(kahu__lock *l) {
    InitializeSRWLock(l);
}

static inline void kahu__lock_deinit(kahu__lock *l) {
    (void)l;
}

static inline void kahu__lock_take(kahu__lock *l) {
    AcquireSRWLockExclusive(l);
}

static inline void kahu__lock_give(kahu__lock *l) {
    ReleaseSRWLockExclusive(l);
}

static inline void kahu__signal_init(kahu__signal *g) {
    InitializeConditionVariable(g);
}

static inline void kahu__signal_deinit(kahu__signal *g) {
    (void)g;
}

static inline void kahu__signal_give(kahu__signal *g) {
    WakeConditionVariable(g);
}

static inline void kahu__signal_wait(kahu__signal *g, kahu__lock *l) {
    (void)SleepConditionVariableSRW(g, l, INFINITE, 0);
}

#else

#include <pthread.h>
#include <stdlib.h>

typedef pthread_mutex_t kahu__lock;
typedef pthread_cond_t kahu__signal;

#define KAHU__LOCK_INIT PTHREAD_MUTEX_INITIALIZER

/* Default mutexes and conditions fail only when they are misused, which is a
 * bug of ours that must not go on unseen. */
static inline void lock_must(int error) {
    if (error != 0)
        abort();
}

static inline void kahu__lock_init(kahu__lock *l) {
    lock_must(pthread_mutex_init(l, NULL));
}

static inline void kahu__lock_deinit(kahu__lock *l) {
    lock_must(pthread_mutex_destroy(l));
}

static inline void kahu__lock_take(kahu__lock *l) {
    kahu__thread_dawdle();
    lock_must(pthread_mutex_lock(l));
}

static inline void kahu__lock_give(kahu__lock *l) {
    lock_must(pthread_mutex_unlock(l));
}

static inline void kahu__signal_init(kahu__signal *g) {
    lock_must(pthread_cond_init(g, NULL));
}

static inline void kahu__signal_deinit(kahu__signal *g) {
    lock_must(pthread_cond_destroy(g));
}

static inline void kahu__signal_give(kahu__signal *g) {
    lock_must(pthread_cond_signal(g));
}

/* May return for no reason. */
static inline void kahu__signal_wait(kahu__signal *g, kahu__lock *l) {
    lock_must(pthread_cond_wait(g, l));
}

#endif

#endif
