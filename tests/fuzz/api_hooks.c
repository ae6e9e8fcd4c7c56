/* SPDX-License-Identifier: MIT */
/*
 * api_hooks.c - what the library calls, and what goes on from inside.
 */
#include "api.h"

#define DEPTH 6

void act_inside(void) {
    lua_State *from = f.from;

    if (f.depth >= DEPTH || f.freed)
        return;
    f.depth++;
    for (int n = byte() % 4; n > 0 && f.size > 0 && !f.freed; n--)
        act();
    f.depth--;
    f.from = from;
}

/* Where no Luau thread is the caller. */
static void act_in_hook(void) {
    lua_State *from = f.from;

    f.from = NULL;
    act_inside();
    f.from = from;
}

void taken_drop(void *ud) {
    must(ud == &f);
    must(pthread_equal(pthread_self(), f.owner) != 0);
    f.taken--;
    act_in_hook();
}

bool taken(kahu_status status) {
    f.taken += status == KAHU_OK;
    return status == KAHU_OK;
}

static int push_many(lua_State *L) {
    luaL_checkstack(L, 60, "values");
    for (int i = 0; i < 60; i++)
        lua_pushnumber(L, i);
    return 60;
}

int on_push(lua_State *L, void *ud) {
    (void)ud;
    must(lua_gettop(L) == 0 && !lua_isyieldable(L));
    switch (byte() % 8) {
    case 0:
        return 0;
    case 1:
        lua_pushnumber(L, 1);
        lua_pushnil(L);
        return 2;
    case 2:
        return KAHU_EUSER;
    case 3:
        lua_newtable(L);
        lua_error(L);
    case 4:
        luaL_error(L, "raised in a push");
    case 5:
        return push_many(L);
    default:
        lua_pushliteral(L, "value");
        return 1;
    }
}

bool on_watch(void *ud, lua_State *L, const kahu_feedback *feedback) {
    must(ud == &f);
    must(lua_gettop(L) == feedback->nvalues);
    must(feedback->outcome != KAHU_YIELDED);
    act_in_hook();
    return byte() % 2 == 0;
}

static void on_error(void *ud, lua_State *L, lua_State *co, const char *message,
                     const char *traceback) {
    (void)ud;
    must(!lua_isyieldable(L));
    must(co != NULL && message != NULL && traceback != NULL);
    act_in_hook();
    if (byte() % 16 == 1)
        luaL_error(L, "raised in a hook");
}

static void on_end(void *ud, lua_State *L, lua_State *co, kahu_outcome outcome,
                   int nresults) {
    (void)ud;
    (void)co;
    must(outcome != KAHU_YIELDED);
    must(lua_gettop(L) == nresults);
    act_in_hook();
    if (byte() % 16 == 1)
        luaL_error(L, "raised in a hook");
}

static void on_resume(void *ud, lua_State *L, const kahu_feedback *feedback) {
    (void)ud;
    must(lua_gettop(L) == feedback->nvalues);
    act_in_hook();
}

void on_call(void *ud, lua_State *L) {
    (void)ud;
    must(lua_gettop(L) == 0 && !lua_isyieldable(L));
    act_in_hook();
    if (byte() % 8 == 1)
        luaL_error(L, "raised in a call");
}

const kahu_hooks fuzz_hooks = {
    .size = sizeof(kahu_hooks),
    .on_error = on_error,
    .on_end = on_end,
    .on_resume = on_resume,
    .user_resumes = true,
};
