/* SPDX-License-Identifier: MIT */
/*
 * park.c - wakes that were due while their thread was running or normal (M2).
 *
 * A step runs at the bottom of the scheduler's own resumes, so this happens
 * only below a resume of the host's: a thread it resumed called a C function
 * that steps. Such wakes are tried again in each cycle. As the step may be
 * over by the time the thread is suspended, the VM tells us of the end of every
 * resume (chain.c) while there is something to watch for.
 */
#include "../base/common.h"
#include "sched.h"

void kahu__park_notice(kahu_sched *s, lua_State *L) {
    if (s->lists[KAHU__PARKED].first == 0 || kahu__thread_oldest(s, L) == 0)
        return;
    s->unparked = true;
    s->driver.wake(s->driver.ud);
}

void kahu__park(kahu_sched *s, uint32_t id) {
    kahu__list_append(s, KAHU__PARKED, id);
    kahu__chain_update(s);
}

void kahu__park_retry(kahu_sched *s) {
    struct kahu__list *parked = &s->lists[KAHU__PARKED];

    s->unparked = false; /* also if what was parked has been cancelled since */
    if (parked->first == 0)
        return;
    while (parked->first != 0) {
        uint32_t id = parked->first;

        kahu__list_remove(s, id);
        kahu__list_append(s, KAHU__DUE, id);
    }
    kahu__chain_update(s);
}
