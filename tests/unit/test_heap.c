/* SPDX-License-Identifier: MIT */
#include "base/heap.h"
#include "unit.h"

#define THINGS 2000

/* Ids are places in this array but the first; equal keys go by order. */
static struct thing {
    uint64_t key;
    uint64_t order;
    uint32_t place;
    bool in;
} things[THINGS + 1];

static bool thing_before(void *ud, uint32_t a, uint32_t b) {
    (void)ud;
    return things[a].order < things[b].order;
}

static void thing_placed(void *ud, uint32_t id, uint32_t place) {
    (void)ud;
    things[id].place = place;
}

static const struct kahu__heap_owner owner = {NULL, thing_before, thing_placed};

/* The thing that has to come first, by looking at all. */
static uint32_t first_thing(void) {
    uint32_t first = 0;

    for (uint32_t i = 1; i <= THINGS; i++) {
        if (!things[i].in)
            continue;
        if (first == 0 || things[i].key < things[first].key ||
            (things[i].key == things[first].key &&
             things[i].order < things[first].order))
            first = i;
    }
    return first;
}

static void check(const struct kahu__heap *h) {
    uint32_t first = first_thing();
    uint32_t count = 0;

    for (uint32_t i = 1; i <= THINGS; i++) {
        if (!things[i].in)
            continue;
        count++;
        assert_int_equal(h->ids[things[i].place], i);
        assert_int_equal(h->keys[things[i].place], things[i].key);
    }
    assert_int_equal(h->count, count);
    assert_int_equal(kahu__heap_first(h), first);
}

static void push(struct kahu__heap *h, uint32_t id, uint64_t key,
                 uint64_t order) {
    things[id] = (struct thing){.key = key, .order = order, .in = true};
    assert_true(kahu__heap_reserve(h));
    kahu__heap_push(h, key, id);
}

static void take(struct kahu__heap *h, uint32_t id) {
    things[id].in = false;
    kahu__heap_remove(h, things[id].place);
}

/* Random pushes and removals, few different keys, against the look at all. */
static void agrees_with_looking_at_all(void **state) {
    uint64_t random = 42;
    struct kahu__alloc a;
    struct kahu__heap h;
    bool fails = false;

    (void)state;
    kahu__alloc_init(&a, unit_alloc, &fails);
    kahu__heap_init(&h, &a, owner);
    for (uint64_t i = 0; i < 20000; i++) {
        uint32_t id = 1 + (uint32_t)(unit_random(&random) % THINGS);

        if (things[id].in)
            take(&h, id);
        else
            push(&h, id, unit_random(&random) % 50, i);
        if (i % 500 == 0)
            check(&h);
    }
    while (h.count > 0) {
        uint32_t first = kahu__heap_first(&h);

        assert_int_equal(first, first_thing());
        take(&h, first);
    }
    kahu__heap_deinit(&h);
    assert_int_equal(a.bytes, 0);
}

static void equal_keys_keep_their_order(void **state) {
    struct kahu__alloc a;
    struct kahu__heap h;
    bool fails = false;

    (void)state;
    kahu__alloc_init(&a, unit_alloc, &fails);
    kahu__heap_init(&h, &a, owner);
    for (uint32_t i = 1; i <= THINGS; i++)
        push(&h, i, 7, i);
    for (uint32_t i = 1; i <= THINGS; i++) {
        assert_int_equal(kahu__heap_first(&h), i);
        take(&h, i);
    }
    kahu__heap_deinit(&h);
}

/* What a peak took is given back, by and by. */
static void space_is_given_back(void **state) {
    struct kahu__alloc a;
    struct kahu__heap h;
    bool fails = false;
    size_t full;

    (void)state;
    kahu__alloc_init(&a, unit_alloc, &fails);
    kahu__heap_init(&h, &a, owner);
    for (uint32_t i = 1; i <= THINGS; i++)
        push(&h, i, i, i);
    full = a.bytes;
    for (uint32_t i = 1; i <= THINGS - 10; i++)
        take(&h, i);
    assert_true(a.bytes < full / 20);
    kahu__heap_deinit(&h);
}

static void no_memory_is_told(void **state) {
    struct kahu__alloc a;
    struct kahu__heap h;
    bool fails = true;

    (void)state;
    kahu__alloc_init(&a, unit_alloc, &fails);
    kahu__heap_init(&h, &a, owner);
    assert_false(kahu__heap_reserve(&h));
    fails = false;
    push(&h, 1, 1, 1);
    fails = true;
    while (h.count < h.capacity)
        push(&h, h.count + 1, 1, h.count + 1);
    assert_false(kahu__heap_reserve(&h));
    assert_int_equal(kahu__heap_first(&h), 1);
    kahu__heap_deinit(&h);
    assert_int_equal(a.bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_looking_at_all),
        cmocka_unit_test(equal_keys_keep_their_order),
        cmocka_unit_test(space_is_given_back),
        cmocka_unit_test(no_memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
