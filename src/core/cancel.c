/* SPDX-License-Identifier: MIT */
/*
 * cancel.c - taking a thread out of whatever it waits for (S6).
 */
#include "../base/common.h"
#include "sched.h"

void kahu__cancel_wake(kahu_sched *s, uint32_t id) {
    unsigned kind = kahu__wake_at(s, id)->kind;

    if (kind < KAHU_KINDS)
        s->stats.cancelled[kind]++;
    kahu__wake_free(s, id);
}

void kahu__unlink(kahu_sched *s, lua_State *co) {
    uint32_t id;

    while ((id = kahu__thread_oldest(s, co)) != 0)
        kahu__cancel_wake(s, id);
}

/* Nothing is left to cancel: "all done" is not to wait for it. */
void kahu__cancel_settled(kahu_sched *s, lua_State *co) {
    uint32_t id;
    uint32_t left;

    if (s->pending[KAHU__CANCEL] == 0)
        return;
    id = kahu__thread_oldest(s, co);
    for (left = kahu__thread_wakes(s, co); left > 0; left--) {
        uint32_t newer = kahu__wake_at(s, id)->newer;

        if (kahu__wake_at(s, id)->kind == KAHU__CANCEL)
            kahu__cancel_wake(s, id);
        id = newer;
    }
    kahu__chain_update(s);
}

static int cancel_reset(lua_State *L, void *ud) {
    (void)L;
    lua_resetthread(ud);
    return 0;
}

/* The VM makes the stacks of a closed thread smaller, and raises if even that
 * fails; it can be asked again. When it never got through, the thread has no
 * frames any more but says that it is suspended: a resume would take what is
 * not there for a function. */
void kahu__reset(kahu_sched *s, lua_State *co) {
    for (int tries = 0; tries < 3; tries++) {
        if (kahu__protect(s, s->work, cancel_reset, co) == LUA_OK)
            return;
        lua_pop(s->work, 1); /* the error */
    }
    if (lua_costatus(s->work, co) == LUA_COSUS)
        kahu__resume_to_fail(s, co);
}

static void cancel_event(const kahu_sched *s, lua_State *co) {
    kahu_event e = {
        .type = KAHU_THREAD_CANCELLED,
        .co = co,
        .cause = KAHU_BY_CANCEL,
        .outcome = KAHU_CANCELLED,
        .deadline_ns = KAHU_NEVER_NS,
    };

    kahu__hooks_event(s, &e);
}

void kahu__cancel_tell(kahu_sched *s, lua_State *co) {
    kahu__unlink(s, co);
    if (!kahu__tells_of_ends(s) && s->event_hooks == 0)
        return;
    if (lua_costatus(s->work, co) == LUA_COSUS) {
        if (s->event_hooks > 0)
            cancel_event(s, co);
        kahu__feedback(s, co, KAHU_BY_CANCEL, KAHU_CANCELLED);
    }
    kahu__unlink(s, co); /* what hooks may have made */
}

/* Providers and hooks are called on the way, and may call back: one of them may
 * have cancelled the thread already, or resumed it to its end. */
void kahu__cancel_now(kahu_sched *s, lua_State *co) {
    kahu__enter(s);
    kahu__hold(co, s->work);
    kahu__cancel_tell(s, co);
    kahu__reset(s, co);
    lua_pop(s->work, 1);
    kahu__leave(s);
}
