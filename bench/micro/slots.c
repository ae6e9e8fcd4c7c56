/* SPDX-License-Identifier: MIT */
/* base/slots: put in order, found and taken in none. */
#include "base/slots.h"

#include <stdlib.h>

#include "micro.h"

static struct {
    struct kahu__alloc alloc;
    struct kahu__slots slots;
    uint64_t *ids; /* from 1 */
    uint32_t *order;
} t;

static void slots_micro_open(const struct micro *m) {
    kahu__alloc_init(&t.alloc, kahu__alloc_libc, NULL);
    kahu__slots_init(&t.slots, &t.alloc);
    t.order = micro_shuffled(m->items);
    t.ids = must_malloc((m->items + 1) * sizeof(*t.ids));
}

static void slots_micro_put(const struct micro *m) {
    for (uint32_t i = 1; i <= m->items; i++)
        t.ids[i] = kahu__slots_put(&t.slots, &t);
}

static void slots_micro_open_full(const struct micro *m) {
    slots_micro_open(m);
    slots_micro_put(m);
}

static void slots_micro_get(const struct micro *m) {
    uint64_t found = 0;

    for (uint32_t i = 0; i < m->items; i++)
        found += kahu__slots_get(&t.slots, t.ids[t.order[i]]) != NULL;
    micro_sink += found;
}

static void slots_micro_take(const struct micro *m) {
    for (uint32_t i = 0; i < m->items; i++)
        (void)kahu__slots_take(&t.slots, t.ids[t.order[i]]);
}

static void slots_micro_close(const struct micro *m) {
    slots_micro_take(m); /* those that are stale by now do no harm */
    kahu__slots_deinit(&t.slots);
    free(t.ids);
    free(t.order);
}

const struct micro micro_slots[] = {
    {.name = "slots_put",
     .items = 50000,
     .open = slots_micro_open,
     .run = slots_micro_put,
     .close = slots_micro_close},
    {.name = "slots_get",
     .items = 50000,
     .open = slots_micro_open_full,
     .run = slots_micro_get,
     .close = slots_micro_close},
    {.name = "slots_take",
     .items = 50000,
     .open = slots_micro_open_full,
     .run = slots_micro_take,
     .close = slots_micro_close},
    {.name = NULL},
};
