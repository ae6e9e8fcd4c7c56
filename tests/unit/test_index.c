/* SPDX-License-Identifier: MIT */
#include "base/index.h"
#include "unit.h"

#define THINGS 3000

#define FAR ((size_t)16384)

/* Where they are; nobody looks into it. */
static const char memory[(THINGS + 1) * FAR];
static const char *address[THINGS + 1];
static bool in[THINGS + 1];

static void check(const struct kahu__index *ix) {
    uint32_t count = 0;

    for (uint32_t id = 1; id <= THINGS; id++) {
        assert_int_equal(kahu__index_get(ix, address[id]), in[id] ? id : 0);
        count += in[id];
    }
    assert_int_equal(ix->count, count);
    assert_int_equal(kahu__index_get(ix, NULL), 0); /* no object */
}

static void toggle(struct kahu__index *ix, uint32_t id) {
    in[id] = !in[id];
    if (!in[id]) {
        kahu__index_remove(ix, address[id]);
        return;
    }
    assert_true(kahu__index_reserve(ix, address[id]));
    kahu__index_put(ix, address[id], id);
}

/* Random changes, of things that lie closely or far apart. */
static void run(size_t distance) {
    uint64_t random = distance;
    struct kahu__alloc a;
    struct kahu__index ix;
    bool fails = false;

    kahu__alloc_init(&a, unit_alloc, &fails);
    kahu__index_init(&ix, &a);
    for (uint32_t id = 1; id <= THINGS; id++) {
        address[id] = memory + id * distance;
        in[id] = false;
    }
    for (int i = 0; i < 10000; i++) {
        toggle(&ix, 1 + (uint32_t)(unit_random(&random) % THINGS));
        if (i % 2000 == 0)
            check(&ix);
    }
    for (uint32_t id = 1; id <= THINGS; id++)
        if (in[id])
            toggle(&ix, id);
    check(&ix);
    kahu__index_deinit(&ix);
    assert_int_equal(a.bytes, 0);
}

static void agrees_with_an_array(void **state) {
    (void)state;
    run(INDEX_GRAIN);
    run(17 * sizeof(void *)); /* a thread */
    run(4096);
    run(FAR);
}

static void another_id_takes_the_place(void **state) {
    struct kahu__alloc a;
    struct kahu__index ix;
    bool fails = false;

    (void)state;
    kahu__alloc_init(&a, unit_alloc, &fails);
    kahu__index_init(&ix, &a);
    assert_int_equal(kahu__index_get(&ix, &a), 0);
    assert_true(kahu__index_reserve(&ix, &a));
    assert_int_equal(kahu__index_get(&ix, &a), 0);
    kahu__index_put(&ix, &a, 7);
    kahu__index_put(&ix, &a, 8);
    assert_int_equal(kahu__index_get(&ix, &a), 8);
    assert_int_equal(ix.count, 1);
    kahu__index_deinit(&ix);
}

/* What a peak took is given back, but for a little; what goes on as it did
 * asks for nothing. */
static void space_is_given_back(void **state) {
    struct kahu__alloc a;
    struct kahu__index ix;
    bool fails = false;
    size_t full;

    (void)state;
    kahu__alloc_init(&a, unit_alloc, &fails);
    kahu__index_init(&ix, &a);
    for (uint32_t id = 1; id <= THINGS; id++) {
        address[id] = memory + id * FAR;
        in[id] = false;
        toggle(&ix, id);
    }
    full = a.bytes;
    for (uint32_t id = 1; id < THINGS; id++)
        toggle(&ix, id);
    assert_true(a.bytes < full / 5);
    fails = true;
    for (int i = 0; i < 1000; i++)
        toggle(&ix, THINGS);
    toggle(&ix, THINGS);
    kahu__index_deinit(&ix);
    assert_int_equal(a.bytes, 0);
}

static void add_id(void *ud, uint32_t id) {
    *(uint64_t *)ud += id;
}

static void each_is_met(void **state) {
    struct kahu__alloc a;
    struct kahu__index ix;
    bool fails = false;
    uint64_t sum = 0;

    (void)state;
    kahu__alloc_init(&a, unit_alloc, &fails);
    kahu__index_init(&ix, &a);
    kahu__index_each(&ix, add_id, &sum);
    for (uint32_t id = 1; id <= 100; id++) {
        const char *thing = memory + id * FAR / 10;

        assert_true(kahu__index_reserve(&ix, thing));
        kahu__index_put(&ix, thing, id);
    }
    kahu__index_each(&ix, add_id, &sum);
    assert_int_equal(sum, 5050);
    kahu__index_deinit(&ix);
}

/* Neither for the table nor for the span. */
static void no_memory_is_told(void **state) {
    struct kahu__alloc a;
    struct kahu__index ix;
    bool fails = true;

    (void)state;
    kahu__alloc_init(&a, unit_alloc, &fails);
    kahu__index_init(&ix, &a);
    assert_false(kahu__index_reserve(&ix, memory));
    assert_int_equal(kahu__index_get(&ix, memory), 0);
    fails = false;
    assert_true(kahu__index_reserve(&ix, memory));
    fails = true;
    assert_false(kahu__index_reserve(&ix, memory + FAR));
    assert_true(kahu__index_reserve(&ix, memory));
    kahu__index_deinit(&ix);
    assert_int_equal(a.bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_an_array),
        cmocka_unit_test(another_id_takes_the_place),
        cmocka_unit_test(space_is_given_back),
        cmocka_unit_test(each_is_met),
        cmocka_unit_test(no_memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
