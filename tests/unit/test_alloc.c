/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "unit.h"

static void bytes_are_counted(void **state) {
    struct kahu__alloc a;
    bool fails = false;
    char *p;

    (void)state;
    kahu__alloc_init(&a, unit_alloc, &fails);
    p = kahu__calloc(&a, 100);
    assert_int_equal(a.bytes, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    memset(p, 7, 100);
    p = kahu__realloc(&a, p, 100, 1000);
    assert_int_equal(p[99], 7);
    p = kahu__realloc(&a, p, 1000, 10);
    assert_int_equal(a.bytes, 10);
    assert_int_equal(a.peak, 1000);
    kahu__free(&a, p, 10);
    kahu__free(&a, NULL, 0);
    assert_int_equal(a.bytes, 0);
}

static void a_failure_changes_nothing(void **state) {
    struct kahu__alloc a;
    bool fails = false;
    char *p;

    (void)state;
    kahu__alloc_init(&a, unit_alloc, &fails);
    p = kahu__calloc(&a, 10);
    fails = true;
    assert_null(kahu__realloc(&a, p, 10, 20));
    assert_null(kahu__calloc(&a, 20));
    assert_int_equal(a.bytes, 10);
    p[9] = 1; /* still ours */
    kahu__free(&a, p, 10);
    assert_int_equal(a.bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_counted),
        cmocka_unit_test(a_failure_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
