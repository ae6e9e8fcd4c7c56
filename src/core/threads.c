/* SPDX-License-Identifier: MIT */
/*
 * threads.c - what a host does with threads: spawn, defer, delay, cancel.
 */
#include "../base/common.h"
#include "sched.h"

/* The main thread of a VM is not a coroutine; no other VM's thread is ours. */
static bool threads_is_ours(const kahu_sched *s, lua_State *co) {
    return co != NULL && co != s->main && lua_mainthread(co) == s->main;
}

/* Are there nargs values on top of co, above the function of a fresh one? */
static bool threads_has_values(kahu_sched *s, lua_State *co, int nargs) {
    bool fresh =
        lua_status(co) == LUA_OK && lua_costatus(s->work, co) == LUA_COSUS;

    return nargs >= 0 && nargs <= lua_gettop(co) - (fresh ? 1 : 0);
}

/* May co be scheduled? */
static kahu_status threads_check(kahu_sched *s, lua_State *co, int nargs) {
    if (!threads_is_ours(s, co) || !threads_has_values(s, co, nargs))
        return KAHU_EINVAL;
    if (s->closing)
        return KAHU_ECLOSED;
    if (kahu__is_dead(s->work, co))
        return KAHU_ESTATE;
    return KAHU_OK;
}

kahu_status kahu_spawn(kahu_sched *s, lua_State *co, lua_State *from,
                       int nargs) {
    kahu_status status = threads_check(s, co, nargs);

    if (status != KAHU_OK)
        return status;
    if (lua_costatus(s->work, co) != LUA_COSUS ||
        (from == NULL && kahu_is_stopped(s)))
        return KAHU_ESTATE;

    kahu__enter(s);
    kahu__hold(s, co);
    kahu__resume(s, co, from, nargs);
    lua_pop(s->work, 1);
    kahu__leave(s);
    return KAHU_OK;
}

kahu_status kahu_defer(kahu_sched *s, lua_State *co, int nargs) {
    kahu_status status = threads_check(s, co, nargs);

    if (status == KAHU_OK)
        status = kahu__defer(s, co, co, nargs);
    if (status == KAHU_OK)
        lua_pop(co, nargs);
    return status;
}

kahu_status kahu_delay(kahu_sched *s, lua_State *co, int nargs,
                       uint64_t delay_ns) {
    kahu_status status = threads_check(s, co, nargs);

    if (status == KAHU_OK)
        status = kahu__delay(s, co, co, nargs, delay_ns);
    if (status == KAHU_OK)
        lua_pop(co, nargs);
    return status;
}

/* Hooks that cancel from cancellations nest on the C stack, and it ends. */
#define CANCEL_DEPTH 100

/* Notes that co is to end when it next yields (S6.8): the wake is for the
 * case that it yields to somebody else's resume. */
static kahu_status threads_cancel_later(kahu_sched *s, lua_State *co) {
    uint32_t id;

    if (s->closing)
        return KAHU_ECLOSED;
    id = kahu__wake_new(s, co, KAHU__CANCEL);
    if (id == 0)
        return KAHU_ENOMEM;
    kahu__list_append(s, KAHU__DEFERRED, id);
    kahu__changed(s);
    return KAHU_OK;
}

kahu_status kahu_cancel(kahu_sched *s, lua_State *co) {
    if (!threads_is_ours(s, co))
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
