/* SPDX-License-Identifier: MIT */
/*
 * co.c - coroutine.close that also unlinks wakes (S6.7). Everything else of
 * the library stays the VM's own, at native speed (S8.1).
 */
#include "args.h"
#include "kahu/luau.h"

/*
 * Does what a cancel does first, then is the VM's function: called as C, not
 * through Luau, so that its errors name the caller's line as they always did.
 * A suspended thread is closed already then, as the VM's function leaves one
 * that can be resumed to no good when memory is out.
 */
static int co_close(lua_State *L) {
    kahu_sched *s = kahu__args_sched(L);
    lua_CFunction close = lua_tocfunction(L, lua_upvalueindex(2));
    lua_State *co = lua_tothread(L, 1);
    int status = co == NULL ? LUA_CORUN : lua_costatus(L, co);

    if (s != NULL && status != LUA_CORUN && status != LUA_CONOR) {
        kahu__enter(s);
        kahu__cancel_tell(s, co);
        if (lua_costatus(L, co) == LUA_COSUS)
            kahu__reset(s, co);
        kahu__leave(s);
    }
    return close(L);
}

/* Turns the box and the VM's close on top of L into ours. A close that is ours
 * already stays: the box knows of every scheduler there will be. */
static void co_wrap_close(lua_State *L) {
    lua_CFunction close = lua_tocfunction(L, -1);

    if (close == NULL)
        luaL_error(L, "coroutine.close is not a C function");
    if (close == co_close)
        lua_remove(L, -2);
    else
        lua_pushcclosure(L, co_close, "close", 2);
}

int kahu_open_coroutine(lua_State *L) {
    if (kahu_get(L) == NULL)
        luaL_error(L, "this VM has no scheduler");
    lua_getglobal(L, "coroutine");
    luaL_checktype(L, -1, LUA_TTABLE);
    kahu__sched_push_box(L);
    lua_getfield(L, -2, "close");
    co_wrap_close(L);
    lua_setfield(L, -2, "close");
    return 1;
}
