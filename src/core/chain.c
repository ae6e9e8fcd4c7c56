/* SPDX-License-Identifier: MIT */
/*
 * chain.c - the callbacks of the VM, shared with the host.
 *
 * Ours are in place only while somebody needs them, and call the host's own
 * first. What they need is in the box, as one may have to stay longer than the
 * scheduler: when the host has set its own after ours, it chains to us.
 *
 * The box is in the VM's registry, and to read it takes a place on a stack. The
 * main thread's will do after a resume and when a thread is made: it is in a C
 * function then, if it is in anything. When a thread is freed the collector is
 * at work, and nothing may be touched but the stack of that thread itself.
 */
#include "../base/common.h"
#include "sched.h"

static struct kahu__box *chain_box(lua_State *L) {
    lua_State *main = lua_mainthread(L);

    return lua_checkstack(main, 1) ? kahu__sched_box(main) : NULL;
}

static void chain_postresume(lua_State *L) {
    struct kahu__box *box = chain_box(L);

    if (box == NULL)
        return;
    if (box->host_postresume != NULL)
        box->host_postresume(L);
    if (box->s == NULL || box->s->closing)
        return;
    kahu__park_notice(box->s, L);
    if (L != box->s->running)
        kahu__resumed_by_user(box->s, L);
}

static void chain_thread_made(lua_State *LP, lua_State *L) {
    struct kahu__box *box = chain_box(LP);

    if (box == NULL)
        return;
    if (box->host_userthread != NULL)
        box->host_userthread(LP, L);
    if (box->s != NULL && box->s->tracker != NULL)
        kahu__track_made(box->s, LP, L);
}

static void chain_thread_gone(lua_State *L) {
    struct kahu__box *box;

    lua_settop(L, 0); /* room for one value, whatever it was doing */
    box = kahu__sched_box(L);
    if (box->host_userthread != NULL)
        box->host_userthread(NULL, L);
    if (box->s != NULL && box->s->tracker != NULL)
        kahu__track_gone(box->s, L);
}

static void chain_userthread(lua_State *LP, lua_State *L) {
    if (LP != NULL)
        chain_thread_made(LP, L);
    else
        chain_thread_gone(L);
}

/* Who wants to know of resumes that are over? */
static bool chain_wants_resumes(const kahu_sched *s) {
    return !s->closed &&
           (s->lists[KAHU__PARKED].first != 0 || s->user_hooks > 0 ||
            s->watches.live > 0 || s->deadlines > 0 || s->tracker != NULL);
}

static void chain_take(kahu_sched *s, lua_Callbacks *callbacks) {
    struct kahu__box *box = s->box;

    if (chain_wants_resumes(s) && !box->took_postresume) {
        box->host_postresume = callbacks->postresume;
        callbacks->postresume = chain_postresume;
        box->took_postresume = true;
    }
    if (s->tracker != NULL && !box->took_userthread) {
        box->host_userthread = callbacks->userthread;
        callbacks->userthread = chain_userthread;
        box->took_userthread = true;
    }
}

/* Not those that somebody who came later chains to: they stay, and chain on. */
static void chain_give_back(kahu_sched *s, lua_Callbacks *callbacks) {
    struct kahu__box *box = s->box;

    if (!chain_wants_resumes(s) && box->took_postresume &&
        callbacks->postresume == chain_postresume) {
        callbacks->postresume = box->host_postresume;
        box->took_postresume = false;
    }
    if (s->tracker == NULL && box->took_userthread &&
        callbacks->userthread == chain_userthread) {
        callbacks->userthread = box->host_userthread;
        box->took_userthread = false;
    }
}

void kahu__chain_update(kahu_sched *s) {
    lua_Callbacks *callbacks = lua_callbacks(s->main);

    chain_take(s, callbacks);
    chain_give_back(s, callbacks);
}
