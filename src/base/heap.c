/* SPDX-License-Identifier: MIT */
#include "heap.h"

#include <string.h>

#include "common.h"

#define HEAP_ARITY 4
#define HEAP_LEAST KAHU__CAPACITY(64)

/* ------------------------------------------------------------------------ */
/* Order                                                                    */
/* ------------------------------------------------------------------------ */

struct heap_item {
    uint64_t key;
    uint32_t id;
};

static struct heap_item heap_at(const struct kahu__heap *h, uint32_t place) {
    return (struct heap_item){h->keys[place], h->ids[place]};
}

static bool heap_before(const struct kahu__heap *h, struct heap_item a,
                        struct heap_item b) {
    if (a.key != b.key)
        return a.key < b.key;
    return h->owner.before(h->owner.ud, a.id, b.id);
}

static void heap_place(struct kahu__heap *h, uint32_t place,
                       struct heap_item item) {
    h->keys[place] = item.key;
    h->ids[place] = item.id;
    h->owner.placed(h->owner.ud, item.id, place);
}

/* Moves the hole at place up until item fits there. */
static void heap_sift_up(struct kahu__heap *h, uint32_t place,
                         struct heap_item item) {
    while (place > 0) {
        uint32_t parent = (place - 1) / HEAP_ARITY;

        if (!heap_before(h, item, heap_at(h, parent)))
            break;
        heap_place(h, place, heap_at(h, parent));
        place = parent;
    }
    heap_place(h, place, item);
}

static uint32_t heap_least_child(const struct kahu__heap *h, uint32_t first) {
    uint32_t end = first + HEAP_ARITY;
    uint32_t least = first;

    if (end > h->count)
        end = h->count;
    for (uint32_t i = first + 1; i < end; i++)
        if (heap_before(h, heap_at(h, i), heap_at(h, least)))
            least = i;
    return least;
}

static void heap_sift_down(struct kahu__heap *h, uint32_t place,
                           struct heap_item item) {
    for (;;) {
        uint64_t first = (uint64_t)place * HEAP_ARITY + 1;
        uint32_t child;

        if (first >= h->count)
            break;
        child = heap_least_child(h, (uint32_t)first);
        if (!heap_before(h, heap_at(h, child), item))
            break;
        heap_place(h, place, heap_at(h, child));
        place = child;
    }
    heap_place(h, place, item);
}

/* ------------------------------------------------------------------------ */
/* Space                                                                    */
/* ------------------------------------------------------------------------ */

static size_t heap_size(uint32_t capacity) {
    return capacity * (sizeof(uint64_t) + sizeof(uint32_t));
}

static bool heap_resize(struct kahu__heap *h, uint32_t capacity) {
    uint64_t *keys = kahu__realloc(h->alloc, NULL, 0, heap_size(capacity));
    uint32_t *ids;

    if (keys == NULL)
        return false;
    ids = (uint32_t *)(keys + capacity);
    if (h->count > 0) {
        memcpy(keys, h->keys, h->count * sizeof(*keys));
        memcpy(ids, h->ids, h->count * sizeof(*ids));
    }
    kahu__free(h->alloc, h->keys, heap_size(h->capacity));
    h->keys = keys;
    h->ids = ids;
    h->capacity = capacity;
    return true;
}

/* By an eighth, so that at most a ninth of the space is ever unused. */
static bool heap_grow(struct kahu__heap *h) {
    uint32_t capacity = h->capacity + h->capacity / 8 + HEAP_LEAST;

    return capacity > h->capacity && heap_resize(h, capacity);
}

/* Gives back what a peak took. A failure to shrink costs space only. */
static void heap_shrink(struct kahu__heap *h) {
    if (h->capacity > 4 * HEAP_LEAST && h->count < h->capacity / 4)
        (void)heap_resize(h, h->capacity / 2);
}

/* ------------------------------------------------------------------------ */
/* Heap                                                                     */
/* ------------------------------------------------------------------------ */

void kahu__heap_init(struct kahu__heap *h, struct kahu__alloc *alloc,
                     struct kahu__heap_owner owner) {
    *h = (struct kahu__heap){.alloc = alloc, .owner = owner};
}

void kahu__heap_deinit(struct kahu__heap *h) {
    kahu__free(h->alloc, h->keys, heap_size(h->capacity));
    kahu__heap_init(h, h->alloc, h->owner);
}

bool kahu__heap_reserve(struct kahu__heap *h) {
    return h->count < h->capacity || heap_grow(h);
}

void kahu__heap_push(struct kahu__heap *h, uint64_t key, uint32_t id) {
    assert(id != 0 && h->count < h->capacity);
    h->count++;
    heap_sift_up(h, h->count - 1, (struct heap_item){key, id});
}

void kahu__heap_remove(struct kahu__heap *h, uint32_t place) {
    struct heap_item last;

    assert(place < h->count);
    last = heap_at(h, --h->count);
    if (place < h->count) {
        if (place > 0 &&
            heap_before(h, last, heap_at(h, (place - 1) / HEAP_ARITY)))
            heap_sift_up(h, place, last);
        else
            heap_sift_down(h, place, last);
    }
    heap_shrink(h);
}
