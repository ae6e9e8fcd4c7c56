/* SPDX-License-Identifier: MIT */
/*
 * vm.h - a VM with a scheduler, and scripts by text. What can't be ends the
 * process.
 */
#ifndef KAHU_BENCH_VM_H
#define KAHU_BENCH_VM_H

#include "../../examples/host.h"

enum vm_clock {
    VM_STEPPED, /* the same at every run */
    VM_REAL     /* the system's, without a loop */
};

struct vm {
    struct host host;
    kahu_stepped *stepped; /* or NULL */
};

/*
 * Every VM is to do the same at every run, to the instruction: on a stepped
 * clock whatever is asked for, and without the collector, which reads the
 * system's clock to set its own pace.
 */
extern bool vm_exact;

void must(bool good, const char *what);

/* malloc(), which has to go well. */
void *must_malloc(size_t size);

/* Of the system's clock; only differences mean something. */
double now_ns(void);

void vm_open(struct vm *vm, enum vm_clock clock);

/* No script may have failed. */
void vm_close(struct vm *vm);

/* A thread with the function of text and its argument n, to be resumed. */
lua_State *vm_load(struct vm *vm, const char *text, uint32_t n);

/* The same, and resumes it. */
void vm_spawn(struct vm *vm, const char *text, uint32_t n);

/* Until all is done. */
void vm_run(struct vm *vm);

#endif
