/* SPDX-License-Identifier: MIT */
/*
 * host_sleep.h - bench.sleep(seconds): a host's own timers under a scheduler.
 *
 * All that sleep are in one list, the first deadline first. One timer of
 * libuv's is set for that, or the host moves a stepped clock to it. So what an
 * operation costs more than task.wait() is the operation's, and not that of
 * timers which are dearer than the scheduler's.
 */
#ifndef KAHU_BENCH_HOST_SLEEP_H
#define KAHU_BENCH_HOST_SLEEP_H

#include <lua.h>
#include <uv.h>

#include "kahu/kahu.h"

struct sleep;

struct sleeps {
    kahu_sched *s;
    kahu_stepped *stepped; /* the clock; where it is NULL, libuv's is */
    uv_timer_t timer;      /* active while anything sleeps by libuv's */
    struct sleep *first;
    struct sleep *last;
    struct sleep *spare; /* records for the next ones */
};

void sleeps_init(struct sleeps *z, uv_loop_t *loop);

/* Sleeps; returns the seconds that went by. Upvalue 1 is the struct sleeps. */
int sleep_call(lua_State *L);

/* When the first is due, KAHU_NEVER_NS when there is none. */
uint64_t sleeps_next_ns(const struct sleeps *z);

void sleeps_end_due(struct sleeps *z);

/* When the scheduler is gone; the timer closes in the loop's next turn. */
void sleeps_free(struct sleeps *z);

#endif
