/* SPDX-License-Identifier: MIT */
#include "ticker.h"

#include <pthread.h>
#include <signal.h>

/* What libuv is asked to wait for at once: it adds to it. */
#define TICKER_SLICE_NS (UINT64_C(3600) * 1000 * 1000 * 1000)

/* A thread begins with the signals blocked that its maker has blocked. */
static int ticker_start_thread(struct ticker *t, uv_thread_cb body, void *ud) {
    sigset_t all;
    sigset_t before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = uv_thread_create(&t->thread, body, ud);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void ticker_destroy(struct ticker *t) {
    uv_cond_destroy(&t->changed);
    uv_mutex_destroy(&t->lock);
}

int ticker_start(struct ticker *t, uv_thread_cb body, void *ud) {
    int error = uv_mutex_init(&t->lock);

    if (error != 0)
        return error;
    error = uv_cond_init(&t->changed);
    if (error != 0) {
        uv_mutex_destroy(&t->lock);
        return error;
    }
    t->ended = t->woken = false;
    error = ticker_start_thread(t, body, ud);
    if (error != 0)
        ticker_destroy(t);
    return error;
}

bool ticker_wait(struct ticker *t, uint64_t ns) {
    uint64_t now_ns = uv_hrtime();
    uint64_t end_ns = ns < UINT64_MAX - now_ns ? now_ns + ns : UINT64_MAX;
    bool ended;

    uv_mutex_lock(&t->lock);
    while (!t->ended && !t->woken && now_ns < end_ns) {
        uint64_t left_ns = end_ns - now_ns;

        (void)uv_cond_timedwait(&t->changed, &t->lock,
                                left_ns < TICKER_SLICE_NS ? left_ns
                                                          : TICKER_SLICE_NS);
        now_ns = uv_hrtime();
    }
    t->woken = false;
    ended = t->ended;
    uv_mutex_unlock(&t->lock);
    return !ended;
}

static void ticker_set(struct ticker *t, bool *flag) {
    uv_mutex_lock(&t->lock);
    *flag = true;
    uv_cond_signal(&t->changed);
    uv_mutex_unlock(&t->lock);
}

void ticker_wake(struct ticker *t) {
    ticker_set(t, &t->woken);
}

void ticker_end(struct ticker *t) {
    ticker_set(t, &t->ended);
    uv_thread_join(&t->thread);
    ticker_destroy(t);
}
