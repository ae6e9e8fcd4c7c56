/* SPDX-License-Identifier: MIT */
/*
 * feedback.c - one resume is over: who is told, in which order, of what.
 */
#include "../base/common.h"
#include "sched.h"

/* ------------------------------------------------------------------------ */
/* Values                                                                   */
/* ------------------------------------------------------------------------ */

/* Room for n values where they are kept, and where they are told. */
static bool feedback_has_room(kahu_sched *s, int n) {
    return lua_checkstack(s->told, n + LUA_MINSTACK) &&
           lua_checkstack(s->caller, n + 2 * LUA_MINSTACK);
}

/* Moves what is on co's stack away. What there is no room for is
 * not told; it stays for a resume of somebody else's. */
static void feedback_take(kahu_sched *s, lua_State *co,
                          struct kahu__told *told) {
    int n = lua_gettop(co);

    if (feedback_has_room(s, n)) {
        lua_xmove(co, s->told, n);
        told->feedback.nvalues = n;
    } else if (told->feedback.cause != KAHU_BY_USER) {
        lua_settop(co, 0);
    }
}

/* Only for a resume of somebody else's is there anything to put back. */
static void feedback_put(kahu_sched *s, lua_State *co,
                         const struct kahu__told *told) {
    if (told->feedback.cause != KAHU_BY_USER) {
        lua_settop(co, 0);
        return;
    }
    if (told->feedback.nvalues == 0)
        return;
    lua_settop(s->told, told->first + told->feedback.nvalues - 1);
    lua_xmove(s->told, co, told->feedback.nvalues);
}

/* An error value stays where it is: the frames below it are still of use. */
static void feedback_copy_error(kahu_sched *s, lua_State *co,
                                struct kahu__told *told) {
    if (!lua_checkstack(s->told, 1))
        return;
    lua_xpush(co, s->told, -1);
    told->feedback.nvalues = 1;
}

/* Whoever has resumed co will take the error value from its stack, also when
 * somebody who was told has closed it since, or gone on with it. */
static void feedback_put_error(lua_State *co, const struct kahu__told *told) {
    int status = lua_status(co);
    bool failed = status != LUA_OK && status != LUA_YIELD;

    if (told->feedback.cause == KAHU_BY_USER && told->feedback.nvalues > 0 &&
        (!failed || lua_gettop(co) == 0) && lua_checkstack(co, 1))
        lua_xpush(told->values, co, told->first);
}

/* ------------------------------------------------------------------------ */
/* Order                                                                    */
/* ------------------------------------------------------------------------ */

static void feedback_tell(kahu_sched *s, const struct kahu__told *told) {
    const kahu_feedback *f = &told->feedback;
    bool user = f->cause == KAHU_BY_USER;
    bool ended = f->outcome != KAHU_YIELDED;
    bool handled = ended && kahu__watch_ended(s, told);

    if (!ended)
        kahu__track_yielded(s, f->co);
    if (f->outcome == KAHU_FAILED && !user && !handled)
        kahu__report(s, told);
    if (ended && !user)
        kahu__hooks_end(s, told);
    kahu__hooks_resume(s, told);
    if (ended)
        kahu__watch_ended_last(s, told);
}

/* Does anybody want to know of what others resume? */
static bool feedback_wanted(const kahu_sched *s, const lua_State *co,
                            kahu_cause cause, kahu_outcome outcome) {
    if (cause != KAHU_BY_USER || s->user_hooks > 0)
        return true;
    return outcome == KAHU_YIELDED ? s->tracker != NULL : kahu__watched(s, co);
}

void kahu__feedback(kahu_sched *s, lua_State *co, kahu_cause cause,
                    kahu_outcome outcome) {
    int text = lua_gettop(s->work);
    int top = lua_gettop(s->told);
    struct kahu__text traceback;
    struct kahu__told told = {
        .feedback = {.co = co, .cause = cause, .outcome = outcome},
        .values = s->told,
        .first = top + 1,
    };

    if (!feedback_wanted(s, co, cause, outcome))
        return;
    if (outcome == KAHU_FAILED) {
        feedback_copy_error(s, co, &told);
        told.feedback.message = kahu__error_text(s, co, &traceback);
        told.feedback.traceback = traceback.bytes;
        feedback_tell(s, &told);
        feedback_put_error(co, &told);
    } else if (outcome == KAHU_CANCELLED) {
        feedback_tell(s, &told);
    } else {
        feedback_take(s, co, &told);
        feedback_tell(s, &told);
        feedback_put(s, co, &told);
    }
    lua_settop(s->told, top);
    lua_settop(s->work, text);
}
