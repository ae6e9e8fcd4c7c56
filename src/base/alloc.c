/* SPDX-License-Identifier: MIT */
#include "alloc.h"

#include <stdlib.h>
#include <string.h>

void kahu__alloc_init(struct kahu__alloc *a, kahu__alloc_fn fn, void *ud) {
    *a = (struct kahu__alloc){.fn = fn, .ud = ud};
}

void *kahu__realloc(struct kahu__alloc *a, void *ptr, size_t osize,
                    size_t nsize) {
    void *moved = a->fn(a->ud, ptr, osize, nsize);

    if (moved == NULL)
        return NULL;

    a->bytes += nsize - osize;
    if (a->bytes > a->peak)
        a->peak = a->bytes;
    return moved;
}

void *kahu__calloc(struct kahu__alloc *a, size_t size) {
    void *ptr = kahu__realloc(a, NULL, 0, size);

    if (ptr != NULL)
        memset(ptr, 0, size);
    return ptr;
}

void kahu__free(struct kahu__alloc *a, void *ptr, size_t size) {
    if (ptr == NULL)
        return;

    a->fn(a->ud, ptr, size, 0);
    a->bytes -= size;
}

void *kahu__alloc_libc(void *ud, void *ptr, size_t osize, size_t nsize) {
    (void)ud;
    (void)osize;
    if (nsize == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, nsize);
}
