/* SPDX-License-Identifier: MIT */
/*
 * test_tap.c - the Test Anything Protocol, version 14.
 */
#include <string.h>

#include "test.h"

static void tap_begin(struct test_report *r) {
    fputs("TAP version 14\n", r->out);
}

/* A '#' would begin a directive. */
static void tap_text(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '#' || *text == '\\')
            fputc('\\', out);
        fputc(*text == '\n' ? ' ' : *text, out);
    }
}

static void tap_diagnosis(struct test_report *r, const struct test_file *f,
                          const struct test_result *t) {
    fputs("  ---\n  message: |-\n", r->out);
    test_report_lines(r->out, "    ", t->message);
    fputs("  file: |-\n", r->out);
    test_report_lines(r->out, "    ", f->path);
    if (t->line > 0)
        fprintf(r->out, "  line: %d\n", t->line);
    fputs("  ...\n", r->out);
}

static void tap_note(struct test_report *r, const struct test_result *t) {
    fprintf(r->out, "# %s:\n", t->name);
    test_report_lines(r->out, "#   ", t->message);
}

static void tap_result(struct test_report *r, const struct test_file *f,
                       const struct test_result *t) {
    if (t->status == TEST_NOTED) {
        tap_note(r, t);
        return;
    }
    fprintf(r->out, "%s %zu - ", t->status == TEST_FAILED ? "not ok" : "ok",
            ++r->number);
    tap_text(r->out, f->path);
    fputs(": ", r->out);
    tap_text(r->out, t->name);
    fputs(t->status == TEST_SKIPPED ? " # SKIP\n" : "\n", r->out);
    if (t->message != NULL)
        tap_diagnosis(r, f, t);
}

static void tap_file(struct test_report *r, const struct test_file *f) {
    for (size_t i = 0; i < f->nresults; i++)
        tap_result(r, f, &f->results[i]);
    test_report_lines(r->out, "# ", text_string(&f->output));
}

static void tap_end(struct test_report *r) {
    fprintf(r->out, "1..%zu\n", r->number);
}

const struct test_reporter test_tap = {"tap", tap_begin, tap_file, tap_end};
