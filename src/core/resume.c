/* SPDX-License-Identifier: MIT */
/*
 * resume.c - the one caller of lua_resume, and what follows from each verdict.
 *
 * The VM tells a suspended thread from a finished one by what lies on its
 * stack (V1), so every resume of ours ends with a cleared stack, but for a
 * failed thread, whose status speaks for itself and whose error value the VM's
 * own coroutine.close still wants.
 */
#include "../base/common.h"
#include "sched.h"

/* ------------------------------------------------------------------------ */
/* Verdicts                                                                 */
/* ------------------------------------------------------------------------ */

/* A thread that was asked to end while it ran ends now (S6.8). One that is to
 * end at a certain time has that time. */
static void resume_cancel_asked(kahu_sched *s, lua_State *co) {
    uint32_t first = kahu__thread_oldest(s, co);
    uint32_t id = first;

    if (first == 0)
        return;
    do {
        struct kahu__wake *w = kahu__wake_at(s, id);

        if (w->kind == KAHU__CANCEL && !kahu__is_timed(w)) {
            kahu__cancel_now(s, co);
            return;
        }
        id = w->newer;
    } while (id != first);
}

/* Most leave nothing. */
static void resume_clear(lua_State *co) {
    if (lua_gettop(co) > 0)
        lua_settop(co, 0);
}

static void resume_yielded(kahu_sched *s, lua_State *co, kahu_cause cause) {
    if (s->resume_hooks > 0 || s->tracker != NULL)
        kahu__feedback(s, co, cause, KAHU_YIELDED);
    else
        resume_clear(co);
    if (s->pending[KAHU__CANCEL] > 0)
        resume_cancel_asked(s, co);
}

/* Threads nobody watches cost nothing. */
static void resume_returned(kahu_sched *s, lua_State *co, kahu_cause cause) {
    if (kahu__tells_of_ends(s))
        kahu__feedback(s, co, cause, KAHU_RETURNED);
    else
        resume_clear(co);
    kahu__cancel_settled(s, co);
}

static int resume_collect_all(lua_State *L, void *ud) {
    (void)ud;
    (void)lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

/* The VM does not collect before it gives up, and what filled the memory is
 * garbage now: the others are to live. The collector can fail where even
 * giving back part of a block fails; then there is nothing else to do. */
bool kahu__collect(kahu_sched *s) {
    int top = lua_gettop(s->work);
    int status = kahu__protect(s, s->work, resume_collect_all, NULL);

    lua_settop(s->work, top);
    return status == LUA_OK;
}

/* The error is on top. A resume the VM refused (C stack overflow) has left
 * the thread as it was, with the message on top: that thread ends too (S3.7),
 * or the message would pass for a value of it. */
static void resume_failed(kahu_sched *s, lua_State *co, kahu_cause cause) {
    bool refused = lua_status(co) == LUA_OK || lua_status(co) == LUA_YIELD;

    kahu__feedback(s, co, cause, KAHU_FAILED);
    if (refused)
        kahu__reset(s, co);
    else if (lua_status(co) == LUA_ERRMEM)
        (void)kahu__collect(s);
    kahu__cancel_settled(s, co);
}

static void resume_settle(kahu_sched *s, lua_State *co, kahu_cause cause,
                          int verdict) {
    switch (verdict) {
    case LUA_YIELD:
        resume_yielded(s, co, cause);
        break;
    case LUA_OK:
        resume_returned(s, co, cause);
        break;
    case LUA_BREAK: /* a debugger has it now */
        break;
    default:
        resume_failed(s, co, cause);
    }
}

/* ------------------------------------------------------------------------ */
/* Resumes                                                                  */
/* ------------------------------------------------------------------------ */

/* Tests: what is not held is gone by the next resume. Not with many threads,
 * where it would take for ever. */
static void resume_be_hostile(kahu_sched *s) {
#if defined(KAHU_HOSTILE)
    if (s->wakes.live < 100)
        (void)kahu__collect(s);
#else
    (void)s;
#endif
}

/* nargs < 0 raises the value on top. */
static int resume_run(kahu_sched *s, lua_State *co, lua_State *from,
                      int nargs) {
    lua_State *outer = s->running;
    bool limited = outer == NULL && !s->limited && kahu__limits_time(s);
    int verdict;

    s->stats.resumes++;
    resume_be_hostile(s);
    s->running = co;
    if (limited)
        kahu__limits_begin(s);
    verdict =
        nargs < 0 ? lua_resumeerror(co, from) : lua_resume(co, from, nargs);
    if (limited)
        kahu__limits_end(s);
    s->running = outer;
    return verdict;
}

static kahu_outcome resume_outcome(int verdict) {
    switch (verdict) {
    case LUA_OK:
        return KAHU_RETURNED;
    case LUA_YIELD:
    case LUA_BREAK:
        return KAHU_YIELDED;
    default:
        return KAHU_FAILED;
    }
}

/* resume_run() for hooks that want its beginning and end; e says why. */
static int resume_told(kahu_sched *s, lua_State *from, int nargs,
                       kahu_event e) {
    int verdict;

    kahu__hooks_event(s, &e);
    verdict = resume_run(s, e.co, from, nargs);
    e.type = KAHU_RESUME_ENDS;
    e.outcome = resume_outcome(verdict);
    e.wake = 0;
    e.deadline_ns = KAHU_NEVER_NS;
    kahu__hooks_event(s, &e);
    return verdict;
}

/* Spawned: no wake has promised it. */
static int resume_spawned_told(kahu_sched *s, lua_State *co, lua_State *from,
                               int nargs, kahu_cause cause) {
    return resume_told(s, from, nargs,
                       (kahu_event){
                           .type = KAHU_RESUME_BEGINS,
                           .co = co,
                           .cause = cause,
                           .outcome = KAHU_YIELDED,
                           .deadline_ns = KAHU_NEVER_NS,
                       });
}

static int resume_wake_told(kahu_sched *s, const struct kahu__wake *w,
                            int nargs) {
    bool timed = w->kind == KAHU_WAIT || w->kind == KAHU_DELAY;

    return resume_told(
        s, NULL, nargs,
        (kahu_event){
            .type = KAHU_RESUME_BEGINS,
            .co = w->co,
            .cause = (kahu_cause)w->kind,
            .outcome = KAHU_YIELDED,
            .wake = w->seq,
            .deadline_ns = timed ? w->deadline_ns : KAHU_NEVER_NS,
        });
}

void kahu__resume(kahu_sched *s, lua_State *co, lua_State *from, int nargs,
                  kahu_cause cause) {
    int verdict;

    assert(s->depth > 0 && nargs >= 0 && nargs <= lua_gettop(co));
    verdict = s->event_hooks > 0
                  ? resume_spawned_told(s, co, from, nargs, cause)
                  : resume_run(s, co, from, nargs);
    resume_settle(s, co, cause, verdict);
}

void kahu__resume_wake(kahu_sched *s, const struct kahu__wake *w, int nargs) {
    kahu_cause cause = (kahu_cause)w->kind;
    lua_State *co = w->co;
    int verdict;

    assert(s->depth > 0 && nargs <= lua_gettop(co));
    verdict = s->event_hooks > 0 ? resume_wake_told(s, w, nargs)
                                 : resume_run(s, co, NULL, nargs);
    resume_settle(s, co, cause, verdict);
}

void kahu__resume_to_fail(kahu_sched *s, lua_State *co) {
    kahu__push_no_memory(s, co);
    (void)lua_resumeerror(co, NULL);
}

void kahu__resumed_by_user(kahu_sched *s, lua_State *co) {
    int status = lua_status(co);

    if (status == LUA_BREAK || !kahu__is_ours(s, co))
        return;
    kahu__enter(s);
    if (status == LUA_YIELD) {
        kahu__feedback(s, co, KAHU_BY_USER, KAHU_YIELDED);
    } else {
        kahu__feedback(s, co, KAHU_BY_USER,
                       status == LUA_OK ? KAHU_RETURNED : KAHU_FAILED);
        kahu__cancel_settled(s, co);
    }
    kahu__leave(s);
}
