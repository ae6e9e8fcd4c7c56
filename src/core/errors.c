/* SPDX-License-Identifier: MIT */
/*
 * errors.c - the errors that were collected, and the policy that says so.
 */
#include <string.h>

#include "../base/common.h"
#include "sched.h"

kahu_status kahu_set_error_policy(kahu_sched *s, kahu_error_policy policy) {
    KAHU__LOOP_ONLY(s);
    if ((unsigned)policy > KAHU_ERRORS_STOP)
        return KAHU_EINVAL;
    s->error_policy = policy;
    return KAHU_OK;
}

/* ------------------------------------------------------------------------ */
/* Keeping                                                                  */
/* ------------------------------------------------------------------------ */

static char *errors_copy(kahu_sched *s, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = kahu__realloc(&s->alloc, NULL, 0, size);

    return copy == NULL ? NULL : memcpy(copy, text, size);
}

static void errors_free_text(kahu_sched *s, char *text) {
    if (text != NULL)
        kahu__free(&s->alloc, text, strlen(text) + 1);
}

static bool errors_reserve(kahu_sched *s) {
    size_t capacity = s->errors_capacity * 2 + KAHU__CAPACITY(8);
    struct kahu__error *grown;

    if (s->nerrors < s->errors_capacity)
        return true;
    grown = kahu__realloc(&s->alloc, s->errors,
                          s->errors_capacity * sizeof(struct kahu__error),
                          capacity * sizeof(struct kahu__error));
    if (grown == NULL)
        return false;
    s->errors = grown;
    s->errors_capacity = capacity;
    return true;
}

bool kahu__errors_keep(kahu_sched *s, const kahu_feedback *f) {
    struct kahu__error e;

    if (!errors_reserve(s))
        return false;
    e.message = errors_copy(s, f->message);
    e.traceback = errors_copy(s, f->traceback);
    if (e.message == NULL || e.traceback == NULL) {
        errors_free_text(s, e.message);
        errors_free_text(s, e.traceback);
        return false;
    }
    s->errors[s->nerrors++] = e;
    return true;
}

/* ------------------------------------------------------------------------ */
/* Reading                                                                  */
/* ------------------------------------------------------------------------ */

kahu_error kahu_get_error(const kahu_sched *s, size_t i) {
    KAHU__LOOP_ONLY(s);
    if (i >= s->nerrors)
        return (kahu_error){NULL, NULL};
    return (kahu_error){s->errors[i].message, s->errors[i].traceback};
}

size_t kahu_count_errors(const kahu_sched *s) {
    KAHU__LOOP_ONLY(s);
    return s->nerrors;
}

void kahu_clear_errors(kahu_sched *s) {
    KAHU__LOOP_ONLY(s);
    for (size_t i = 0; i < s->nerrors; i++) {
        errors_free_text(s, s->errors[i].message);
        errors_free_text(s, s->errors[i].traceback);
    }
    kahu__free(&s->alloc, s->errors,
               s->errors_capacity * sizeof(struct kahu__error));
    s->errors = NULL;
    s->nerrors = s->errors_capacity = 0;
}
