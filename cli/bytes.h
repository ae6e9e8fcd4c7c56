/* SPDX-License-Identifier: MIT */
/*
 * bytes.h - bytes that are put behind each other, in memory.
 */
#ifndef KAHU_CLI_BYTES_H
#define KAHU_CLI_BYTES_H

#include <stdbool.h>
#include <stddef.h>

/* Begins as zeros. */
struct bytes {
    char *at;
    size_t size;
    size_t capacity;
    bool failed; /* memory was out, and nothing was put since */
};

void bytes_put(struct bytes *out, const char *bytes, size_t size);
void bytes_puts(struct bytes *out, const char *text);
void bytes_free(struct bytes *b);

#endif
