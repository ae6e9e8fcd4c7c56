/* SPDX-License-Identifier: MIT */
#include "args.h"

#define NS_PER_S 1e9

void kahu__args_register(lua_State *L, const luaL_Reg *l) {
    kahu_sched *s = kahu_get(L);

    if (s == NULL)
        luaL_error(L, "this VM has no scheduler");
    for (; l->name != NULL; l++) {
        kahu__sched_push_box(L);
        lua_pushcclosure(L, l->func, l->name, 1);
        lua_setfield(L, -2, l->name);
    }
}

kahu_sched *kahu__args_sched(lua_State *L) {
    const struct kahu__box *box = lua_touserdata(L, lua_upvalueindex(1));

    return box->s;
}

kahu_sched *kahu__args_open_sched(lua_State *L) {
    kahu_sched *s = kahu__args_sched(L);

    if (s == NULL || s->closing)
        kahu_raise(L, KAHU_ECLOSED);
    return s;
}

lua_State *kahu__args_thread(lua_State *L, int arg) {
    lua_State *co = lua_tothread(L, arg);

    if (co != NULL)
        return co;
    if (!lua_isfunction(L, arg))
        luaL_typeerror(L, arg, "function or thread");
    co = lua_newthread(L);
    lua_xpush(L, co, arg);
    lua_replace(L, arg);
    return co;
}

/* 2^64 ns are 584 years; the first double that does not fit. */
#define DURATION_END_NS 18446744073709551616.0

uint64_t kahu__args_duration_ns(double seconds) {
    double exact = seconds * NS_PER_S;
    uint64_t ns;

    if (!(exact > 0))
        return 0;
    if (exact >= DURATION_END_NS)
        return KAHU_NEVER_NS;
    ns = (uint64_t)exact;
    /* The product was rounded, and what was slept is told as a quotient that
     * is rounded again: never less than asked for (S5.4). */
    while ((double)ns / NS_PER_S < seconds)
        ns += (ns >> 53) + 1;
    return ns;
}

void kahu__args_check(lua_State *L, kahu_status status) {
    if (status != KAHU_OK)
        kahu_raise(L, status);
}
