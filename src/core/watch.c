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

/* The oldest watch of co, or 0. */
static uint32_t watch_first(const kahu_sched *s, const lua_State *co) {
    return kahu__index_get(&s->watched, co);
}

/* Room in the index is reserved. */
static void watch_add(kahu_sched *s, uint32_t id) {
    struct watch *w = watch_at(s, id);
    uint32_t last = watch_first(s, w->co);

    if (last == 0) {
        kahu__index_put(&s->watched, w->co, id);
        return;
    }
    while (watch_at(s, last)->next != 0)
        last = watch_at(s, last)->next;
    watch_at(s, last)->next = id;
}

/* Takes the watch out of its chain; before is the one ahead of it, or 0. */
static void watch_remove(kahu_sched *s, uint32_t id, uint32_t before) {
    struct watch *w = watch_at(s, id);

    if (before != 0)
        watch_at(s, before)->next = w->next;
    else if (w->next != 0)
        kahu__index_put(&s->watched, w->co, w->next);
    else
        kahu__index_remove(&s->watched, w->co);
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
    if (!lua_checkstack(co, 1) || !kahu__index_reserve(&s->watched, co) ||
        (id = kahu__pool_take(&s->watches)) == 0)
        return KAHU_ENOMEM;
    kahu__hold(co, s->keep);
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
    uint32_t before = 0;

    KAHU__LOOP_ONLY(s);
    for (uint32_t id = watch_first(s, co); id != 0;) {
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
    uint32_t id;

    while (s->watches.live > 0 &&
           (id = watch_first(s, told->feedback.co)) != 0 &&
           watch_at(s, id)->seq < end) {
        call.watch = *watch_at(s, id);
        watch_remove(s, id, 0);
        kahu__hooks_call(s, watch_tell, &call);
        watch_free(s, id);
    }
    return call.handled;
}

bool kahu__watched(const kahu_sched *s, const lua_State *co) {
    return s->watches.live > 0 && watch_first(s, co) != 0;
}

void kahu__watch_ended_last(kahu_sched *s, const struct kahu__told *told) {
    uint32_t id;

    (void)kahu__watch_ended(s, told);
    while (s->watches.live > 0 &&
           (id = watch_first(s, told->feedback.co)) != 0) {
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
