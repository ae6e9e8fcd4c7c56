/* SPDX-License-Identifier: MIT */
/*
 * definitions.h - the files types/NAME.d.luau, inside the program. What is
 * declared here is made at the build, by cmake/Embed.cmake.
 */
#ifndef KAHU_CLI_DEFINITIONS_H
#define KAHU_CLI_DEFINITIONS_H

#include <stddef.h>

struct definition {
    const char *name; /* "task" for types/task.d.luau */
    const char *text;
    size_t size;
};

/* Up to one without a name. */
extern const struct definition definitions[];

#endif
