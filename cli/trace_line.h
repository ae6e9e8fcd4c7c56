/* SPDX-License-Identifier: MIT */
/*
 * trace_line.h - reading what --trace has written: an event a line.
 */
#ifndef KAHU_CLI_TRACE_LINE_H
#define KAHU_CLI_TRACE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct trace_lines {
    FILE *file;
    char *line; /* without what ends it; good until the next one */
    size_t capacity;
    bool whole; /* the end of the trace was read */
    int error;  /* errno of what kept a line from being read; 0: nothing */
};

/* False when the file can't be read (errno says why), or, with errno 0, is none
 * that --trace has written. On success the line is the first event. */
bool trace_lines_open(struct trace_lines *l, const char *path);

/* Reads the next event; false at the end, where a program was killed while it
 * wrote, or with l->error. */
bool trace_lines_next(struct trace_lines *l);

void trace_lines_close(struct trace_lines *l);

/* A member of the event; false when it has none such. The key is given as it
 * stands in the line, "\"ts\":": in a string every quote is escaped. */
bool trace_line_number(const char *line, const char *key, uint64_t *out);

/* One of microseconds, in nanoseconds. */
bool trace_line_us(const char *line, const char *key, uint64_t *out_ns);

/* A string, as far as there is room. Characters that may not be for a terminal
 * stay escaped. */
bool trace_line_text(const char *line, const char *key, char *out, size_t size);

#endif
