/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <errno.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "kahu/luau.h"
#include "kahu/uv.h"
#include "modules.h"
#include "report.h"
#include "vm.h"

struct run {
    const struct options *options;
    uint64_t start_ns;
    uv_loop_t loop;
    uv_prepare_t flusher;
    lua_State *L;
    kahu_sched *s;
    kahu_stepped *stepped; /* under virtual time; owned by s */
    struct report report;
    struct modules *modules;
};

/* ------------------------------------------------------------------------ */
/* Signals                                                                  */
/* ------------------------------------------------------------------------ */

/* What the handler reaches: there is one run in a process. */
static struct {
    kahu_sched *s;
    lua_State *L;
    volatile sig_atomic_t signal; /* the one that came first; 0 for none */
} run_signal;

/* Raised at every safepoint, so that no pcall loop outlives it. In the
 * collector nothing may raise. */
static void run_interrupt(lua_State *L, int gc) {
    if (gc < 0 && lua_checkstack(L, 1))
        luaL_error(L, "interrupted");
}

/* Only what is safe here: flags, the VM's interrupt, the driver's wake. */
static void run_on_signal(int signal) {
    int error = errno;

    run_signal.signal = signal;
    lua_callbacks(run_signal.L)->interrupt = run_interrupt;
    kahu_stop(run_signal.s, 128 + signal);
    errno = error;
}

/* A second signal finds the default action and ends the process at once. */
static void run_catch_signals(struct run *r) {
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = run_on_signal;
    /* Restarted: output that is being written is not lost. */
    action.sa_flags = (int)(SA_RESETHAND | SA_RESTART);
    sigemptyset(&action.sa_mask);
    run_signal.s = r->s;
    run_signal.L = r->L;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* The scheduler the handler knows is about to go. */
static void run_release_signals(void) {
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

/* ------------------------------------------------------------------------ */
/* Driving                                                                  */
/* ------------------------------------------------------------------------ */

/* Before the process sleeps, whoever reads its output sees all of it. What
 * could not be written is told at the end. */
static void run_flush(uv_prepare_t *flusher) {
    (void)flusher;
    fflush(stdout);
}

static bool run_open_loop(struct run *r) {
    int error = uv_loop_init(&r->loop);

    if (error != 0) {
        report_failure("cannot start", uv_strerror(error));
        return false;
    }
    uv_prepare_init(&r->loop, &r->flusher);
    uv_prepare_start(&r->flusher, run_flush);
    uv_unref((uv_handle_t *)&r->flusher);
    return true;
}

/* All handles are closed by now but for this one. */
static void run_close_loop(struct run *r) {
    uv_close((uv_handle_t *)&r->flusher, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    uv_loop_close(&r->loop);
}

static kahu_status run_make_driver(struct run *r, kahu_driver *driver) {
    if (r->options->virtual_time)
        return kahu_stepped_new(&r->stepped, driver);
    return kahu_uv_driver(driver, &r->loop);
}

static kahu_status run_make_scheduler(struct run *r) {
    const struct options *o = r->options;
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_driver driver;
    kahu_status status = run_make_driver(r, &driver);

    if (status != KAHU_OK)
        return status;
    options.driver = &driver;
    options.min_wait_ns = o->min_wait_ns;
    options.max_defer_depth = o->max_defer_depth;
    options.strict_defer_depth = o->strict_defer_depth;
    options.strict_wakes = o->strict_wakes;
    options.preload = o->preload;
    status = kahu_new(&r->s, r->L, &options);
    if (status != KAHU_OK)
        driver.release(driver.ud);
    return status;
}

static void run_drive(struct run *r) {
    if (r->stepped != NULL)
        (void)kahu_stepped_run(r->stepped);
    else
        uv_run(&r->loop, UV_RUN_DEFAULT);
}

/* ------------------------------------------------------------------------ */
/* The script                                                               */
/* ------------------------------------------------------------------------ */

/* The error on top of L, which is no script's yet. */
static int run_fail(lua_State *L) {
    const char *message = lua_tostring(L, -1);

    fprintf(stderr, "%s\n", message != NULL ? message : "(no message)");
    lua_pop(L, 1);
    return EXIT_SCRIPT;
}

static int run_finish(struct run *r, lua_State *script) {
    if (run_signal.signal != 0)
        report_interrupted(r->s);
    else if (lua_status(script) == LUA_YIELD && kahu_is_done(r->s))
        report_yielded(script);
    return kahu_exit_code(r->s);
}

static int run_thread(struct run *r, lua_State *script) {
    run_catch_signals(r);
    (void)kahu_spawn(r->s, script, NULL, r->options->argc);
    run_drive(r);
    return run_finish(r, script);
}

static int run_source(struct run *r, struct source *source,
                      const char *chunkname) {
    struct vm_setup setup = {r->options, r->stepped, r->modules};
    struct vm_script script = {r->options, *source, chunkname, NULL, 0};
    int code;

    *source = (struct source){NULL, 0};
    if (vm_open(r->L, &setup) != LUA_OK || vm_load(r->L, &script) != LUA_OK)
        code = run_fail(r->L);
    else
        code = run_thread(r, script.thread);
    source_free(&script.source);
    return code;
}

static int run_with_scheduler(struct run *r, struct source *source,
                              const char *chunkname) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    int code = EXIT_SCRIPT;

    r->report.s = r->s;
    hooks.ud = &r->report;
    hooks.on_error = report_error;
    r->modules = modules_new(r->s, r->options);
    if (r->modules == NULL || kahu_add_hooks(r->s, &hooks) != KAHU_OK)
        report_failure("cannot start", kahu_status_text(KAHU_ENOMEM));
    else
        code = run_source(r, source, chunkname);
    if (r->options->stats)
        report_stats(r->s, r->start_ns);
    run_release_signals();
    kahu_free(r->s);
    modules_free(r->modules);
    return code;
}

static int run_with_vm(struct run *r, struct source *source,
                       const char *chunkname) {
    kahu_status status;
    int code = EXIT_SCRIPT;

    r->L = luaL_newstate();
    if (r->L == NULL) {
        report_failure("cannot start", kahu_status_text(KAHU_ENOMEM));
        return code;
    }
    status = run_make_scheduler(r);
    if (status == KAHU_OK)
        code = run_with_scheduler(r, source, chunkname);
    else
        report_failure("cannot start", kahu_status_text(status));
    lua_close(r->L);
    return code;
}

int run_script(const struct options *o, struct source *source,
               const char *chunkname) {
    struct run r = {.options = o, .start_ns = uv_hrtime()};
    int code = EXIT_SCRIPT;

    if (run_open_loop(&r)) {
        code = run_with_vm(&r, source, chunkname);
        run_close_loop(&r);
    }
    source_free(source);
    return code;
}
