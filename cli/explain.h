/* SPDX-License-Identifier: MIT */
/*
 * explain.h - why is it still running: the live threads on SIGQUIT and
 * SIGUSR1, and with --explain those that are left at the end.
 */
#ifndef KAHU_CLI_EXPLAIN_H
#define KAHU_CLI_EXPLAIN_H

#include <lua.h>
#include <stdbool.h>
#include <uv.h>

#include "kahu/kahu.h"

struct explain {
    kahu_sched *s;
    lua_State *L;
    bool always;       /* --explain */
    bool missed;       /* a thread could not be kept, memory being out */
    bool endless;      /* that was said */
    lua_State *script; /* NULL until it is known */
    uv_async_t async;
};

/* Prepares for signals that come while the loop waits and, with `always`,
 * keeps a record of all threads from now on, and those alive that wait. False
 * when memory or descriptors are out: nothing is to be closed then. */
bool explain_open(struct explain *e, kahu_sched *s, lua_State *L,
                  uv_loop_t *loop, bool always);

/* From here on the signals are answered, from explain_release() on ignored.
 * script is NULL in a session. */
void explain_catch(struct explain *e, lua_State *script);
void explain_release(void);

/* Nothing is ready. If nothing ever will be, with waits that never end, that is
 * said, once; with `always` by listing them. */
void explain_idle(struct explain *e);

/* The program is at its end: the same, and what is left, with `always`. */
void explain_end(struct explain *e);

/* Gives the loop back what it lent. */
void explain_close(struct explain *e);

#endif
