/* SPDX-License-Identifier: MIT */
/*
 * test_report.c - what people read of a test run.
 */
#include <string.h>

#include "message.h"
#include "test.h"

/* A test that took less is not worth saying how long. */
#define REPORT_SLOW_NS (UINT64_C(100) * 1000 * 1000)

void test_report_lines(FILE *out, const char *prefix, const char *lines) {
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n");

        fprintf(out, "%s%.*s\n", prefix, (int)length, lines);
        lines += length;
        lines += *lines == '\n';
    }
}

static const char *report_plural(size_t n) {
    return n == 1 ? "" : "s";
}

static void report_ended(int ended, FILE *out) {
    if (ended == TEST_BAILED)
        fputs("; stopped at the first failure", out);
    else if (ended != 0)
        fprintf(out, "; interrupted by %s", test_signal_name(ended));
    fputc('\n', out);
}

void test_report_summary(const struct test_report *r, FILE *out) {
    fprintf(out, "%zu passed", r->counts[TEST_PASSED]);
    if (r->counts[TEST_FAILED] > 0)
        fprintf(out, ", %zu failed", r->counts[TEST_FAILED]);
    if (r->counts[TEST_SKIPPED] > 0)
        fprintf(out, ", %zu skipped", r->counts[TEST_SKIPPED]);
    fprintf(out, " in %zu file%s", r->files, report_plural(r->files));
    report_ended(r->ended, out);
}

/* ------------------------------------------------------------------------ */
/* Pretty                                                                   */
/* ------------------------------------------------------------------------ */

static const struct {
    const char *word;
    const char *color;
} report_words[] = {
    [TEST_PASSED] = {"ok  ", "\033[32m"},
    [TEST_FAILED] = {"FAIL", "\033[31m"},
    [TEST_SKIPPED] = {"skip", "\033[33m"},
    [TEST_NOTED] = {"note", "\033[36m"},
};

static void report_place(struct test_report *r, const struct test_result *t) {
    const char *message = t->message;
    size_t elsewhere = sizeof(TEST_ELSEWHERE) - 1;

    if (strncmp(message, TEST_ELSEWHERE, elsewhere) == 0)
        message += elsewhere;
    message_place(r->out, "        ", r->color, message,
                  t->frames != NULL ? t->frames : "");
}

static void report_result(struct test_report *r, const struct test_result *t) {
    fprintf(r->out, "  %s%s%s  %s",
            r->color ? report_words[t->status].color : "",
            report_words[t->status].word, r->color ? "\033[0m" : "", t->name);
    if (t->duration_ns >= REPORT_SLOW_NS)
        fprintf(r->out, " (%.1f s)", (double)t->duration_ns / 1e9);
    fputc('\n', r->out);
    if (t->message == NULL)
        return;
    test_report_lines(r->out, "        ", t->message);
    report_place(r, t);
}

static void report_file(struct test_report *r, const struct test_file *f) {
    if (f->nresults == 0 && f->output.size == 0)
        return;
    fprintf(r->out, "%s%s%s\n", r->color ? "\033[1m" : "", f->path,
            r->color ? "\033[0m" : "");
    for (size_t i = 0; i < f->nresults; i++)
        report_result(r, &f->results[i]);
    test_report_lines(r->out, "  | ", text_string(&f->output));
    fputc('\n', r->out);
}

static void report_end(struct test_report *r) {
    test_report_summary(r, r->out);
}

static void report_begin(struct test_report *r) {
    (void)r;
}

const struct test_reporter test_pretty = {"pretty", report_begin, report_file,
                                          report_end};
