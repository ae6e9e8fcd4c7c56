/* SPDX-License-Identifier: MIT */
/*
 * flame.h - stacks as a flame graph: an SVG picture without scripts.
 */
#ifndef KAHU_CLI_FLAME_H
#define KAHU_CLI_FLAME_H

#include <stdbool.h>
#include <stdio.h>

#include "stacks.h"

/* False when memory is out. */
bool flame_write(const struct stacks *st, const char *title, FILE *file);

#endif
