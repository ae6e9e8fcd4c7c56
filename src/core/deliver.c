/* SPDX-License-Identifier: MIT */
/*
 * deliver.c - a wake that is due becomes a resume (M2).
 */
#include "../base/common.h"
#include "sched.h"

#define NS_PER_S 1e9

/* ------------------------------------------------------------------------ */
/* Strict wakes (M3)                                                        */
/* ------------------------------------------------------------------------ */

static bool deliver_waits(const struct kahu__wake *w) {
    return w->kind == KAHU_WAIT || w->kind == KAHU_OPERATION;
}

lua_CFunction kahu__top_function(lua_State *L) {
    lua_CFunction f = NULL;
    lua_Debug ar;

    if (lua_checkstack(L, 1) && lua_getinfo(L, 0, "f", &ar)) {
        f = lua_tocfunction(L, -1);
        lua_pop(L, 1);
    }
    return f;
}

/* Has a wait or an operation of co begun after seq? */
static bool deliver_waits_since(const kahu_sched *s, const lua_State *co,
                                uint64_t seq) {
    uint32_t oldest = kahu__thread_oldest(s, co);
    uint32_t id = oldest;

    if (oldest == 0)
        return false;
    do { /* the newest first */
        const struct kahu__wake *w;

        id = kahu__wake_at(s, id)->older;
        w = kahu__wake_at(s, id);
        if (!kahu__seq_before(seq, w->seq))
            return false;
        if (deliver_waits(w))
            return true;
    } while (id != oldest);
    return false;
}

/*
 * Has the yield of co ended in which the wake seq was made, by the function
 * begun_in? A thread is in one yield at a time: a wait begun later, or another
 * function on top, tells that it went on.
 */
static bool deliver_went_on(kahu_sched *s, lua_State *co, uint64_t seq,
                            lua_CFunction begun_in) {
    lua_CFunction f;

    if (!s->options.strict_wakes)
        return false;
    if (deliver_waits_since(s, co, seq))
        return true;
    f = kahu__top_function(co);
    /* no memory to look: a wake too many loses nothing */
    return f != NULL && f != begun_in;
}

static bool deliver_is_stale(kahu_sched *s, uint32_t id) {
    const struct kahu__wake *w = kahu__wake_at(s, id);

    return deliver_waits(w) &&
           deliver_went_on(s, w->co, w->seq,
                           w->kind == KAHU_WAIT ? s->wait_function
                                                : w->u.op->begun_in);
}

/* ------------------------------------------------------------------------ */
/* Values                                                                   */
/* ------------------------------------------------------------------------ */

/* Preloaded values are where they were pushed, unless somebody else's resume
 * has used them up. A fresh thread has its function below them. */
static int deliver_preloaded(lua_State *co, int count) {
    int top = lua_gettop(co) - (lua_status(co) == LUA_YIELD ? 0 : 1);

    return top < count ? top : count;
}

static int deliver_elapsed(kahu_sched *s, lua_State *co, uint64_t start_ns) {
    uint64_t now = s->driver.now_ns(s->driver.ud);

    lua_pushnumber(co, (double)(now - start_ns) / NS_PER_S);
    return 1;
}

/* There is no room on co for the values that were kept for it. */
static int deliver_no_memory(kahu_sched *s, struct kahu__wake *w) {
    kahu__values_take(s, w->u.values.first, NULL);
    lua_settop(w->co, 0);
    kahu__push_no_memory(s, w->co);
    return -1;
}

static int deliver_stored(kahu_sched *s, struct kahu__wake *w) {
    int count = (int)w->u.values.count;

    if (count == 0)
        return 0;
    if (w->preloaded)
        return deliver_preloaded(w->co, count);
    if (!lua_checkstack(w->co, count))
        return deliver_no_memory(s, w);
    kahu__values_take(s, w->u.values.first, w->co);
    return count;
}

/* ------------------------------------------------------------------------ */
/* Delivery                                                                 */
/* ------------------------------------------------------------------------ */

/* Pushes the wake's values on its thread: how many, or -1 for an error. */
static int deliver_values(kahu_sched *s, struct kahu__wake *w) {
    return w->kind == KAHU_WAIT ? deliver_elapsed(s, w->co, w->u.start_ns)
                                : deliver_stored(s, w);
}

static void deliver_run(kahu_sched *s, const struct kahu__wake *w, int nargs) {
    s->stats.delivered[w->kind]++;
    kahu__resume_wake(s, w, nargs);
}

/* What was pushed on the caller thread above base goes to the wake's thread:
 * how many, or -1 for an error. */
static int deliver_outcome(kahu_sched *s, struct kahu__wake *w, int base,
                           bool good) {
    int n = lua_gettop(s->caller) - base;

    if (!lua_checkstack(w->co, n)) {
        lua_settop(s->caller, base);
        lua_settop(w->co, 0);
        kahu__push_no_memory(s, w->co);
        return -1;
    }
    lua_xmove(s->caller, w->co, n);
    return good ? n : -1;
}

/* The host's callbacks may have resumed the thread, or ended it. */
static void deliver_operation(kahu_sched *s, struct kahu__wake *w) {
    lua_CFunction begun_in = w->u.op->begun_in;
    int base = lua_gettop(s->caller);
    bool good = kahu__op_take(s, w->u.op);

    if (lua_costatus(s->work, w->co) == LUA_COSUS &&
        !deliver_went_on(s, w->co, w->seq, begun_in)) {
        deliver_run(s, w, deliver_outcome(s, w, base, good));
        return;
    }
    s->stats.dropped[w->kind]++;
    if (s->event_hooks > 0)
        kahu__hooks_wake(s, KAHU_WAKE_GONE, w);
    lua_settop(s->caller, base);
}

static void deliver_resume(kahu_sched *s, uint32_t id) {
    struct kahu__wake *w = kahu__wake_begin(s, id);

    if (w->kind == KAHU__CANCEL)
        kahu__cancel_now(s, w->co);
    else if (w->kind == KAHU_OPERATION)
        deliver_operation(s, w);
    else
        deliver_run(s, w, deliver_values(s, w));
    kahu__wake_end(s, id);
}

void kahu__drop(kahu_sched *s, uint32_t id) {
    unsigned kind = kahu__wake_at(s, id)->kind;

    if (kind < KAHU_KINDS)
        s->stats.dropped[kind]++;
    kahu__wake_free(s, id);
}

void kahu__deliver(kahu_sched *s, uint32_t id) {
    struct kahu__wake *w = kahu__wake_at(s, id);

    assert(w->where == KAHU__NOWHERE);
    switch (lua_costatus(s->work, w->co)) {
    case LUA_COSUS:
        if (deliver_is_stale(s, id))
            kahu__drop(s, id);
        else
            deliver_resume(s, id);
        break;
    case LUA_COFIN:
    case LUA_COERR:
        kahu__drop(s, id);
        break;
    default:
        kahu__park(s, id);
    }
}
