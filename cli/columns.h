/* SPDX-License-Identifier: MIT */
/*
 * columns.h - how wide text is on a terminal that shows UTF-8.
 *
 * By a table of our own, and not wcwidth(): that goes by the locale, which is
 * often none, with terminals that show these characters all the same.
 */
#ifndef KAHU_CLI_COLUMNS_H
#define KAHU_CLI_COLUMNS_H

#include <stddef.h>

/* The columns of the character at *at, which goes on to the next, and not
 * beyond end. 1 for a byte that is no character. */
unsigned columns_next(const char **at, const char *end);

size_t columns_count(const char *from, const char *end);

#endif
