/* SPDX-License-Identifier: MIT */
/*
 * control.c - the `scheduler` library: what a script may do with the whole.
 *
 * A script can stop a run but not take it back: nothing of it runs then.
 */
#include "args.h"
#include "kahu/luau.h"

/* The exit codes a process can have everywhere. */
#define EXIT_CODE_MOST 255

static int control_exit_code(lua_State *L) {
    double code = luaL_optnumber(L, 1, 0);

    if (!(code >= 0 && code <= EXIT_CODE_MOST) || code != (int)code)
        luaL_argerror(L, 1, "exit code must be a whole number from 0 to 255");
    return (int)code;
}

/* The caller runs on to its next yield; one that can yield does so here. */
static int control_stop(lua_State *L) {
    kahu_sched *s = kahu__args_open_sched(L);

    kahu_stop(s, control_exit_code(L));
    return lua_isyieldable(L) ? lua_yield(L, 0) : 0;
}

static int control_clear(lua_State *L) {
    kahu_clear(kahu__args_open_sched(L));
    return 0;
}

static void control_set_count(lua_State *L, const char *name, size_t n) {
    lua_pushnumber(L, (double)n);
    lua_setfield(L, -2, name);
}

static int control_counts(lua_State *L) {
    const kahu_sched *s = kahu__args_open_sched(L);

    lua_createtable(L, 0, 5);
    control_set_count(L, "deferred", kahu_count(s, KAHU_DEFER));
    control_set_count(L, "delayed", kahu_count(s, KAHU_DELAY));
    control_set_count(L, "waiting", kahu_count(s, KAHU_WAIT));
    control_set_count(L, "operations", kahu_count(s, KAHU_OPERATION));
    control_set_count(L, "all", kahu_count_all(s));
    return 1;
}

/* Seconds to the next deadline, or nil. */
static int control_next(lua_State *L) {
    const kahu_sched *s = kahu__args_open_sched(L);
    uint64_t next_ns = kahu_next_deadline_ns(s);
    uint64_t now_ns = s->driver.now_ns(s->driver.ud);

    if (next_ns == KAHU_NEVER_NS)
        return 0;
    lua_pushnumber(L, next_ns > now_ns ? (double)(next_ns - now_ns) / 1e9 : 0);
    return 1;
}

static const luaL_Reg control_functions[] = {
    {"stop", control_stop},
    {"clear", control_clear},
    {"counts", control_counts},
    {"next", control_next},
    {NULL, NULL},
};

int kahu_open_scheduler(lua_State *L) {
    lua_newtable(L);
    kahu__args_register(L, control_functions);
    lua_setreadonly(L, -1, 1);
    lua_pushvalue(L, -1);
    lua_setglobal(L, "scheduler");
    return 1;
}
