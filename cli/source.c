/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than anyone writes, and less than it takes to bring a machine down
 * when the path names a device that never ends. */
#define SOURCE_LIMIT ((size_t)256 << 20)

#define SOURCE_CHUNK ((size_t)64 << 10)

/* ------------------------------------------------------------------------ */
/* Reading                                                                  */
/* ------------------------------------------------------------------------ */

static bool source_grow(struct source *s, size_t *capacity) {
    size_t grown = *capacity == 0 ? SOURCE_CHUNK : *capacity * 2;
    char *text = realloc(s->text, grown);

    if (text == NULL)
        return false;
    s->text = text;
    *capacity = grown;
    return true;
}

/* The compiler takes a NUL byte for the end of the text and would run half a
 * script. Compiled scripts have some, too. */
static const char *source_check(const struct source *s, size_t from) {
    if (memchr(s->text + from, '\0', s->size - from) != NULL)
        return "not a text file";
    return s->size > SOURCE_LIMIT ? "larger than 256 MiB" : NULL;
}

/* NULL, or what was wrong. */
static const char *source_read_all(struct source *s, FILE *f) {
    const char *why = NULL;
    size_t capacity = 0;

    errno = 0;
    while (why == NULL && !feof(f) && !ferror(f)) {
        size_t from = s->size;

        if (from == capacity && !source_grow(s, &capacity))
            return strerror(ENOMEM);
        s->size += fread(s->text + from, 1, capacity - from, f);
        why = source_check(s, from);
    }
    if (ferror(f))
        why = strerror(errno != 0 ? errno : EIO);
    return why;
}

bool source_read(struct source *out, const char *path,
                 struct source_failure *failure) {
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(path, "rb");

    *out = (struct source){NULL, 0};
    *failure = (struct source_failure){NULL, false};
    if (f == NULL) {
        failure->memory = errno == ENOMEM;
        failure->why = strerror(errno);
        return false;
    }
    failure->why = source_read_all(out, f);
    failure->memory = errno == ENOMEM;
    if (!is_stdin)
        fclose(f);
    if (failure->why == NULL)
        return true;
    source_free(out);
    return false;
}

static bool source_put(struct source *out, const char *text, size_t size) {
    out->text = malloc(size + 1);
    if (out->text == NULL)
        return false;
    if (size > 0)
        memcpy(out->text, text, size);
    out->text[size] = '\0';
    out->size = size;
    return true;
}

bool source_copy(struct source *out, const char *text) {
    return source_put(out, text, strlen(text));
}

bool source_clone(struct source *out, const struct source *source) {
    return source_put(out, source->text, source->size);
}

void source_free(struct source *s) {
    free(s->text);
    *s = (struct source){NULL, 0};
}

/* ------------------------------------------------------------------------ */
/* What comes before the text                                               */
/* ------------------------------------------------------------------------ */

static void source_blank(struct source *s, size_t from, size_t to) {
    memset(s->text + from, ' ', to - from);
}

void source_strip(struct source *s) {
    static const char mark[] = "\xEF\xBB\xBF";
    size_t start = 0;
    size_t end;

    if (s->size >= 3 && memcmp(s->text, mark, 3) == 0) {
        source_blank(s, 0, 3);
        start = 3;
    }
    if (s->size < start + 2 || memcmp(s->text + start, "#!", 2) != 0)
        return;
    for (end = start; end < s->size && s->text[end] != '\n'; end++)
        ;
    source_blank(s, start, end);
}
