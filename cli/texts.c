/* SPDX-License-Identifier: MIT */
#include "texts.h"

#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "blank.h"

struct text {
    struct text *next;
    struct source source;
    char name[]; /* as the VM knows the chunk: "@file", "=-e" */
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

/* The text of this name, empty if it is new; NULL when memory is out. */
static struct text *texts_make(const char *name) {
    struct text *t = texts_named(name);
    size_t size = strlen(name) + 1;

    if (t != NULL)
        return t;
    t = malloc(sizeof(*t) + size);
    if (t == NULL)
        return NULL;
    t->source = (struct source){NULL, 0};
    memcpy(t->name, name, size);
    t->next = texts_first;
    texts_first = t;
    return t;
}

void texts_keep(const char *chunkname, struct source *source) {
    struct text *t;

    texts_lock();
    t = texts_make(chunkname);
    if (t != NULL) {
        source_free(&t->source);
        t->source = *source;
        *source = (struct source){NULL, 0};
    }
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
static const char *texts_seek(const char *text, int number, size_t *length) {
    for (int n = 1; n < number && text != NULL; n++) {
        text = strchr(text, '\n');
        text = text == NULL ? NULL : text + 1;
    }
    if (text == NULL)
        return NULL;
    *length = strcspn(text, "\n");
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

static char *texts_cut(const char *text, int number) {
    size_t length;
    const char *line = texts_seek(text, number, &length);

    return line == NULL ? NULL : strndup(line, length);
}

static bool texts_line_of(const struct text *t, int number,
                          struct texts_line *out) {
    bool has = t->source.text != NULL && number > 0;

    *out = (struct texts_line){.name = t->name, .number = number};
    out->all = has ? texts_copy(&t->source) : NULL;
    if (out->all == NULL)
        return false;
    out->text = texts_cut(out->all, number);
    blank_source(out->all, false);
    out->quoted = texts_cut(out->all, number);
    blank_source(out->all, true);
    out->code = texts_cut(out->all, number);
    if (out->text != NULL && out->quoted != NULL && out->code != NULL)
        return true;
    texts_line_free(out);
    return false;
}

void texts_line_free(struct texts_line *line) {
    free(line->text);
    free(line->quoted);
    free(line->code);
    free(line->all);
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
    const struct text *t;
    bool found;

    texts_lock();
    t = texts_named(chunkname);
    found = t != NULL && texts_line_of(t, number, out);
    texts_unlock();
    return found;
}
