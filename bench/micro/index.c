/* SPDX-License-Identifier: MIT */
/*
 * base/index, with objects side by side as the VM's threads are: put in that
 * order, looked up and removed in none. It only counts with addresses, so there
 * need be nothing there; real ones would move with every change of the program,
 * and some collide more than others.
 */
#include "base/index.h"

#include <stdlib.h>

#include "micro.h"

#define OBJECTS 50000
#define OBJECT_SIZE 144
#define OBJECTS_AT ((uintptr_t)0x40000000)

union address {
    uintptr_t number;
    const void *ptr;
};

static struct {
    struct kahu__alloc alloc;
    struct kahu__index index;
    uint32_t *order;
} x;

static const void *object_at(uint32_t id) {
    union address a = {OBJECTS_AT + id * (uintptr_t)OBJECT_SIZE};

    return a.ptr;
}

static void index_micro_open(const struct micro *m) {
    kahu__alloc_init(&x.alloc, kahu__alloc_libc, NULL);
    kahu__index_init(&x.index, &x.alloc);
    x.order = micro_shuffled(m->items);
}

static void index_micro_close(const struct micro *m) {
    (void)m;
    kahu__index_deinit(&x.index);
    free(x.order);
}

static void index_micro_put(const struct micro *m) {
    for (uint32_t id = 1; id <= m->items; id++) {
        must(kahu__index_reserve(&x.index, object_at(id)), "memory");
        kahu__index_put(&x.index, object_at(id), id);
    }
}

static void index_micro_open_full(const struct micro *m) {
    index_micro_open(m);
    index_micro_put(m);
}

static void index_micro_get(const struct micro *m) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < m->items; i++)
        sum += kahu__index_get(&x.index, object_at(x.order[i]));
    micro_sink += sum;
}

static void index_micro_remove(const struct micro *m) {
    for (uint32_t i = 0; i < m->items; i++)
        kahu__index_remove(&x.index, object_at(x.order[i]));
}

const struct micro micro_index[] = {
    {.name = "index_put",
     .items = OBJECTS,
     .open = index_micro_open,
     .run = index_micro_put,
     .close = index_micro_close},
    {.name = "index_get",
     .items = OBJECTS,
     .open = index_micro_open_full,
     .run = index_micro_get,
     .close = index_micro_close},
    {.name = "index_remove",
     .items = OBJECTS,
     .open = index_micro_open_full,
     .run = index_micro_remove,
     .close = index_micro_close},
    {.name = NULL},
};
