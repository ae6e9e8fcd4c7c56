/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <errno.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "explain.h"
#include "kahu/luau.h"
#include "kahu/uv.h"
#include "modules.h"
#include "report.h"
#include "vm.h"

struct run {
    const struct options *options;
    uint64_t start_ns;
    uv_loop_t loop;
    uv_prepare_t prepare;
    lua_State *L;
    kahu_sched *s;
    kahu_stepped *stepped; /* under virtual time; owned by s */
    struct report report;
    struct modules *modules;
    struct explain explain;
};

/* ------------------------------------------------------------------------ */
/* Signals                                                                  */
/* ------------------------------------------------------------------------ */

/* A second signal within this time is an echo of the first: timeout(1), and
 * others that signal both a process and its group, send it twice. */
#define RUN_ECHO_NS (UINT64_C(100) * 1000 * 1000)

/* What the handler reaches: there is one run in a process. */
static struct {
    kahu_sched *s;
    lua_State *L;
    volatile sig_atomic_t signal; /* the one that came first; 0 for none */
    uint64_t at_ns;               /* when; the handler's alone */
} run_signal;

/* Raised at every safepoint, so that no pcall loop outlives it. In the
 * collector nothing may raise. */
static void run_interrupt(lua_State *L, int gc) {
    if (gc < 0 && lua_checkstack(L, 1))
        luaL_error(L, "interrupted");
}

static uint64_t run_signal_now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* Only what is safe here: flags, the VM's interrupt, the driver's wake. The
 * second signal ends the process at once, when this returns. */
static void run_on_signal(int number) {
    uint64_t now_ns = run_signal_now();
    int error = errno;

    if (run_signal.signal == 0) {
        run_signal.signal = number;
        run_signal.at_ns = now_ns;
        lua_callbacks(run_signal.L)->interrupt = run_interrupt;
        kahu_stop(run_signal.s, 128 + number);
    } else if (now_ns - run_signal.at_ns > RUN_ECHO_NS) {
        signal(number, SIG_DFL);
        raise(number);
    }
    errno = error;
}

/* Whichever of the two comes first, the handler's stays. */
void run_set_interrupt(void (*interrupt)(lua_State *L, int gc)) {
    lua_callbacks(run_signal.L)->interrupt = interrupt;
    atomic_signal_fence(memory_order_seq_cst);
    if (run_signal.signal != 0)
        lua_callbacks(run_signal.L)->interrupt = run_interrupt;
}

/* What was ignored when we were started (nohup, a job in the background of a
 * shell script) stays so. */
void run_catch(int number, const struct sigaction *action) {
    struct sigaction before;

    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(number, action, NULL);
}

static void run_catch_signals(struct run *r) {
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = run_on_signal;
    action.sa_flags = SA_RESTART; /* what is being written is not lost */
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    run_signal.s = r->s;
    run_signal.L = r->L;
    run_catch(SIGINT, &action);
    run_catch(SIGTERM, &action);
    signal(SIGPIPE, SIG_DFL); /* a reader who left ends the program quietly */
}

/* The scheduler the handler knows is about to go. */
static void run_release_signals(void) {
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = SIG_DFL;
    run_catch(SIGINT, &action);
    run_catch(SIGTERM, &action);
}

/* ------------------------------------------------------------------------ */
/* Driving                                                                  */
/* ------------------------------------------------------------------------ */

/* Before the process sleeps, whoever reads its output sees all of it; and it
 * does not sleep for what can not come. */
static void run_before_sleep(uv_prepare_t *prepare) {
    const struct run *r = prepare->data;

    report_flush();
    (void)modules_unblock(r->modules);
}

static bool run_open_loop(struct run *r) {
    int error = uv_loop_init(&r->loop);

    if (error == UV_ENOMEM)
        report_no_memory();
    else if (error != 0)
        report_failure("cannot start", uv_strerror(error));
    if (error != 0)
        return false;
    uv_prepare_init(&r->loop, &r->prepare);
    uv_prepare_start(&r->prepare, run_before_sleep);
    uv_unref((uv_handle_t *)&r->prepare);
    r->prepare.data = r;
    return true;
}

/* All handles are closed by now but for this one. */
static void run_close_loop(struct run *r) {
    uv_close((uv_handle_t *)&r->prepare, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    uv_loop_close(&r->loop);
}

static kahu_status run_make_driver(struct run *r, kahu_driver *driver) {
    if (r->options->virtual_time)
        return kahu_stepped_new(&r->stepped, driver);
    if (r->options->precise)
        return kahu_uv_precise_driver(driver, &r->loop);
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
    if (r->stepped == NULL) {
        uv_run(&r->loop, UV_RUN_DEFAULT);
        return;
    }
    do
        (void)kahu_stepped_run(r->stepped);
    while (modules_unblock(r->modules));
}

/* ------------------------------------------------------------------------ */
/* The script                                                               */
/* ------------------------------------------------------------------------ */

/* Opening or loading ended with an error on top of L, which is no script's
 * yet. */
static int run_fail(lua_State *L) {
    const char *message = lua_tostring(L, -1);

    if (message == NULL || strcmp(message, "not enough memory") == 0)
        report_no_memory();
    else
        fprintf(stderr, "%s\n", message);
    lua_pop(L, 1);
    return EXIT_SCRIPT;
}

static int run_finish(struct run *r, lua_State *script) {
    if (run_signal.signal != 0)
        report_interrupted(r->s);
    else if (lua_status(script) == LUA_YIELD && kahu_is_done(r->s) &&
             !kahu_is_stopped(r->s))
        report_yielded(script);
    explain_end(&r->explain);
    return kahu_exit_code(r->s);
}

static int run_thread(struct run *r, lua_State *script) {
    run_catch_signals(r);
    explain_catch(&r->explain, script);
    (void)kahu_spawn(r->s, script, NULL, r->options->argc);
    run_drive(r);
    return run_finish(r, script);
}

static int run_source(struct run *r, struct source *source,
                      const char *chunkname) {
    struct vm_setup setup = {r->options, r->stepped, r->modules};
    struct vm_script script = {r->options, *source, chunkname, NULL, 0};
    int status = vm_open(r->L, &setup);
    int code;

    *source = (struct source){NULL, 0};
    if (status == LUA_OK)
        status = vm_load(r->L, &script);
    if (status == LUA_OK)
        code = run_thread(r, script.thread);
    else
        code = run_fail(r->L);
    source_free(&script.source);
    return code;
}

static int run_explained(struct run *r, struct source *source,
                         const char *chunkname) {
    int code;

    if (!explain_open(&r->explain, r->s, r->L, &r->loop, r->options->explain))
        return EXIT_SCRIPT;
    code = run_source(r, source, chunkname);
    explain_release();
    explain_close(&r->explain);
    return code;
}

static int run_no_memory(void) {
    report_no_memory();
    return EXIT_SCRIPT;
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
        report_no_memory();
    else
        code = run_explained(r, source, chunkname);
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
    if (r->L == NULL)
        return run_no_memory();
    status = run_make_scheduler(r);
    if (status == KAHU_OK)
        code = run_with_scheduler(r, source, chunkname);
    else if (status == KAHU_ENOMEM)
        code = run_no_memory();
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
