/* SPDX-License-Identifier: MIT */
#if !defined(_WIN32)
#define _POSIX_C_SOURCE 200809L /* for clock_gettime() */
#endif
#include "clock.h"

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

/* In two parts: ticks by nanoseconds would not fit. */
uint64_t kahu__clock_ns(void) {
    LARGE_INTEGER frequency;
    LARGE_INTEGER ticks;
    uint64_t whole;
    uint64_t rest;

    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&ticks);
    whole = (uint64_t)(ticks.QuadPart / frequency.QuadPart);
    rest = (uint64_t)(ticks.QuadPart % frequency.QuadPart);
    return whole * 1000000000U +
           rest * 1000000000U / (uint64_t)frequency.QuadPart;
}

#else

#include <time.h>

/* This clock is there, or the system is not POSIX. */
uint64_t kahu__clock_ns(void) {
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

#endif
