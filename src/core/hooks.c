/* SPDX-License-Identifier: MIT */
/*
 * hooks.c - the chain of hooks.
 *
 * A hook may add or remove a hook or call the API back, so the chain is walked
 * by index and read anew at every step; one that is removed meanwhile is
 * emptied, and taken out when no walk is under way. Each runs protected
 * (S9.8), on a thread that is nobody's.
 */
#include <lualib.h>
#include <stdio.h>

#include "../base/common.h"
#include "sched.h"

/* ------------------------------------------------------------------------ */
/* The chain                                                                */
/* ------------------------------------------------------------------------ */

static void hooks_count(kahu_sched *s) {
    s->end_hooks = s->resume_hooks = s->user_hooks = s->event_hooks = 0;
    for (uint32_t i = 0; i < s->nhooks; i++) {
        const kahu_hooks *h = &s->hooks[i];

        s->end_hooks += h->on_end != NULL;
        s->resume_hooks += h->on_resume != NULL;
        s->user_hooks += h->on_resume != NULL && h->user_resumes;
        s->event_hooks += h->on_event != NULL;
    }
    kahu__chain_update(s);
}

static bool hooks_grow(kahu_sched *s) {
    uint32_t capacity = s->hooks_capacity + KAHU__CAPACITY(4);
    kahu_hooks *hooks = kahu__realloc(&s->alloc, s->hooks,
                                      s->hooks_capacity * sizeof(kahu_hooks),
                                      capacity * sizeof(kahu_hooks));

    if (hooks == NULL)
        return false;
    s->hooks = hooks;
    s->hooks_capacity = capacity;
    return true;
}

kahu_status kahu_add_hooks(kahu_sched *s, const kahu_hooks *hooks) {
    kahu_hooks copy;

    KAHU__LOOP_ONLY(s);
    if (!kahu__options_read_struct(&copy, sizeof(copy), hooks))
        return KAHU_EINVAL;
    if (s->nhooks == s->hooks_capacity && !hooks_grow(s))
        return KAHU_ENOMEM;
    s->hooks[s->nhooks++] = copy;
    hooks_count(s);
    return KAHU_OK;
}

static bool hooks_same(const kahu_hooks *a, const kahu_hooks *b) {
    return a->size != 0 && a->ud == b->ud && a->on_error == b->on_error &&
           a->on_end == b->on_end && a->on_resume == b->on_resume &&
           a->user_resumes == b->user_resumes && a->on_event == b->on_event;
}

/* One that was removed, and has no members any more. */
static bool hooks_is_empty(const kahu_hooks *h) {
    return h->size == 0;
}

static void hooks_take_out_empty(kahu_sched *s) {
    uint32_t kept = 0;

    for (uint32_t i = 0; i < s->nhooks; i++)
        if (!hooks_is_empty(&s->hooks[i]))
            s->hooks[kept++] = s->hooks[i];
    s->nhooks = kept;
}

kahu_status kahu_remove_hooks(kahu_sched *s, const kahu_hooks *hooks) {
    kahu_hooks copy;
    uint32_t i = s->nhooks;

    KAHU__LOOP_ONLY(s);
    if (!kahu__options_read_struct(&copy, sizeof(copy), hooks))
        return KAHU_EINVAL;
    while (i > 0 && !hooks_same(&s->hooks[i - 1], &copy))
        i--;
    if (i == 0)
        return KAHU_ESTALE;
    s->hooks[i - 1] = (kahu_hooks){.size = 0};
    if (s->hook_walks == 0)
        hooks_take_out_empty(s);
    hooks_count(s);
    return KAHU_OK;
}

/* ------------------------------------------------------------------------ */
/* Calling                                                                  */
/* ------------------------------------------------------------------------ */

static void hooks_write_error(const char *text) {
    fprintf(stderr, "error in a hook: %s\n",
            text != NULL ? text : "(error object is not a string)");
}

/* A hook that calls back may have filled its stack. */
void kahu__hooks_call(kahu_sched *s, int (*fn)(lua_State *L, void *ud),
                      void *ud) {
    int top = lua_gettop(s->caller);

    if (!lua_checkstack(s->caller, LUA_MINSTACK))
        hooks_write_error("not enough memory");
    else if (kahu__protect(s, s->caller, fn, ud) != LUA_OK)
        hooks_write_error(lua_tostring(s->caller, -1));
    lua_settop(s->caller, top);
}

void kahu__hooks_push(lua_State *L, const struct kahu__told *told) {
    int n = told->feedback.nvalues;

    luaL_checkstack(L, n + LUA_MINSTACK, "too many values");
    for (int i = 0; i < n; i++)
        lua_xpush(told->values, L, told->first + i);
}

/* What one hook is told. */
struct hook_call {
    kahu_hooks hooks;
    const struct kahu__told *told;
};

static int hook_call_error(lua_State *L, void *ud) {
    const struct hook_call *c = ud;
    const kahu_feedback *f = &c->told->feedback;

    c->hooks.on_error(c->hooks.ud, L, f->co, f->message, f->traceback);
    return 0;
}

/* Only what was returned is told here, not an error value. */
static int hook_call_end(lua_State *L, void *ud) {
    const struct hook_call *c = ud;
    const kahu_feedback *f = &c->told->feedback;
    int n = f->outcome == KAHU_RETURNED ? f->nvalues : 0;

    if (n > 0)
        kahu__hooks_push(L, c->told);
    c->hooks.on_end(c->hooks.ud, L, f->co, f->outcome, n);
    return 0;
}

static int hook_call_resume(lua_State *L, void *ud) {
    const struct hook_call *c = ud;

    kahu__hooks_push(L, c->told);
    c->hooks.on_resume(c->hooks.ud, L, &c->told->feedback);
    return 0;
}

/* ------------------------------------------------------------------------ */
/* Walks                                                                    */
/* ------------------------------------------------------------------------ */

static void hooks_walk_end(kahu_sched *s) {
    if (--s->hook_walks == 0)
        hooks_take_out_empty(s);
}

bool kahu__hooks_error(kahu_sched *s, const struct kahu__told *told) {
    struct hook_call call = {.told = told};
    bool heard = false;

    s->hook_walks++;
    for (uint32_t i = 0; i < s->nhooks; i++) {
        call.hooks = s->hooks[i];
        if (call.hooks.on_error == NULL)
            continue;
        heard = true;
        kahu__hooks_call(s, hook_call_error, &call);
    }
    hooks_walk_end(s);
    return heard;
}

void kahu__hooks_end(kahu_sched *s, const struct kahu__told *told) {
    struct hook_call call = {.told = told};

    if (s->end_hooks == 0)
        return;
    s->hook_walks++;
    for (uint32_t i = 0; i < s->nhooks; i++) {
        call.hooks = s->hooks[i];
        if (call.hooks.on_end != NULL)
            kahu__hooks_call(s, hook_call_end, &call);
    }
    hooks_walk_end(s);
}

void kahu__hooks_resume(kahu_sched *s, const struct kahu__told *told) {
    bool user = told->feedback.cause == KAHU_BY_USER;
    struct hook_call call = {.told = told};

    if ((user ? s->user_hooks : s->resume_hooks) == 0)
        return;
    s->hook_walks++;
    for (uint32_t i = 0; i < s->nhooks; i++) {
        call.hooks = s->hooks[i];
        if (call.hooks.on_resume != NULL && (!user || call.hooks.user_resumes))
            kahu__hooks_call(s, hook_call_resume, &call);
    }
    hooks_walk_end(s);
}

/* ------------------------------------------------------------------------ */
/* Events                                                                   */
/* ------------------------------------------------------------------------ */

/* As they are: no hook of these may change the chain, or raise. */
void kahu__hooks_event(const kahu_sched *s, const kahu_event *e) {
    for (uint32_t i = 0; i < s->nhooks; i++)
        if (s->hooks[i].on_event != NULL)
            s->hooks[i].on_event(s->hooks[i].ud, e);
}

void kahu__hooks_wake(const kahu_sched *s, kahu_event_type type,
                      const struct kahu__wake *w) {
    kahu_event e = {
        .type = type,
        .co = w->co,
        .cause = (kahu_cause)w->kind,
        .outcome = KAHU_YIELDED,
        .wake = w->seq,
        .deadline_ns = KAHU_NEVER_NS,
    };

    if (w->kind < KAHU_KINDS)
        kahu__hooks_event(s, &e);
}
