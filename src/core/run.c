/* SPDX-License-Identifier: MIT */
/*
 * run.c - turning the driver until something has come about.
 */
#include "../base/common.h"
#include "sched.h"

/* ------------------------------------------------------------------------ */
/* The loop                                                                 */
/* ------------------------------------------------------------------------ */

/* Before the first turn. */
static kahu_status run_check(const kahu_sched *s) {
    if (s->depth > 0 || s->runs > 0)
        return KAHU_ESTATE;
    if (s->driver.turn == NULL)
        return KAHU_EINVAL;
    return KAHU_OK;
}

/* Is it over, and how? remaining is NULL for a run until all is done. */
static bool run_is_over(const kahu_sched *s, const size_t *remaining,
                        kahu_status *out) {
    if (s->closing)
        *out = KAHU_ECLOSED;
    else if (remaining != NULL && *remaining == 0)
        *out = KAHU_OK;
    else if (kahu_is_stopped(s))
        *out = KAHU_ESTOPPED;
    else if (kahu_is_done(s))
        *out = remaining == NULL ? KAHU_OK : KAHU_EIDLE;
    else
        return false;
    return true;
}

/* A free from inside waits until we are out of here. The driver is told before
 * each turn: another OS thread may have posted since, and somebody else may
 * have resumed to its end what the last wakes were for. */
static kahu_status run_loop(kahu_sched *s, const size_t *remaining) {
    kahu_status status = KAHU_OK;

    s->runs++;
    s->until = remaining;
    while (status == KAHU_OK) {
        kahu__changed(s);
        if (run_is_over(s, remaining, &status))
            break;
        status = s->driver.turn(s->driver.ud);
    }
    s->until = NULL;
    s->runs--;
    return status;
}

/* The outermost enter and leave carry a free out. */
static kahu_status run_end(kahu_sched *s, kahu_status status) {
    kahu__enter(s);
    kahu__leave(s);
    return status;
}

kahu_status kahu_run(kahu_sched *s) {
    kahu_status status;

    KAHU__LOOP_ONLY(s);
    status = run_check(s);
    return status != KAHU_OK ? status : run_end(s, run_loop(s, NULL));
}

/* ------------------------------------------------------------------------ */
/* Until threads have ended                                                 */
/* ------------------------------------------------------------------------ */

static bool run_thread_ended(void *ud, lua_State *L, const kahu_feedback *f) {
    size_t *remaining = ud;

    (void)L;
    (void)f;
    --*remaining;
    return false;
}

static void run_unwatch(kahu_sched *s, lua_State *const *threads, size_t n,
                        size_t *remaining) {
    for (size_t i = 0; i < n && !s->closed; i++)
        (void)kahu_unwatch(s, threads[i], run_thread_ended, remaining);
}

/* Those that have ended already need no watch. */
static kahu_status run_watch(kahu_sched *s, lua_State *const *threads, size_t n,
                             size_t *remaining) {
    for (size_t i = 0; i < n; i++) {
        kahu_status status =
            kahu_watch(s, threads[i], run_thread_ended, remaining, NULL);

        if (status == KAHU_OK) {
            ++*remaining;
        } else if (status != KAHU_ESTATE) {
            run_unwatch(s, threads, i, remaining);
            return status;
        }
    }
    return KAHU_OK;
}

kahu_status kahu_run_until(kahu_sched *s, lua_State *const *threads, size_t n) {
    size_t remaining = 0;
    kahu_status status;

    KAHU__LOOP_ONLY(s);
    status = run_check(s);
    if (status == KAHU_OK)
        status = run_watch(s, threads, n, &remaining);
    if (status != KAHU_OK)
        return status;
    status = run_loop(s, &remaining);
    run_unwatch(s, threads, n, &remaining);
    return run_end(s, status);
}
