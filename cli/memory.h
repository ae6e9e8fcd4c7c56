/* SPDX-License-Identifier: MIT */
/*
 * memory.h - memory that runs out where nobody can be told.
 *
 * Everywhere else an allocation that fails is an error like others: a status, a
 * Luau error, a C++ exception that Luau makes one of. But before main() an
 * exception meets nobody, and where libuv makes room for a descriptor it
 * aborts. There the program says what is wrong, and ends.
 */
#ifndef KAHU_CLI_MEMORY_H
#define KAHU_CLI_MEMORY_H

#include <stdbool.h>

/* At the begin of main(), before any call of libuv. */
void memory_open(void);

/* Whether a C++ allocation that fails ends the program, instead of raising. It
 * does before memory_open(). */
void memory_set_fatal(bool fatal);

#endif
