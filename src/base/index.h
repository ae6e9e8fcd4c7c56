/* SPDX-License-Identifier: MIT */
/*
 * index.h - a hash index: from a hash to the ids of things kept elsewhere.
 *
 * An entry is eight bytes (hash and id); the things themselves are looked at
 * only when the whole hash agrees, to make sure.
 *
 * Invariants
 *   (1) Open addressing, linear probing, capacity a power of two or 0, at
 *       most 7/8 full.
 *   (2) No gap between an entry's home and its place, so a search ends at the
 *       first empty entry; removal moves the followers back.
 *   (3) id 0 is an empty entry; no id is in the index twice.
 */
#ifndef KAHU_BASE_INDEX_H
#define KAHU_BASE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc.h"

struct kahu__index_entry {
    uint32_t hash;
    uint32_t id; /* 0: empty */
};

struct kahu__index {
    struct kahu__index_entry *entries;
    uint32_t capacity;
    uint32_t count;
    struct kahu__alloc *alloc;
};

/* Is the thing of this id the one the caller looks for? */
typedef bool (*kahu__index_same_fn)(const void *ud, uint32_t id);

/* A well-mixed hash of a pointer. */
uint32_t kahu__index_hash(const void *ptr);

void kahu__index_init(struct kahu__index *ix, struct kahu__alloc *alloc);
void kahu__index_deinit(struct kahu__index *ix);

/* Makes room for one more; false when memory is out. */
bool kahu__index_reserve(struct kahu__index *ix);

/* Adds id under hash; room was reserved and no such thing is in the index. */
void kahu__index_add(struct kahu__index *ix, uint32_t hash, uint32_t id);

/* The entry with this hash for which same says yes, or NULL. Lent until the
 * next add or remove; the caller may replace its id. */
struct kahu__index_entry *kahu__index_find(const struct kahu__index *ix,
                                           uint32_t hash,
                                           kahu__index_same_fn same,
                                           const void *ud);

/* Removes an entry that find returned. */
void kahu__index_remove(struct kahu__index *ix, struct kahu__index_entry *e);

#endif
