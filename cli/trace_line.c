/* SPDX-License-Identifier: MIT */
#include "trace_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* ------------------------------------------------------------------------ */
/* Lines                                                                    */
/* ------------------------------------------------------------------------ */

/* One line, without its end. A file may lack that at its own end, where it was
 * cut off. */
static bool lines_read(struct trace_lines *l) {
    ssize_t n = getline(&l->line, &l->capacity, l->file);

    if (n <= 0 && !feof(l->file))
        l->error = errno;
    if (n <= 0)
        return false;
    if (l->line[n - 1] == '\n')
        l->line[--n] = '\0';
    return true;
}

/* Is the line an event? The comma behind it goes. */
static bool lines_is_event(struct trace_lines *l) {
    size_t n = strlen(l->line);

    if (n > 0 && l->line[n - 1] == ',')
        l->line[--n] = '\0';
    return n > 1 && l->line[0] == '{' && l->line[n - 1] == '}';
}

bool trace_lines_open(struct trace_lines *l, const char *path) {
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");

    *l = (struct trace_lines){.file = file};
    if (l->file == NULL)
        return false;
    errno = 0;
    if (lines_read(l) && strcmp(l->line, "[") == 0 && trace_lines_next(l) &&
        strstr(l->line, "\"name\":\"kahu_trace\"") != NULL)
        return true;
    trace_lines_close(l);
    return false;
}

bool trace_lines_next(struct trace_lines *l) {
    if (!lines_read(l))
        return false;
    l->whole = strcmp(l->line, "]") == 0;
    return !l->whole && lines_is_event(l);
}

void trace_lines_close(struct trace_lines *l) {
    int error = errno;

    free(l->line);
    (void)fclose(l->file);
    errno = error;
}

/* ------------------------------------------------------------------------ */
/* Members                                                                  */
/* ------------------------------------------------------------------------ */

static const char *line_member(const char *line, const char *key) {
    const char *at = strstr(line, key);

    return at == NULL ? NULL : at + strlen(key);
}

bool trace_line_number(const char *line, const char *key, uint64_t *out) {
    const char *at = line_member(line, key);

    if (at == NULL || *at < '0' || *at > '9')
        return false;
    *out = strtoull(at, NULL, 10);
    return true;
}

/* Three decimals, always. */
bool trace_line_us(const char *line, const char *key, uint64_t *out_ns) {
    const char *at = line_member(line, key);
    uint64_t us;
    char *end;

    if (at == NULL || *at < '0' || *at > '9')
        return false;
    us = strtoull(at, &end, 10);
    if (*end != '.')
        return false;
    *out_ns = us * 1000 + strtoull(end + 1, NULL, 10) % 1000;
    return true;
}

/* What `at` begins with, unescaped where that is a quote or a backslash; how
 * long it is in the line. */
static size_t line_character(const char *at, char *out) {
    *out = *at;
    if (strncmp(at, "\\u0022", 6) == 0)
        *out = '"';
    else if (strncmp(at, "\\u005c", 6) == 0)
        *out = '\\';
    else
        return 1;
    return 6;
}

bool trace_line_text(const char *line, const char *key, char *out,
                     size_t size) {
    const char *at = line_member(line, key);
    size_t n = 0;

    if (at == NULL || *at++ != '"')
        return false;
    while (*at != '"' && *at != '\0' && n + 1 < size)
        at += line_character(at, &out[n++]);
    out[n] = '\0';
    return true;
}
