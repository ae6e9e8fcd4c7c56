/* SPDX-License-Identifier: MIT */
#include "index.h"

#include <string.h>

#include "common.h"

#define INDEX_LEAST 16 /* a power of two */

/* ------------------------------------------------------------------------ */
/* Places                                                                   */
/* ------------------------------------------------------------------------ */

uint32_t kahu__index_hash(const void *ptr) {
    uint64_t x = (uint64_t)(uintptr_t)ptr;

    x ^= x >> 32;
    x *= UINT64_C(0x9E3779B97F4A7C15); /* 2^64 / golden ratio (Knuth) */
    return (uint32_t)(x >> 32);
}

static uint32_t index_next(const struct kahu__index *ix, uint32_t place) {
    return (place + 1) & (ix->capacity - 1);
}

static void index_insert(struct kahu__index *ix, struct kahu__index_entry e) {
    uint32_t place = e.hash & (ix->capacity - 1);

    while (ix->entries[place].id != 0)
        place = index_next(ix, place);
    ix->entries[place] = e;
}

/* ------------------------------------------------------------------------ */
/* Space                                                                    */
/* ------------------------------------------------------------------------ */

static bool index_resize(struct kahu__index *ix, uint32_t capacity) {
    struct kahu__index old = *ix;
    struct kahu__index_entry *entries =
        kahu__calloc(ix->alloc, capacity * sizeof(*entries));

    if (entries == NULL)
        return false;

    ix->entries = entries;
    ix->capacity = capacity;
    for (uint32_t i = 0; i < old.capacity; i++)
        if (old.entries[i].id != 0)
            index_insert(ix, old.entries[i]);
    kahu__free(ix->alloc, old.entries, old.capacity * sizeof(*entries));
    return true;
}

/* Gives back what a peak took. A failure to shrink costs space only. */
static void index_shrink(struct kahu__index *ix) {
    if (ix->capacity > INDEX_LEAST && ix->count < ix->capacity / 8)
        (void)index_resize(ix, ix->capacity / 4 < INDEX_LEAST
                                   ? INDEX_LEAST
                                   : ix->capacity / 4);
}

/* ------------------------------------------------------------------------ */
/* Index                                                                    */
/* ------------------------------------------------------------------------ */

void kahu__index_init(struct kahu__index *ix, struct kahu__alloc *alloc) {
    *ix = (struct kahu__index){.alloc = alloc};
}

void kahu__index_deinit(struct kahu__index *ix) {
    kahu__free(ix->alloc, ix->entries, ix->capacity * sizeof(*ix->entries));
    ix->entries = NULL;
    ix->capacity = ix->count = 0;
}

bool kahu__index_reserve(struct kahu__index *ix) {
    uint32_t capacity = ix->capacity == 0 ? INDEX_LEAST : ix->capacity * 2;

    if (ix->count < ix->capacity - ix->capacity / 8)
        return true;
    return capacity > ix->capacity && index_resize(ix, capacity);
}

void kahu__index_add(struct kahu__index *ix, uint32_t hash, uint32_t id) {
    assert(id != 0 && ix->count < ix->capacity);
    index_insert(ix, (struct kahu__index_entry){hash, id});
    ix->count++;
}

struct kahu__index_entry *kahu__index_find(const struct kahu__index *ix,
                                           uint32_t hash,
                                           kahu__index_same_fn same,
                                           const void *ud) {
    uint32_t place;

    if (ix->count == 0)
        return NULL;
    place = hash & (ix->capacity - 1);
    for (; ix->entries[place].id != 0; place = index_next(ix, place)) {
        struct kahu__index_entry *e = &ix->entries[place];

        if (e->hash == hash && same(ud, e->id))
            return e;
    }
    return NULL;
}

void kahu__index_remove(struct kahu__index *ix, struct kahu__index_entry *e) {
    uint32_t mask = ix->capacity - 1;
    uint32_t hole = (uint32_t)(e - ix->entries);

    for (uint32_t i = index_next(ix, hole); ix->entries[i].id != 0;
         i = index_next(ix, i)) {
        uint32_t home = ix->entries[i].hash & mask;

        /* An entry may fill the hole if its home is not after the hole. */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            ix->entries[hole] = ix->entries[i];
            hole = i;
        }
    }
    ix->entries[hole] = (struct kahu__index_entry){0, 0};
    ix->count--;
    index_shrink(ix);
}
