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
#include "kahu/threads.h"
#include "kahu/uv.h"
#include "message.h"
#include "modules.h"
#include "profile.h"
#include "repl.h"
#include "report.h"
#include "resumes.h"
#include "safepoint.h"
#include "trace.h"
#include "vm.h"
#include "watchdog.h"

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
    struct trace *trace; /* NULL without --trace */
    kahu_memory memory;  /* with --max-memory */
    struct watchdog watchdog;
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
    volatile sig_atomic_t signal; /* the one that came first; 0 for none */
    uint64_t at_ns;               /* when; the handler's alone */
} run_signal;

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
        safepoint_ask(SAFEPOINT_END);
        kahu_stop(run_signal.s, 128 + number);
    } else if (now_ns - run_signal.at_ns > RUN_ECHO_NS) {
        signal(number, SIG_DFL);
        raise(number);
    }
    errno = error;
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
    struct run *r = prepare->data;

    report_flush();
    trace_idle(r->trace);
    if (!modules_unblock(r->modules) && !r->options->interactive)
        explain_idle(&r->explain);
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

    if (message == NULL || vm_is_no_memory(message))
        report_no_memory();
    else
        message_error(kahu_get(L), NULL, message, "");
    lua_pop(L, 1);
    return EXIT_SCRIPT;
}

static int run_finish(struct run *r, lua_State *script) {
    if (watchdog_end(&r->watchdog))
        return EXIT_TIMEOUT;
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

#ifdef KAHU_REPL
static int run_session(struct run *r) {
    const struct repl_host host = {r->options, r->L,     r->s,
                                   r->stepped, &r->loop, &r->memory};

    explain_catch(&r->explain, NULL);
    return repl_run(&host);
}
#else /* main.c has refused it */
static int run_session(struct run *r) {
    (void)r;
    return EXIT_USAGE;
}
#endif

static int run_source(struct run *r, struct source *source,
                      const char *chunkname) {
    struct vm_setup setup = {
        .options = r->options, .stepped = r->stepped, .modules = r->modules};
    struct vm_script script = {r->options, *source, chunkname, NULL, 0};
    int status = vm_open(r->L, &setup);
    int code;

    *source = (struct source){NULL, 0};
    if (status == LUA_OK && r->options->interactive)
        return run_session(r);
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

/* With --trace, recorded. */
static int run_traced(struct run *r, struct source *source,
                      const char *chunkname) {
    const char *path = r->options->trace;
    int code;

    if (path != NULL) {
        r->trace = trace_open(path, chunkname + 1, r->s, r->L, r->stepped);
        if (r->trace == NULL)
            return EXIT_USAGE;
    }
    code = run_explained(r, source, chunkname);
    if (!trace_close(r->trace) && code == EXIT_SUCCESS)
        code = EXIT_SCRIPT;
    r->trace = NULL;
    return code;
}

static int run_no_memory(void) {
    report_no_memory();
    return EXIT_SCRIPT;
}

/* ------------------------------------------------------------------------ */
/* What watches the script                                                  */
/* ------------------------------------------------------------------------ */

static kahu_status run_limit(const struct run *r) {
    kahu_limits limits = KAHU_LIMITS_INIT;

    limits.max_threads = r->options->max_threads;
    limits.max_resume_ns = r->options->max_resume_ns;
    return kahu_set_limits(r->s, &limits);
}

static bool run_watch(struct run *r) {
    int error = 0;

    if (run_limit(r) != KAHU_OK) {
        report_no_memory();
        return false;
    }
    if (r->options->timeout_ns != 0)
        error = watchdog_start(&r->watchdog, r->s, r->options->timeout_ns);
    if (error != 0)
        report_failure("cannot watch the time", uv_strerror(error));
    return error == 0;
}

static int run_watched(struct run *r, struct source *source,
                       const char *chunkname) {
    int code;

    if (!run_watch(r))
        return EXIT_SCRIPT;
    code = run_traced(r, source, chunkname);
    return watchdog_end(&r->watchdog) ? EXIT_TIMEOUT : code;
}

static int run_profiled(struct run *r, struct source *source,
                        const char *chunkname) {
    struct profile_setup setup = {
        .path = r->options->profile,
        .format = r->options->profile_format,
        .rate_hz = r->options->profile_rate_hz,
        .script = chunkname + 1,
        .L = r->L,
    };
    int code;
    struct profile *profile = profile_open(&setup, &code);

    if (profile == NULL)
        return code;
    code = run_watched(r, source, chunkname);
    if (!profile_close(profile) && code == EXIT_SUCCESS)
        code = EXIT_SCRIPT;
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
    if (r->modules == NULL || kahu_add_hooks(r->s, &hooks) != KAHU_OK ||
        (r->options->origins && kahu_track(r->s) != KAHU_OK))
        report_no_memory();
    else
        code = r->options->profile != NULL ? run_profiled(r, source, chunkname)
                                           : run_watched(r, source, chunkname);
    if (r->options->stats)
        report_stats(r->s, r->start_ns);
    run_release_signals();
    kahu_free(r->s);
    modules_free(r->modules);
    return code;
}

static lua_State *run_make_vm(struct run *r) {
    uint64_t limit = (uint64_t)r->options->max_memory_mib << 20;

    if (limit == 0)
        return luaL_newstate();
    r->memory.limit = limit < SIZE_MAX ? (size_t)limit : SIZE_MAX;
    return lua_newstate(kahu_memory_alloc, &r->memory);
}

/* Before the scheduler, which calls those callbacks that it finds. */
static void run_open_vm(const struct run *r) {
    const struct options *o = r->options;

    safepoint_open(r->L, o->max_resume_ns != 0);
    if (o->timeout_ns != 0 || o->profile != NULL)
        resumes_open(r->L);
}

static int run_with_vm(struct run *r, struct source *source,
                       const char *chunkname) {
    kahu_status status;
    int code = EXIT_SCRIPT;

    r->L = run_make_vm(r);
    if (r->L == NULL)
        return run_no_memory();
    run_open_vm(r);
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

    message_set_color(o->color);
    if (run_open_loop(&r)) {
        code = run_with_vm(&r, source, chunkname);
        run_close_loop(&r);
    }
    source_free(source);
    return code;
}
