/* SPDX-License-Identifier: MIT */
/*
 * trace_file.h - a file of events in JSON, one a line.
 *
 * What stands in it is whole events at any time: it is a trace also when the
 * program is killed, but for the bracket at its end.
 */
#ifndef KAHU_CLI_TRACE_FILE_H
#define KAHU_CLI_TRACE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct trace_file {
    int fd;
    int error; /* the errno of the first write that failed; then no more come */
    size_t length;
    char bytes[65536];
};

/* The file, or NULL with errno set. */
struct trace_file *trace_file_open(const char *path);

/* Writes the end and frees the file: 0, or the errno of what failed first. */
int trace_file_close(struct trace_file *f);

/* Brackets an event; what lies between is its members. */
void trace_file_begin(struct trace_file *f);
void trace_file_end(struct trace_file *f);

/* Text as it is, of the program's own: see TRACE_PUT. Inline: a copy whose
 * length is known is a few instructions. */
static inline void trace_file_put(struct trace_file *f, const char *text,
                                  size_t length) {
    memcpy(f->bytes + f->length, text, length);
    f->length += length;
}
#define TRACE_PUT(f, literal) trace_file_put(f, literal, sizeof(literal) - 1)

void trace_file_number(struct trace_file *f, uint64_t n);

/* Microseconds, the unit of the format, with three decimals. */
void trace_file_us(struct trace_file *f, uint64_t ns);

/* Anybody's text as a string, quotes included; cut off when it is very long,
 * and with U+FFFD for what is not UTF-8. */
void trace_file_string(struct trace_file *f, const char *text);

/* Has the system take what is there. */
void trace_file_flush(struct trace_file *f);

#endif
