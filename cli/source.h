/* SPDX-License-Identifier: MIT */
/*
 * source.h - the text of a script or module, read whole.
 */
#ifndef KAHU_CLI_SOURCE_H
#define KAHU_CLI_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

struct source {
    char *text; /* from malloc; NULL when nothing was read */
    size_t size;
};

/* Why there is no text. */
struct source_failure {
    const char *why; /* static, or lent by strerror */
    bool memory;     /* it was memory that failed, and not the file */
};

/* Reads path, or standard input for "-". False with the reason in *failure. */
bool source_read(struct source *out, const char *path,
                 struct source_failure *failure);

/* Copies text that is at hand. False when memory is out. */
bool source_copy(struct source *out, const char *text);
bool source_clone(struct source *out, const struct source *source);

void source_free(struct source *s);

/* Makes what the file may begin with (a byte order mark, a #! line) invisible
 * to the compiler, keeping the numbers of the lines. */
void source_strip(struct source *s);

#endif
