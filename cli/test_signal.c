/* SPDX-License-Identifier: MIT */
/*
 * test_signal.c - signals during a run. They are blocked on all OS threads, and
 * one of its own waits for them: what they ask for is done there, where locks
 * may be taken, as no handler could.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "report.h"
#include "test.h"

/* As of `kahu run`: who signals both a process and its group does it twice. */
#define SIGNAL_ECHO_NS (UINT64_C(100) * 1000 * 1000)

static const int signal_numbers[] = {SIGINT, SIGTERM, SIGQUIT, SIGUSR1};

const char *test_signal_name(int number) {
    return number == SIGINT ? "SIGINT" : "SIGTERM";
}

/* As it would have without us. */
static void signal_die(int number) {
    sigset_t set;

    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
}

/* The first ends the run, the second the process. */
static void signal_end(struct test_signals *t, int number) {
    uint64_t now_ns = uv_hrtime();

    if (t->ended_ns == 0) {
        t->ended_ns = now_ns;
        test_pool_interrupt(t->pool, number);
    } else if (now_ns - t->ended_ns > SIGNAL_ECHO_NS) {
        signal_die(number);
    }
}

static void signal_wait(void *ud) {
    struct test_signals *t = ud;
    int number;

    while (sigwait(&t->set, &number) == 0 && !atomic_load(&t->over)) {
        if (number == SIGINT || number == SIGTERM)
            signal_end(t, number);
        else
            test_pool_explain(t->pool);
    }
}

/* What was ignored when we were started stays so. */
static void signal_choose(struct test_signals *t) {
    struct sigaction action;

    sigemptyset(&t->set);
    for (size_t i = 0; i < sizeof(signal_numbers) / sizeof(int); i++) {
        int number = signal_numbers[i];

        if (sigaction(number, NULL, &action) != 0 ||
            action.sa_handler == SIG_IGN)
            continue;
        sigaddset(&t->set, number);
        t->some = number;
    }
}

void test_signals_begin(struct test_signals *t, struct test_pool *pool) {
    *t = (struct test_signals){.pool = pool};
    atomic_init(&t->over, false);
    signal_choose(t);
    pthread_sigmask(SIG_BLOCK, &t->set, &t->before);
    t->waiting =
        t->some != 0 && uv_thread_create(&t->thread, signal_wait, t) == 0;
    if (!t->waiting)
        pthread_sigmask(SIG_SETMASK, &t->before, NULL);
}

void test_signals_end(struct test_signals *t) {
    if (!t->waiting)
        return;
    atomic_store(&t->over, true);
    pthread_kill(t->thread, t->some);
    uv_thread_join(&t->thread);
    pthread_sigmask(SIG_SETMASK, &t->before, NULL);
}
