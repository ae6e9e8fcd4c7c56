/* SPDX-License-Identifier: MIT */
/*
 * origin.h - where a thread was made, where its maker was, and so on.
 *
 * The threads that one thread makes share what is behind it, and it stays when
 * that thread has ended and was collected: what is told does not hang on when
 * the collector ran.
 *
 * Invariants
 *   (1) uses counts the records and the younger origins that point here.
 *   (2) depth is the length of the chain from here on, itself included. It is
 *       below 2 * KAHU_ORIGIN_LEVELS: whoever is that far from the beginning
 *       forgets the farther half before it makes another.
 *   (3) last is no use: NULL from when that one goes. Threads made in a row at
 *       one place by one maker have one origin.
 */
#ifndef KAHU_CORE_ORIGIN_H
#define KAHU_CORE_ORIGIN_H

#include <stdint.h>

#include "../base/alloc.h"

struct kahu__origin {
    struct kahu__origin *up;   /* the maker's; NULL: forgotten, or nobody's */
    struct kahu__origin *last; /* made of those it is up to; see (3) */
    uint32_t uses;
    uint32_t depth;
    char where[]; /* "source:line", or "" */
};

/* An origin with one use more. *maker, which may be NULL as maker may, is the
 * maker's; it may become another. NULL when memory is out. */
struct kahu__origin *kahu__origin_new(struct kahu__alloc *a,
                                      struct kahu__origin **maker,
                                      const char *where);

/* Gives back one use; o may be NULL. */
void kahu__origin_release(struct kahu__alloc *a, struct kahu__origin *o);

/* The one so many levels up; NULL beyond KAHU_ORIGIN_LEVELS as well, so that
 * what was not forgotten yet makes no difference. */
const struct kahu__origin *kahu__origin_up(const struct kahu__origin *o,
                                           unsigned level);

#endif
