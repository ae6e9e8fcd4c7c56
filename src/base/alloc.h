/* SPDX-License-Identifier: MIT */
/*
 * alloc.h - the embedder's allocator and what is held from it.
 *
 * All memory of a scheduler passes here, so that the count is exact and an
 * allocator that fails on demand reaches every place.
 */
#ifndef KAHU_BASE_ALLOC_H
#define KAHU_BASE_ALLOC_H

#include <stddef.h>

typedef void *(*kahu__alloc_fn)(void *ud, void *ptr, size_t osize,
                                size_t nsize);

struct kahu__alloc {
    kahu__alloc_fn fn; /* lua_Alloc's contract */
    void *ud;
    size_t bytes; /* held now */
    size_t peak;  /* most ever held */
};

void kahu__alloc_init(struct kahu__alloc *a, kahu__alloc_fn fn, void *ud);

/* Resizes ptr from osize to nsize bytes; NULL, with ptr untouched, when memory
 * is out. A NULL ptr has osize 0. */
void *kahu__realloc(struct kahu__alloc *a, void *ptr, size_t osize,
                    size_t nsize);

/* Zeroed memory, or NULL. */
void *kahu__calloc(struct kahu__alloc *a, size_t size);

/* ptr may be NULL when size is 0. */
void kahu__free(struct kahu__alloc *a, void *ptr, size_t size);

/* The C library's allocator in lua_Alloc's shape, for what belongs to no VM. */
void *kahu__alloc_libc(void *ud, void *ptr, size_t osize, size_t nsize);

#endif
