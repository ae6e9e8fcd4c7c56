/* SPDX-License-Identifier: MIT */
/*
 * speedscope.h - samples as a file of speedscope: of all threads, then of each.
 */
#ifndef KAHU_CLI_SPEEDSCOPE_H
#define KAHU_CLI_SPEEDSCOPE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "stacks.h"

/* False when memory is out. */
bool speedscope_write(const struct stacks *st, const char *name,
                      uint32_t rate_hz, FILE *file);

#endif
