/* SPDX-License-Identifier: MIT */
/*
 * clock.h - the system's monotonic clock.
 */
#ifndef KAHU_DRIVER_CLOCK_H
#define KAHU_DRIVER_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some moment; never goes back. */
uint64_t kahu__clock_ns(void);

#endif
