/* SPDX-License-Identifier: MIT */
/*
 * test_step.h - one function of a test file, on a thread of its own: run until
 * it has ended, or until it has taken too long.
 */
#ifndef KAHU_CLI_TEST_STEP_H
#define KAHU_CLI_TEST_STEP_H

#include <lua.h>
#include <uv.h>

#include "kahu/threads.h"
#include "test.h"

struct modules;

/* What a file's functions run in. */
struct test_vm {
    const struct test_options *options;
    struct test_file *file;
    lua_State *L;
    kahu_sched *s;
    kahu_stepped *stepped; /* under virtual time; owned by s */
    uv_loop_t loop;        /* otherwise */
    struct modules *modules;
    int plan; /* the library's function, and what it returned */
    int steps;
    int nsteps;
    struct text elsewhere; /* errors of other threads since the last step */
    struct text frames;    /* of the first error that was returned, ... */
    struct text frames_elsewhere; /* ... and of the first of those */
    bool interrupted;             /* by a signal, in a step that is over */
    bool stepping;                /* a step runs */

    /* Of the step that runs: */
    bool ended;
    bool failed;
    bool timed_out;
    struct text message;
};

/* The name that the library's functions have in tracebacks. */
#define TEST_LIBRARY "kahu/test"

/* Has what runs in the VM look for signals. Before there is a scheduler, which
 * calls those callbacks that it finds. */
void test_step_open(struct test_vm *v);

/*
 * Runs the function or thread on top of L, which is popped. NULL when all went
 * well, also in threads it started; otherwise what did not, to be freed.
 */
char *test_step_run(struct test_vm *v, uint64_t timeout_ns,
                    uint64_t *duration_ns);

/* Where the first of the messages since the last call comes from, to be freed;
 * NULL when that is not known. */
char *test_step_frames(struct test_vm *v);

/* Runs the file's tests, once it is loaded. */
void test_plan_run(struct test_vm *v);

/* Adds Luau's error on top of L, which is popped, to what came of the file. */
void test_file_add_error(struct test_vm *v);

/* kahu_hooks.on_error; ud is a struct test_vm. */
void test_step_error(void *ud, lua_State *L, lua_State *co, const char *message,
                     const char *traceback);

#endif
