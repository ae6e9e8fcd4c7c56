/* SPDX-License-Identifier: MIT */
#include "safepoint.h"

#include <lualib.h>
#include <stdatomic.h>
#include <stddef.h>

struct safepoint_server {
    safepoint_fn fn;
    void *ud;
};

/* The VM gives its interrupt no pointer of ours, and a signal handler gets
 * none: there is one run in a process. */
static struct {
    lua_State *L;
    bool limited;
    atomic_uint asked; /* of safepoint_request */
    struct safepoint_server trace;
    struct safepoint_server sample;
    struct safepoint_server explain;
    struct safepoint_server line;
} safepoint;

static void safepoint_call(const struct safepoint_server *server, lua_State *L,
                           int gc) {
    if (server->fn != NULL)
        server->fn(server->ud, L, gc);
}

/* Raised at every safepoint, so that no pcall loop outlives it. */
static void safepoint_end(lua_State *L) {
    if (lua_checkstack(L, 1))
        luaL_error(L, "interrupted");
}

static void safepoint_interrupt(lua_State *L, int gc);

/* What was asked, and is now taken back: all but what goes on, and what is of
 * no use in the collector. The interrupt is cleared before, so that whoever
 * asks in between sets it again. */
static unsigned safepoint_take(lua_Callbacks *callbacks, int gc) {
    unsigned kept = gc < 0 ? SAFEPOINT_END
                           : SAFEPOINT_END | SAFEPOINT_TRACE |
                                 SAFEPOINT_EXPLAIN | SAFEPOINT_LINE;
    unsigned asked;

    if (safepoint.limited)
        return atomic_fetch_and(&safepoint.asked, kept);
    callbacks->interrupt = NULL;
    asked = atomic_fetch_and(&safepoint.asked, kept);
    if (asked & kept)
        callbacks->interrupt = safepoint_interrupt;
    return asked;
}

static void safepoint_interrupt(lua_State *L, int gc) {
    unsigned asked = safepoint_take(lua_callbacks(L), gc);

    if (asked & SAFEPOINT_SAMPLE)
        safepoint_call(&safepoint.sample, L, gc);
    if (gc >= 0)
        return;
    if (asked & SAFEPOINT_TRACE)
        safepoint_call(&safepoint.trace, L, gc);
    if (asked & SAFEPOINT_EXPLAIN)
        safepoint_call(&safepoint.explain, L, gc);
    if (asked & SAFEPOINT_LINE)
        safepoint_call(&safepoint.line, L, gc);
    if (asked & SAFEPOINT_END)
        safepoint_end(L);
}

void safepoint_open(lua_State *L, bool limited) {
    safepoint.L = L;
    safepoint.limited = limited;
    if (limited)
        lua_callbacks(L)->interrupt = safepoint_interrupt;
}

void safepoint_serve(enum safepoint_request request, safepoint_fn fn,
                     void *ud) {
    struct safepoint_server server = {fn, ud};

    if (request == SAFEPOINT_TRACE)
        safepoint.trace = server;
    else if (request == SAFEPOINT_SAMPLE)
        safepoint.sample = server;
    else if (request == SAFEPOINT_EXPLAIN)
        safepoint.explain = server;
    else
        safepoint.line = server;
}

/* Luau lets the interrupt be set from anywhere; a request is there before. */
void safepoint_ask(unsigned requests) {
    atomic_fetch_or(&safepoint.asked, requests);
    if (!safepoint.limited)
        lua_callbacks(safepoint.L)->interrupt = safepoint_interrupt;
}
