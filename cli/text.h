/* SPDX-License-Identifier: MIT */
/*
 * text.h - text that grows.
 *
 * Without memory for it the program says so and ends: what it would say, it
 * could not.
 */
#ifndef KAHU_CLI_TEXT_H
#define KAHU_CLI_TEXT_H

#include <stddef.h>

/* All zero: empty. */
struct text {
    char *bytes; /* with a zero behind them; NULL while nothing was added */
    size_t size;
    size_t capacity;
};

void text_add(struct text *t, const char *bytes, size_t size);
void text_add_string(struct text *t, const char *string);

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void text_addf(struct text *t, const char *format, ...);

/* Never NULL; lent until something is added. */
const char *text_string(const struct text *t);

/* Hands the bytes over, to be freed, and leaves t empty. */
char *text_take(struct text *t);

/* A copy, to be freed. */
char *text_copy(const char *string);

void text_free(struct text *t);

/* malloc and realloc of count items, or the end of the program. */
void *text_memory(void *memory, size_t count, size_t size);

#endif
