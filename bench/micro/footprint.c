/* SPDX-License-Identifier: MIT */
/*
 * footprint.c - what a sleeping thread takes of memory beyond one that has only
 * yielded, all of which is the VM's.
 */
#include <lualib.h>
#include <stdio.h>

#include "micro.h"

#define SLEEPERS 100000

static double footprint_bytes(struct vm *vm) {
    kahu_stats stats = {.size = sizeof(stats)};

    lua_gc(vm->host.L, LUA_GCCOLLECT, 0);
    lua_gc(vm->host.L, LUA_GCCOLLECT, 0);
    kahu_get_stats(vm->host.s, &stats);
    return (double)lua_totalbytes(vm->host.L, 0) + (double)stats.bytes;
}

/* Of all that sleep in the threads which text starts. */
static double footprint_of(const char *text) {
    double before;
    double after;
    struct vm vm;

    vm_open(&vm, VM_STEPPED);
    vm_spawn(&vm, "threads = table.create((...))", SLEEPERS);
    before = footprint_bytes(&vm);
    vm_spawn(&vm, text, SLEEPERS);
    after = footprint_bytes(&vm);
    vm_close(&vm);
    return after - before;
}

#define STARTED(call) "for i = 1, ... do threads[i] = task.spawn(" call ") end"

void micro_footprint(void) {
    double yielded = footprint_of(STARTED("coroutine.yield"));
    double in_order = footprint_of(STARTED("task.wait, 10"));
    double random = footprint_of(STARTED("task.wait, 10 + math.random()"));

    printf("fact bytes_per_sleeper_in_order %.1f\n",
           (in_order - yielded) / SLEEPERS);
    printf("fact bytes_per_sleeper_random %.1f\n",
           (random - yielded) / SLEEPERS);
}
