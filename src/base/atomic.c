/* SPDX-License-Identifier: MIT */
#include "atomic.h"

#if KAHU_THREADS

/* One for all files. Not the system's name for it, nor an address: those are
 * used again when an OS thread has ended. */
_Thread_local uint64_t kahu__thread_name;

static kahu__atomic last_name;

uint64_t kahu__thread_make_name(void) {
    kahu__thread_name = atomic_fetch_add(&last_name, 1) + 1;
    return kahu__thread_name;
}

#endif
