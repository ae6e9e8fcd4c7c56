/* SPDX-License-Identifier: MIT */
/*
 * host.h - a small host for C tests: a VM, a scheduler, scripts by text.
 */
#ifndef KAHU_TESTS_HOST_H
#define KAHU_TESTS_HOST_H

/* cmocka wants these four before its own header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lua.h>
#include <lualib.h>

#include "kahu/kahu.h"

struct host {
    lua_State *L;
    kahu_sched *s;
    kahu_stepped *m; /* NULL on a libuv loop */
    struct uv_loop_s *loop;
    bool precise;     /* the loop's driver rounds nothing */
    char log[4096];   /* what scripts said with log(...) */
    char error[1024]; /* the last error's message */
    int errors;
};

/* A host on the stepped driver, or on a libuv loop of its own. Options may be
 * NULL; their driver is set here. */
void host_open(struct host *h, const kahu_options *options);
void host_open_uv(struct host *h, const kahu_options *options);
void host_open_precise(struct host *h, const kahu_options *options);

/* Closes everything that is open still, and checks what can be checked. */
void host_close(struct host *h);

/* Makes a new scheduler for the VM, whose old one is freed. */
void host_attach(struct host *h, const kahu_options *options);

/* A fresh thread with the function of the text on it; kept by the registry. */
lua_State *host_load(struct host *h, const char *text);

/* Loads and spawns it; the thread. */
lua_State *host_run(struct host *h, const char *text);

/* Runs until nothing is left to do, on either driver. */
void host_finish(struct host *h);

/* Makes fn a global of scripts. */
void host_global(struct host *h, const char *name, lua_CFunction fn);

/* The host of a VM, for such functions. */
struct host *host_of(lua_State *L);

/* Adds to the log, separated by a space. */
void host_log(struct host *h, const char *word);

#define assert_log(h, expected) assert_string_equal((h)->log, expected)

#endif
