/* SPDX-License-Identifier: MIT */
#include "core/sched.h"
#include "host.h"

/* W2: the ring is in order of making, whatever leaves it. */
static void the_ring_keeps_its_order(void **state) {
    uint32_t ids[20];
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    co = host_load(&h, "log('never')");
    for (int i = 0; i < 20; i++) {
        ids[i] = kahu__wake_new(h.s, co, KAHU_DEFER, NULL, 0);
        assert_int_not_equal(ids[i], 0);
        kahu__list_append(h.s, KAHU__DEFERRED, ids[i]);
    }
    for (int i = 0; i < 10; i++) { /* from the middle, then the oldest */
        kahu__cancel_wake(h.s, ids[i + (i < 5 ? 10 : -5)]);
        kahu__verify(h.s);
        assert_int_equal(kahu__thread_oldest(h.s, co), ids[i < 5 ? 0 : i - 4]);
    }
    kahu__unlink(h.s, co);
    assert_int_equal(kahu__thread_oldest(h.s, co), 0);
    host_close(&h);
}

/* M1: many threads, many wakes each, cancelled from the middle. */
static void any_wake_can_go(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h,
             "threads = {}\n"
             "for i = 1, 50 do local t = coroutine.create(log)\n"
             "  for j = 1, 8 do task.delay(j % 3, t, j) task.defer(t, j) end\n"
             "  threads[i] = t end");
    assert_int_equal(h.s->pending_all, 800);
    for (int i = 0; i < 10; i++) {
        host_run(&h, "local n = #threads // 2 + 1 for i = 1, 4 do\n"
                     "  task.cancel(table.remove(threads, n - i)) end");
        kahu__verify(h.s);
    }
    assert_int_equal(h.s->pending_all, 160);
    assert_int_equal(h.s->threads.count, 10);
    host_close(&h);
}

/* W1: a wake keeps its thread alive, and lets go of it. */
static void a_wake_keeps_its_thread(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "weak = setmetatable({}, {__mode = 'k'})\n"
                 "weak[task.delay(1, function() end)] = true\n"
                 "weak[task.spawn(coroutine.yield)] = true");
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    host_run(&h, "local n = 0 for _ in weak do n += 1 end log(n)");
    assert_true(kahu_stepped_advance(h.m, 2000000000) >= 0);
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    host_run(&h, "local n = 0 for _ in weak do n += 1 end log(n)");
    assert_log(&h, "1 0"); /* S9.5 */
    host_close(&h);
}

/* The index of threads takes it for granted how large they are at least. */
static void no_two_threads_begin_in_a_grain(void **state) {
    enum { THREADS = 2000 };
    static uintptr_t grains[THREADS];
    struct host h;

    (void)state;
    host_open(&h, NULL);
    lua_createtable(h.L, THREADS, 0);
    for (int i = 0; i < THREADS; i++) {
        grains[i] = (uintptr_t)lua_newthread(h.L) / INDEX_GRAIN;
        lua_rawseti(h.L, -2, i + 1);
    }
    for (int i = 0; i < THREADS; i++)
        for (int j = 0; j < i; j++)
            assert_true(grains[i] != grains[j]);
    lua_pop(h.L, 1);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ring_keeps_its_order),
        cmocka_unit_test(any_wake_can_go),
        cmocka_unit_test(a_wake_keeps_its_thread),
        cmocka_unit_test(no_two_threads_begin_in_a_grain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
