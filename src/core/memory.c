/* SPDX-License-Identifier: MIT */
/*
 * memory.c - an allocator with a limit, for a whole VM.
 */
#include "../base/alloc.h"
#include "kahu/threads.h"

/* What shrinks is never refused: the VM counts on that. */
static bool memory_refuses(const kahu_memory *m, size_t osize, size_t nsize) {
    size_t others = m->used - osize;

    return m->limit != 0 && nsize > osize &&
           (others > m->limit || nsize > m->limit - others);
}

void *kahu_memory_alloc(void *memory, void *ptr, size_t osize, size_t nsize) {
    kahu_memory *m = memory;
    kahu_alloc_fn fn = m->alloc != NULL ? m->alloc : kahu__alloc_libc;
    void *block;

    if (ptr == NULL)
        osize = 0;
    if (memory_refuses(m, osize, nsize))
        return NULL;
    block = fn(m->alloc_ud, ptr, osize, nsize);
    if (block == NULL && nsize > 0)
        return NULL;
    m->used = m->used - osize + nsize;
    if (m->used > m->peak)
        m->peak = m->used;
    return block;
}
