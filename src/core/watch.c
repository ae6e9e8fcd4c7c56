/* SPDX-License-Identifier: MIT */
/*
 * watch.c - who wants to know of the end of one thread.
 *
 * Invariants
 *   (1) A watch's pool slot holds its thread, which therefore lives.
 *   (2) It is in the chain of its thread, in order of making; s->watched names
 *       the chain's first.
 *   (3) It is in the list of all, in order of making, until it is freed.
 */
#include "../base/common.h"
#include "sched.h"

struct watch {
    lua_State *co;
    uint64_t seq; /* order of making */
    kahu_watch_fn fn;
    void *ud;
    kahu_drop_fn drop;
    uint32_t next;  /* of the same thread, or 0 */
    uint32_t newer; /* of all, or 0 */
    uint32_t older;
};

void kahu__watch_init(kahu_sched *s) {
    kahu__pool_init(&s->watches, s, sizeof(struct watch));
    kahu__index_init(&s->watched, &s->alloc);
}

static struct watch *watch_at(const kahu_sched *s, uint32_t id) {
    return kahu__pool_at(&s->watches, id);
}

/* ------------------------------------------------------------------------ */
/* The chain of a thread                                                    */
/* ------------------------------------------------------------------------ */

struct watch_probe {
    const kahu_sched *s;
    const lua_State *co;
};

static bool watch_same(const void *ud, uint32_t id) {
    const struct watch_probe *probe = ud;

    return watch_at(probe->s, id)->co == probe->co;
}

static struct kahu__index_entry *watch_find(const kahu_sched *s,
                                            const lua_State *co) {
    struct watch_probe probe = {s, co};

    return kahu__index_find(&s->watched, kahu__index_hash(co), watch_same,
                            &probe);
}

/* Room in the index is reserved. */
static void watch_add(kahu_sched *s, uint32_t id) {
    struct watch *w = watch_at(s, id);
    struct kahu__index_entry *e = watch_find(s, w->co);
    uint32_t last;

    if (e == NULL) {
        kahu__index_add(&s->watched, kahu__index_hash(w->co), id);
        return;
    }
    for (last = e->id; watch_at(s, last)->next != 0;)
        last = watch_at(s, last)->next;
    watch_at(s, last)->next = id;
}

/* Takes the watch out of its chain; before is the one ahead of it, or 0. */
static void watch_remove(kahu_sched *s, uint32_t id, uint32_t before) {
    struct watch *w = watch_at(s, id);
    struct kahu__index_entry *e;

    if (before != 0) {
        watch_at(s, before)->next = w->next;
        return;
    }
    e = watch_find(s, w->co);
    if (w->next != 0)
        e->id = w->next;
    else
        kahu__index_remove(&s->watched, e);
}

/* ------------------------------------------------------------------------ */
/* The list of all                                                          */
/* ------------------------------------------------------------------------ */

static void watch_list(kahu_sched *s, uint32_t id) {
    struct watch *w = watch_at(s, id);

    w->older = s->last_watch;
    if (w->older != 0)
        watch_at(s, w->older)->newer = id;
    else
        s->first_watch = id;
    s->last_watch = id;
}

static void watch_unlist(kahu_sched *s, const struct watch *w) {
    if (w->newer != 0)
        watch_at(s, w->newer)->older = w->older;
    else
        s->last_watch = w->older;
    if (w->older != 0)
        watch_at(s, w->older)->newer = w->newer;
    else
        s->first_watch = w->newer;
}

/* Frees the record of one that is in no chain, and what it took. */
static void watch_free(kahu_sched *s, uint32_t id) {
    struct watch w = *watch_at(s, id);

    watch_unlist(s, &w);
    kahu__pool_give(&s->watches, id);
    if (s->watches.live == 0)
        kahu__chain_update(s);
    if (w.drop != NULL)
        w.drop(w.ud);
}

/* ------------------------------------------------------------------------ */
/* Watching                                                                 */
/* ------------------------------------------------------------------------ */

static kahu_status watch_check(kahu_sched *s, lua_State *co, kahu_watch_fn fn) {
    if (fn == NULL || !kahu__is_ours(s, co))
        return KAHU_EINVAL;
    if (s->closing)
        return KAHU_ECLOSED;
    return kahu__is_dead(s->work, co) ? KAHU_ESTATE : KAHU_OK;
}

kahu_status kahu_watch(kahu_sched *s, lua_State *co, kahu_watch_fn fn, void *ud,
                       kahu_drop_fn drop) {
    kahu_status status;
    uint32_t id;

    KAHU__LOOP_ONLY(s);
    status = watch_check(s, co, fn);
    if (status != KAHU_OK)
        return status;
    if (!lua_checkstack(co, 1) || !kahu__index_reserve(&s->watched) ||
        (id = kahu__pool_take(&s->watches)) == 0)
        return KAHU_ENOMEM;
    kahu__hold(s, co);
    kahu__pool_set(&s->watches, id);
    *watch_at(s, id) = (struct watch){
        .co = co, .seq = s->next_watch++, .fn = fn, .ud = ud, .drop = drop};
    watch_add(s, id);
    watch_list(s, id);
    kahu__chain_update(s);
    return KAHU_OK;
}

kahu_status kahu_unwatch(kahu_sched *s, lua_State *co, kahu_watch_fn fn,
                         void *ud) {
    struct kahu__index_entry *e;
    uint32_t before = 0;

    KAHU__LOOP_ONLY(s);
    e = watch_find(s, co);
    for (uint32_t id = e == NULL ? 0 : e->id; id != 0;) {
        const struct watch *w = watch_at(s, id);

        if (w->fn == fn && w->ud == ud) {
            watch_remove(s, id, before);
            watch_free(s, id);
            return KAHU_OK;
        }
        before = id;
        id = w->next;
    }
    return KAHU_ESTALE;
}

/* ------------------------------------------------------------------------ */
/* Telling                                                                  */
/* ------------------------------------------------------------------------ */

struct watch_call {
    struct watch watch;
    const struct kahu__told *told;
    bool handled;
};

static int watch_tell(lua_State *L, void *ud) {
    struct watch_call *c = ud;

    kahu__hooks_push(L, c->told);
    c->handled = c->watch.fn(c->watch.ud, L, &c->told->feedback) || c->handled;
    return 0;
}

/* One at a time, and looked up anew: a watch may take back another. Those made
 * meanwhile (a thread that is cancelled is not dead yet) are for next time. */
bool kahu__watch_ended(kahu_sched *s, const struct kahu__told *told) {
    struct watch_call call = {.told = told};
    uint64_t end = s->next_watch;
    struct kahu__index_entry *e;

    while (s->watches.live > 0 &&
           (e = watch_find(s, told->feedback.co)) != NULL &&
           watch_at(s, e->id)->seq < end) {
        uint32_t id = e->id;

        call.watch = *watch_at(s, id);
        watch_remove(s, id, 0);
        kahu__hooks_call(s, watch_tell, &call);
        watch_free(s, id);
    }
    return call.handled;
}

bool kahu__watched(const kahu_sched *s, const lua_State *co) {
    return s->watches.live > 0 && watch_find(s, co) != NULL;
}

void kahu__watch_ended_last(kahu_sched *s, const struct kahu__told *told) {
    struct kahu__index_entry *e;

    (void)kahu__watch_ended(s, told);
    while (s->watches.live > 0 &&
           (e = watch_find(s, told->feedback.co)) != NULL) {
        uint32_t id = e->id;

        watch_remove(s, id, 0);
        watch_free(s, id);
    }
}

/* The first of all is the first of its thread. */
void kahu__watch_drop_all(kahu_sched *s) {
    uint32_t id;

    while ((id = s->first_watch) != 0) {
        watch_remove(s, id, 0);
        watch_free(s, id);
    }
}
