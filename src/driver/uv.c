/* SPDX-License-Identifier: MIT */
/*
 * uv.c - the libuv driver: a timer, an async and an idle handle on the host's
 * loop.
 *
 * The async handle is referenced while anything is pending, the others never:
 * that alone decides whether uv_run() stays. All callbacks only step; a step
 * raises nothing through libuv's frames (V16). The async handle is for other OS
 * threads and signal handlers: it takes a write and a read. On the loop's own
 * the idle handle does the same for nothing: while it is active, the loop does
 * not block.
 *
 * libuv counts whole milliseconds of a time it caches (V17). What is left until
 * a deadline is rounded up to milliseconds. As libuv counts them from a time
 * that may be a little old, the timer may fire up to one too soon: that step
 * finds nothing due and sets it again. A precise driver has a timer of the
 * system instead, and the loop watches its descriptor.
 */
#define _POSIX_C_SOURCE 200809L /* for what uv.h uses of pthread.h */
#include <uv.h>

#include "../base/alloc.h"
#include "kahu/uv.h"

#if defined(__linux__)
#include <sys/timerfd.h>
#include <unistd.h>
#endif

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

struct uv_driver {
    struct kahu__alloc alloc; /* the C library's: a driver has no VM yet */
    kahu_sched *s;            /* NULL before a scheduler and after it */
    uv_loop_t *loop;
    uv_async_t async;
    uv_idle_t idle; /* active: a step is wanted at once */
    union {         /* what rings at the next deadline */
        uv_handle_t handle;
        uv_timer_t timer;
        uv_poll_t poll; /* of clock */
    } bell;
    int clock;         /* descriptor of a precise driver, or -1 */
    uint64_t clock_ns; /* the deadline it is set to; KAHU_NEVER_NS for none */
    int open; /* handles not closed yet; the driver is freed with the last */
};

/* ------------------------------------------------------------------------ */
/* Callbacks of the loop                                                    */
/* ------------------------------------------------------------------------ */

/* What a step says is for whoever calls it by hand: here a stopped scheduler
 * has just nothing to do. How long the loop may sleep afterwards it would count
 * from when the turn began: a timer of somebody else's, due while a long step
 * ran or soon after it, would be as late as the step was long. */
static void uv_driver_step(struct uv_driver *d) {
    uv_loop_t *loop = d->loop; /* a turn of it inside may end the driver */

    if (d->s == NULL)
        return;
    (void)kahu_step(d->s);
    uv_update_time(loop);
}

static void uv_driver_on_timer(uv_timer_t *timer) {
    uv_driver_step(timer->data);
}

static void uv_driver_on_async(uv_async_t *async) {
    uv_driver_step(async->data);
}

static void uv_driver_on_idle(uv_idle_t *idle) {
    (void)uv_idle_stop(idle);
    uv_driver_step(idle->data);
}

/* Cannot fail, also when it is started already. */
static void uv_driver_again(void *ud) {
    struct uv_driver *d = ud;

    (void)uv_idle_start(&d->idle, uv_driver_on_idle);
}

static void uv_driver_on_close(uv_handle_t *handle) {
    struct uv_driver *d = handle->data;
    struct kahu__alloc alloc = d->alloc;

    if (--d->open == 0)
        kahu__free(&alloc, d, sizeof(*d));
}

/* ------------------------------------------------------------------------ */
/* The clock of a precise driver                                            */
/* ------------------------------------------------------------------------ */

#if defined(__linux__)

/* A time that has passed rings at once; zero would be none. */
static void uv_clock_set(struct uv_driver *d, uint64_t deadline_ns) {
    struct itimerspec time = {{0, 0}, {0, 0}};

    if (deadline_ns == d->clock_ns)
        return;
    d->clock_ns = deadline_ns;
    if (deadline_ns != KAHU_NEVER_NS) {
        time.it_value.tv_sec = (time_t)(deadline_ns / NS_PER_S);
        time.it_value.tv_nsec = (long)(deadline_ns % NS_PER_S);
        if (deadline_ns == 0)
            time.it_value.tv_nsec = 1;
    }
    (void)timerfd_settime(d->clock, TFD_TIMER_ABSTIME, &time, NULL);
}

/* The descriptor is readable until it is read. Nothing to read: it was set anew
 * since. */
static void uv_clock_on_poll(uv_poll_t *poll, int status, int events) {
    struct uv_driver *d = poll->data;
    uint64_t count;

    (void)status;
    (void)events;
    if (read(d->clock, &count, sizeof(count)) == (ssize_t)sizeof(count))
        d->clock_ns = KAHU_NEVER_NS;
    uv_driver_step(d);
}

static bool uv_clock_open(struct uv_driver *d) {
    d->clock_ns = KAHU_NEVER_NS;
    d->clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    return d->clock >= 0;
}

/* A descriptor that was just made can be watched. */
static void uv_clock_watch(struct uv_driver *d) {
    (void)uv_poll_init(d->loop, &d->bell.poll, d->clock);
    (void)uv_poll_start(&d->bell.poll, UV_READABLE, uv_clock_on_poll);
}

static void uv_clock_close(const struct uv_driver *d) {
    (void)close(d->clock);
}

#else

static void uv_clock_set(struct uv_driver *d, uint64_t deadline_ns) {
    (void)d;
    (void)deadline_ns;
}

/* No such clock is known here. */
static bool uv_clock_open(struct uv_driver *d) {
    (void)d;
    return false;
}

static void uv_clock_watch(struct uv_driver *d) {
    (void)d;
}

static void uv_clock_close(const struct uv_driver *d) {
    (void)d;
}

#endif

/* ------------------------------------------------------------------------ */
/* The port                                                                 */
/* ------------------------------------------------------------------------ */

static uint64_t uv_driver_now(void *ud) {
    (void)ud;
    return uv_hrtime();
}

/* Starting an initialized timer with a callback can't fail. A time that has
 * passed is no timer's: libuv 1.44 runs timers until none is due, and one that
 * is set so in its own callback keeps the loop from its next turn for ever. */
static void uv_timer_set(struct uv_driver *d, uint64_t deadline_ns) {
    uint64_t now_ns = uv_hrtime();
    uint64_t left_ns;

    if (deadline_ns <= now_ns) {
        uv_timer_stop(&d->bell.timer);
        uv_driver_again(d);
        return;
    }
    left_ns = deadline_ns - now_ns;
    uv_update_time(d->loop);
    (void)uv_timer_start(&d->bell.timer, uv_driver_on_timer,
                         left_ns / NS_PER_MS + (left_ns % NS_PER_MS != 0), 0);
}

static void uv_driver_arm(void *ud, uint64_t deadline_ns, bool pending) {
    struct uv_driver *d = ud;

    if (d->clock >= 0)
        uv_clock_set(d, deadline_ns);
    else if (deadline_ns == KAHU_NEVER_NS)
        uv_timer_stop(&d->bell.timer);
    else
        uv_timer_set(d, deadline_ns);
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
    uv_close(&d->bell.handle, uv_driver_on_close);
    uv_close((uv_handle_t *)&d->async, uv_driver_on_close);
    uv_close((uv_handle_t *)&d->idle, uv_driver_on_close);
    if (d->clock >= 0)
        uv_clock_close(d); /* no longer watched */
}

/* ------------------------------------------------------------------------ */
/* Life                                                                     */
/* ------------------------------------------------------------------------ */

/* Cannot fail. */
static void uv_driver_init_bell(struct uv_driver *d) {
    if (d->clock >= 0)
        uv_clock_watch(d);
    else
        (void)uv_timer_init(d->loop, &d->bell.timer);
}

static void uv_driver_init_handles(struct uv_driver *d) {
    uv_driver_init_bell(d);
    (void)uv_idle_init(d->loop, &d->idle);
    d->async.data = d;
    d->idle.data = d;
    d->bell.handle.data = d;
    d->open = 3;
    uv_unref((uv_handle_t *)&d->async);
    uv_unref((uv_handle_t *)&d->idle);
    uv_unref(&d->bell.handle);
}

/* False when there is no descriptor for the clock or for the loop. */
static bool uv_driver_init(struct uv_driver *d, uv_loop_t *loop, bool precise) {
    d->loop = loop;
    d->clock = -1;
    if (precise && !uv_clock_open(d))
        return false;
    if (uv_async_init(loop, &d->async, uv_driver_on_async) == 0) {
        uv_driver_init_handles(d);
        return true;
    }
    if (precise)
        uv_clock_close(d);
    return false;
}

static kahu_status uv_driver_new(uv_loop_t *loop, bool precise,
                                 struct uv_driver **out) {
    struct kahu__alloc alloc;
    struct uv_driver *d;

    kahu__alloc_init(&alloc, kahu__alloc_libc, NULL);
    d = kahu__calloc(&alloc, sizeof(*d));
    if (d == NULL)
        return KAHU_ENOMEM;
    d->alloc = alloc;
    if (!uv_driver_init(d, loop, precise)) {
        kahu__free(&alloc, d, sizeof(*d));
        return KAHU_EDRIVER;
    }
    *out = d;
    return KAHU_OK;
}

static kahu_status uv_driver_make(kahu_driver *out, uv_loop_t *loop,
                                  bool precise) {
    struct uv_driver *d;
    kahu_status status;

    if (out == NULL || loop == NULL)
        return KAHU_EINVAL;
    status = uv_driver_new(loop, precise, &d);
    if (status == KAHU_OK)
        *out = (kahu_driver){
            .size = sizeof(kahu_driver),
            .ud = d,
            .now_ns = uv_driver_now,
            .arm = uv_driver_arm,
            .wake = uv_driver_wake,
            .again = uv_driver_again,
            .attach = uv_driver_attach,
            .release = uv_driver_release,
            .turn = uv_driver_turn,
        };
    return status;
}

kahu_status kahu_uv_driver(kahu_driver *out, struct uv_loop_s *loop) {
    return uv_driver_make(out, loop, false);
}

kahu_status kahu_uv_precise_driver(kahu_driver *out, struct uv_loop_s *loop) {
    return uv_driver_make(out, loop, true);
}
