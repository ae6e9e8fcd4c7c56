/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "vm.h"

#include <luacode.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../async.h"

bool vm_exact;

void must(bool good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "bench: %s failed\n", what);
    exit(EXIT_FAILURE);
}

void *must_malloc(size_t size) {
    void *ptr = malloc(size);

    must(ptr != NULL, "malloc");
    return ptr;
}

double now_ns(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int vm_open_async(lua_State *L) {
    lua_pushcfunction(L, async_op, "op");
    lua_setglobal(L, "op");
    lua_pushcfunction(L, async_remote, "remote");
    lua_setglobal(L, "remote");
    return 0;
}

void vm_open(struct vm *vm, enum vm_clock clock) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_driver driver;
    kahu_status status;

    vm->stepped = NULL;
    if (clock == VM_STEPPED || vm_exact)
        status = kahu_stepped_new(&vm->stepped, &driver);
    else
        status = kahu_blocking_driver(&driver);
    must(status == KAHU_OK, "a driver");
    options.driver = &driver;
    options.min_wait_ns = 1; /* what is due at once is not slept for */
    must(host_open(&vm->host, &options, vm_open_async, vm), "a VM");
    if (vm_exact)
        (void)lua_gc(vm->host.L, LUA_GCSTOP, 0);
}

void vm_close(struct vm *vm) {
    must(host_close(&vm->host) == 0, "a script");
}

lua_State *vm_load(struct vm *vm, const char *text, uint32_t n) {
    lua_State *co = lua_newthread(vm->host.L); /* stays on the stack */
    size_t size;
    char *bytecode = luau_compile(text, strlen(text), NULL, &size);

    must(bytecode != NULL && luau_load(co, "=bench", bytecode, size, 0) == 0,
         "compiling");
    free(bytecode);
    lua_pushnumber(co, n);
    return co;
}

void vm_spawn(struct vm *vm, const char *text, uint32_t n) {
    lua_State *co = vm_load(vm, text, n);

    must(kahu_spawn(vm->host.s, co, NULL, 1) == KAHU_OK, "a spawn");
}

void vm_run(struct vm *vm) {
    must(kahu_run(vm->host.s) == KAHU_OK, "a run");
}
