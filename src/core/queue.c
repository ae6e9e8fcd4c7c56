/* SPDX-License-Identifier: MIT */
/*
 * queue.c - the deferred queue and its flush (M6).
 */
#include "../base/common.h"
#include "sched.h"

kahu_status kahu__defer(kahu_sched *s, lua_State *co, lua_State *L, int nargs) {
    kahu_status status = kahu__wake_allowed(s, co);
    uint32_t id;

    if (status != KAHU_OK)
        return status;
    id = kahu__wake_make(s, co, KAHU_DEFER, L, nargs);
    if (id == 0)
        return KAHU_ENOMEM;
    kahu__list_append(s, KAHU__DEFERRED, id);
    kahu__changed(s);
    return KAHU_OK;
}

bool kahu__too_deep(const kahu_sched *s) {
    return s->options.strict_defer_depth &&
           s->flush_depth >= s->options.max_defer_depth;
}

/* Is the first deferred wake of the generation being flushed? */
static bool queue_in_generation(const kahu_sched *s, uint32_t first) {
    return kahu__seq_before(kahu__wake_at(s, first)->seq, s->flush_end_seq);
}

/* What was deferred up to now is the next generation; false when there is
 * none, or one too many. Then all that is left, and what comes after it, keeps
 * its order and waits for the next cycle. */
static bool queue_next_generation(kahu_sched *s) {
    bool empty = s->lists[KAHU__DEFERRED].first == 0;

    if (!empty && s->flush_depth == s->options.max_defer_depth)
        s->flush_carried = true;
    if (empty || s->flush_carried) {
        s->flush_depth = 0;
        return false;
    }
    s->flush_depth++;
    s->flush_end_seq = s->next_seq;
    return true;
}

/* Delivers the generation; false when the budget ran out. */
static bool queue_run_generation(kahu_sched *s) {
    uint32_t id;

    while ((id = s->lists[KAHU__DEFERRED].first) != 0 &&
           queue_in_generation(s, id)) {
        if (kahu__spent(s))
            return false;
        kahu__list_remove(s, id);
        kahu__deliver(s, id);
    }
    return true;
}

/* flush_depth is above 0 at the start when a budget cut this flush short. */
bool kahu__flush(kahu_sched *s) {
    if (s->flush_depth == 0 && !queue_next_generation(s))
        return true;
    do {
        if (!queue_run_generation(s))
            return false;
    } while (queue_next_generation(s));
    return true;
}
