/* SPDX-License-Identifier: MIT */
/*
 * common.h - the few macros every room uses.
 */
#ifndef KAHU_BASE_COMMON_H
#define KAHU_BASE_COMMON_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define kahu__likely(x) __builtin_expect(!!(x), 1)
#define kahu__unlikely(x) __builtin_expect(!!(x), 0)
#else
#define kahu__likely(x) (x)
#define kahu__unlikely(x) (x)
#endif

/* Asserts what the compiler may rely on where nothing is asserted. */
#if defined(NDEBUG) && defined(__GNUC__)
#define kahu__assume(x) ((x) ? (void)0 : __builtin_unreachable())
#else
#define kahu__assume(x) assert(x)
#endif

/* How many bits it takes to write x: 0 for 0, 64 for the largest. */
static inline unsigned kahu__bits(uint64_t x) {
#if defined(__GNUC__)
    return 64 - (unsigned)__builtin_clzll(x | 1) - (x == 0);
#else
    unsigned bits = 0;

    for (; x != 0; x >>= 1)
        bits++;
    return bits;
#endif
}

/* Tests are built with every capacity at its least, so that growing is met
 * everywhere; KAHU_HOSTILE says so. */
#if defined(KAHU_HOSTILE)
#define KAHU__CAPACITY(usual) 1
#else
#define KAHU__CAPACITY(usual) (usual)
#endif

#endif
