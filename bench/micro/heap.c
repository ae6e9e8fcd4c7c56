/* SPDX-License-Identifier: MIT */
/* base/heap with random keys. */
#include "base/heap.h"

#include <stdlib.h>

#include "micro.h"

static struct {
    struct kahu__alloc alloc;
    struct kahu__heap heap;
    uint64_t *keys;
    uint32_t *places; /* by id */
    uint32_t *order;
} h;

static bool heap_micro_before(void *ud, uint32_t a, uint32_t b) {
    (void)ud;
    return a < b;
}

static void heap_micro_placed(void *ud, uint32_t id, uint32_t place) {
    (void)ud;
    h.places[id] = place;
}

static void heap_micro_open(const struct micro *m) {
    struct kahu__heap_owner owner = {NULL, heap_micro_before,
                                     heap_micro_placed};

    kahu__alloc_init(&h.alloc, kahu__alloc_libc, NULL);
    kahu__heap_init(&h.heap, &h.alloc, owner);
    h.order = micro_shuffled(m->items);
    h.keys = must_malloc(m->items * sizeof(*h.keys));
    h.places = must_malloc((m->items + 1) * sizeof(*h.places));
    for (uint32_t i = 0; i < m->items; i++)
        h.keys[i] = micro_random();
}

static void heap_micro_close(const struct micro *m) {
    (void)m;
    kahu__heap_deinit(&h.heap);
    free(h.keys);
    free(h.places);
    free(h.order);
}

static void heap_micro_push(const struct micro *m) {
    for (uint32_t i = 0; i < m->items; i++) {
        must(kahu__heap_reserve(&h.heap), "memory");
        kahu__heap_push(&h.heap, h.keys[i], i + 1);
    }
}

static void heap_micro_open_full(const struct micro *m) {
    heap_micro_open(m);
    heap_micro_push(m);
}

static void heap_micro_pop(const struct micro *m) {
    (void)m;
    while (kahu__heap_first(&h.heap) != 0)
        kahu__heap_remove(&h.heap, 0);
}

static void heap_micro_remove(const struct micro *m) {
    for (uint32_t i = 0; i < m->items; i++)
        kahu__heap_remove(&h.heap, h.places[h.order[i]]);
}

const struct micro micro_heap[] = {
    {.name = "heap_push",
     .items = 20000,
     .open = heap_micro_open,
     .run = heap_micro_push,
     .close = heap_micro_close},
    {.name = "heap_pop",
     .items = 20000,
     .open = heap_micro_open_full,
     .run = heap_micro_pop,
     .close = heap_micro_close},
    {.name = "heap_remove",
     .items = 20000,
     .open = heap_micro_open_full,
     .run = heap_micro_remove,
     .close = heap_micro_close},
    {.name = NULL},
};
