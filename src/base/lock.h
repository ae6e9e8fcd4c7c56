/* SPDX-License-Identifier: MIT */
/*
 * lock.h - the one lock of the tree, held for a few instructions at a time.
 */
#ifndef KAHU_BASE_LOCK_H
#define KAHU_BASE_LOCK_H

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

typedef SRWLOCK kahu__lock;

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

#else

#include <pthread.h>
#include <stdlib.h>

typedef pthread_mutex_t kahu__lock;

/* A default mutex fails only when it is misused, which is a bug of ours that
 * must not go on unseen. */
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
    lock_must(pthread_mutex_lock(l));
}

static inline void kahu__lock_give(kahu__lock *l) {
    lock_must(pthread_mutex_unlock(l));
}

#endif

#endif
