/* SPDX-License-Identifier: MIT */
/*
 * uv.c - the libuv driver: one timer and one async handle on the host's loop.
 *
 * The async handle is referenced while anything is pending, the timer never:
 * that alone decides whether uv_run() stays. Both callbacks only step; a step
 * raises nothing through libuv's frames (V16).
 *
 * libuv counts whole milliseconds of a time it caches (V17). A deadline is
 * rounded up to the millisecond in which it has surely passed, and the timer
 * is set from the refreshed time of the loop, so it never fires early.
 */
#define _POSIX_C_SOURCE 200809L /* for what uv.h uses of pthread.h */
#include <uv.h>

#include "../base/alloc.h"
#include "kahu/uv.h"

#define NS_PER_MS UINT64_C(1000000)

struct uv_driver {
    struct kahu__alloc alloc; /* the C library's: a driver has no VM yet */
    kahu_sched *s;            /* NULL before a scheduler and after it */
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_async_t async;
    int open; /* handles not closed yet; the driver is freed with the last */
};

/* ------------------------------------------------------------------------ */
/* Callbacks of the loop                                                    */
/* ------------------------------------------------------------------------ */

/* What a step says is for whoever calls it by hand: here a stopped scheduler
 * has just nothing to do. */
static void uv_driver_step(struct uv_driver *d) {
    if (d->s != NULL)
        (void)kahu_step(d->s);
}

static void uv_driver_on_timer(uv_timer_t *timer) {
    uv_driver_step(timer->data);
}

static void uv_driver_on_async(uv_async_t *async) {
    uv_driver_step(async->data);
}

static void uv_driver_on_close(uv_handle_t *handle) {
    struct uv_driver *d = handle->data;
    struct kahu__alloc alloc = d->alloc;

    if (--d->open == 0)
        kahu__free(&alloc, d, sizeof(*d));
}

/* ------------------------------------------------------------------------ */
/* The port                                                                 */
/* ------------------------------------------------------------------------ */

static uint64_t uv_driver_now(void *ud) {
    (void)ud;
    return uv_hrtime();
}

/* Starting an initialized timer with a callback can't fail. */
static void uv_driver_start_timer(struct uv_driver *d, uint64_t deadline_ns) {
    uint64_t due_ms = deadline_ns / NS_PER_MS + (deadline_ns % NS_PER_MS != 0);
    uint64_t now_ms;

    uv_update_time(d->loop);
    now_ms = uv_now(d->loop);
    (void)uv_timer_start(&d->timer, uv_driver_on_timer,
                         due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void uv_driver_arm(void *ud, uint64_t deadline_ns, bool pending) {
    struct uv_driver *d = ud;

    if (deadline_ns == KAHU_NEVER_NS)
        uv_timer_stop(&d->timer);
    else
        uv_driver_start_timer(d, deadline_ns);
    if (pending)
        uv_ref((uv_handle_t *)&d->async);
    else
        uv_unref((uv_handle_t *)&d->async);
}

/* Fails only for a handle that is not an async handle. */
static void uv_driver_wake(void *ud) {
    struct uv_driver *d = ud;

    (void)uv_async_send(&d->async);
}

static void uv_driver_attach(void *ud, kahu_sched *s) {
    struct uv_driver *d = ud;

    d->s = s;
}

/* Whoever wakes the loop for something of his own gets his turn as well. A
 * loop with nothing alive in it would return at once for ever. */
static kahu_status uv_driver_turn(void *ud) {
    struct uv_driver *d = ud;

    if (uv_loop_alive(d->loop) == 0)
        return KAHU_EIDLE;
    (void)uv_run(d->loop, UV_RUN_ONCE);
    return KAHU_OK;
}

static void uv_driver_release(void *ud) {
    struct uv_driver *d = ud;

    d->s = NULL;
    uv_close((uv_handle_t *)&d->timer, uv_driver_on_close);
    uv_close((uv_handle_t *)&d->async, uv_driver_on_close);
}

/* ------------------------------------------------------------------------ */
/* Life                                                                     */
/* ------------------------------------------------------------------------ */

/* False when the loop has no descriptor for an async handle. */
static bool uv_driver_init(struct uv_driver *d, uv_loop_t *loop) {
    d->loop = loop;
    if (uv_async_init(loop, &d->async, uv_driver_on_async) != 0)
        return false;
    (void)uv_timer_init(loop, &d->timer); /* never fails */
    d->async.data = d->timer.data = d;
    d->open = 2;
    uv_unref((uv_handle_t *)&d->async);
    uv_unref((uv_handle_t *)&d->timer);
    return true;
}

kahu_status kahu_uv_driver(kahu_driver *out, struct uv_loop_s *loop) {
    struct kahu__alloc alloc;
    struct uv_driver *d;

    if (out == NULL || loop == NULL)
        return KAHU_EINVAL;
    kahu__alloc_init(&alloc, kahu__alloc_libc, NULL);
    d = kahu__calloc(&alloc, sizeof(*d));
    if (d == NULL)
        return KAHU_ENOMEM;
    d->alloc = alloc;
    if (!uv_driver_init(d, loop)) {
        kahu__free(&alloc, d, sizeof(*d));
        return KAHU_EDRIVER;
    }
    *out = (kahu_driver){
        .size = sizeof(kahu_driver),
        .ud = d,
        .now_ns = uv_driver_now,
        .arm = uv_driver_arm,
        .wake = uv_driver_wake,
        .attach = uv_driver_attach,
        .release = uv_driver_release,
        .turn = uv_driver_turn,
    };
    return KAHU_OK;
}
