/* SPDX-License-Identifier: MIT */
/*
 * trace_names.h - texts with numbers, each kept once.
 */
#ifndef KAHU_CLI_TRACE_NAMES_H
#define KAHU_CLI_TRACE_NAMES_H

#include "trace_map.h"

/* All zero is one without names. */
struct trace_names {
    struct trace_map numbers; /* hash of the text -> number */
    char **list;
    uint32_t count;
};

/* The number of the text, from 0 in the order of coming; false when memory is
 * out. */
bool trace_names_put(struct trace_names *n, const char *text, uint32_t *out);

void trace_names_free(struct trace_names *n);

/* Makes room for a number'th element of the given size in an array that has one
 * for each number before it: moves and doubles it at every power of two. NULL,
 * with the array as it was, when memory is out. */
void *trace_names_room(void *array, size_t number, size_t size);

#endif
