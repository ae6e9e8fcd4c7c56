/* SPDX-License-Identifier: MIT */
/*
 * What a sleeping thread costs beyond what the VM needs for a yielded one; on
 * the library as it is installed, not on the one with the smallest capacities.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lua.h>
#include <luacode.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kahu/kahu.h"
#include "kahu/luau.h"

#define MOST_BYTES 96 /* the promise of the README */

struct vm {
    lua_State *L;
    kahu_sched *s;
};

static void vm_open(struct vm *vm) {
    kahu_options o = KAHU_OPTIONS_INIT;
    kahu_driver driver;
    kahu_stepped *m;

    vm->L = luaL_newstate();
    luaL_openlibs(vm->L);
    assert_int_equal(kahu_stepped_new(&m, &driver), KAHU_OK);
    o.driver = &driver;
    assert_int_equal(kahu_new(&vm->s, vm->L, &o), KAHU_OK);
    kahu_open_task(vm->L);
    lua_settop(vm->L, 0);
}

static void vm_run(struct vm *vm, const char *script) {
    lua_State *co = lua_newthread(vm->L);
    size_t size;
    char *bytecode = luau_compile(script, strlen(script), NULL, &size);

    assert_int_equal(luau_load(co, "=test", bytecode, size, 0), 0);
    free(bytecode);
    assert_int_equal(kahu_spawn(vm->s, co, NULL, 0), KAHU_OK);
    lua_pop(vm->L, 1);
}

static size_t vm_bytes(struct vm *vm) {
    kahu_stats stats = {.size = sizeof(stats)};

    lua_gc(vm->L, LUA_GCCOLLECT, 0);
    lua_gc(vm->L, LUA_GCCOLLECT, 0);
    kahu_get_stats(vm->s, &stats);
    return lua_totalbytes(vm->L, 0) + (size_t)stats.bytes;
}

/* All memory that n threads take which end in this call. */
static size_t bytes_for(struct vm *vm, const char *call, int n) {
    char script[200];
    size_t before;

    vm_open(vm);
    vm_run(vm, "threads = table.create(200000)");
    before = vm_bytes(vm);
    snprintf(script, sizeof(script),
             "for i = 1, %d do threads[i] = task.spawn(%s) end", n, call);
    vm_run(vm, script);
    return vm_bytes(vm) - before;
}

static void vm_close(struct vm *vm) {
    kahu_free(vm->s);
    lua_close(vm->L);
}

/* Counts just above a power of two: tables have just doubled. */
static void measure(const char *sleep) {
    static const int counts[] = {1000, 10000, 100000, 132000};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct vm sleeping, yielded;
        size_t with = bytes_for(&sleeping, sleep, counts[i]);
        size_t without = bytes_for(&yielded, "coroutine.yield", counts[i]);

        print_message("%d threads in %s: %zu bytes each\n", counts[i], sleep,
                      (with - without) / (size_t)counts[i]);
        assert_true(with > without);
        assert_true(with - without <= (size_t)counts[i] * MOST_BYTES);
        vm_close(&sleeping);
        vm_close(&yielded);
    }
}

/* In the order of their deadlines, and in no order. */
static void a_sleeping_thread_is_cheap(void **state) {
    (void)state;
    measure("task.wait, 10");
    measure("task.wait, 10 + math.random()");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sleeping_thread_is_cheap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
