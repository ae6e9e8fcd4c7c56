/* SPDX-License-Identifier: MIT */
/*
 * source.h - the text of a script or module, read whole.
 */
#ifndef KAHU_CLI_SOURCE_H
#define KAHU_CLI_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

struct source {
    char *text; /* from malloc; NULL when empty was never read */
    size_t size;
};

/* Reads path, or standard input for "-". False with the reason, static or
 * lent by strerror, in *why. */
bool source_read(struct source *out, const char *path, const char **why);

/* Copies text that is at hand. False when memory is out. */
bool source_copy(struct source *out, const char *text);

void source_free(struct source *s);

/* Makes what the file may begin with (a byte order mark, a #! line) invisible
 * to the compiler, keeping the numbers of the lines. */
void source_strip(struct source *s);

#endif
