/* SPDX-License-Identifier: MIT */
/*
 * park.c - wakes that were due while their thread was running or normal (M2).
 *
 * A step runs at the bottom of the scheduler's own resumes, so this happens
 * only below a resume of the host's: a thread it resumed called a C function
 * that steps. Such wakes are tried again in each cycle. As the step may be
 * over by the time the thread is suspended, the VM's postresume callback tells
 * the driver then; it is in place only while there is something to watch for,
 * and calls the host's own first. What it needs is in the box, as it may have
 * to stay longer than the scheduler.
 */
#include "../base/common.h"
#include "sched.h"

static void park_postresume(lua_State *L) {
    struct kahu__box *box = kahu__sched_box(L);

    if (box->chained_postresume != NULL)
        box->chained_postresume(L);
    if (box->s == NULL || kahu__thread_oldest(box->s, L) == 0)
        return;
    box->s->unparked = true;
    box->s->driver.wake(box->s->driver.ud);
}

static void park_watch(kahu_sched *s) {
    lua_Callbacks *callbacks = lua_callbacks(s->main);

    if (s->box->watching)
        return;
    s->box->chained_postresume = callbacks->postresume;
    callbacks->postresume = park_postresume;
    s->box->watching = true;
}

void kahu__park_unwatch(kahu_sched *s) {
    lua_Callbacks *callbacks = lua_callbacks(s->main);

    /* Somebody who came later chains to us: stay, and chain on. */
    if (!s->box->watching || callbacks->postresume != park_postresume)
        return;
    callbacks->postresume = s->box->chained_postresume;
    s->box->watching = false;
}

void kahu__park(kahu_sched *s, uint32_t id) {
    kahu__list_append(s, KAHU__PARKED, id);
    park_watch(s);
}

void kahu__park_retry(kahu_sched *s) {
    struct kahu__list *parked = &s->lists[KAHU__PARKED];

    while (parked->first != 0) {
        uint32_t id = parked->first;

        kahu__list_remove(s, id);
        kahu__list_append(s, KAHU__DUE, id);
    }
    s->unparked = false;
    kahu__park_unwatch(s);
}
