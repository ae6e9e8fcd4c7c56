/* SPDX-License-Identifier: MIT */
/*
 * pool.h - small records named by ids, each with one Luau value beside it.
 *
 * Records live in chunks. A chunk is a block of C memory and one Luau table,
 * made with all its slots: storing a value in it allocates nothing, and what
 * the collector has to look at again after a store is one chunk's table, not
 * one table for all. The tables stand on the stack of a hidden thread, s->keep,
 * where a store reaches them by their index, without asking the registry; those
 * that found that stack full, beyond two million records, are in the registry.
 * An empty chunk is given back, but for one in reserve, so memory returns to
 * where it was and the steady state allocates nothing.
 *
 * Invariants
 *   (1) An id is chunk number * POOL_CHUNK + place + 1; 0 is no id.
 *   (2) A chunk is in the list `partial` exactly when it has a free place.
 *   (3) A free place's value slot is nil.
 */
#ifndef KAHU_CORE_POOL_H
#define KAHU_CORE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/alloc.h"
#include "kahu/kahu.h"

#if defined(KAHU_HOSTILE)
#define POOL_CHUNK 2
#else
#define POOL_CHUNK 256
#endif

struct kahu__chunk {
    struct kahu__chunk *next; /* in `partial`; see invariant (2) */
    struct kahu__chunk *prev;
    uint32_t number;
    uint32_t live; /* places in use */
    uint32_t free; /* first free place; POOL_CHUNK when none */
    int table;     /* Luau's: where on s->keep, or minus a reference */
    uint64_t
        items[]; /* POOL_CHUNK records; a free one holds the next's place */
};

struct kahu__pool {
    kahu_sched *s;
    size_t item_size; /* a multiple of 8 */
    struct kahu__chunk **chunks;
    uint32_t capacity; /* of chunks; unused places are NULL */
    uint32_t lowest;   /* no NULL in chunks below this number */
    struct kahu__chunk *partial;
    uint32_t empty; /* chunks with no live place: 0 or 1 */
    uint32_t live;
};

void kahu__pool_init(struct kahu__pool *p, kahu_sched *s, size_t item_size);

/* Gives everything back, live records included. */
void kahu__pool_deinit(struct kahu__pool *p);

/* A new record, its contents undefined; 0 when memory is out. */
uint32_t kahu__pool_take(struct kahu__pool *p);

/* Frees the record and its value. */
void kahu__pool_give(struct kahu__pool *p, uint32_t id);

/* The record; lent until it is given back. */
static inline void *kahu__pool_at(const struct kahu__pool *p, uint32_t id) {
    struct kahu__chunk *c = p->chunks[(id - 1) / POOL_CHUNK];

    return (char *)c->items + (size_t)((id - 1) % POOL_CHUNK) * p->item_size;
}

/* Moves the value on top of s->keep into the record's slot. */
void kahu__pool_set(struct kahu__pool *p, uint32_t id);

/* Pushes the record's value on L, which has room for it. */
void kahu__pool_get(const struct kahu__pool *p, uint32_t id, lua_State *L);

#endif
