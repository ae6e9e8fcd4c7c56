/* SPDX-License-Identifier: MIT */
/*
 * host_sleep.h - bench.sleep(seconds): a host's own timers under a scheduler.
 *
 * On a loop each is a timer of libuv's, as most would write it; on a stepped
 * clock the host keeps them in a heap and ends those that are due.
 */
#ifndef KAHU_BENCH_HOST_SLEEP_H
#define KAHU_BENCH_HOST_SLEEP_H

#include <lua.h>
#include <uv.h>

#include "kahu/kahu.h"

struct sleep;

struct sleep_due {
    uint64_t deadline_ns;
    uint64_t seq; /* order of the calls, for equal deadlines */
    struct sleep *sleep;
};

struct sleeps {
    uv_loop_t *loop;        /* or, when it is NULL, */
    kahu_stepped *stepped;  /* with the heap below */
    struct sleep_due *heap; /* the one that is due first at 0 */
    size_t count;
    size_t capacity;
    uint64_t seq;        /* of the next one */
    struct sleep *spare; /* records for the next ones */
};

/* Sleeps; returns the seconds that went by. Upvalue 1 is the struct sleeps. */
int sleep_call(lua_State *L);

/* Of the heap: when the first is due, KAHU_NEVER_NS when there is none. */
uint64_t sleeps_next_ns(const struct sleeps *z);

/* Ends those that are due by the stepped clock. */
void sleeps_end_due(struct sleeps *z);

/* When the scheduler is gone and the loop has run to its end. */
void sleeps_free(struct sleeps *z);

#endif
