/* SPDX-License-Identifier: MIT */
#include "base/slots.h"
#include "unit.h"

static void open_slots(struct kahu__slots *t, struct kahu__alloc *a,
                       bool *fails) {
    *fails = false;
    kahu__alloc_init(a, unit_alloc, fails);
    kahu__slots_init(t, a);
}

static void stale_id_finds_nothing_after_reuse(void **state) {
    struct kahu__slots t;
    struct kahu__alloc alloc;
    uint64_t old, renewed;
    int a = 1, b = 2;
    bool fails;

    (void)state;
    open_slots(&t, &alloc, &fails);
    old = kahu__slots_put(&t, &a);
    assert_ptr_equal(kahu__slots_take(&t, old), &a);
    renewed = kahu__slots_put(&t, &b);

    assert_true(renewed != old);
    assert_null(kahu__slots_get(&t, old));
    assert_null(kahu__slots_take(&t, old));
    assert_ptr_equal(kahu__slots_take(&t, renewed), &b);
    kahu__slots_deinit(&t);
}

/* The name its slot will have next finds nothing in a slot that is free. */
static void made_up_id_finds_nothing(void **state) {
    struct kahu__slots t;
    struct kahu__alloc alloc;
    uint64_t id;
    bool fails;
    int a = 1;

    (void)state;
    open_slots(&t, &alloc, &fails);
    id = kahu__slots_put(&t, &a) + (UINT64_C(1) << 32);
    assert_null(kahu__slots_take(&t, id));
    assert_ptr_equal(kahu__slots_take(&t, id - (UINT64_C(1) << 32)), &a);
    assert_null(kahu__slots_get(&t, id));
    assert_null(kahu__slots_take(&t, id));
    assert_int_equal(t.live, 0);
    assert_true(kahu__slots_put(&t, &a) == id);
    assert_ptr_equal(kahu__slots_take(&t, id), &a);
    kahu__slots_deinit(&t);
}

static void thousand_values_keep_their_ids(void **state) {
    static int values[1000];
    uint64_t ids[1000];
    struct kahu__slots t;
    struct kahu__alloc alloc;
    bool fails;

    (void)state;
    open_slots(&t, &alloc, &fails);
    for (int i = 0; i < 1000; i++)
        assert_true((ids[i] = kahu__slots_put(&t, &values[i])) != 0);
    for (int i = 999; i >= 0; i--)
        assert_ptr_equal(kahu__slots_take(&t, ids[i]), &values[i]);
    assert_int_equal(t.live, 0);
    kahu__slots_deinit(&t);
    assert_int_equal(alloc.bytes, 0);
}

static void zero_is_never_an_id(void **state) {
    struct kahu__slots t;
    struct kahu__alloc alloc;
    bool fails;

    (void)state;
    open_slots(&t, &alloc, &fails);
    assert_null(kahu__slots_get(&t, 0));
    assert_null(kahu__slots_get(&t, UINT64_MAX));
    kahu__slots_deinit(&t);
}

/* A slot whose generations are used up is retired: no id comes twice. */
static void a_worn_slot_is_retired(void **state) {
    struct kahu__slots t;
    struct kahu__alloc alloc;
    uint64_t last, next;
    bool fails;
    int a = 1;

    (void)state;
    open_slots(&t, &alloc, &fails);
    kahu__slots_take(&t, kahu__slots_put(&t, &a));
    t.slots[0].generation = UINT32_MAX - 1;
    last = kahu__slots_put(&t, &a);
    assert_ptr_equal(kahu__slots_take(&t, last), &a);
    next = kahu__slots_put(&t, &a);
    assert_true((uint32_t)next != (uint32_t)last);
    assert_null(kahu__slots_get(&t, last));
    kahu__slots_take(&t, next);
    kahu__slots_deinit(&t);
}

static void no_memory_is_told(void **state) {
    struct kahu__slots t;
    struct kahu__alloc alloc;
    bool fails;
    int a = 1;

    (void)state;
    open_slots(&t, &alloc, &fails);
    fails = true;
    assert_int_equal(kahu__slots_put(&t, &a), 0);
    assert_int_equal(t.live, 0);
    kahu__slots_deinit(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stale_id_finds_nothing_after_reuse),
        cmocka_unit_test(made_up_id_finds_nothing),
        cmocka_unit_test(thousand_values_keep_their_ids),
        cmocka_unit_test(zero_is_never_an_id),
        cmocka_unit_test(a_worn_slot_is_retired),
        cmocka_unit_test(no_memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
