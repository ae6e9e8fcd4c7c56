/* SPDX-License-Identifier: MIT */
/*
 * index.h - from the addresses of objects to ids.
 *
 * Objects that are alike lie side by side in memory, and who made them one
 * after another looks them up one after another. So there are no hashed
 * entries all over a table but a small array of ids for each span of memory
 * that has such objects, in the order of their addresses: neighbours share a
 * cache line, and only the spans are hashed.
 *
 * Invariants
 *   (1) An object is at least INDEX_GRAIN bytes long, so that no two of them
 *       begin in the same grain. A thread of Luau is 17 pointers long (a test
 *       looks at that: unit.wake).
 *   (2) spans: open addressing, linear probing, capacity a power of two or 0,
 *       at most 3/4 full. A span stays where it is until all are placed anew.
 *   (3) last_ids are those of span last_number, which somebody changed last;
 *       NULL and 0 when there is none.
 *   (4) id 0 is no id. `live` of a span counts its ids, `empty` the spans that
 *       have none, and `count` all ids.
 */
#ifndef KAHU_BASE_INDEX_H
#define KAHU_BASE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc.h"

#define INDEX_GRAIN (16 * sizeof(void *))
#define INDEX_GRAINS 64 /* in a span */

struct kahu__index_ids {
    uint32_t live;
    uint32_t ids[INDEX_GRAINS];
};

struct kahu__index_span {
    uintptr_t number;            /* of the span of memory */
    struct kahu__index_ids *ids; /* NULL: an empty place */
};

struct kahu__index {
    struct kahu__index_span *spans;
    uint32_t capacity;
    uint32_t used;  /* places of spans */
    uint32_t empty; /* of these, without an id */
    uint32_t count;
    uintptr_t last_number;
    struct kahu__index_ids *last_ids;
    struct kahu__alloc *alloc;
};

void kahu__index_init(struct kahu__index *ix, struct kahu__alloc *alloc);
void kahu__index_deinit(struct kahu__index *ix);

/* The id of the object at ptr, or 0. */
uint32_t kahu__index_get(const struct kahu__index *ix, const void *ptr);

/* Makes room for the object at ptr, until the next remove; false when memory is
 * out. */
bool kahu__index_reserve(struct kahu__index *ix, const void *ptr);

/* Adds the object with this id, or gives it another id. Room was reserved, or
 * it is there. */
void kahu__index_put(struct kahu__index *ix, const void *ptr, uint32_t id);

/* Removes an object that is there. */
void kahu__index_remove(struct kahu__index *ix, const void *ptr);

/* Calls fn with all ids, `count` of them, in no order. */
void kahu__index_each(const struct kahu__index *ix,
                      void (*fn)(void *ud, uint32_t id), void *ud);

#endif
