/* SPDX-License-Identifier: MIT */
/*
 * ticker.h - an OS thread that waits for times, and can be told to end.
 */
#ifndef KAHU_CLI_TICKER_H
#define KAHU_CLI_TICKER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define TICKER_FOREVER_NS UINT64_MAX

struct ticker {
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t changed;
    bool ended; /* the two below are guarded by lock */
    bool woken;
};

/* Runs body(ud) on an OS thread of its own, which takes no signals. 0, or an
 * error of libuv's. */
int ticker_start(struct ticker *t, uv_thread_cb body, void *ud);

/* Of the thread itself: waits until the time is over, or less when it is woken.
 * False when it is to end. */
bool ticker_wait(struct ticker *t, uint64_t ns);

/* Ends its wait, or the next one. From any OS thread. */
void ticker_wake(struct ticker *t);

/* Has it end, and waits for that. */
void ticker_end(struct ticker *t);

#endif
