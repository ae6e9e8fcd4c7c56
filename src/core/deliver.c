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

/*
 * Has the yield this wake belongs to ended? A thread is in one yield at a
 * time: a wait begun later, or another function on top, tells that it went on.
 */
static bool deliver_is_stale(kahu_sched *s, uint32_t id) {
    struct kahu__wake *w = kahu__wake_at(s, id);
    lua_CFunction f;

    if (!s->options.strict_wakes || !deliver_waits(w))
        return false;
    for (uint32_t i = w->newer;
         kahu__seq_before(w->seq, kahu__wake_at(s, i)->seq);
         i = kahu__wake_at(s, i)->newer)
        if (deliver_waits(kahu__wake_at(s, i)))
            return true;
    f = kahu__top_function(w->co);
    if (f == NULL) /* no memory to look: a wake too many loses nothing */
        return false;
    return f != (w->kind == KAHU_WAIT ? s->wait_function : w->u.op->begun_in);
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

/* There is no room on co for what it was promised. */
static int deliver_no_memory(kahu_sched *s, struct kahu__wake *w) {
    if (!w->preloaded)
        kahu__values_take(s, w->u.values.first, NULL);
    lua_settop(w->co, 0);
    lua_pushliteral(w->co, "not enough memory"); /* the VM keeps this string */
    return -1;
}

static int deliver_stored(kahu_sched *s, struct kahu__wake *w) {
    int count = (int)w->u.values.count;

    if (w->preloaded)
        return deliver_preloaded(w->co, count);
    if (!lua_checkstack(w->co, count))
        return deliver_no_memory(s, w);
    kahu__values_take(s, w->u.values.first, w->co);
    return count;
}

/* Pushes the wake's values on its thread: how many, or -1 for an error. */
static int deliver_values(kahu_sched *s, struct kahu__wake *w) {
    switch (w->kind) {
    case KAHU_WAIT:
        return deliver_elapsed(s, w->co, w->u.start_ns);
    case KAHU_OPERATION:
        return kahu__op_take(s, w->u.op, w->co);
    default:
        return deliver_stored(s, w);
    }
}

/* ------------------------------------------------------------------------ */
/* Delivery                                                                 */
/* ------------------------------------------------------------------------ */

/* Takes the contents out of the wake and frees its record: from here on the
 * thread has one wake less, and the resume may do with the rest as it likes. */
static struct kahu__wake deliver_open(kahu_sched *s, uint32_t id) {
    struct kahu__wake *w = kahu__wake_at(s, id);
    struct kahu__wake parcel = *w;

    kahu__wake_hold(s, id);
    if (w->kind == KAHU_OPERATION)
        w->u.op = NULL;
    else
        w->u.values.first = 0;
    kahu__wake_free(s, id);
    return parcel;
}

static void deliver_resume(kahu_sched *s, uint32_t id) {
    struct kahu__wake w = deliver_open(s, id);
    int nargs;

    if (w.kind == KAHU__CANCEL) {
        kahu__cancel_now(s, w.co);
    } else {
        s->stats.delivered[w.kind]++;
        nargs = deliver_values(s, &w);
        if (nargs < 0)
            kahu__resume_error(s, w.co, NULL, (kahu_cause)w.kind);
        else
            kahu__resume(s, w.co, NULL, nargs, (kahu_cause)w.kind);
    }
    lua_pop(s->work, 1); /* what kahu__wake_hold() pushed */
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
