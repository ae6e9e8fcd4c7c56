/* SPDX-License-Identifier: MIT */
/*
 * core/lanes: wakes of eight durations, each in the order of its deadlines,
 * added and then taken, the earliest first.
 */
#include <string.h>

#include "core/sched.h"
#include "micro.h"

static struct vm vm;

/* As much of a wake as a lane looks at: it is no thread's. */
static uint32_t lanes_micro_wake(kahu_sched *s, uint64_t seq) {
    uint32_t id = kahu__pool_take(&s->wakes);
    struct kahu__wake *w;

    must(id != 0, "memory");
    w = kahu__wake_at(s, id);
    memset(w, 0, sizeof(*w));
    w->kind = KAHU_WAIT;
    w->seq = seq;
    return id;
}

static void lanes_micro_add(const struct micro *m) {
    kahu_sched *s = vm.host.s;

    for (uint32_t i = 0; i < m->items; i++) {
        uint64_t delay_ns = UINT64_C(100000) << (2 * (i % 8));

        must(kahu__heap_reserve(&s->timers), "memory");
        kahu__timers_add(s, lanes_micro_wake(s, i), i + delay_ns, delay_ns);
    }
}

static void lanes_micro_take(const struct micro *m) {
    kahu_sched *s = vm.host.s;
    uint32_t id;

    (void)m;
    while ((id = kahu__timers_first(s)) != 0) {
        kahu__timers_remove(s, id);
        kahu__pool_give(&s->wakes, id);
    }
}

static void lanes_micro_open(const struct micro *m) {
    (void)m;
    vm_open(&vm, VM_STEPPED);
}

static void lanes_micro_open_full(const struct micro *m) {
    lanes_micro_open(m);
    lanes_micro_add(m);
}

static void lanes_micro_close(const struct micro *m) {
    lanes_micro_take(m);
    vm_close(&vm);
}

const struct micro micro_lanes[] = {
    {.name = "lanes_add",
     .items = 50000,
     .open = lanes_micro_open,
     .run = lanes_micro_add,
     .close = lanes_micro_close},
    {.name = "lanes_take",
     .items = 50000,
     .open = lanes_micro_open_full,
     .run = lanes_micro_take,
     .close = lanes_micro_close},
    {.name = NULL},
};
