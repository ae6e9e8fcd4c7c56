/* SPDX-License-Identifier: MIT */
/*
 * hooks.c - the chain of hooks.
 *
 * A hook may add a hook or call the API back, so the chain is walked by index
 * and read anew at every step. Each runs protected (S9.8), on a thread that is
 * nobody's.
 */
#include <lualib.h>
#include <stdio.h>

#include "sched.h"

kahu_status kahu_add_hooks(kahu_sched *s, const kahu_hooks *hooks) {
    kahu_hooks copy;
    kahu_hooks *grown;

    if (!kahu__options_read_struct(&copy, sizeof(copy), hooks))
        return KAHU_EINVAL;
    grown = kahu__realloc(&s->alloc, s->hooks, s->nhooks * sizeof(copy),
                          (s->nhooks + 1) * sizeof(copy));
    if (grown == NULL)
        return KAHU_ENOMEM;
    s->hooks = grown;
    s->hooks[s->nhooks++] = copy;
    s->end_hooks += copy.on_end != NULL;
    return KAHU_OK;
}

/* What one hook is told. */
struct hook_call {
    kahu_hooks hooks;
    lua_State *co;
    kahu_outcome outcome;
    lua_State *work; /* results: these many, from this index */
    int results;
    int nresults;
    const char *message;
    const char *traceback;
};

/* Calls fn for a hook; an error it raises is written down and forgotten. */
static void hook_run(kahu_sched *s, int (*fn)(lua_State *L, void *ud),
                     struct hook_call *call) {
    int top = lua_gettop(s->caller);
    const char *text;

    if (kahu__protect(s, s->caller, fn, call) != LUA_OK) {
        text = lua_tostring(s->caller, -1);
        fprintf(stderr, "error in a hook: %s\n",
                text != NULL ? text : "(error object is not a string)");
    }
    lua_settop(s->caller, top);
}

static int hook_call_end(lua_State *L, void *ud) {
    const struct hook_call *c = ud;

    luaL_checkstack(L, c->nresults + LUA_MINSTACK, "too many results");
    for (int i = 0; i < c->nresults; i++)
        lua_xpush(c->work, L, c->results + i);
    c->hooks.on_end(c->hooks.ud, L, c->co, c->outcome, c->nresults);
    return 0;
}

static int hook_call_error(lua_State *L, void *ud) {
    const struct hook_call *c = ud;

    c->hooks.on_error(c->hooks.ud, L, c->co, c->message, c->traceback);
    return 0;
}

/* Moves what the thread returned to the work thread: with values left on its
 * stack a finished thread looks suspended (V1), to hooks too. */
static int hooks_take_results(kahu_sched *s, lua_State *co) {
    int n = lua_gettop(co);

    if (!lua_checkstack(s->work, n + LUA_MINSTACK)) {
        lua_settop(co, 0);
        return 0;
    }
    lua_xmove(co, s->work, n);
    return n;
}

void kahu__hooks_end(kahu_sched *s, lua_State *co, kahu_outcome outcome) {
    struct hook_call call = {.co = co, .outcome = outcome, .work = s->work};
    int top = lua_gettop(s->work);

    if (s->end_hooks == 0)
        return; /* threads nobody watches cost nothing */
    call.results = top + 1;
    if (outcome == KAHU_RETURNED)
        call.nresults = hooks_take_results(s, co);
    for (uint32_t i = 0; i < s->nhooks; i++) {
        call.hooks = s->hooks[i];
        if (call.hooks.on_end != NULL)
            hook_run(s, hook_call_end, &call);
    }
    lua_settop(s->work, top);
}

bool kahu__hooks_error(kahu_sched *s, lua_State *co, const char *message,
                       const char *traceback) {
    struct hook_call call = {
        .co = co, .message = message, .traceback = traceback};
    bool heard = false;

    for (uint32_t i = 0; i < s->nhooks; i++) {
        call.hooks = s->hooks[i];
        if (call.hooks.on_error == NULL)
            continue;
        heard = true;
        hook_run(s, hook_call_error, &call);
    }
    return heard;
}
