/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------ */
/* Reading                                                                  */
/* ------------------------------------------------------------------------ */

static bool source_grow(struct source *s, size_t *capacity) {
    size_t grown = *capacity == 0 ? 65536 : *capacity * 2;
    char *text = realloc(s->text, grown);

    if (text == NULL)
        return false;
    s->text = text;
    *capacity = grown;
    return true;
}

/* Zero, or the errno of what failed. */
static int source_read_all(struct source *s, FILE *f) {
    size_t capacity = 0;

    errno = 0;
    do {
        if (s->size == capacity && !source_grow(s, &capacity))
            return ENOMEM;
        s->size += fread(s->text + s->size, 1, capacity - s->size, f);
    } while (!feof(f) && !ferror(f));
    return ferror(f) ? (errno != 0 ? errno : EIO) : 0;
}

bool source_read(struct source *out, const char *path, const char **why) {
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(path, "rb");
    int error;

    *out = (struct source){NULL, 0};
    if (f == NULL) {
        *why = strerror(errno);
        return false;
    }
    error = source_read_all(out, f);
    if (!is_stdin)
        fclose(f);
    if (error != 0)
        *why = strerror(error);
    else if (memchr(out->text, '\0', out->size) != NULL)
        *why = "not a text file";
    else
        return true;
    source_free(out);
    return false;
}

bool source_copy(struct source *out, const char *text) {
    out->size = strlen(text);
    out->text = malloc(out->size + 1);
    if (out->text == NULL)
        return false;
    memcpy(out->text, text, out->size + 1);
    return true;
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
