/* SPDX-License-Identifier: MIT */
/*
 * task.c - the `task` library (S3 to S7).
 *
 * Shape of every function: check and allocate first, raise second, change
 * state last.
 */
#include <string.h>

#include "args.h"
#include "kahu/luau.h"

/* ------------------------------------------------------------------------ */
/* Checks                                                                   */
/* ------------------------------------------------------------------------ */

static void task_check_alive(lua_State *L, lua_State *co, const char *verb) {
    if (kahu__is_dead(L, co))
        luaL_error(L, "cannot %s dead coroutine", verb);
}

static void task_check_yieldable(lua_State *L) {
    if (!lua_isyieldable(L))
        kahu_raise(L, KAHU_EYIELD);
}

/* ------------------------------------------------------------------------ */
/* task.spawn                                                               */
/* ------------------------------------------------------------------------ */

/* Before the target is touched: a resume of such a thread would overwrite its
 * live stack (V4). */
static void spawn_check_suspended(lua_State *L, lua_State *co, int nargs) {
    if (lua_costatus(L, co) != LUA_COSUS)
        luaL_error(L, "cannot spawn non-suspended coroutine%s",
                   nargs > 0 ? " with arguments" : "");
}

static void spawn_pass(lua_State *L, lua_State *co, int nargs) {
    if (!lua_checkstack(co, nargs))
        luaL_error(L, "too many arguments to spawn");
    lua_xmove(L, co, nargs);
}

static int task_spawn(lua_State *L) {
    kahu_sched *s = kahu__args_open_sched(L);
    lua_State *co = kahu__args_thread(L, 1);
    int nargs = lua_gettop(L) - 1;

    spawn_check_suspended(L, co, nargs);
    if (nargs > 0)
        spawn_pass(L, co, nargs);

    kahu__enter(s);
    kahu__resume(s, co, L, nargs, KAHU_BY_SPAWN);
    kahu__leave(s);
    return 1;
}

/* ------------------------------------------------------------------------ */
/* task.defer, task.delay                                                   */
/* ------------------------------------------------------------------------ */

static int task_defer(lua_State *L) {
    kahu_sched *s = kahu__args_open_sched(L);
    lua_State *co = kahu__args_thread(L, 1);
    int nargs;

    task_check_alive(L, co, "defer");
    if (kahu__too_deep(s))
        luaL_error(L, "Maximum re-entrancy depth (%d) exceeded",
                   (int)s->options.max_defer_depth);
    nargs = lua_gettop(L) - 1;
    kahu__args_check(L, kahu__defer(s, co, L, nargs));
    if (nargs > 0)
        lua_pop(L, nargs);
    return 1;
}

static int task_delay(lua_State *L) {
    kahu_sched *s = kahu__args_open_sched(L);
    double seconds = luaL_checknumber(L, 1);
    lua_State *co = kahu__args_thread(L, 2);
    int nargs = lua_gettop(L) - 2;

    task_check_alive(L, co, "delay");
    kahu__args_check(
        L, kahu__delay(s, co, L, nargs, kahu__args_duration_ns(seconds)));
    if (nargs > 0)
        lua_pop(L, nargs);
    return 1;
}

/* ------------------------------------------------------------------------ */
/* task.wait                                                                */
/* ------------------------------------------------------------------------ */

static int task_wait(lua_State *L) {
    kahu_sched *s = kahu__args_open_sched(L);
    double seconds = luaL_optnumber(L, 1, 0);

    task_check_yieldable(L);
    kahu__args_check(
        L, kahu__wait(s, L, kahu__args_duration_ns(seconds), task_wait));
    return lua_yield(L, 0);
}

/* ------------------------------------------------------------------------ */
/* task.cancel                                                              */
/* ------------------------------------------------------------------------ */

static int task_cancel(lua_State *L) {
    kahu_sched *s = kahu__args_sched(L);
    lua_State *co = lua_tothread(L, 1);

    if (co == NULL)
        luaL_typeerror(L, 1, "thread");
    if (kahu__is_dead(L, co))
        return 0;
    if (lua_costatus(L, co) != LUA_COSUS)
        luaL_error(L, "cannot cancel thread");
    if (s != NULL)
        kahu__cancel_now(s, co);
    else
        lua_resetthread(co);
    return 0;
}

/* ------------------------------------------------------------------------ */
/* task.synchronize, task.desynchronize, task.count                         */
/* ------------------------------------------------------------------------ */

/* A VM that is no actor has nothing to synchronize with (S7.1). */
static int task_synchronize(lua_State *L) {
    (void)L;
    return 0;
}

static size_t count_all(const kahu_sched *s) {
    size_t n = 0;

    for (int kind = 0; kind < KAHU_KINDS; kind++)
        n += kahu_count(s, (kahu_kind)kind);
    return n;
}

static size_t count_letter(lua_State *L, const kahu_sched *s, char letter) {
    char message[] = "unknown kind 'x'";

    switch (letter) {
    case 's':
        return kahu_count(s, KAHU_DELAY) + kahu_count(s, KAHU_WAIT);
    case 'd':
        return kahu_count(s, KAHU_DEFER);
    case 'w':
        return kahu_count(s, KAHU_OPERATION);
    default:
        *strchr(message, 'x') = letter;
        luaL_argerror(L, 1, message);
    }
}

static int task_count(lua_State *L) {
    kahu_sched *s = kahu__args_open_sched(L);
    size_t length;
    const char *kinds = luaL_optlstring(L, 1, NULL, &length);

    if (kinds == NULL) {
        lua_pushnumber(L, (double)count_all(s));
        return 1;
    }
    luaL_checkstack(L, (int)length, "too many kinds");
    for (size_t i = 0; i < length; i++)
        lua_pushnumber(L, (double)count_letter(L, s, kinds[i]));
    return (int)length;
}

/* ------------------------------------------------------------------------ */
/* Library                                                                  */
/* ------------------------------------------------------------------------ */

static const luaL_Reg task_functions[] = {
    {"spawn", task_spawn},
    {"defer", task_defer},
    {"delay", task_delay},
    {"wait", task_wait},
    {"cancel", task_cancel},
    {"synchronize", task_synchronize},
    {"desynchronize", task_synchronize},
    {"count", task_count},
    {NULL, NULL},
};

int kahu_open_task(lua_State *L) {
    lua_newtable(L);
    kahu__args_register(L, task_functions);
    lua_setreadonly(L, -1, 1);
    lua_pushvalue(L, -1);
    lua_setglobal(L, "task");
    return 1;
}
