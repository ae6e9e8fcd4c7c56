/* SPDX-License-Identifier: MIT */
#include "base/index.h"
#include "unit.h"

#define THINGS 3000

/* Things named by their ids, each with a hash that many share. */
static uint32_t hashes[THINGS + 1];
static bool in[THINGS + 1];

static bool same(const void *ud, uint32_t id) {
    return *(const uint32_t *)ud == id;
}

static struct kahu__index_entry *find(const struct kahu__index *ix,
                                      uint32_t id) {
    return kahu__index_find(ix, hashes[id], same, &id);
}

static void check(const struct kahu__index *ix) {
    uint32_t count = 0;

    for (uint32_t id = 1; id <= THINGS; id++) {
        struct kahu__index_entry *e = find(ix, id);

        if (in[id])
            assert_true(e != NULL && e->id == id);
        else
            assert_null(e);
        count += in[id];
    }
    assert_int_equal(ix->count, count);
}

static void toggle(struct kahu__index *ix, uint32_t id) {
    in[id] = !in[id];
    if (!in[id]) {
        kahu__index_remove(ix, find(ix, id));
        return;
    }
    assert_true(kahu__index_reserve(ix));
    kahu__index_add(ix, hashes[id], id);
}

/* Random changes, with hashes that collide more or less, grow and shrink. */
static void run(uint32_t different_hashes) {
    uint64_t random = different_hashes;
    struct kahu__alloc a;
    struct kahu__index ix;
    bool fails = false;

    kahu__alloc_init(&a, unit_alloc, &fails);
    kahu__index_init(&ix, &a);
    for (uint32_t id = 1; id <= THINGS; id++) {
        hashes[id] = (uint32_t)(unit_random(&random) % different_hashes) *
                     UINT32_C(2654435761);
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
    assert_true(ix.capacity <= 16);
    kahu__index_deinit(&ix);
    assert_int_equal(a.bytes, 0);
}

static void agrees_with_an_array(void **state) {
    (void)state;
    run(UINT32_MAX);
    run(500);
    run(20);
}

static void pointers_hash_apart(void **state) {
    static char memory[1 << 16];
    int taken[1024] = {0};
    int worst = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(memory); i += 64) {
        int n = ++taken[kahu__index_hash(memory + i) % 1024];

        worst = n > worst ? n : worst;
    }
    assert_true(worst <= 8); /* 1024 pointers in 1024 places */
}

static void no_memory_is_told(void **state) {
    struct kahu__alloc a;
    struct kahu__index ix;
    bool fails = true;

    (void)state;
    kahu__alloc_init(&a, unit_alloc, &fails);
    kahu__index_init(&ix, &a);
    assert_false(kahu__index_reserve(&ix));
    assert_null(find(&ix, 1));
    kahu__index_deinit(&ix);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_an_array),
        cmocka_unit_test(pointers_hash_apart),
        cmocka_unit_test(no_memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
