/* SPDX-License-Identifier: MIT */
/*
 * micro.h - one benchmark: what is made ready, what is measured, what is put
 * away. A file has a table of those of its subject; main.c lists the tables.
 *
 * State lives in the file, as one benchmark runs at a time. All that is random
 * begins with the same seed, so that every round does the same.
 */
#ifndef KAHU_BENCH_MICRO_H
#define KAHU_BENCH_MICRO_H

#include <stdbool.h>
#include <stdint.h>

#include "vm.h"

enum {
    MICRO_CLOCK = 1,   /* timed on the system's clock, as programs run */
    MICRO_THREADS = 2, /* more than one OS thread: never the same twice */
    MICRO_RATE = 4     /* printed per second, too */
};

/* A piece of work in Luau; each script gets the number of items. */
struct micro_script {
    const char *before; /* runs ahead of the measuring; may be NULL */
    const char *text;   /* loaded ahead, run in it; may be NULL */
};

struct micro {
    const char *name;
    uint32_t items; /* done in one round */
    unsigned flags;
    void (*open)(const struct micro *m);
    void (*run)(const struct micro *m); /* the part that is measured */
    void (*close)(const struct micro *m);
    struct micro_script script; /* of scripts.c */
};

static inline enum vm_clock micro_clock(const struct micro *m) {
    return (m->flags & MICRO_CLOCK) != 0 ? VM_REAL : VM_STEPPED;
}

void micro_seed(void);
uint64_t micro_random(void);

/* n of them, from 1, in no order; for free(). */
uint32_t *micro_shuffled(uint32_t n);

/* What the compiler must not leave out is added to this. */
extern volatile uint64_t micro_sink;

/* Each ends with a NULL name. */
extern const struct micro micro_heap[];
extern const struct micro micro_index[];
extern const struct micro micro_slots[];
extern const struct micro micro_pool[];
extern const struct micro micro_lanes[];
extern const struct micro micro_resume[];
extern const struct micro micro_scripts[];
extern const struct micro micro_post[];

/* Calls m->run: a function with a name of its own, by which callgrind knows
 * when to count. In a file of its own, so that it is one in any build. */
void micro_measured(const struct micro *m);

/* Prints what a sleeping thread takes of memory (footprint.c). */
void micro_footprint(void);

#endif
