/* SPDX-License-Identifier: MIT */
#include "texts.h"

#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

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

static void texts_copy(struct texts_line *out, const char *from, size_t size) {
    bool cut = size > TEXTS_LINE;

    if (cut) /* and no character in the middle */
        for (size = TEXTS_LINE; size > 0 && (from[size] & 0xC0) == 0x80;)
            size--;
    memcpy(out->text, from, size);
    memcpy(out->text + size, cut ? "..." : "", cut ? 4 : 1);
}

static bool texts_line_of(const struct text *t, int number,
                          struct texts_line *out) {
    const char *from = t->source.text;
    const char *end = from + t->source.size;
    const char *stop;

    for (int n = 1; n < number && from != NULL; n++) {
        from = memchr(from, '\n', (size_t)(end - from));
        from = from == NULL ? NULL : from + 1;
    }
    if (from == NULL || number < 1)
        return false;
    stop = memchr(from, '\n', (size_t)(end - from));
    stop = stop == NULL ? end : stop;
    if (stop > from && stop[-1] == '\r')
        stop--;
    out->number = number;
    texts_copy(out, from, (size_t)(stop - from));
    return true;
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
