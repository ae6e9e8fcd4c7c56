/* SPDX-License-Identifier: MIT */
/*
 * resume.c - the one caller of lua_resume, and what follows from each verdict.
 *
 * The VM tells a suspended thread from a finished one by what lies on its
 * stack (V1), so every resume ends with a cleared stack, but for a failed
 * thread, whose status speaks for itself and whose error value the VM's own
 * coroutine.close still wants.
 */
#include "../base/common.h"
#include "sched.h"

/* A thread that was asked to end while it ran ends now (S6.8). */
static void resume_cancel_asked(kahu_sched *s, lua_State *co) {
    uint32_t first = kahu__thread_oldest(s, co);
    uint32_t id = first;

    if (first == 0)
        return;
    do {
        struct kahu__wake *w = kahu__wake_at(s, id);

        if (w->kind == KAHU__CANCEL) {
            kahu__cancel_now(s, co);
            return;
        }
        id = w->newer;
    } while (id != first);
}

static void resume_yielded(kahu_sched *s, lua_State *co) {
    lua_settop(co, 0);
    if (s->pending[KAHU__CANCEL] > 0)
        resume_cancel_asked(s, co);
}

static void resume_returned(kahu_sched *s, lua_State *co) {
    kahu__hooks_end(s, co, KAHU_RETURNED);
    lua_settop(co, 0);
}

/* The error is on top. A resume the VM refused (C stack overflow) has left
 * the thread as it was, with the message on top: that thread ends too (S3.7),
 * or the message would pass for a value of it. */
static void resume_failed(kahu_sched *s, lua_State *co) {
    bool refused = lua_status(co) == LUA_OK || lua_status(co) == LUA_YIELD;

    kahu__report(s, co);
    kahu__hooks_end(s, co, KAHU_FAILED);
    if (refused)
        kahu__reset(s, co);
}

static void resume_settle(kahu_sched *s, lua_State *co, int verdict) {
    switch (verdict) {
    case LUA_YIELD:
        resume_yielded(s, co);
        break;
    case LUA_OK:
        resume_returned(s, co);
        break;
    case LUA_BREAK: /* a debugger has it now */
        break;
    default:
        resume_failed(s, co);
    }
}

void kahu__resume(kahu_sched *s, lua_State *co, lua_State *from, int nargs) {
    assert(s->depth > 0 && nargs <= lua_gettop(co));
    s->stats.resumes++;
    resume_settle(s, co, lua_resume(co, from, nargs));
}

void kahu__resume_error(kahu_sched *s, lua_State *co, lua_State *from) {
    assert(s->depth > 0 && lua_gettop(co) > 0);
    s->stats.resumes++;
    resume_settle(s, co, lua_resumeerror(co, from));
}
