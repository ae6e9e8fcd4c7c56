/* SPDX-License-Identifier: MIT */
/*
 * scripts.c - every script of a folder, again and again, with memory that runs
 * out at the n-th allocation, for every n.
 *
 * What a script then prints can't be foretold. But no run crashes, hangs or
 * leaks, the books are right at its end, and nothing is lost untold: where less
 * was printed than without a fault, an error was reported, or a call said so,
 * or the script itself is one that catches errors.
 *
 * Usage: fault_scripts STRIDE FILE...
 */
#define _POSIX_C_SOURCE 200809L
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"

#define STEPS 3000 /* of one run; a script that needs more is none of ours */

static struct {
    char text[65536];
    char path[512];
} script;

/* What the script has said in one run. */
struct speech {
    char text[16384];
    size_t length;
};

static struct speech said, wanted;
static uint64_t looks;
static int steps_taken, steps_allowed;

/* ------------------------------------------------------------------------ */
/* What scripts see                                                         */
/* ------------------------------------------------------------------------ */

static void say(const char *text) {
    size_t room = sizeof(said.text) - 1 - said.length;
    size_t length = strlen(text);

    if (length > room)
        length = room;
    memcpy(said.text + said.length, text, length);
    said.length += length;
    said.text[said.length] = '\0';
}

static int script_print(lua_State *L) {
    int n = lua_gettop(L);

    for (int i = 1; i <= n; i++) {
        say(luaL_tolstring(L, i, NULL));
        say(i < n ? "\t" : "\n");
        lua_pop(L, 1);
    }
    return 0;
}

static int script_clock(lua_State *L) {
    lua_pushnumber(L, (double)kahu_stepped_now_ns(a.m) / 1e9);
    return 1;
}

static int script_open(lua_State *L) {
    lua_pushcfunction(L, script_print, "print");
    lua_setglobal(L, "print");
    lua_getglobal(L, "os");
    lua_pushcfunction(L, script_clock, "clock");
    lua_setfield(L, -2, "clock");
    return 0;
}

/* Time in looks at the clock, so that what loops for ever ends, and each run is
 * like the last. */
static uint64_t script_real_ns(void *ud) {
    (void)ud;
    return ++looks * 1000;
}

/* ------------------------------------------------------------------------ */
/* One run                                                                  */
/* ------------------------------------------------------------------------ */

static void script_run(void) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    uint64_t next_ns;

    said.length = 0;
    said.text[0] = '\0';
    limits.max_resume_ns = UINT64_C(20000000);
    if (!ok(kahu_set_limits(a.s, &limits)))
        return;
    (void)spawned();
    for (steps_taken = 0; steps_taken < steps_allowed; steps_taken++) {
        if (kahu_is_done(a.s))
            break;
        next_ns = kahu_next_deadline_ns(a.s);
        if (!kahu_is_ready(a.s) && next_ns == KAHU_NEVER_NS)
            break;
        if (kahu_is_ready(a.s))
            next_ns = kahu_stepped_now_ns(a.m);
        assert_true(kahu_stepped_step(a.m, next_ns) >= 0);
    }
}

/* May a script that says so see to its errors itself? */
static bool script_catches(void) {
    return strstr(script.text, "pcall") != NULL ||
           strstr(script.text, "coroutine.") != NULL;
}

static void script_checked(void) {
    said.length = 0;
    said.text[0] = '\0';
    script_run();
    if (strcmp(said.text, wanted.text) != 0 && a.told == 0 && !script_catches())
        fail_msg("%s said:\n%s\nand nobody why, instead of:\n%s", script.path,
                 said.text, wanted.text);
}

/* ------------------------------------------------------------------------ */
/* One script                                                               */
/* ------------------------------------------------------------------------ */

/* Loops that a real clock needs to get somewhere. */
static void script_hurry(const char *loop) {
    char *at;

    while ((at = strstr(script.text, loop)) != NULL)
        (void)memset(at, '1', 3); /* a number too */
}

static void script_read(const char *path) {
    FILE *file = fopen(path, "rb");
    size_t size;

    assert_non_null(file);
    size = fread(script.text, 1, sizeof(script.text) - 1, file);
    assert_true(size < sizeof(script.text) - 1);
    script.text[size] = '\0';
    fclose(file);
    snprintf(script.path, sizeof(script.path), "%s", path);
    script_hurry("1e7");
    script_hurry("1e6");
}

static bool script_has(const char *words) {
    return strstr(script.text, words) != NULL;
}

/* The options of its `-- args:` line. */
static void script_set_up(void) {
    const char *depth = strstr(script.text, "--max-defer-depth ");
    const char *wait = strstr(script.text, "--min-wait ");
    kahu_options *o = &fault_setup.options;

    *o = (kahu_options)KAHU_OPTIONS_INIT;
    o->preload = script_has("-- args: --preload");
    o->strict_wakes = script_has("-- args: --strict-wakes");
    o->strict_defer_depth = script_has("-- args: --strict-defer-depth");
    if (depth != NULL)
        o->max_defer_depth =
            (uint32_t)atoi(depth + strlen("--max-defer-depth "));
    if (wait != NULL)
        o->min_wait_ns =
            1 + (uint64_t)(atof(wait + strlen("--min-wait ")) * 1e9);
}

/* Without a fault, twice: true when it says the same. With one it may take a
 * few steps more: a loop that waits for threads that failed has no end. */
static bool script_is_steady(void) {
    struct fault_plan never = {LONG_MAX, 1, 1};

    steps_allowed = STEPS;
    (void)fault_each(script_run, STEPPED, script.text, never);
    steps_allowed = steps_taken + 20;
    wanted = said;
    (void)fault_each(script_run, STEPPED, script.text, never);
    return strcmp(said.text, wanted.text) == 0;
}

static long script_fail(const char *path, long stride) {
    struct fault_plan one = {0, stride, 1}, some = {0, stride, 4};

    script_read(path);
    if (script_has("-- driver: uv"))
        return 0;
    script_set_up();
    if (!script_is_steady()) {
        printf("%s never says the same twice\n", path);
        return 0;
    }
    return fault_each(script_checked, STEPPED, script.text, one) +
           fault_each(script_checked, STEPPED, script.text, some);
}

int main(int argc, char **argv) {
    long stride = argc > 2 ? atol(argv[1]) : 0;
    long runs = 0;

    if (stride < 1) {
        fprintf(stderr, "usage: fault_scripts STRIDE FILE...\n");
        return 2;
    }
    fault_setup.open = script_open;
    fault_setup.real_ns = script_real_ns;
    for (int i = 2; i < argc; i++)
        runs += script_fail(argv[i], stride);
    printf("faults: %d scripts, %ld runs\n", argc - 2, runs);
    return runs == 0;
}
