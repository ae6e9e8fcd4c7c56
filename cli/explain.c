/* SPDX-License-Identifier: MIT */
#include "explain.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "kahu/threads.h"
#include "message.h"
#include "report.h"
#include "run.h"
#include "safepoint.h"

/* What the handler reaches: there is one run in a process. */
static struct {
    struct explain *e;
    volatile sig_atomic_t signal; /* the last one not answered; 0 for none */
} explain_asked;

/* ------------------------------------------------------------------------ */
/* Telling                                                                  */
/* ------------------------------------------------------------------------ */

struct explain_list {
    const char *title; /* NULL once it is written */
};

static void explain_line(void *ud, const char *line) {
    struct explain_list *list = ud;

    if (list->title != NULL)
        fprintf(stderr, "kahu: %s:\n", list->title);
    list->title = NULL;
    fprintf(stderr, "  %s\n", line);
}

/* A list without lines has no title either. */
static void explain_list(const struct explain *e, kahu_dump_what what,
                         const char *title) {
    struct explain_list list = {title};
    int64_t status;

    message_begin();
    report_flush();
    status = kahu_dump(e->s, what, explain_line, &list);
    if (status < 0)
        report_failure("cannot list the threads",
                       kahu_status_text((int)status));
}

/* Threads are labelled for those who look, so one without a label will do. */
static bool explain_track(struct explain *e) {
    kahu_status status = kahu_track(e->s);

    if (status != KAHU_OK)
        report_failure("cannot list the threads", kahu_status_text(status));
    else if (e->script != NULL)
        (void)kahu_set_thread_label(e->s, e->script, "script");
    return status == KAHU_OK;
}

/* ------------------------------------------------------------------------ */
/* Signals                                                                  */
/* ------------------------------------------------------------------------ */

/* Once for each signal, wherever it is answered first. */
static void explain_answer(void) {
    struct explain *e = explain_asked.e;
    int number = explain_asked.signal;

    explain_asked.signal = 0;
    if (number == 0 || !explain_track(e))
        return;
    if (e->always)
        explain_list(e, KAHU_DUMP_ALL, "live threads");
    else
        explain_list(e, KAHU_DUMP_ALL,
                     "live threads (--explain knows more of them)");
}

static void explain_at_safepoint(void *ud, lua_State *L, int gc) {
    (void)ud;
    (void)L;
    (void)gc;
    explain_answer();
}

static void explain_on_async(uv_async_t *async) {
    (void)async;
    explain_answer();
}

/* Only what is safe here: flags, the VM's interrupt, the loop's wake. Under
 * virtual time nobody waits in the loop, and Luau code runs soon. */
static void explain_on_signal(int number) {
    int error = errno;

    explain_asked.signal = number;
    safepoint_ask(SAFEPOINT_EXPLAIN);
    (void)uv_async_send(&explain_asked.e->async);
    errno = error;
}

static void explain_handle(void (*handler)(int number)) {
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGQUIT);
    sigaddset(&action.sa_mask, SIGUSR1);
    run_catch(SIGQUIT, &action);
    run_catch(SIGUSR1, &action);
}

void explain_catch(struct explain *e, lua_State *script) {
    e->script = script;
    if (e->always && script != NULL)
        (void)kahu_set_thread_label(e->s, script, "script");
    explain_asked.e = e;
    safepoint_serve(SAFEPOINT_EXPLAIN, explain_at_safepoint, NULL);
    explain_handle(explain_on_signal);
}

/* Somebody who asks when all is over is not to kill the program by it. */
void explain_release(void) {
    explain_handle(SIG_IGN);
}

/* ------------------------------------------------------------------------ */
/* Threads that nobody else refers to                                       */
/* ------------------------------------------------------------------------ */

static bool explain_on_end(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    (void)L;
    (void)f;
    return false;
}

/* A thread that yields for good is garbage as soon as nobody has it, and would
 * not be listed: a watch keeps it until it ends. */
static void explain_on_resume(void *ud, lua_State *L, const kahu_feedback *f) {
    struct explain *e = ud;
    kahu_status status;

    (void)L;
    if (f->outcome != KAHU_YIELDED)
        return;
    (void)kahu_unwatch(e->s, f->co, explain_on_end, e); /* one is enough */
    status = kahu_watch(e->s, f->co, explain_on_end, e, NULL);
    e->missed |= status == KAHU_ENOMEM;
}

static kahu_status explain_keep(struct explain *e) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    hooks.ud = e;
    hooks.on_resume = explain_on_resume;
    return kahu_add_hooks(e->s, &hooks);
}

/* ------------------------------------------------------------------------ */
/* Beginning and end                                                        */
/* ------------------------------------------------------------------------ */

bool explain_open(struct explain *e, kahu_sched *s, lua_State *L,
                  uv_loop_t *loop, bool always) {
    *e = (struct explain){.s = s, .L = L, .always = always};
    if (always && (kahu_track(s) != KAHU_OK || explain_keep(e) != KAHU_OK)) {
        report_no_memory();
        return false;
    }
    if (uv_async_init(loop, &e->async, explain_on_async) != 0) {
        report_failure("cannot start", "no descriptor for signals");
        return false;
    }
    uv_unref((uv_handle_t *)&e->async);
    return true;
}

static bool explain_is_endless(const kahu_sched *s) {
    return !kahu_is_done(s) && !kahu_is_stopped(s) && !kahu_is_ready(s) &&
           kahu_next_deadline_ns(s) == KAHU_NEVER_NS &&
           kahu_count(s, KAHU_OPERATION) == 0;
}

void explain_idle(struct explain *e) {
    if (e->endless || !explain_is_endless(e->s))
        return;
    e->endless = true;
    if (e->always)
        explain_list(e, KAHU_DUMP_ALL, "what is left can never be done");
    else
        report_endless(e->s);
}

void explain_end(struct explain *e) {
    if (explain_asked.signal != 0)
        explain_answer();
    explain_idle(e);
    if (!e->always || kahu_is_stopped(e->s))
        return;
    if (kahu_is_done(e->s))
        explain_list(e, KAHU_DUMP_LOST,
                     "nothing is left that would resume these threads");
    if (e->missed)
        report_failure("the list is not whole", "not enough memory");
}

void explain_close(struct explain *e) {
    uv_close((uv_handle_t *)&e->async, NULL);
}
