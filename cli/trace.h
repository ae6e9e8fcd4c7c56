/* SPDX-License-Identifier: MIT */
/*
 * trace.h - --trace: what ran when, and who woke whom, in a file for a viewer.
 */
#ifndef KAHU_CLI_TRACE_H
#define KAHU_CLI_TRACE_H

#include <lua.h>
#include <stdbool.h>

#include "kahu/kahu.h"

struct trace;

/* Records what s does from now on in a new file. stepped is its driver's, whose
 * clock is then the trace's; NULL: the real one. script is what the process is
 * called. NULL when that can't be, which is told. */
struct trace *trace_open(const char *path, const char *script, kahu_sched *s,
                         lua_State *L, kahu_stepped *stepped);

/* The process is about to sleep: what is recorded is written, so that it is
 * there should the process be killed. NULL is a no-op. */
void trace_idle(struct trace *t);

/* Ends the recording, and the file; false if it is not complete, which is told.
 * Before kahu_free(). NULL is a no-op. */
bool trace_close(struct trace *t);

/* `kahu trace ...`; what to exit with. */
int trace_main(int argc, char **argv);

#endif
