/* SPDX-License-Identifier: MIT */
/* core/pool: records taken, and given back in no order. */
#include "core/pool.h"

#include <stdlib.h>

#include "micro.h"

#define RECORD_SIZE 64

static struct {
    struct vm vm;
    struct kahu__pool pool;
    uint32_t *ids; /* from 1 */
    uint32_t *order;
} p;

static void pool_micro_open(const struct micro *m) {
    vm_open(&p.vm, VM_STEPPED);
    kahu__pool_init(&p.pool, p.vm.host.s, RECORD_SIZE);
    p.order = micro_shuffled(m->items);
    p.ids = must_malloc((m->items + 1) * sizeof(*p.ids));
}

static void pool_micro_close(const struct micro *m) {
    (void)m;
    kahu__pool_deinit(&p.pool);
    vm_close(&p.vm);
    free(p.ids);
    free(p.order);
}

static void pool_micro_take(const struct micro *m) {
    for (uint32_t i = 1; i <= m->items; i++)
        p.ids[i] = kahu__pool_take(&p.pool);
}

static void pool_micro_open_full(const struct micro *m) {
    pool_micro_open(m);
    pool_micro_take(m);
}

static void pool_micro_give(const struct micro *m) {
    for (uint32_t i = 0; i < m->items; i++)
        kahu__pool_give(&p.pool, p.ids[p.order[i]]);
}

const struct micro micro_pool[] = {
    {.name = "pool_take",
     .items = 50000,
     .open = pool_micro_open,
     .run = pool_micro_take,
     .close = pool_micro_close},
    {.name = "pool_give",
     .items = 50000,
     .open = pool_micro_open_full,
     .run = pool_micro_give,
     .close = pool_micro_close},
    {.name = NULL},
};
