/* SPDX-License-Identifier: MIT */
/*
 * lanes.c - what is timed, the earliest first.
 *
 * Programs sleep for the same time again and again, so most deadlines are made
 * in the order in which they come. A lane is a first-in first-out list of such,
 * one for each power of two of the durations: a wake whose deadline is not
 * before the last one's of its lane stands behind it, at no cost. All others
 * are in the heap. The earliest is the first of the heap or of a lane.
 */
#include "../base/common.h"
#include "sched.h"

/* Up to 65 us is in the first lane, over 39 hours in the last. */
#define LANE_SHIFT 16

static unsigned lane_of(uint64_t delay_ns) {
    unsigned lane = kahu__bits(delay_ns >> LANE_SHIFT);

    return lane < KAHU__LANES ? lane : KAHU__LANES - 1;
}

/* Is the end of the lane a place for this deadline? */
static bool lane_takes(const kahu_sched *s, const struct kahu__list *l,
                       uint64_t deadline_ns) {
    return l->last == 0 ||
           kahu__wake_at(s, l->last)->deadline_ns <= deadline_ns;
}

static void lane_add(kahu_sched *s, unsigned lane, uint32_t id) {
    struct kahu__wake *w = kahu__wake_at(s, id);

    w->where = KAHU__IN_LANE;
    w->list = (uint8_t)lane;
    kahu__list_link(s, &s->lanes[lane], id);
    s->lanes_used |= UINT32_C(1) << lane;
}

static void lane_remove(kahu_sched *s, unsigned lane, uint32_t id) {
    kahu__list_unlink(s, &s->lanes[lane], id);
    if (s->lanes[lane].first == 0)
        s->lanes_used &= ~(UINT32_C(1) << lane);
}

/* Order: (deadline, sequence). */
static bool timers_before(const kahu_sched *s, uint32_t a, uint32_t b) {
    const struct kahu__wake *first = kahu__wake_at(s, a);
    const struct kahu__wake *second = kahu__wake_at(s, b);

    if (first->deadline_ns != second->deadline_ns)
        return first->deadline_ns < second->deadline_ns;
    return kahu__seq_before(first->seq, second->seq);
}

uint32_t kahu__timers_find(const kahu_sched *s) {
    uint32_t first = kahu__heap_first(&s->timers);

    for (uint32_t used = s->lanes_used; used != 0; used &= used - 1) {
        uint32_t id = s->lanes[kahu__bits(used ^ (used - 1)) - 1].first;

        if (first == 0 || timers_before(s, id, first))
            first = id;
    }
    return first;
}

void kahu__timers_add(kahu_sched *s, uint32_t id, uint64_t deadline_ns,
                      uint64_t delay_ns) {
    unsigned lane = lane_of(delay_ns);
    struct kahu__wake *w = kahu__wake_at(s, id);

    assert(w->where == KAHU__NOWHERE);
    w->deadline_ns = deadline_ns;
    if (lane_takes(s, &s->lanes[lane], deadline_ns)) {
        lane_add(s, lane, id);
    } else {
        w->where = KAHU__TIMED;
        kahu__heap_push(&s->timers, deadline_ns, id);
    }
    if (s->first_timer == 0 || timers_before(s, id, s->first_timer))
        s->first_timer = id;
}

void kahu__timers_remove(kahu_sched *s, uint32_t id) {
    struct kahu__wake *w = kahu__wake_at(s, id);

    assert(kahu__is_timed(w));
    if (w->where == KAHU__TIMED)
        kahu__heap_remove(&s->timers, w->at.place);
    else
        lane_remove(s, w->list, id);
    if (id == s->first_timer)
        s->first_timer = kahu__timers_find(s);
    w->where = KAHU__NOWHERE;
    s->deadlines -= w->kind == KAHU__CANCEL;
}
