/* SPDX-License-Identifier: MIT */
/*
 * threads.c - what a host does with threads: start, spawn, defer, delay,
 * cancel.
 */
#include <stdlib.h>

#include "../base/common.h"
#include "sched.h"

/* Are there nargs values on top of co, above the function of a fresh one? */
static bool threads_has_values(kahu_sched *s, lua_State *co, int nargs) {
    bool fresh =
        lua_status(co) == LUA_OK && lua_costatus(s->work, co) == LUA_COSUS;

    return nargs >= 0 && nargs <= lua_gettop(co) - (fresh ? 1 : 0);
}

/* May co be scheduled? */
static kahu_status threads_check(kahu_sched *s, lua_State *co, int nargs) {
    if (!kahu__is_ours(s, co) || !threads_has_values(s, co, nargs))
        return KAHU_EINVAL;
    if (s->closing)
        return KAHU_ECLOSED;
    if (kahu__is_dead(s->work, co))
        return KAHU_ESTATE;
    return KAHU_OK;
}

kahu_status kahu_spawn(kahu_sched *s, lua_State *co, lua_State *from,
                       int nargs) {
    kahu_status status;

    KAHU__LOOP_ONLY(s);
    status = threads_check(s, co, nargs);
    if (status != KAHU_OK)
        return status;
    if (lua_costatus(s->work, co) != LUA_COSUS ||
        (from == NULL && kahu_is_stopped(s)))
        return KAHU_ESTATE;

    kahu__enter(s);
    kahu__hold(co, s->work);
    kahu__resume(s, co, from, nargs, KAHU_BY_SPAWN);
    lua_pop(s->work, 1);
    kahu__leave(s);
    return KAHU_OK;
}

kahu_status kahu_defer(kahu_sched *s, lua_State *co, int nargs) {
    kahu_status status;

    KAHU__LOOP_ONLY(s);
    status = threads_check(s, co, nargs);
    if (status == KAHU_OK)
        status = kahu__defer(s, co, co, nargs);
    if (status == KAHU_OK)
        lua_pop(co, nargs);
    return status;
}

kahu_status kahu_delay(kahu_sched *s, lua_State *co, int nargs,
                       uint64_t delay_ns) {
    kahu_status status;

    KAHU__LOOP_ONLY(s);
    status = threads_check(s, co, nargs);
    if (status == KAHU_OK)
        status = kahu__delay(s, co, co, nargs, delay_ns);
    if (status == KAHU_OK)
        lua_pop(co, nargs);
    return status;
}

/* ------------------------------------------------------------------------ */
/* Start                                                                    */
/* ------------------------------------------------------------------------ */

static int start_new_thread(lua_State *L, void *ud) {
    *(lua_State **)ud = lua_newthread(L);
    return 1;
}

/* Pushes the thread to start on the work thread: the one at index of L, or a
 * new one for the function there. */
static kahu_status start_thread(kahu_sched *s, lua_State *L, int index,
                                lua_State **out) {
    int verdict;

    if (lua_isthread(L, index)) {
        *out = lua_tothread(L, index);
        lua_xpush(L, s->work, index);
        return KAHU_OK;
    }
    s->threads_full = false;
    verdict = kahu__protect(s, s->work, start_new_thread, out);
    if (verdict == LUA_OK) {
        lua_xpush(L, *out, index);
        return KAHU_OK;
    }
    lua_pop(s->work, 1); /* the error */
    return s->threads_full ? KAHU_ETHREADS : KAHU_ENOMEM;
}

/* Is there something to start at index? */
static kahu_status start_check(kahu_sched *s, lua_State *L, int index) {
    lua_State *co;

    if (index < 1 || lua_mainthread(L) != s->main ||
        (!lua_isfunction(L, index) && !lua_isthread(L, index)))
        return KAHU_EINVAL;
    if (s->closing)
        return KAHU_ECLOSED;
    co = lua_tothread(L, index);
    if (co != NULL && !kahu__is_ours(s, co))
        return KAHU_EINVAL;
    if (co == L || (co != NULL && lua_costatus(s->work, co) != LUA_COSUS) ||
        (s->running == NULL && kahu_is_stopped(s)))
        return KAHU_ESTATE;
    return KAHU_OK;
}

/* The thread is on the work thread; nothing can fail any more. */
static void start_run(kahu_sched *s, lua_State *L, int nargs, lua_State *co) {
    lua_xmove(L, co, nargs);
    lua_pop(L, 1);
    lua_xpush(s->work, L, -1);
    kahu__enter(s);
    kahu__resume(s, co, s->running != NULL ? L : NULL, nargs, KAHU_BY_SPAWN);
    lua_pop(s->work, 1);
    kahu__leave(s);
}

kahu_status kahu_start(kahu_sched *s, lua_State *L, int nargs, kahu_watch_fn fn,
                       void *ud, kahu_drop_fn drop, lua_State **out) {
    int index = nargs < 0 ? 0 : lua_gettop(L) - nargs;
    kahu_status status;
    lua_State *co;

    KAHU__LOOP_ONLY(s);
    status = start_check(s, L, index);
    if (status == KAHU_OK)
        status = start_thread(s, L, index, &co);
    if (status != KAHU_OK)
        return status;
    status = lua_checkstack(co, nargs) ? kahu_watch(s, co, fn, ud, drop)
                                       : KAHU_ENOMEM;
    if (status != KAHU_OK) {
        lua_pop(s->work, 1);
        return status;
    }
    if (out != NULL)
        *out = co;
    start_run(s, L, nargs, co);
    return KAHU_OK;
}

/* ------------------------------------------------------------------------ */
/* Cancel                                                                   */
/* ------------------------------------------------------------------------ */

/* Hooks that cancel from cancellations nest on the C stack, and it ends. */
#define CANCEL_DEPTH 100

/* Notes that co is to end when it next yields (S6.8): the wake is for the
 * case that it yields to somebody else's resume. */
static kahu_status threads_cancel_later(kahu_sched *s, lua_State *co) {
    uint32_t id;

    if (s->closing)
        return KAHU_ECLOSED;
    id = kahu__wake_new(s, co, KAHU__CANCEL, NULL, 0);
    if (id == 0)
        return KAHU_ENOMEM;
    kahu__list_append(s, KAHU__DEFERRED, id);
    kahu__changed(s);
    return KAHU_OK;
}

kahu_status kahu_cancel(kahu_sched *s, lua_State *co) {
    KAHU__LOOP_ONLY(s);
    if (!kahu__is_ours(s, co))
        return KAHU_EINVAL;

    switch (lua_costatus(s->work, co)) {
    case LUA_COSUS:
        if (s->depth >= CANCEL_DEPTH)
            return threads_cancel_later(s, co);
        kahu__cancel_now(s, co);
        return KAHU_OK;
    case LUA_COFIN:
    case LUA_COERR:
        return KAHU_OK;
    default:
        return threads_cancel_later(s, co);
    }
}

/* Room in the heap is reserved before the wake is made. */
kahu_status kahu_cancel_after(kahu_sched *s, lua_State *co, uint64_t delay_ns) {
    kahu_status status;
    uint32_t id;

    KAHU__LOOP_ONLY(s);
    status = threads_check(s, co, 0);
    if (status != KAHU_OK)
        return status;
    if (!kahu__heap_reserve(&s->timers) ||
        (id = kahu__wake_new(s, co, KAHU__CANCEL, NULL, 0)) == 0)
        return KAHU_ENOMEM;
    s->deadlines++;
    kahu__timer_start(s, id, delay_ns);
    kahu__chain_update(s);
    return KAHU_OK;
}

/* ------------------------------------------------------------------------ */
/* Cancel all                                                               */
/* ------------------------------------------------------------------------ */

static int threads_compare(const void *a, const void *b) {
    uint64_t first = ((const struct kahu__thread_item *)a)->seq;
    uint64_t second = ((const struct kahu__thread_item *)b)->seq;

    return kahu__seq_before(first, second) ? -1 : 1;
}

struct threads_list {
    const kahu_sched *s;
    struct kahu__thread_item *items;
    size_t n;
};

static void threads_list_add(void *ud, uint32_t id) {
    struct threads_list *l = ud;
    const struct kahu__wake *w = kahu__wake_at(l->s, id);

    l->items[l->n++] = (struct kahu__thread_item){w->co, w->seq};
}

/* One entry of the index is one thread, with its oldest wake. */
void kahu__threads_list(const kahu_sched *s, struct kahu__thread_item *items) {
    struct threads_list l = {s, items, 0};

    kahu__index_each(&s->threads, threads_list_add, &l);
    qsort(items, l.n, sizeof(*items), threads_compare);
}

kahu_status kahu_cancel_all(kahu_sched *s) {
    size_t n = s->threads.count;
    struct kahu__thread_item *items;
    kahu_status status = KAHU_OK;

    KAHU__LOOP_ONLY(s);
    if (n == 0)
        return KAHU_OK;
    items = kahu__realloc(&s->alloc, NULL, 0, n * sizeof(*items));
    if (items == NULL)
        return KAHU_ENOMEM;
    kahu__threads_list(s, items);
    kahu__enter(s);
    for (size_t i = 0; i < n; i++) {
        uint32_t id = kahu__thread_oldest(s, items[i].co);

        if (id != 0 && kahu__wake_at(s, id)->seq == items[i].seq &&
            kahu_cancel(s, items[i].co) == KAHU_ENOMEM)
            status = KAHU_ENOMEM;
    }
    kahu__free(&s->alloc, items, n * sizeof(*items));
    kahu__leave(s);
    return status;
}
