/* SPDX-License-Identifier: MIT */
/*
 * hints_library.h - functions that the libraries here do not have: those of
 * other Luas and runtimes, and those in the wrong case.
 */
#ifndef KAHU_CLI_HINTS_LIBRARY_H
#define KAHU_CLI_HINTS_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/* A member that a library has, in what case it has it, and a library that is
 * there. */
struct hints_member {
    const char *library;
    const char *name; /* NULL: the library has nothing like it */
    size_t length;    /* of the name, which does not end there */
};

/* Looks for the first `length` bytes of name in the library. False when the
 * library is not there, or has a member that is called exactly so. */
bool hints_is_missing(struct hints_member *out, const char *library,
                      const char *name, size_t length);

/* The names of the libraries, one after the other; NULL at the end. */
const char *hints_library(size_t index);

#endif
