/* SPDX-License-Identifier: MIT */
/*
 * tight.h - a VM that has nothing in hand.
 *
 * Luau takes small objects from pages of 16 kB and more, so that hundreds of
 * them are made between two calls of the allocator, and could not be made to
 * fail one by one. tighten() fills the pages: of each size as many blocks as
 * wanted are left, and the next one has to be asked for.
 */
#ifndef KAHU_TESTS_TIGHT_H
#define KAHU_TESTS_TIGHT_H

#include <lua.h>
#include <lualib.h>
#include <stdbool.h>

#define TIGHT_LARGEST 1024 /* larger ones have no pages */
#define TIGHT_HEADER 16    /* of a userdata */
#define TIGHT_VALUE 16     /* a slot of a table */

struct tight {
    const long *calls; /* that gave memory, counted by the allocator */
    int spare;
    int kept; /* in the table on the stack */
};

/* Takes a block of this size: objects and arrays have pages of their own. */
static inline void tight_take(lua_State *L, struct tight *t, int size,
                              bool object) {
    if (object)
        lua_newuserdata(L, (size_t)size - TIGHT_HEADER);
    else
        lua_createtable(L, size / TIGHT_VALUE, 0);
    lua_rawseti(L, -2, ++t->kept);
}

/* Takes blocks until the VM has asked for a page: how many. */
static inline int tight_take_page(lua_State *L, struct tight *t, int size,
                                  bool object) {
    long seen = *t->calls;
    int n = 0;

    for (; *t->calls == seen; n++)
        tight_take(L, t, size, object);
    return n;
}

static inline void tight_fill(lua_State *L, struct tight *t, int size,
                              bool object) {
    int in_a_page;

    (void)tight_take_page(L, t, size, object);
    in_a_page = tight_take_page(L, t, size, object);
    for (int i = 1 + t->spare; i < in_a_page; i++)
        tight_take(L, t, size, object);
}

static inline int tight_step(int size) {
    return size < 64 ? 8 : size < 256 ? 16 : size < 512 ? 32 : 64;
}

/* Arrays first: the tables they belong to are objects. */
static inline int tight_run(lua_State *L) {
    struct tight *t = lua_tolightuserdata(L, 1);

    (void)lua_gc(L, LUA_GCSTOP, 0);
    lua_createtable(L, 1 << 16, 0);
    for (int size = TIGHT_VALUE; size <= TIGHT_LARGEST;
         size += tight_step(size))
        if (size % TIGHT_VALUE == 0)
            tight_fill(L, t, size, false);
    for (int size = 24; size <= TIGHT_LARGEST; size += tight_step(size))
        tight_fill(L, t, size, true);
    (void)lua_ref(L, -1);
    (void)lua_gc(L, LUA_GCRESTART, 0);
    return 0;
}

/* Leaves `spare` free blocks of each size. */
static inline bool tighten(lua_State *L, const long *calls, int spare) {
    struct tight t = {calls, spare, 0};

    return lua_cpcall(L, tight_run, &t) == LUA_OK;
}

#endif
