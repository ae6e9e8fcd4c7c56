/* SPDX-License-Identifier: MIT */
/*
 * run.h - one run of the program: a VM, a scheduler, a driver, a script.
 */
#ifndef KAHU_CLI_RUN_H
#define KAHU_CLI_RUN_H

#include <lua.h>

#include "options.h"
#include "source.h"

/* Runs the source, which is freed, until all is done or a signal comes; the
 * exit code. */
int run_script(const struct options *o, struct source *source,
               const char *chunkname);

/* For those who catch signals of their own. The action is taken unless the
 * signal was ignored when we were started. */
struct sigaction;
void run_catch(int number, const struct sigaction *action);

#endif
