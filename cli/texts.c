/* SPDX-License-Identifier: MIT */
#include "texts.h"

#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "blank.h"

/* Stays as long as the process, so that what was found in it does: of a name
 * the newest is first. */
struct text {
    struct text *next;
    struct source source;
    char
        *plain; /* as a string; made, like what follows, with the first error */
    char *quoted; /* the same without comments */
    char *code;   /* and without what strings say (blank.h) */
    char name[];  /* as the VM knows the chunk: "@file", "=-e" */
};

static struct text *texts_first;
static uv_mutex_t texts_mutex;
static uv_once_t texts_once = UV_ONCE_INIT;

static void texts_init(void) {
    if (uv_mutex_init(&texts_mutex) != 0)
        abort();
}

static void texts_lock(void) {
    uv_once(&texts_once, texts_init);
    uv_mutex_lock(&texts_mutex);
}

static void texts_unlock(void) {
    uv_mutex_unlock(&texts_mutex);
}

/* ------------------------------------------------------------------------ */
/* Keeping                                                                  */
/* ------------------------------------------------------------------------ */

static struct text *texts_named(const char *name) {
    struct text *t = texts_first;

    while (t != NULL && strcmp(t->name, name) != 0)
        t = t->next;
    return t;
}

static bool texts_is_known(const char *name, const struct source *source) {
    const struct text *t = texts_named(name);

    return t != NULL && t->source.size == source->size &&
           memcmp(t->source.text, source->text, source->size) == 0;
}

/* Takes the source over, if there is memory. */
static void texts_add(const char *name, struct source *source) {
    size_t size = strlen(name) + 1;
    struct text *t = malloc(sizeof(*t) + size);

    if (t == NULL)
        return;
    *t = (struct text){.next = texts_first, .source = *source};
    memcpy(t->name, name, size);
    texts_first = t;
    *source = (struct source){NULL, 0};
}

void texts_keep(const char *chunkname, struct source *source) {
    texts_lock();
    if (source->text != NULL && !texts_is_known(chunkname, source))
        texts_add(chunkname, source);
    texts_unlock();
    source_free(source);
}

/* ------------------------------------------------------------------------ */
/* Finding                                                                  */
/* ------------------------------------------------------------------------ */

/* The end of the name of the chunk where the message begins with it, as the VM
 * shortens it; NULL where it does not. */
static const char *texts_skip_name(const char *message, const char *chunkname) {
    const char *name = chunkname + 1;
    size_t length = strlen(name);

    if (length < LUA_IDSIZE)
        return strncmp(message, name, length) == 0 ? message + length : NULL;
    if (*chunkname == '=')
        length = LUA_IDSIZE - 1;
    else if (strncmp(message, "...", 3) == 0) {
        message += 3;
        name += length - (LUA_IDSIZE - 4);
        length = LUA_IDSIZE - 4;
    } else
        return NULL;
    return strncmp(message, name, length) == 0 ? message + length : NULL;
}

/* The number in ":12:"; 0 where there is none. */
static int texts_number(const char *s) {
    char *end;
    long n;

    if (*s != ':' || s[1] < '0' || s[1] > '9')
        return 0;
    n = strtol(s + 1, &end, 10);
    return *end == ':' && n <= INT32_MAX ? (int)n : 0;
}

/* The line of a text, without its end; NULL where it has no such line. */
static const char *texts_seek(const char *text, const char *end, int number,
                              size_t *length) {
    const char *line_end;

    for (int n = 1; n < number && text != NULL; n++) {
        text = memchr(text, '\n', (size_t)(end - text));
        text = text == NULL ? NULL : text + 1;
    }
    if (text == NULL)
        return NULL;
    line_end = memchr(text, '\n', (size_t)(end - text));
    *length = (size_t)((line_end == NULL ? end : line_end) - text);
    if (*length > 0 && text[*length - 1] == '\r')
        --*length;
    return text;
}

/* As a string, whatever is in it. NULL when memory is out. */
static char *texts_copy(const struct source *source) {
    char *copy = malloc(source->size + 1);

    if (copy == NULL)
        return NULL;
    memcpy(copy, source->text, source->size);
    copy[source->size] = '\0';
    for (size_t i = strlen(copy); i < source->size; i += strlen(copy + i))
        copy[i] = '?';
    return copy;
}

static char *texts_cut(const struct text *t, const char *text, int number) {
    size_t length;
    const char *line = texts_seek(text, text + t->source.size, number, &length);

    return line == NULL ? NULL : strndup(line, length);
}

/* False when memory is out. */
static bool texts_prepare(struct text *t) {
    if (t->code != NULL)
        return true;
    t->plain = texts_copy(&t->source);
    t->quoted = t->plain == NULL ? NULL : strdup(t->plain);
    t->code = t->quoted == NULL ? NULL : strdup(t->quoted);
    if (t->code == NULL) {
        free(t->plain);
        free(t->quoted);
        return false;
    }
    blank_source(t->quoted, false);
    blank_source(t->code, true);
    return true;
}

static bool texts_line_of(struct text *t, int number, struct texts_line *out) {
    *out = (struct texts_line){.name = t->name, .number = number};
    if (number <= 0 || !texts_prepare(t))
        return false;
    out->all = t->code;
    out->text = texts_cut(t, t->plain, number);
    out->quoted = texts_cut(t, t->quoted, number);
    out->code = texts_cut(t, t->code, number);
    if (out->text != NULL && out->quoted != NULL && out->code != NULL)
        return true;
    texts_line_free(out);
    return false;
}

void texts_line_free(struct texts_line *line) {
    free(line->text);
    free(line->quoted);
    free(line->code);
}

bool texts_find(const char *message, struct texts_line *out) {
    bool found = false;

    texts_lock();
    for (struct text *t = texts_first; t != NULL && !found; t = t->next) {
        const char *rest = texts_skip_name(message, t->name);

        if (rest != NULL)
            found = texts_line_of(t, texts_number(rest), out);
    }
    texts_unlock();
    return found;
}

bool texts_get(const char *chunkname, int number, struct texts_line *out) {
    struct text *t;
    bool found;

    texts_lock();
    t = texts_named(chunkname);
    found = t != NULL && texts_line_of(t, number, out);
    texts_unlock();
    return found;
}
