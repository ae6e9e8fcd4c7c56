/* SPDX-License-Identifier: MIT */
/*
 * stepped.c - the driver whose clock moves when told: a game loop's, a test's.
 *
 * It has nothing to arm: whoever moves the clock asks the scheduler what is
 * next.
 */
#include "../base/alloc.h"
#include "clock.h"
#include "kahu/kahu.h"

struct kahu_stepped {
    struct kahu__alloc alloc; /* the C library's: a driver has no VM yet */
    kahu_sched *s;            /* NULL before a scheduler, and after it */
    uint64_t now_ns;
    bool running;  /* inside a call below, which frees this at its end if */
    bool released; /* the scheduler went away meanwhile */
};

/* ------------------------------------------------------------------------ */
/* The port                                                                 */
/* ------------------------------------------------------------------------ */

static uint64_t stepped_now(void *ud) {
    const kahu_stepped *m = ud;

    return m->now_ns;
}

static void stepped_arm(void *ud, uint64_t deadline_ns, bool pending) {
    (void)ud;
    (void)deadline_ns;
    (void)pending;
}

static void stepped_wake(void *ud) {
    (void)ud;
}

/* A script takes its time on a clock that stands still, too. */
static uint64_t stepped_real(void *ud) {
    (void)ud;
    return kahu__clock_ns();
}

static void stepped_attach(void *ud, kahu_sched *s) {
    kahu_stepped *m = ud;

    m->s = s;
}

static void stepped_release(void *ud) {
    kahu_stepped *m = ud;

    m->s = NULL;
    m->released = true;
    if (!m->running)
        kahu_stepped_free(m);
}

static kahu_status stepped_turn(void *ud);

/* ------------------------------------------------------------------------ */
/* Life                                                                     */
/* ------------------------------------------------------------------------ */

kahu_status kahu_stepped_new(kahu_stepped **out, kahu_driver *driver_out) {
    struct kahu__alloc alloc;
    kahu_stepped *m;

    if (out == NULL || driver_out == NULL)
        return KAHU_EINVAL;
    kahu__alloc_init(&alloc, kahu__alloc_libc, NULL);
    m = kahu__calloc(&alloc, sizeof(*m));
    if (m == NULL)
        return KAHU_ENOMEM;
    m->alloc = alloc;
    *driver_out = (kahu_driver){
        .size = sizeof(kahu_driver),
        .ud = m,
        .now_ns = stepped_now,
        .arm = stepped_arm,
        .wake = stepped_wake,
        .attach = stepped_attach,
        .release = stepped_release,
        .turn = stepped_turn,
        .real_ns = stepped_real,
    };
    *out = m;
    return KAHU_OK;
}

void kahu_stepped_free(kahu_stepped *m) {
    struct kahu__alloc alloc;

    if (m == NULL)
        return;
    alloc = m->alloc;
    kahu__free(&alloc, m, sizeof(*m));
}

/* ------------------------------------------------------------------------ */
/* Moving the clock                                                         */
/* ------------------------------------------------------------------------ */

uint64_t kahu_stepped_now_ns(const kahu_stepped *m) {
    return m->now_ns;
}

static void stepped_set(kahu_stepped *m, uint64_t now_ns) {
    if (now_ns > m->now_ns)
        m->now_ns = now_ns;
}

/* Refuses before the clock is touched. */
static kahu_status stepped_begin(kahu_stepped *m) {
    if (m->s == NULL)
        return KAHU_EINVAL;
    if (m->running || kahu_is_running(m->s))
        return KAHU_ESTATE;
    m->running = true;
    return KAHU_OK;
}

static void stepped_end(kahu_stepped *m) {
    m->running = false;
    if (m->released)
        kahu_stepped_free(m);
}

/* Neither freed nor stopped by what ran. */
static bool stepped_goes_on(const kahu_stepped *m) {
    return m->s != NULL && !kahu_is_stopped(m->s);
}

int kahu_stepped_step(kahu_stepped *m, uint64_t now_ns) {
    int count = stepped_begin(m);

    if (count != KAHU_OK)
        return count;
    stepped_set(m, now_ns);
    count = kahu_step(m->s);
    stepped_end(m);
    return count;
}

/* Steps until nothing is ready at this time; how many threads were resumed. A
 * step can't fail here: nothing is under way, and what is closed or stopped is
 * not ready. */
static int64_t stepped_settle(kahu_stepped *m) {
    int64_t count = 0;

    while (stepped_goes_on(m) && kahu_is_ready(m->s))
        count += kahu_step(m->s);
    return count;
}

/* Visits every deadline up to end_ns. */
static int64_t stepped_run_until(kahu_stepped *m, uint64_t end_ns) {
    int64_t count;

    if (kahu_is_stopped(m->s))
        (void)kahu_step(m->s); /* sends away who waits in a kahu_call() */
    count = stepped_settle(m);

    while (stepped_goes_on(m)) {
        uint64_t next_ns = kahu_next_deadline_ns(m->s);

        if (next_ns == KAHU_NEVER_NS || next_ns > end_ns)
            break;
        stepped_set(m, next_ns);
        count += stepped_settle(m);
    }
    return count;
}

/* One step, at the next deadline if none can be done now. */
static kahu_status stepped_turn(void *ud) {
    kahu_stepped *m = ud;
    kahu_status status = stepped_begin(m);

    if (status != KAHU_OK)
        return status;
    if (!kahu_is_ready(m->s)) {
        uint64_t next_ns = kahu_next_deadline_ns(m->s);

        if (next_ns == KAHU_NEVER_NS)
            status = KAHU_EIDLE;
        else
            stepped_set(m, next_ns);
    }
    if (status == KAHU_OK)
        (void)kahu_step(m->s);
    stepped_end(m);
    return status;
}

int64_t kahu_stepped_advance(kahu_stepped *m, uint64_t by_ns) {
    kahu_status status = stepped_begin(m);
    uint64_t end_ns;
    int64_t count;

    if (status != KAHU_OK)
        return status;
    end_ns =
        by_ns < KAHU_NEVER_NS - m->now_ns ? m->now_ns + by_ns : KAHU_NEVER_NS;
    count = stepped_run_until(m, end_ns);
    if (stepped_goes_on(m))
        stepped_set(m, end_ns);
    stepped_end(m);
    return count;
}

int64_t kahu_stepped_run(kahu_stepped *m) {
    int64_t count = stepped_begin(m);

    if (count != KAHU_OK)
        return count;
    count = stepped_run_until(m, KAHU_NEVER_NS);
    stepped_end(m);
    return count;
}
