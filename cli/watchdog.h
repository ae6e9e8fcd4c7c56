/* SPDX-License-Identifier: MIT */
/*
 * watchdog.h - the end of a program that takes too long (--timeout).
 */
#ifndef KAHU_CLI_WATCHDOG_H
#define KAHU_CLI_WATCHDOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "kahu/kahu.h"
#include "ticker.h"

struct watchdog {
    struct ticker ticker;
    kahu_sched *s;
    uint64_t timeout_ns;
    bool watching;    /* there is a ticker */
    atomic_bool over; /* the time is */
    atomic_bool told; /* and where the script was then has been said */
};

/* From now on s has so long. safepoint_open() and resumes_open() were called.
 * 0, or an error of libuv's. */
int watchdog_start(struct watchdog *w, kahu_sched *s, uint64_t timeout_ns);

/* The program came to its end: true if it was made to, which is said unless it
 * was already. Without a start, and the second time, as well. */
bool watchdog_end(struct watchdog *w);

#endif
