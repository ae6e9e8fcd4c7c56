/* SPDX-License-Identifier: MIT */
/*
 * test_junit.c - JUnit's XML, as continuous integration reads it: a suite for
 * each file.
 */
#include <string.h>

#include "test.h"

/* ------------------------------------------------------------------------ */
/* XML                                                                      */
/* ------------------------------------------------------------------------ */

/* Bytes of the character that s begins with; 0 if it begins with none. What is
 * not in the shortest form is not caught: it makes no reader stumble that
 * would not stumble over worse. */
static size_t junit_character(const unsigned char *s) {
    size_t size = s[0] < 0x80   ? 1
                  : s[0] < 0xC2 ? 0
                  : s[0] < 0xE0 ? 2
                  : s[0] < 0xF0 ? 3
                  : s[0] < 0xF5 ? 4
                                : 0;

    for (size_t i = 1; i < size; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return size;
}

/* What can't stand for itself; NULL for what can. Only in an attribute is there
 * no white space but blanks. */
static const char *junit_escape(unsigned char c, bool attribute) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\n':
        return attribute ? "&#10;" : NULL;
    case '\t':
        return attribute ? "&#9;" : NULL;
    case '\r':
        return "&#13;";
    default: /* other control characters are not allowed at all */
        return c < 0x20 ? "?" : NULL;
    }
}

static void junit_text(FILE *out, const char *text, bool attribute) {
    const unsigned char *s = (const unsigned char *)text;

    while (*s != '\0') {
        size_t size = junit_character(s);
        const char *escape = size > 0 ? junit_escape(*s, attribute) : "?";

        if (escape != NULL)
            fputs(escape, out);
        else
            fwrite(s, 1, size, out);
        s += size > 0 ? size : 1;
    }
}

static void junit_attribute(FILE *out, const char *name, const char *value) {
    fprintf(out, " %s=\"", name);
    junit_text(out, value, true);
    fputc('"', out);
}

static void junit_time(FILE *out, uint64_t ns) {
    fprintf(out, " time=\"%.6f\"", (double)ns / 1e9);
}

/* ------------------------------------------------------------------------ */
/* Elements                                                                 */
/* ------------------------------------------------------------------------ */

static void junit_failure(FILE *out, const char *message) {
    struct text first = {NULL, 0, 0};

    text_add(&first, message, strcspn(message, "\n"));
    fputs("      <failure", out);
    junit_attribute(out, "message", text_string(&first));
    fputc('>', out);
    junit_text(out, message, false);
    fputs("</failure>\n", out);
    text_free(&first);
}

static void junit_case(struct test_report *r, const struct test_file *f,
                       const struct test_result *t) {
    fputs("    <testcase", r->out);
    junit_attribute(r->out, "classname", f->path);
    junit_attribute(r->out, "name", t->name);
    junit_attribute(r->out, "file", f->path);
    if (t->line > 0)
        fprintf(r->out, " line=\"%d\"", t->line);
    junit_time(r->out, t->duration_ns);
    if (t->status == TEST_PASSED) {
        fputs("/>\n", r->out);
        return;
    }
    fputs(">\n", r->out);
    if (t->status == TEST_SKIPPED)
        fputs("      <skipped/>\n", r->out);
    else
        junit_failure(r->out, t->message);
    fputs("    </testcase>\n", r->out);
}

static void junit_stream(FILE *out, const char *element, const char *text) {
    if (*text == '\0')
        return;
    fprintf(out, "    <%s>", element);
    junit_text(out, text, false);
    fprintf(out, "</%s>\n", element);
}

static void junit_suite(struct test_report *r, const struct test_file *f) {
    uint64_t duration_ns = 0;

    for (size_t i = 0; i < f->nresults; i++)
        duration_ns += f->results[i].duration_ns;
    fputs("  <testsuite", r->out);
    junit_attribute(r->out, "name", f->path);
    fprintf(r->out, " tests=\"%zu\" failures=\"%zu\" errors=\"0\"",
            f->nresults - f->counts[TEST_NOTED], f->counts[TEST_FAILED]);
    fprintf(r->out, " skipped=\"%zu\"", f->counts[TEST_SKIPPED]);
    junit_time(r->out, duration_ns);
    fputs(">\n", r->out);
}

static void junit_file(struct test_report *r, const struct test_file *f) {
    junit_suite(r, f);
    for (size_t i = 0; i < f->nresults; i++)
        if (f->results[i].status != TEST_NOTED)
            junit_case(r, f, &f->results[i]);
    junit_stream(r->out, "system-out", text_string(&f->output));
    for (size_t i = 0; i < f->nresults; i++)
        if (f->results[i].status == TEST_NOTED)
            junit_stream(r->out, "system-err", f->results[i].message);
    fputs("  </testsuite>\n", r->out);
}

static void junit_begin(struct test_report *r) {
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
          "<testsuites name=\"kahu\">\n",
          r->out);
}

static void junit_end(struct test_report *r) {
    fputs("</testsuites>\n", r->out);
}

const struct test_reporter test_junit = {"junit", junit_begin, junit_file,
                                         junit_end};
