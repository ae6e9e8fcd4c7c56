/* SPDX-License-Identifier: MIT */
#include "index.h"

#include "common.h"

#define INDEX_LEAST 16                  /* spans; a power of two */
#define INDEX_SPARE KAHU__CAPACITY(256) /* empty ones that may be kept */

/* ------------------------------------------------------------------------ */
/* Places                                                                   */
/* ------------------------------------------------------------------------ */

static uintptr_t span_number(const void *ptr) {
    return (uintptr_t)ptr / INDEX_GRAIN / INDEX_GRAINS;
}

static uint32_t span_grain(const void *ptr) {
    return (uint32_t)((uintptr_t)ptr / INDEX_GRAIN % INDEX_GRAINS);
}

/* Where the span is, or where it is to be placed. */
static struct kahu__index_span *span_place(const struct kahu__index *ix,
                                           uintptr_t number) {
    uint64_t mixed = (uint64_t)number * UINT64_C(0x9E3779B97F4A7C15);
    uint32_t mask = ix->capacity - 1; /* 2^64 / golden ratio (Knuth) */
    uint32_t place = (uint32_t)(mixed >> 32) & mask;

    while (ix->spans[place].ids != NULL && ix->spans[place].number != number)
        place = (place + 1) & mask;
    return &ix->spans[place];
}

static struct kahu__index_ids *span_ids(const struct kahu__index *ix,
                                        const void *ptr) {
    if (kahu__likely(span_number(ptr) == ix->last_number))
        return ix->last_ids;
    if (ix->used == 0)
        return NULL;
    return span_place(ix, span_number(ptr))->ids;
}

/* The same, where there are some; the next look at the span finds them at
 * once. */
static struct kahu__index_ids *span_enter(struct kahu__index *ix,
                                          const void *ptr) {
    struct kahu__index_ids *ids = span_ids(ix, ptr);

    kahu__assume(ids != NULL);
    ix->last_number = span_number(ptr);
    ix->last_ids = ids;
    return ids;
}

/* ------------------------------------------------------------------------ */
/* Space                                                                    */
/* ------------------------------------------------------------------------ */

static void index_move(struct kahu__index *ix, struct kahu__index_span span) {
    if (span.ids == NULL)
        return;
    if (span.ids->live == 0) {
        kahu__free(ix->alloc, span.ids, sizeof(*span.ids));
        return;
    }
    *span_place(ix, span.number) = span;
    ix->used++;
}

/* Places anew all spans that have an id, and frees the others. */
static bool index_resize(struct kahu__index *ix, uint32_t capacity) {
    struct kahu__index old = *ix;
    struct kahu__index_span *spans =
        kahu__calloc(ix->alloc, capacity * sizeof(*spans));

    if (spans == NULL)
        return false;

    ix->spans = spans;
    ix->last_number = 0;
    ix->last_ids = NULL;
    ix->capacity = capacity;
    ix->used = ix->empty = 0;
    for (uint32_t i = 0; i < old.capacity; i++)
        index_move(ix, old.spans[i]);
    kahu__free(ix->alloc, old.spans, old.capacity * sizeof(*spans));
    return true;
}

/* The least that is at most half full. */
static uint32_t index_capacity(uint32_t spans) {
    uint32_t capacity = INDEX_LEAST;

    while (capacity / 2 < spans)
        capacity *= 2;
    return capacity;
}

static bool index_grow(struct kahu__index *ix) {
    if (ix->used < ix->capacity - ix->capacity / 4)
        return true;
    if (ix->used - ix->empty >= UINT32_MAX / 4)
        return false;
    return index_resize(ix, index_capacity(ix->used - ix->empty + 1));
}

/* Gives back what a peak took, as soon as most of it is empty: so many were
 * emptied since the last time. A failure costs space only. */
static void index_shrink(struct kahu__index *ix) {
    if (ix->empty > ix->used / 2 && ix->empty > INDEX_SPARE)
        (void)index_resize(ix, index_capacity(ix->used - ix->empty));
}

/* ------------------------------------------------------------------------ */
/* Index                                                                    */
/* ------------------------------------------------------------------------ */

void kahu__index_init(struct kahu__index *ix, struct kahu__alloc *alloc) {
    *ix = (struct kahu__index){.alloc = alloc};
}

void kahu__index_deinit(struct kahu__index *ix) {
    for (uint32_t i = 0; i < ix->capacity; i++)
        kahu__free(ix->alloc, ix->spans[i].ids, sizeof(*ix->spans[i].ids));
    kahu__free(ix->alloc, ix->spans, ix->capacity * sizeof(*ix->spans));
    kahu__index_init(ix, ix->alloc);
}

uint32_t kahu__index_get(const struct kahu__index *ix, const void *ptr) {
    const struct kahu__index_ids *ids = span_ids(ix, ptr);

    return ids == NULL ? 0 : ids->ids[span_grain(ptr)];
}

bool kahu__index_reserve(struct kahu__index *ix, const void *ptr) {
    struct kahu__index_span *span;

    if (span_ids(ix, ptr) != NULL)
        return true;
    if (!index_grow(ix))
        return false;
    span = span_place(ix, span_number(ptr));
    span->number = span_number(ptr);
    span->ids = kahu__calloc(ix->alloc, sizeof(*span->ids));
    if (span->ids == NULL)
        return false;
    ix->used++;
    ix->empty++;
    return true;
}

void kahu__index_put(struct kahu__index *ix, const void *ptr, uint32_t id) {
    struct kahu__index_ids *ids = span_enter(ix, ptr);
    uint32_t grain = span_grain(ptr);

    assert(id != 0);
    if (ids->ids[grain] == 0) {
        ix->empty -= ids->live == 0;
        ids->live++;
        ix->count++;
    }
    ids->ids[grain] = id;
}

void kahu__index_remove(struct kahu__index *ix, const void *ptr) {
    struct kahu__index_ids *ids = span_enter(ix, ptr);
    uint32_t grain = span_grain(ptr);

    assert(ids->ids[grain] != 0);
    ids->ids[grain] = 0;
    ix->count--;
    if (--ids->live > 0)
        return;
    ix->empty++;
    index_shrink(ix);
}

void kahu__index_each(const struct kahu__index *ix,
                      void (*fn)(void *ud, uint32_t id), void *ud) {
    for (uint32_t i = 0; i < ix->capacity; i++) {
        const struct kahu__index_ids *ids = ix->spans[i].ids;

        for (uint32_t grain = 0; ids != NULL && grain < INDEX_GRAINS; grain++)
            if (ids->ids[grain] != 0)
                fn(ud, ids->ids[grain]);
    }
}
