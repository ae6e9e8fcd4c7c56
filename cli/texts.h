/* SPDX-License-Identifier: MIT */
/*
 * texts.h - the sources that were compiled, kept to be shown with an error.
 *
 * Of the process, as its standard error is: what a file says by the time of an
 * error may be something else, and standard input can't be read again. Any OS
 * thread may call.
 */
#ifndef KAHU_CLI_TEXTS_H
#define KAHU_CLI_TEXTS_H

#include <stdbool.h>

#include "source.h"

/* A line of a source. */
struct texts_line {
    const char *name; /* of the chunk, as the VM knows it; lent */
    int number;
    char *text;      /* the line */
    char *quoted;    /* the same without comments */
    char *code;      /* and without what strings say (blank.h) */
    const char *all; /* the whole source like that; for ever */
};

/* Takes the source over, in place of one of this name. Memory being out there
 * is nothing to show, and no more harm is done. */
void texts_keep(const char *chunkname, struct source *source);

/* The line that a message speaks of when it begins with "name:line:", as Luau's
 * do. False when it does not, the source is not known, or memory is out. */
bool texts_find(const char *message, struct texts_line *out);

/* The line by the name and number it goes by in the VM. */
bool texts_get(const char *chunkname, int number, struct texts_line *out);

void texts_line_free(struct texts_line *line);

#endif
