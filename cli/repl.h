/* SPDX-License-Identifier: MIT */
/*
 * repl.h - a session: lines from a terminal, each run on a thread of its own
 * under the scheduler, with globals that all of them share.
 */
#ifndef KAHU_CLI_REPL_H
#define KAHU_CLI_REPL_H

#include <lua.h>
#include <uv.h>

#include "kahu/threads.h"
#include "options.h"

struct repl_host {
    const struct options *options;
    lua_State *L; /* libraries open */
    kahu_sched *s;
    kahu_stepped *stepped; /* NULL without virtual time */
    uv_loop_t *loop;
    kahu_memory *memory; /* of the VM; its limit is the session's to move */
};

/* Runs the session to its end; the exit code. */
int repl_run(const struct repl_host *host);

#endif
