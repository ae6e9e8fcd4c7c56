/* SPDX-License-Identifier: MIT */
/*
 * slots.h - a table of live things named by ids that are never reused.
 *
 * Pending operations are kept here, so that a completion which arrives late
 * finds nothing instead of somebody else's operation.
 *
 * Layout of an id (0 is never an id):
 *
 *    63              32 31               0
 *   +------------------+------------------+
 *   |    generation    |    index + 1     |
 *   +------------------+------------------+
 *
 * Invariants
 *   (1) slot.value is NULL exactly when the slot is free or retired.
 *   (2) A slot's generation grows by one each time the slot is released; at
 *       UINT32_MAX the slot is retired, so that no id ever comes twice.
 *   (3) An id finds a value only while its generation equals the slot's.
 */
#ifndef KAHU_BASE_SLOTS_H
#define KAHU_BASE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc.h"

struct kahu__slot {
    void *value;         /* NULL when free */
    uint32_t generation; /* see invariant (2) */
    uint32_t next_free;  /* index + 1 of the next free slot; 0 ends the list */
};

struct kahu__slots {
    struct kahu__slot *slots;
    uint32_t count;      /* slots ever handed out */
    uint32_t capacity;   /* slots allocated */
    uint32_t first_free; /* index + 1; 0 when none is free */
    uint32_t live;       /* slots with a value */
    struct kahu__alloc *alloc;
};

void kahu__slots_init(struct kahu__slots *t, struct kahu__alloc *alloc);

/* Nothing may be live any more. */
void kahu__slots_deinit(struct kahu__slots *t);

/* Returns a new id for value, which is not NULL; 0 when memory is out. */
uint64_t kahu__slots_put(struct kahu__slots *t, void *value);

/* Returns the value, or NULL when the id is stale or was never made. */
void *kahu__slots_get(const struct kahu__slots *t, uint64_t id);

/* Releases the id and returns its value; NULL when there was none. */
void *kahu__slots_take(struct kahu__slots *t, uint64_t id);

#endif
