/* SPDX-License-Identifier: MIT */
/*
 * trace_file.c - writing is a large part of what a trace costs, so numbers are
 * made here and not by printf.
 */
#include "trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRACE_EVENT 8192  /* no event is longer */
#define TRACE_STRING 1000 /* nor a string in it, in bytes of the text */

/* Numbers are written three digits at a time: "000" to "999", and "0" to "999"
 * with how long each is. */
static char file_thousands[1000][3];
static char file_leading[1000][4];

/* ------------------------------------------------------------------------ */
/* The file                                                                 */
/* ------------------------------------------------------------------------ */

static void file_make_digits(void) {
    for (int i = 0; i < 1000; i++) {
        char digits[] = {(char)('0' + i / 100), (char)('0' + i / 10 % 10),
                         (char)('0' + i % 10)};
        int zeros = i < 10 ? 2 : i < 100 ? 1 : 0;

        memcpy(file_thousands[i], digits, 3);
        memcpy(file_leading[i], digits + zeros, (size_t)(3 - zeros));
        file_leading[i][3] = (char)(3 - zeros);
    }
}

struct trace_file *trace_file_open(const char *path) {
    struct trace_file *f = malloc(sizeof(*f));

    if (f == NULL)
        return NULL;
    f->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (f->fd < 0) {
        free(f);
        return NULL;
    }
    file_make_digits();
    f->error = 0;
    f->length = 0;
    TRACE_PUT(f, "[");
    return f;
}

void trace_file_flush(struct trace_file *f) {
    const char *bytes = f->bytes;
    size_t left = f->length;

    f->length = 0;
    while (left > 0 && f->error == 0) {
        ssize_t n = write(f->fd, bytes, left);

        if (n >= 0) {
            bytes += n;
            left -= (size_t)n;
        } else if (errno != EINTR) {
            f->error = errno;
        }
    }
}

int trace_file_close(struct trace_file *f) {
    int error;

    TRACE_PUT(f, "\n]\n");
    trace_file_flush(f);
    error = f->error;
    if (close(f->fd) != 0 && error == 0)
        error = errno;
    free(f);
    return error;
}

/* ------------------------------------------------------------------------ */
/* Events                                                                   */
/* ------------------------------------------------------------------------ */

/* The first one comes right after the bracket. */
void trace_file_begin(struct trace_file *f) {
    if (sizeof(f->bytes) - f->length < TRACE_EVENT)
        trace_file_flush(f);
    if (f->length == 1 && f->bytes[0] == '[')
        TRACE_PUT(f, "\n{");
    else
        TRACE_PUT(f, ",\n{");
}

void trace_file_end(struct trace_file *f) {
    TRACE_PUT(f, "}");
}

/* ------------------------------------------------------------------------ */
/* Numbers                                                                  */
/* ------------------------------------------------------------------------ */

/* More than the number is copied: there is room, and four bytes are one store.
 */
void trace_file_number(struct trace_file *f, uint64_t n) {
    if (n >= 1000) {
        trace_file_number(f, n / 1000);
        trace_file_put(f, file_thousands[n % 1000], 3);
        return;
    }
    memcpy(f->bytes + f->length, file_leading[n], 4);
    f->length += (size_t)file_leading[n][3];
}

void trace_file_us(struct trace_file *f, uint64_t ns) {
    trace_file_number(f, ns / 1000);
    TRACE_PUT(f, ".");
    trace_file_put(f, file_thousands[ns % 1000], 3);
}

/* ------------------------------------------------------------------------ */
/* Strings                                                                  */
/* ------------------------------------------------------------------------ */

/* How many bytes follow the first of a character; -1: none begins so. */
static int file_follow(unsigned char first) {
    if (first < 0x80)
        return 0;
    if (first >= 0xC2 && first < 0xE0)
        return 1;
    if (first >= 0xE0 && first < 0xF0)
        return 2;
    return first >= 0xF0 && first < 0xF5 ? 3 : -1;
}

/* Some second bytes would make a character twice, or one there is none of. */
static bool file_second(unsigned char first, unsigned char second) {
    unsigned char least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;

    return second >= least && second <= most;
}

/* The length of the character at text; 0 when it is not UTF-8. */
static size_t file_character(const unsigned char *text) {
    int follow = file_follow(text[0]);

    if (follow < 0 || (follow > 0 && !file_second(text[0], text[1])))
        return 0;
    for (int i = 2; i <= follow; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    return (size_t)follow + 1;
}

static void file_escape(struct trace_file *f, unsigned char c) {
    static const char hex[] = "0123456789abcdef";
    char escape[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

    trace_file_put(f, escape, sizeof(escape));
}

void trace_file_string(struct trace_file *f, const char *text) {
    const char *end = text + TRACE_STRING;

    TRACE_PUT(f, "\"");
    while (*text != '\0' && text < end) {
        const unsigned char *at = (const unsigned char *)text;
        size_t n = file_character(at);

        if (n == 0)
            TRACE_PUT(f, "\xEF\xBF\xBD");
        else if (*at < 0x20 || *at == '"' || *at == '\\' || *at == 0x7F)
            file_escape(f, *at);
        else
            trace_file_put(f, text, n);
        text += n == 0 ? 1 : n;
    }
    TRACE_PUT(f, "\"");
}
