/* SPDX-License-Identifier: MIT */
/*
 * unit.h - what the unit tests share: cmocka, an allocator that can fail, and
 * random numbers that are the same in every run.
 */
#ifndef KAHU_TESTS_UNIT_H
#define KAHU_TESTS_UNIT_H

/* cmocka wants these four before its own header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"

/* Fails while *ud is true. */
static inline void *unit_alloc(void *ud, void *ptr, size_t osize,
                               size_t nsize) {
    if (nsize > 0 && *(bool *)ud)
        return NULL;
    return kahu__alloc_libc(NULL, ptr, osize, nsize);
}

/* xorshift (Marsaglia 2003), 64 bits */
static inline uint64_t unit_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
