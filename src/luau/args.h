/* SPDX-License-Identifier: MIT */
/*
 * args.h - what the functions scripts call do with their arguments.
 *
 * Private to src/luau. Every function here raises what Luau's own libraries
 * would for the same mistake.
 */
#ifndef KAHU_LUAU_ARGS_H
#define KAHU_LUAU_ARGS_H

#include <lua.h>
#include <lualib.h>

#include "../core/sched.h"

/* Registers the functions of l in the table on top of the stack, each with the
 * scheduler's box as its upvalue. Raises without a scheduler. */
void kahu__args_register(lua_State *L, const luaL_Reg *l);

/* The scheduler of the running function, or NULL when it is gone. */
kahu_sched *kahu__args_sched(lua_State *L);

/* The same for functions that make new work: raises `scheduler is closing`. */
kahu_sched *kahu__args_open_sched(lua_State *L);

/* Argument arg is a function or a thread. A function is replaced by a fresh
 * thread with the function on its stack. Returns the thread. */
lua_State *kahu__args_thread(lua_State *L, int arg);

/* Seconds to nanoseconds, rounded up; negative and NaN are 0 and what is
 * beyond the range is KAHU_NEVER_NS (S5.3). */
uint64_t kahu__args_duration_ns(double seconds);

/* Raises the Luau error for a status other than KAHU_OK. */
void kahu__args_check(lua_State *L, kahu_status status);

#endif
