/* SPDX-License-Identifier: MIT */
#include "core/origin.h"

#include <stdio.h>
#include <string.h>

#include "kahu/threads.h"
#include "unit.h"

#define LINES 100

struct memory {
    struct kahu__alloc alloc;
    int left; /* allocations until they fail; -1: none does */
};

static void *memory_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    struct memory *m = ud;
    bool fails = m->left == 0;

    if (nsize > 0 && m->left > 0)
        m->left--;
    return unit_alloc(&fails, ptr, osize, nsize);
}

static void memory_init(struct memory *m) {
    m->left = -1;
    kahu__alloc_init(&m->alloc, memory_alloc, m);
}

static const char *where(int n) {
    static char text[16];

    (void)snprintf(text, sizeof(text), "test:%04d", n);
    return text;
}

/* One that was made at line n by one that was made at n - 1, and so on. */
static struct kahu__origin *make(struct memory *m, int n) {
    struct kahu__origin *o = NULL;

    for (int line = 0; line <= n; line++) {
        struct kahu__origin *next =
            kahu__origin_new(&m->alloc, &o, where(line));

        assert_non_null(next);
        kahu__origin_release(&m->alloc, o); /* its record goes */
        o = next;
    }
    return o;
}

static void check(const struct kahu__origin *o, int n) {
    for (int level = 0; level < 2 * LINES; level++) {
        const struct kahu__origin *up = kahu__origin_up(o, (unsigned)level);

        if (level < KAHU_ORIGIN_LEVELS && level <= n)
            assert_string_equal(up->where, where(n - level));
        else
            assert_null(up);
    }
}

static void the_nearest_are_kept(void **state) {
    struct memory m;

    (void)state;
    memory_init(&m);
    for (int n = 0; n < LINES; n++) {
        struct kahu__origin *o = make(&m, n);

        check(o, n);
        assert_true(o->depth < 2 * KAHU_ORIGIN_LEVELS);
        kahu__origin_release(&m.alloc, o);
        assert_int_equal(m.alloc.bytes, 0);
    }
}

/* A line of makers costs no more when it is longer. */
static void the_farther_are_forgotten(void **state) {
    struct memory m;
    size_t peak;

    (void)state;
    memory_init(&m);
    kahu__origin_release(&m.alloc, make(&m, LINES));
    peak = m.alloc.peak;
    kahu__origin_release(&m.alloc, make(&m, 9 * LINES));
    assert_int_equal(m.alloc.peak, peak);
    kahu__origin_release(&m.alloc, NULL);
}

/* Siblings share all that is behind them, wherever their maker stands, and
 * those that were made in a row at one place all of it. */
static void what_one_makes_shares(void **state) {
    struct memory m;

    (void)state;
    memory_init(&m);
    for (int n = 0; n < LINES; n++) {
        struct kahu__origin *maker = make(&m, n);
        struct kahu__origin *a =
            kahu__origin_new(&m.alloc, &maker, where(n + 1));
        size_t before = m.alloc.bytes;
        struct kahu__origin *same =
            kahu__origin_new(&m.alloc, &maker, where(n + 1));
        struct kahu__origin *b =
            kahu__origin_new(&m.alloc, &maker, where(n + 2));

        assert_ptr_equal(a, same);
        assert_int_equal(m.alloc.bytes - before,
                         sizeof(*b) + strlen(where(n + 2)) + 1);
        assert_ptr_equal(a->up, b->up);
        kahu__origin_release(&m.alloc, maker);
        kahu__origin_release(&m.alloc, b);
        kahu__origin_release(&m.alloc, a);
        check(same, n + 1);
        kahu__origin_release(&m.alloc, same);
        assert_int_equal(m.alloc.bytes, 0);
    }
}

/* The one that was made last may go before the next. */
static void one_that_is_gone_is_not_shared(void **state) {
    struct kahu__origin *maker;
    struct memory m;

    (void)state;
    memory_init(&m);
    maker = make(&m, 0);
    for (int i = 0; i < 3; i++) {
        struct kahu__origin *o = kahu__origin_new(&m.alloc, &maker, where(1));

        check(o, 1);
        kahu__origin_release(&m.alloc, o);
        assert_null(maker->last);
    }
    kahu__origin_release(&m.alloc, maker);
    assert_int_equal(m.alloc.bytes, 0);
}

/* Each allocation in turn. */
static void a_failure_changes_nothing(void **state) {
    int n = 2 * KAHU_ORIGIN_LEVELS - 2; /* the maker is about to forget */
    struct kahu__origin *maker;
    struct kahu__origin *o = NULL;
    struct memory m;

    (void)state;
    memory_init(&m);
    maker = make(&m, n);
    for (int left = 0; o == NULL; left++) {
        size_t before = m.alloc.bytes;

        m.left = left;
        o = kahu__origin_new(&m.alloc, &maker, where(n + 1));
        m.left = -1;
        check(maker, n);
        if (o == NULL)
            assert_true(m.alloc.bytes <= before);
        else
            assert_int_equal(left, KAHU_ORIGIN_LEVELS + 1);
        if (left > 2 * KAHU_ORIGIN_LEVELS)
            fail_msg("never enough");
    }
    check(o, n + 1);
    kahu__origin_release(&m.alloc, maker);
    kahu__origin_release(&m.alloc, o);
    assert_int_equal(m.alloc.bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_are_kept),
        cmocka_unit_test(the_farther_are_forgotten),
        cmocka_unit_test(what_one_makes_shares),
        cmocka_unit_test(one_that_is_gone_is_not_shared),
        cmocka_unit_test(a_failure_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
