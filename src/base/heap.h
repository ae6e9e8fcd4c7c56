/* SPDX-License-Identifier: MIT */
/*
 * heap.h - a min-heap of ids ordered by key, equal keys by the owner's rule.
 *
 * Four children a node, and their keys side by side: a sift reads half a cache
 * line a level, and touches the things themselves only to tell them where they
 * are.
 *
 * Invariants
 *   (1) No item goes before its parent: parent of i is (i - 1) / 4.
 *   (2) The owner was told the place of every item after its last move, so
 *       that any item can be removed in O(log n).
 */
#ifndef KAHU_BASE_HEAP_H
#define KAHU_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc.h"

/* What the heap asks of the owner of the ids. */
struct kahu__heap_owner {
    void *ud;
    /* Equal keys: does a go before b? A strict order. */
    bool (*before)(void *ud, uint32_t a, uint32_t b);
    /* The item of id stands at place now. */
    void (*placed)(void *ud, uint32_t id, uint32_t place);
};

struct kahu__heap {
    uint64_t *keys; /* by place; with the ids behind them in one block */
    uint32_t *ids;
    uint32_t count;
    uint32_t capacity;
    struct kahu__alloc *alloc;
    struct kahu__heap_owner owner;
};

void kahu__heap_init(struct kahu__heap *h, struct kahu__alloc *alloc,
                     struct kahu__heap_owner owner);
void kahu__heap_deinit(struct kahu__heap *h);

/* Makes room for one more; false when memory is out. */
bool kahu__heap_reserve(struct kahu__heap *h);

/* Room was reserved; id is not 0. */
void kahu__heap_push(struct kahu__heap *h, uint64_t key, uint32_t id);

/* The first id, or 0 when the heap is empty. */
static inline uint32_t kahu__heap_first(const struct kahu__heap *h) {
    return h->count == 0 ? 0 : h->ids[0];
}

/* Removes the item at place, as owner.placed told it. */
void kahu__heap_remove(struct kahu__heap *h, uint32_t place);

#endif
