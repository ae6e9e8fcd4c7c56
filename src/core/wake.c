/* SPDX-License-Identifier: MIT */
/*
 * wake.c - the records of promised resumes: made, linked, freed.
 */
#include "../base/common.h"
#include "sched.h"

/* Links the values of one wake; the Luau value is beside it in the pool. */
struct kahu__value {
    uint32_t next; /* 0 ends the chain */
    uint32_t unused;
};

static struct kahu__value *value_at(const kahu_sched *s, uint32_t id) {
    return (struct kahu__value *)kahu__pool_at(&s->values, id);
}

/* ------------------------------------------------------------------------ */
/* The ring of a thread's wakes (W2)                                        */
/* ------------------------------------------------------------------------ */

uint32_t kahu__thread_oldest(const kahu_sched *s, const lua_State *co) {
    return kahu__index_get(&s->threads, co);
}

uint32_t kahu__thread_wakes(const kahu_sched *s, const lua_State *co) {
    uint32_t oldest = kahu__thread_oldest(s, co);

    return oldest == 0 ? 0 : kahu__wake_at(s, oldest)->ring;
}

const struct kahu__wake *kahu__thread_reason(const kahu_sched *s,
                                             const lua_State *co) {
    uint32_t oldest = kahu__thread_oldest(s, co);
    uint32_t id = oldest;

    if (oldest == 0)
        return NULL;
    do {
        const struct kahu__wake *w = kahu__wake_at(s, id);

        if (w->kind != KAHU__CANCEL)
            return w;
        id = w->newer;
    } while (id != oldest);
    return NULL;
}

kahu_status kahu__wake_allowed(const kahu_sched *s, const lua_State *co) {
    uint32_t most = s->limits.max_wakes;

    return most == 0 || kahu__thread_wakes(s, co) < most ? KAHU_OK
                                                         : KAHU_EWAKES;
}

/* Adds id as the newest wake of its thread. Room in the index is reserved. */
static void ring_add(kahu_sched *s, uint32_t id, struct kahu__wake *w) {
    uint32_t oldest = kahu__thread_oldest(s, w->co);
    struct kahu__wake *first;

    if (oldest == 0) {
        w->newer = w->older = id;
        w->ring = 1;
        kahu__index_put(&s->threads, w->co, id);
        return;
    }
    first = kahu__wake_at(s, oldest);
    w->newer = oldest;
    w->older = first->older;
    kahu__wake_at(s, first->older)->newer = id;
    first->older = id;
    first->ring++;
}

static void ring_remove(kahu_sched *s, uint32_t id, struct kahu__wake *w) {
    uint32_t oldest;

    if (w->newer == id) {
        kahu__index_remove(&s->threads, w->co);
        return;
    }
    oldest = kahu__thread_oldest(s, w->co);
    if (oldest == id) {
        oldest = w->newer;
        kahu__index_put(&s->threads, w->co, oldest);
        kahu__wake_at(s, oldest)->ring = w->ring;
    }
    kahu__wake_at(s, oldest)->ring--;
    kahu__wake_at(s, w->newer)->older = w->older;
    kahu__wake_at(s, w->older)->newer = w->newer;
}

/* ------------------------------------------------------------------------ */
/* Values (W4)                                                              */
/* ------------------------------------------------------------------------ */

/* Copies the value at idx of L into a new record; 0 when memory is out. */
static uint32_t value_new(kahu_sched *s, lua_State *L, int idx) {
    uint32_t id = kahu__pool_take(&s->values);

    if (id == 0)
        return 0;
    lua_xpush(L, s->keep, idx);
    kahu__pool_set(&s->values, id);
    value_at(s, id)->next = 0;
    return id;
}

/* Copies the top n values of L into a new chain; false when memory is out. */
static bool values_store(kahu_sched *s, lua_State *L, int n, uint32_t *out) {
    uint32_t first = 0;

    /* Last value first, so that each finds its follower made. */
    for (int i = -1; i >= -n; i--) {
        uint32_t value = value_new(s, L, i);

        if (value == 0) {
            kahu__values_take(s, first, NULL);
            return false;
        }
        value_at(s, value)->next = first;
        first = value;
    }
    *out = first;
    return true;
}

void kahu__values_take(kahu_sched *s, uint32_t first, lua_State *co) {
    while (first != 0) {
        uint32_t next = value_at(s, first)->next;

        if (co != NULL)
            kahu__pool_get(&s->values, first, co);
        kahu__pool_give(&s->values, first);
        first = next;
    }
}

/* ------------------------------------------------------------------------ */
/* Lists                                                                    */
/* ------------------------------------------------------------------------ */

void kahu__list_link(kahu_sched *s, struct kahu__list *l, uint32_t id) {
    struct kahu__wake *w = kahu__wake_at(s, id);

    w->next = 0;
    w->at.prev = l->last;
    if (l->last != 0)
        kahu__wake_at(s, l->last)->next = id;
    else
        l->first = id;
    l->last = id;
}

void kahu__list_unlink(kahu_sched *s, struct kahu__list *l, uint32_t id) {
    const struct kahu__wake *w = kahu__wake_at(s, id);

    if (w->next != 0)
        kahu__wake_at(s, w->next)->at.prev = w->at.prev;
    else
        l->last = w->at.prev;
    if (w->at.prev != 0)
        kahu__wake_at(s, w->at.prev)->next = w->next;
    else
        l->first = w->next;
}

void kahu__list_append(kahu_sched *s, enum kahu__list_name name, uint32_t id) {
    struct kahu__wake *w = kahu__wake_at(s, id);

    assert(w->where == KAHU__NOWHERE);
    w->where = KAHU__LISTED;
    w->list = (uint8_t)name;
    kahu__list_link(s, &s->lists[name], id);
}

void kahu__list_remove(kahu_sched *s, uint32_t id) {
    struct kahu__wake *w = kahu__wake_at(s, id);

    assert(w->where == KAHU__LISTED);
    kahu__list_unlink(s, &s->lists[w->list], id);
    w->where = KAHU__NOWHERE;
}

/* ------------------------------------------------------------------------ */
/* Wakes                                                                    */
/* ------------------------------------------------------------------------ */

/* A thread names itself by a value on its own stack, where there is room. */
static void hold(lua_State *co, lua_State *to) {
    lua_pushthread(co);
    lua_xmove(co, to, 1);
}

/* If no room can be had, whoever named the thread has to keep it. */
void kahu__hold(lua_State *co, lua_State *to) {
    if (lua_checkstack(co, 1))
        hold(co, to);
    else
        lua_pushnil(to);
}

static void wake_count(kahu_sched *s, unsigned kind) {
    s->pending[kind]++;
    s->pending_all++;
    if (s->pending_all > s->stats.pending_peak)
        s->stats.pending_peak = s->pending_all;
    if (kind < KAHU_KINDS)
        s->stats.made[kind]++;
}

uint32_t kahu__wake_new(kahu_sched *s, lua_State *co, unsigned kind,
                        lua_State *L, int at) {
    struct kahu__wake *w;
    uint32_t id;

    if ((at == 0 && !lua_checkstack(co, 1)) ||
        !kahu__index_reserve(&s->threads, co) ||
        (s->tracker != NULL && !kahu__track_meet(s, co)))
        return 0;
    id = kahu__pool_take(&s->wakes);
    if (id == 0)
        return 0;

    if (at != 0)
        lua_xpush(L, s->keep, at);
    else
        hold(co, s->keep);
    kahu__pool_set(&s->wakes, id); /* W1 */
    w = kahu__wake_at(s, id);
    *w = (struct kahu__wake){
        .co = co,
        .seq = s->next_seq++,
        .kind = (uint8_t)kind,
        .where = KAHU__NOWHERE,
    };
    ring_add(s, id, w);
    wake_count(s, kind);
    if (s->event_hooks > 0)
        kahu__hooks_wake(s, KAHU_WAKE_MADE, w);
    return id;
}

/* Values go onto the thread at once (M4): only where it is suspended, and so
 * will not mistake them for its own. */
static bool wake_preload(kahu_sched *s, lua_State *co, lua_State *L, int n) {
    if (!s->options.preload || n == 0 || co == L ||
        lua_costatus(s->work, co) != LUA_COSUS || !lua_checkstack(co, n))
        return false;
    for (int i = 0; i < n; i++)
        lua_xpush(L, co, i - n);
    return true;
}

uint32_t kahu__wake_make(kahu_sched *s, lua_State *co, kahu_kind kind,
                         lua_State *L, int nargs) {
    uint32_t values = 0;
    struct kahu__wake *w;
    bool preload;
    uint32_t id;

    preload = wake_preload(s, co, L, nargs);
    if (!preload && !values_store(s, L, nargs, &values))
        return 0;
    id = kahu__wake_new(s, co, kind, L, co == L ? 0 : -1 - nargs);
    if (id == 0) {
        kahu__values_take(s, values, NULL);
        if (preload)
            lua_pop(co, nargs);
        return 0;
    }
    w = kahu__wake_at(s, id);
    w->u.values.first = values;
    w->u.values.count = (uint32_t)nargs;
    w->preloaded = preload;
    return id;
}

/* Takes the wake out of the place it is linked in. */
static void wake_unlink(kahu_sched *s, uint32_t id, struct kahu__wake *w) {
    switch ((enum kahu__where)w->where) {
    case KAHU__NOWHERE:
        break;
    case KAHU__TIMED:
    case KAHU__IN_LANE:
        kahu__timers_remove(s, id);
        break;
    case KAHU__LISTED:
        kahu__list_remove(s, id);
        break;
    }
    w->where = KAHU__NOWHERE;
}

/* Lets go of what a wake would have delivered. This calls the provider of an
 * operation, who may call back: the wake is no more by then. */
static void wake_empty(kahu_sched *s, const struct kahu__wake *w) {
    if (w->kind == KAHU_OPERATION)
        kahu__op_discard(s, w->u.op);
    else if (w->kind < KAHU_WAIT && !w->preloaded)
        kahu__values_take(s, w->u.values.first, NULL);
}

/* Its thread has one wake less. */
static void wake_leave(kahu_sched *s, uint32_t id, struct kahu__wake *w) {
    ring_remove(s, id, w);
    s->pending[w->kind]--;
    s->pending_all--;
}

void kahu__wake_free(kahu_sched *s, uint32_t id) {
    struct kahu__wake *w = kahu__wake_at(s, id);
    struct kahu__wake gone = *w;

    wake_unlink(s, id, w);
    wake_leave(s, id, w);
    kahu__pool_give(&s->wakes, id);
    if (s->event_hooks > 0)
        kahu__hooks_wake(s, KAHU_WAKE_GONE, &gone);
    wake_empty(s, &gone);
}

struct kahu__wake *kahu__wake_begin(kahu_sched *s, uint32_t id) {
    struct kahu__wake *w = kahu__wake_at(s, id);

    assert(w->where == KAHU__NOWHERE);
    wake_leave(s, id, w);
    s->delivering++;
    return w;
}

void kahu__wake_end(kahu_sched *s, uint32_t id) {
    kahu__pool_give(&s->wakes, id);
    s->delivering--;
}
