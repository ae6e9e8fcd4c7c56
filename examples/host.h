/* SPDX-License-Identifier: MIT */
/*
 * host.h - what the larger examples have in common: a VM, a scheduler, and a
 * script from a file. minimal.c shows the same in one piece.
 */
#ifndef KAHU_EXAMPLES_HOST_H
#define KAHU_EXAMPLES_HOST_H

#include <lua.h>
#include <stdbool.h>

#include "kahu/kahu.h"

struct host {
    lua_State *L;
    lua_State *script; /* the thread that the script begins on */
    kahu_sched *s;
};

/*
 * Makes a VM with Luau's libraries and kahu's, and a scheduler. `open` then
 * makes the globals that are the host's own; it may raise. ud is what
 * host_data() gives to the functions called from Luau.
 *
 * False, and the reason on stderr, when that can not be. The driver is taken
 * either way.
 */
bool host_open(struct host *h, const kahu_options *options, lua_CFunction open,
               void *ud);
void *host_data(lua_State *L);

/* Runs the script of a file until it waits. False, and the reason on stderr,
 * when it can't be loaded. */
bool host_run(struct host *h, const char *path);

/* Ends what is pending and closes all; what the program should exit with. */
int host_close(struct host *h);

#endif
