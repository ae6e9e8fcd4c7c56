/* SPDX-License-Identifier: MIT */
/*
 * modules.h - `require`: Luau's own library for names and configuration, and
 * modules that may wait while they load.
 */
#ifndef KAHU_CLI_MODULES_H
#define KAHU_CLI_MODULES_H

#include "kahu/kahu.h"
#include "options.h"

struct modules;

/* NULL when memory is out. Lives until the scheduler is gone. */
struct modules *modules_new(kahu_sched *s, const struct options *o);
void modules_free(struct modules *m);

/* Makes the global `require`. Raises. */
void modules_open(lua_State *L, struct modules *m);

/* Makes the value on top of L, which is popped, what `require` gives for the
 * path, which begins with an '@'. Raises. */
void modules_provide(lua_State *L, const char *path);

/* Calls fn with the path of each file that was required so far, also of those
 * that could not be loaded. */
void modules_each(const struct modules *m,
                  void (*fn)(void *ud, const char *path), void *ud);

/* To be called when nothing is ready. If all that is still pending are threads
 * that wait for modules, and waits that never end, nothing will ever end them:
 * fails those of a module that yielded, and returns true. */
bool modules_unblock(struct modules *m);

#endif
