/* SPDX-License-Identifier: MIT */
/*
 * safepoint.h - what is asked of the script that runs, from a signal handler
 * or another OS thread, and done at its next safepoint: a loop, a call, a
 * return, a step of the collector.
 *
 * The VM has one interrupt for all who want something. It is set only while
 * something is wanted, so that a script pays nothing for what may be asked.
 */
#ifndef KAHU_CLI_SAFEPOINT_H
#define KAHU_CLI_SAFEPOINT_H

#include <lua.h>
#include <stdbool.h>

enum safepoint_request {
    SAFEPOINT_END = 1,     /* an error at every safepoint from now on */
    SAFEPOINT_TRACE = 2,   /* calls its function once */
    SAFEPOINT_SAMPLE = 4,  /* the same */
    SAFEPOINT_EXPLAIN = 8, /* the same */
    SAFEPOINT_LINE = 16    /* the same, and it may raise */
};

/* gc is not below 0 inside the collector, where there are samples only. Must
 * not raise but where it is said, nor use the stack of L, which is only to be
 * looked at. */
typedef void (*safepoint_fn)(void *ud, lua_State *L, int gc);

/* Once for a process, before anything is asked. limited: the scheduler's limits
 * take the interrupt for each resume, so ours stays set below theirs. */
void safepoint_open(lua_State *L, bool limited);

/* What one of these requests calls; before it is asked for. */
void safepoint_serve(enum safepoint_request request, safepoint_fn fn, void *ud);

/* Any of the requests, or several. From any OS thread, and signal handlers. */
void safepoint_ask(unsigned requests);

#endif
