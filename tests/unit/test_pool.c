/* SPDX-License-Identifier: MIT */
#include "core/pool.h"

#include "core/sched.h"
#include "host.h"

/* More chunks than the hidden thread has room for tables (LUAI_MAXCSTACK):
 * some are in the registry. */
#define RECORDS ((LUAI_MAXCSTACK + 500) * POOL_CHUNK)

static int gc_kilobytes(lua_State *L) {
    lua_gc(L, LUA_GCCOLLECT, 0);
    return lua_gc(L, LUA_GCCOUNT, 0);
}

static void *record(struct kahu__pool *p, uint32_t id) {
    return kahu__pool_at(p, id);
}

/* Records and values are found by their ids, whatever was given back. */
static void records_keep_their_values(void **state) {
    static uint32_t ids[RECORDS];
    struct kahu__pool p;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    kahu__pool_init(&p, h.s, 2 * sizeof(uint64_t));
    for (uint32_t i = 0; i < RECORDS; i++) {
        ids[i] = kahu__pool_take(&p);
        assert_int_not_equal(ids[i], 0);
        *(uint64_t *)record(&p, ids[i]) = i;
        lua_pushnumber(h.s->keep, i);
        kahu__pool_set(&p, ids[i]);
    }
    for (uint32_t i = 0; i < RECORDS; i += 3)
        kahu__pool_give(&p, ids[i]);
    for (uint32_t i = 0; i < RECORDS; i++) {
        if (i % 3 == 0)
            continue;
        assert_int_equal(*(uint64_t *)record(&p, ids[i]), i);
        kahu__pool_get(&p, ids[i], h.s->work);
        assert_int_equal(lua_tointeger(h.s->work, -1), i);
        lua_pop(h.s->work, 1);
    }
    kahu__pool_deinit(&p);
    host_close(&h);
}

/* Empty chunks go back, ours and the VM's share, but for one in reserve. */
static void memory_returns(void **state) {
    static uint32_t ids[100 * POOL_CHUNK];
    const uint32_t count = sizeof(ids) / sizeof(ids[0]);
    struct kahu__pool p;
    struct host h;
    size_t bytes;
    int kilobytes;

    (void)state;
    host_open(&h, NULL);
    kahu__pool_init(&p, h.s, 6 * sizeof(uint64_t));
    kahu__pool_give(&p, kahu__pool_take(&p)); /* the reserve */
    bytes = h.s->alloc.bytes;
    kilobytes = gc_kilobytes(h.L);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < count; i++)
            assert_true((ids[i] = kahu__pool_take(&p)) != 0);
        for (uint32_t i = 0; i < count; i++)
            kahu__pool_give(&p, ids[(i * 7) % count]);
        assert_int_equal(p.live, 0);
        assert_int_equal(p.empty, 1);
    }
    /* The places for chunks stay: in our list, and on the hidden thread. */
    bytes += (p.capacity - 1) * sizeof(void *);
    assert_true(h.s->alloc.bytes <= bytes);
    assert_true(gc_kilobytes(h.L) <= kilobytes + 8);
    kahu__pool_deinit(&p);
    host_close(&h);
}

/* A free place keeps nothing alive. */
static void a_given_record_frees_its_value(void **state) {
    struct kahu__pool p;
    struct host h;
    uint32_t first, second;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "weak = setmetatable({}, {__mode = 'k'})");
    kahu__pool_init(&p, h.s, sizeof(uint64_t));
    first = kahu__pool_take(&p);
    second = kahu__pool_take(&p); /* keeps the chunk */
    lua_getglobal(h.L, "weak");
    lua_newtable(h.L);
    lua_xpush(h.L, h.s->keep, -1);
    kahu__pool_set(&p, first);
    lua_pushboolean(h.L, 1);
    lua_rawset(h.L, -3);
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    assert_true(lua_rawiter(h.L, -1, 0) >= 0);
    lua_pop(h.L, 2);
    kahu__pool_give(&p, first);
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    assert_int_equal(lua_rawiter(h.L, -1, 0), -1);
    lua_pop(h.L, 1);
    kahu__pool_give(&p, second);
    kahu__pool_deinit(&p);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_keep_their_values),
        cmocka_unit_test(memory_returns),
        cmocka_unit_test(a_given_record_frees_its_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
