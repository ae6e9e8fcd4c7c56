/* SPDX-License-Identifier: MIT */
/*
 * timer.c - delay and wait: deadlines, and what is due collected before any of
 * it runs.
 */
#include "../base/common.h"
#include "sched.h"

/* ------------------------------------------------------------------------ */
/* The heap of those in no lane                                             */
/* ------------------------------------------------------------------------ */

bool kahu__timer_before(void *ud, uint32_t a, uint32_t b) {
    const kahu_sched *s = ud;

    return kahu__seq_before(kahu__wake_at(s, a)->seq, kahu__wake_at(s, b)->seq);
}

void kahu__timer_placed(void *ud, uint32_t id, uint32_t place) {
    kahu__wake_at(ud, id)->at.place = place;
}

/* ------------------------------------------------------------------------ */
/* Making                                                                   */
/* ------------------------------------------------------------------------ */

/* Room in the heap is reserved before the wake is made: from then on nothing
 * can fail. A deadline beyond the clock's range is never (S5.3). */
static void timer_push(kahu_sched *s, uint32_t id, uint64_t now,
                       uint64_t delay_ns) {
    uint64_t deadline_ns =
        delay_ns >= KAHU_NEVER_NS - now ? KAHU_NEVER_NS : now + delay_ns;

    kahu__timers_add(s, id, deadline_ns, delay_ns);
    kahu__changed(s);
}

static uint64_t timer_least(const kahu_sched *s, uint64_t delay_ns) {
    return delay_ns < s->options.min_wait_ns ? s->options.min_wait_ns
                                             : delay_ns;
}

void kahu__timer_start(kahu_sched *s, uint32_t id, uint64_t delay_ns) {
    timer_push(s, id, s->driver.now_ns(s->driver.ud), delay_ns);
}

kahu_status kahu__wait(kahu_sched *s, lua_State *L, uint64_t duration_ns,
                       lua_CFunction self) {
    uint64_t now = s->driver.now_ns(s->driver.ud);
    kahu_status status = kahu__wake_allowed(s, L);
    uint32_t id;

    if (status != KAHU_OK)
        return status;
    if (!kahu__heap_reserve(&s->timers) ||
        (id = kahu__wake_new(s, L, KAHU_WAIT, L, 0)) == 0)
        return KAHU_ENOMEM;
    s->wait_function = self;
    kahu__wake_at(s, id)->u.start_ns = now;
    timer_push(s, id, now, timer_least(s, duration_ns));
    return KAHU_OK;
}

kahu_status kahu__delay(kahu_sched *s, lua_State *co, lua_State *L, int nargs,
                        uint64_t delay_ns) {
    kahu_status status = kahu__wake_allowed(s, co);
    uint32_t id;

    if (status != KAHU_OK)
        return status;
    if (!kahu__heap_reserve(&s->timers) ||
        (id = kahu__wake_make(s, co, KAHU_DELAY, L, nargs)) == 0)
        return KAHU_ENOMEM;
    kahu__timer_start(s, id, timer_least(s, delay_ns));
    return KAHU_OK;
}

/* ------------------------------------------------------------------------ */
/* Firing                                                                   */
/* ------------------------------------------------------------------------ */

static bool timer_is_of_this_cycle(const kahu_sched *s, uint32_t id) {
    return !kahu__seq_before(kahu__wake_at(s, id)->seq, s->cycle_seq);
}

/*
 * A timer made in this cycle never fires in it (S5.1, S5.5). It holds back the
 * later ones behind it, or they would be served out of order (S5.6); all of
 * them come first in the next cycle, which begins at once.
 */
void kahu__timer_collect(kahu_sched *s) {
    uint64_t now = s->driver.now_ns(s->driver.ud);
    uint32_t first;

    while ((first = kahu__timers_first(s)) != 0) {
        uint64_t deadline_ns = kahu__wake_at(s, first)->deadline_ns;

        if (deadline_ns > now || deadline_ns == KAHU_NEVER_NS ||
            timer_is_of_this_cycle(s, first))
            break;
        kahu__timer_to_list(s, first, KAHU__DUE);
    }
}

void kahu__timer_to_list(kahu_sched *s, uint32_t id,
                         enum kahu__list_name name) {
    kahu__timers_remove(s, id);
    kahu__list_append(s, name, id);
}

void kahu__timer_purge(kahu_sched *s) {
    uint32_t first;

    while ((first = kahu__timers_first(s)) != 0 &&
           kahu__is_dead(s->work, kahu__wake_at(s, first)->co))
        kahu__drop(s, first);
}

uint64_t kahu_next_deadline_ns(const kahu_sched *s) {
    uint32_t first = kahu__timers_first(s);

    KAHU__LOOP_ONLY(s);
    return first == 0 ? KAHU_NEVER_NS : kahu__wake_at(s, first)->deadline_ns;
}
