/* SPDX-License-Identifier: MIT */
/*
 * kahu/luau.h - what scripts see: the `task` library, and a `coroutine`
 * library that is the VM's own but for a close that also unlinks wakes.
 *
 * Open them after luaL_openlibs() and kahu_new(), before luaL_sandbox().
 */
#ifndef KAHU_LUAU_H
#define KAHU_LUAU_H

#include "kahu.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes the read-only global table `task`: spawn, defer, delay, wait, cancel,
 * synchronize, desynchronize, count (S3 to S7).
 *
 * Raises when the VM has no scheduler.
 *
 * @return 1: the table is left on the stack
 *
 * Thread: loop. Stack: [-0, +1, e]. Since 0.1.
 */
KAHU_API int kahu_open_task(lua_State *L);

/**
 * Replaces `close` in the global table `coroutine`, which must be open and
 * not yet read-only (S6.7); all else stays the VM's own (S8.1).
 *
 * @return 1: the table is left on the stack
 *
 * Thread: loop. Stack: [-0, +1, e]. Since 0.1.
 */
KAHU_API int kahu_open_coroutine(lua_State *L);

/**
 * Makes the read-only global table `scheduler`, for scripts that are trusted
 * with the whole (ours):
 *   stop(code)  kahu_stop() with an exit code, 0 by default; the thread that
 *               calls it yields where it can, and none is resumed any more;
 *               what had resumed it runs on to its own next yield (S9.6)
 *   clear()     kahu_clear()
 *   counts()    a table: deferred, delayed, waiting, operations, all
 *   next()      seconds to the next deadline, or nothing
 *
 * Raises when the VM has no scheduler.
 *
 * @return 1: the table is left on the stack
 *
 * Thread: loop. Stack: [-0, +1, e]. Since 0.1.
 */
KAHU_API int kahu_open_scheduler(lua_State *L);

#ifdef __cplusplus
}
#endif

#endif /* KAHU_LUAU_H */
