/* SPDX-License-Identifier: MIT */
/*
 * stepped.c - the driver whose clock moves when told: a game loop's, a test's.
 *
 * It has nothing to arm: whoever moves the clock asks the scheduler what is
 * next.
 */
#include "../base/alloc.h"
#include "kahu/kahu.h"

struct kahu_stepped {
    struct kahu__alloc alloc; /* the C library's: a driver has no VM yet */
    kahu_sched *s;            /* NULL until a scheduler takes the driver */
    uint64_t now_ns;
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

static void stepped_attach(void *ud, kahu_sched *s) {
    kahu_stepped *m = ud;

    m->s = s;
}

static void stepped_release(void *ud) {
    kahu_stepped_free(ud);
}

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

int kahu_stepped_step(kahu_stepped *m, uint64_t now_ns) {
    if (m->s == NULL)
        return KAHU_EINVAL;
    stepped_set(m, now_ns);
    return kahu_step(m->s);
}

/* Steps until nothing is ready at this time; resumes are added to *count. A
 * stop ends it, as does a hook's close, and neither is an error here. */
static kahu_status stepped_settle(kahu_stepped *m, int64_t *count) {
    while (kahu_is_ready(m->s) && !kahu_is_stopped(m->s)) {
        int n = kahu_step(m->s);

        if (n < 0)
            return (kahu_status)n;
        *count += n;
    }
    return KAHU_OK;
}

/* Visits every deadline up to end_ns. */
static int64_t stepped_run_until(kahu_stepped *m, uint64_t end_ns) {
    int64_t count = 0;
    kahu_status status;

    if (m->s == NULL)
        return KAHU_EINVAL;
    while ((status = stepped_settle(m, &count)) == KAHU_OK) {
        uint64_t next_ns = kahu_next_deadline_ns(m->s);

        if (kahu_is_stopped(m->s) || next_ns == KAHU_NEVER_NS ||
            next_ns > end_ns)
            return count;
        stepped_set(m, next_ns);
    }
    return status;
}

int64_t kahu_stepped_advance(kahu_stepped *m, uint64_t by_ns) {
    uint64_t end_ns =
        by_ns < KAHU_NEVER_NS - m->now_ns ? m->now_ns + by_ns : KAHU_NEVER_NS;
    int64_t count = stepped_run_until(m, end_ns);

    if (count >= 0 && !kahu_is_stopped(m->s))
        stepped_set(m, end_ns);
    return count;
}

int64_t kahu_stepped_run(kahu_stepped *m) {
    return stepped_run_until(m, KAHU_NEVER_NS);
}
