/* SPDX-License-Identifier: MIT */
/*
 * verify.c - walks everything a scheduler holds and asserts its invariants.
 *
 * For tests: in a release build there is nothing in here.
 */
#include "../base/common.h"
#include "sched.h"

#if defined(NDEBUG)

void kahu__verify(const kahu_sched *s) {
    (void)s;
}

#else

/* W1 to W3 for one wake, seen from its list or heap. */
static void verify_wake(const kahu_sched *s, uint32_t id) {
    const struct kahu__wake *w = kahu__wake_at(s, id);
    uint32_t first = kahu__thread_oldest(s, w->co);
    bool found = false;
    uint32_t i = first;

    assert(first != 0);
    do {
        const struct kahu__wake *member = kahu__wake_at(s, i);

        found = found || i == id;
        assert(member->co == w->co);
        assert(kahu__wake_at(s, member->newer)->older == i);
        assert(member->newer == first ||
               kahu__seq_before(member->seq,
                                kahu__wake_at(s, member->newer)->seq));
        i = member->newer;
    } while (i != first);
    assert(found);

    kahu__pool_get(&s->wakes, id, s->work);
    assert(lua_tothread(s->work, -1) == w->co);
    lua_pop(s->work, 1);
}

static size_t verify_list(const kahu_sched *s, int name) {
    size_t count = 0;
    uint32_t before = 0;

    for (uint32_t id = s->lists[name].first; id != 0;
         id = kahu__wake_at(s, id)->next) {
        const struct kahu__wake *w = kahu__wake_at(s, id);

        assert(w->where == KAHU__LISTED && w->list == name);
        assert(w->at.prev == before);
        assert(name != KAHU__OPERATING || w->kind == KAHU_OPERATION);
        verify_wake(s, id);
        before = id;
        count++;
    }
    assert(s->lists[name].last == before);
    return count;
}

static size_t verify_heap(const kahu_sched *s) {
    for (uint32_t i = 0; i < s->timers.count; i++) {
        const struct kahu__wake *w = kahu__wake_at(s, s->timers.ids[i]);

        assert(w->where == KAHU__TIMED && w->at.place == i);
        assert(w->deadline_ns == s->timers.keys[i]);
        assert(s->timers.keys[i == 0 ? 0 : (i - 1) / 4] <= s->timers.keys[i]);
        verify_wake(s, s->timers.ids[i]);
    }
    return s->timers.count;
}

static size_t verify_lane(const kahu_sched *s, unsigned lane) {
    size_t count = 0;
    uint32_t before = 0;

    for (uint32_t id = s->lanes[lane].first; id != 0;
         id = kahu__wake_at(s, id)->next) {
        const struct kahu__wake *w = kahu__wake_at(s, id);

        assert(w->where == KAHU__IN_LANE && w->list == lane);
        assert(w->at.prev == before);
        assert(before == 0 ||
               kahu__wake_at(s, before)->deadline_ns <= w->deadline_ns);
        verify_wake(s, id);
        before = id;
        count++;
    }
    assert(s->lanes[lane].last == before);
    assert((s->lanes_used >> lane & 1) == (count > 0));
    return count;
}

static size_t verify_timers(const kahu_sched *s) {
    size_t count = verify_heap(s);

    for (unsigned lane = 0; lane < KAHU__LANES; lane++)
        count += verify_lane(s, lane);
    assert(s->first_timer == kahu__timers_find(s));
    return count;
}

void kahu__verify(const kahu_sched *s) {
    size_t count = verify_timers(s);
    size_t sum = 0;

    for (int name = 0; name < KAHU__LISTS; name++)
        count += verify_list(s, name);
    for (int kind = 0; kind <= KAHU_KINDS; kind++)
        sum += s->pending[kind];
    assert(count == s->pending_all && sum == s->pending_all);
    assert(s->wakes.live == s->pending_all + s->delivering);
    assert(s->threads.count <= s->pending_all);
    assert(!s->closed || s->pending_all == 0);
    assert(lua_gettop(s->work) == 0 || s->depth > 0);
}

#endif
