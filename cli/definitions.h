/* SPDX-License-Identifier: MIT */
/*
 * definitions.h - the files types/NAME.d.luau, inside the program.
 */
#ifndef KAHU_CLI_DEFINITIONS_H
#define KAHU_CLI_DEFINITIONS_H

#include <stddef.h>

struct definition {
    const char *name; /* "task" for types/task.d.luau */
    const char *text; /* of *size bytes */
    const size_t *size;
};

/* Up to one without a name. */
extern const struct definition definitions[];

#endif
