/* SPDX-License-Identifier: MIT */
#include "atomic.h"

#if KAHU_THREADS

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <sched.h>
#endif

/* One for all files. Not the system's name for it, nor an address: those are
 * used again when an OS thread has ended. */
_Thread_local uint64_t kahu__thread_name;

static kahu__atomic last_name;

uint64_t kahu__thread_make_name(void) {
    kahu__thread_name = atomic_fetch_add(&last_name, 1) + 1;
    return kahu__thread_name;
}

void kahu__thread_give_way(void) {
#if defined(_WIN32)
    (void)SwitchToThread();
#else
    (void)sched_yield();
#endif
}

#if defined(KAHU_HOSTILE)

/* Knuth's constants for a linear congruential generator, a sequence for each
 * OS thread; the upper bits are the good ones. Mostly nothing, often one turn,
 * at times many. Never the first OS thread: it is the only one in most tests,
 * and the others are late or early enough for it. */
void kahu__thread_dawdle(void) {
    static _Thread_local uint64_t state;
    unsigned turns;

    if (kahu__thread_self() == 1)
        return;
    if (state == 0)
        state = kahu__thread_self();
    state =
        state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    turns = (unsigned)(state >> 58);
    for (turns = turns < 48 ? 0 : turns < 63 ? 1 : 100; turns > 0; turns--)
        kahu__thread_give_way();
}

#endif

#endif
