/* SPDX-License-Identifier: MIT */
/*
 * fault.h - a host whose memory runs out: at the n-th allocation, for every n.
 *
 * The VM's memory and the C library's fail alike. A scenario is run again and
 * again until nothing was left to fail; what it finds each time is a status or
 * a Luau error, nothing taken that is not released, and the books right.
 */
#ifndef KAHU_TESTS_FAULT_H
#define KAHU_TESTS_FAULT_H

/* cmocka wants these four before its own header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lua.h>
#include <lualib.h>
#include <uv.h>

#include "core/sched.h"
#include "kahu/kahu.h"
#include "kahu/luau.h"
#include "kahu/threads.h"
#include "kahu/uv.h"

enum driver { STEPPED, UV, PRECISE, BLOCKING };

struct fault_host {
    lua_State *L;
    kahu_sched *s;
    enum driver driver;
    kahu_stepped *m; /* STEPPED */
    uv_loop_t loop;  /* UV */
    kahu_memory memory;
    const char *bytecode; /* the script's */
    size_t size;
    lua_State *co;   /* the last that was made */
    long taken;      /* uds handed over and not dropped */
    long told;       /* errors, and calls that said so, for lack of memory */
    kahu_op ops[16]; /* begun by op(...), in order */
    int begun;
    int cancelled;
};

extern struct fault_host a;

/* What the hosts to come are opened with: options, without a driver, and a
 * function, NULL for none, called on the VM when memory can fail already. */
struct fault_setup {
    kahu_options options;
    lua_CFunction open;
    uint64_t (*real_ns)(void *ud); /* a driver's; NULL for its own */
};

extern struct fault_setup fault_setup;

/* How allocations fail: each n-th one, from the given one on; after some
 * hundreds of them the steps grow. */
struct fault_plan {
    long first;    /* allocations before the first that fails */
    long stride;   /* how many more in the next run */
    long failures; /* how many fail then */
};

/* Runs the scenario again and again until none was left to fail; runs made. */
long fault_each(void (*scenario)(void), enum driver driver, const char *script,
                struct fault_plan plan);

/* Runs the scenario with every allocation failing, alone and with those that
 * follow. What the host has opened: task, coroutine, scheduler, op and, on a
 * libuv loop, work, a job, and account, with a job that is a method. */
void fault_everywhere(void (*scenario)(void), enum driver driver,
                      const char *script);

/* Success; or else the lack of memory, and false. */
bool ok(kahu_status status);

/* The same, for a call that takes &a as a ud that on_drop() drops. */
bool took(kahu_status status);
void on_drop(void *ud);

/* A thread with the script on it, kept by the registry, or NULL; and one that
 * was spawned. */
lua_State *new_thread(void);
lua_State *spawned(void);

/* Is it over with this thread? NULL is. */
bool ended(lua_State *co);

#endif
