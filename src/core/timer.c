/* SPDX-License-Identifier: MIT */
/*
 * timer.c - delay and wait: deadlines, and what is due collected before any of
 * it runs.
 */
#include "../base/common.h"
#include "sched.h"

/* ------------------------------------------------------------------------ */
/* Order: (deadline, sequence)                                              */
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

/* Beyond the clock's range is never (S5.3). */
static uint64_t timer_deadline(uint64_t now, uint64_t duration_ns,
                               uint64_t least_ns) {
    if (duration_ns < least_ns)
        duration_ns = least_ns;
    return duration_ns >= KAHU_NEVER_NS - now ? KAHU_NEVER_NS
                                              : now + duration_ns;
}

/* Room in the heap is reserved before the wake is made: from then on nothing
 * can fail. */
static void timer_push(kahu_sched *s, uint32_t id, uint64_t deadline_ns) {
    kahu__heap_push(&s->timers, deadline_ns, id);
    kahu__wake_at(s, id)->where = KAHU__TIMED;
    kahu__changed(s);
}

void kahu__timer_start(kahu_sched *s, uint32_t id, uint64_t delay_ns,
                       uint64_t least_ns) {
    uint64_t now = s->driver.now_ns(s->driver.ud);

    timer_push(s, id, timer_deadline(now, delay_ns, least_ns));
}

kahu_status kahu__wait(kahu_sched *s, lua_State *L, uint64_t duration_ns,
                       lua_CFunction self) {
    uint64_t now = s->driver.now_ns(s->driver.ud);
    kahu_status status = kahu__wake_allowed(s, L);
    uint32_t id;

    if (status != KAHU_OK)
        return status;
    if (!kahu__heap_reserve(&s->timers) ||
        (id = kahu__wake_new(s, L, KAHU_WAIT)) == 0)
        return KAHU_ENOMEM;
    s->wait_function = self;
    kahu__wake_at(s, id)->u.start_ns = now;
    timer_push(s, id, timer_deadline(now, duration_ns, s->options.min_wait_ns));
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
    kahu__timer_start(s, id, delay_ns, s->options.min_wait_ns);
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
    const struct kahu__heap_item *first;

    while ((first = kahu__heap_first(&s->timers)) != NULL) {
        uint32_t id = first->id;

        if (first->key > now || first->key == KAHU_NEVER_NS ||
            timer_is_of_this_cycle(s, id))
            break;
        kahu__timer_to_list(s, id, KAHU__DUE);
    }
}

void kahu__timer_to_list(kahu_sched *s, uint32_t id,
                         enum kahu__list_name name) {
    struct kahu__wake *w = kahu__wake_at(s, id);

    kahu__heap_remove(&s->timers, w->at.place);
    w->where = KAHU__NOWHERE;
    s->deadlines -= w->kind == KAHU__CANCEL;
    kahu__list_append(s, name, id);
}

void kahu__timer_purge(kahu_sched *s) {
    const struct kahu__heap_item *first;

    while ((first = kahu__heap_first(&s->timers)) != NULL &&
           kahu__is_dead(s->work, kahu__wake_at(s, first->id)->co))
        kahu__drop(s, first->id);
}

uint64_t kahu_next_deadline_ns(const kahu_sched *s) {
    const struct kahu__heap_item *first = kahu__heap_first(&s->timers);

    KAHU__LOOP_ONLY(s);
    return first == NULL ? KAHU_NEVER_NS : first->key;
}
