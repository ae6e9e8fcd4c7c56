/* SPDX-License-Identifier: MIT */
#include "host.h"

static void every_code_has_a_name_and_a_text(void **state) {
    static const int strangers[] = {12345, 1, -99, -50, -101, -12345};

    (void)state;
    assert_string_equal(kahu_status_name(KAHU_OK), "KAHU_OK");
    assert_string_equal(kahu_status_text(KAHU_OK), "no error");
    assert_string_equal(kahu_status_name(KAHU_ESTALE), "KAHU_ESTALE");
    assert_string_equal(kahu_status_text(KAHU_ECLOSED), "scheduler is closing");
    for (int i = 0; i < 6; i++) {
        assert_string_equal(kahu_status_name(strangers[i]), "KAHU_UNKNOWN");
        assert_string_equal(kahu_status_text(strangers[i]), "unknown status");
    }
#define XX(name, value, text)                                                  \
    assert_string_equal(kahu_status_name(value), "KAHU_" #name);               \
    assert_string_equal(kahu_status_text(value), text);
    KAHU_STATUS_MAP(XX)
#undef XX
}

static void the_library_is_that_of_the_header(void **state) {
    (void)state;
    assert_int_equal(kahu_version(), KAHU_VERSION_NUMBER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_name_and_a_text),
        cmocka_unit_test(the_library_is_that_of_the_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
