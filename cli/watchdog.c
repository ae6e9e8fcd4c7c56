/* SPDX-License-Identifier: MIT */
/*
 * watchdog.c - real time, whatever clock the script lives by. An OS thread
 * waits for it, and then asks: the scheduler to stop, and the script, at its
 * next safepoint, to say where it is and to end.
 *
 * A function of a library that does not come back has no safepoint. After some
 * more time the process ends all the same.
 */
#include "watchdog.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "report.h"
#include "safepoint.h"

#define WATCHDOG_GRACE_S 2
#define WATCHDOG_SECOND_NS (UINT64_C(1000) * 1000 * 1000)

static double watchdog_seconds(const struct watchdog *w) {
    return (double)w->timeout_ns / (double)WATCHDOG_SECOND_NS;
}

/* ------------------------------------------------------------------------ */
/* When nothing else helps                                                  */
/* ------------------------------------------------------------------------ */

/* Without waiting for whoever reads it? */
static bool watchdog_can_write(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

/* What hangs may hold any lock, and be hanging for a full pipe. A script that
 * said where it was has caught its end, and called on. */
static void watchdog_kill(const struct watchdog *w) {
    bool told = atomic_load(&w->told);
    char text[128];
    int length = snprintf(text, sizeof(text),
                          "kahu: timeout: %g s are over, and a call of a "
                          "library function has not ended in %d s more\n",
                          watchdog_seconds(w), WATCHDOG_GRACE_S);

    if (watchdog_can_write(STDOUT_FILENO) && ftrylockfile(stdout) == 0)
        fflush(stdout);
    if (!told && watchdog_can_write(STDERR_FILENO) &&
        write(STDERR_FILENO, text, (size_t)length) != length)
        _exit(EXIT_SCRIPT); /* nobody will know why */
    _exit(EXIT_TIMEOUT);
}

/* ------------------------------------------------------------------------ */
/* When the time is over                                                    */
/* ------------------------------------------------------------------------ */

static void watchdog_watch(void *ud) {
    struct watchdog *w = ud;

    if (!ticker_wait(&w->ticker, w->timeout_ns))
        return;
    atomic_store(&w->over, true);
    safepoint_ask(SAFEPOINT_TRACE | SAFEPOINT_END);
    kahu_stop(w->s, EXIT_TIMEOUT);
    if (ticker_wait(&w->ticker, WATCHDOG_GRACE_S * WATCHDOG_SECOND_NS))
        watchdog_kill(w);
}

/* safepoint_fn */
static void watchdog_trace(void *ud, lua_State *L, int gc) {
    struct watchdog *w = ud;

    (void)gc;
    report_timeout_at(watchdog_seconds(w), L);
    atomic_store(&w->told, true);
}

int watchdog_start(struct watchdog *w, kahu_sched *s, uint64_t timeout_ns) {
    int error;

    w->s = s;
    w->timeout_ns = timeout_ns;
    atomic_init(&w->over, false);
    atomic_init(&w->told, false);
    safepoint_serve(SAFEPOINT_TRACE, watchdog_trace, w);
    error = ticker_start(&w->ticker, watchdog_watch, w);
    w->watching = error == 0;
    return error;
}

/* What the script has printed is a part of the program's time. */
bool watchdog_end(struct watchdog *w) {
    if (w->watching) {
        report_flush();
        w->watching = false;
        ticker_end(&w->ticker);
        safepoint_serve(SAFEPOINT_TRACE, NULL, NULL);
        if (atomic_load(&w->over) && !atomic_load(&w->told))
            report_timeout(watchdog_seconds(w), w->s);
    }
    return atomic_load(&w->over);
}
