/* SPDX-License-Identifier: MIT */
/*
 * api_memory.c - memory that runs out at a place the bytes name.
 */
#include "api.h"

static struct {
    unsigned until;    /* allocations before the first that fails */
    unsigned failures; /* how many fail then */
    unsigned calm;
} scarcity;

/* What the library takes from the C library: drivers, posts. */
void *__real_realloc(void *ptr, size_t size);
void *__wrap_realloc(void *ptr, size_t size);

static bool fails(void) {
    if (scarcity.calm > 0 || scarcity.failures == 0)
        return false;
    if (scarcity.until > 0) {
        scarcity.until--;
        return false;
    }
    scarcity.failures--;
    return true;
}

void *__wrap_realloc(void *ptr, size_t size) {
    return fails() ? NULL : __real_realloc(ptr, size);
}

/* The quota is for scripts, not for the host. */
void *fuzz_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    kahu_memory *memory = ud;
    size_t limit = memory->limit;

    if (nsize > osize && fails())
        return NULL;
    if (scarcity.calm > 0)
        memory->limit = 0;
    ptr = kahu_memory_alloc(memory, ptr, osize, nsize);
    memory->limit = limit;
    return ptr;
}

void memory_scarce(unsigned n, unsigned failures) {
    scarcity.until = n;
    scarcity.failures = failures;
}

void memory_calm(bool calm) {
    if (calm)
        scarcity.calm++;
    else
        scarcity.calm--;
}
