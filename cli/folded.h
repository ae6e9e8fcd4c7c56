/* SPDX-License-Identifier: MIT */
/*
 * folded.h - stacks as lines: frames from the outermost on with semicolons in
 * between, a space, how often.
 */
#ifndef KAHU_CLI_FOLDED_H
#define KAHU_CLI_FOLDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "stacks.h"

/* False when memory is out; what the file thinks of it is left to the caller,
 * as with the other formats. */
bool folded_write(const struct stacks *st, FILE *file);

struct folded_failure {
    bool memory; /* it is out; else: */
    size_t line; /* this one is no stack */
};

/* Adds what the text says, and changes it meanwhile. */
bool folded_read(struct stacks *st, char *text, size_t size,
                 struct folded_failure *failure);

#endif
