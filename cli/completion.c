/* SPDX-License-Identifier: MIT */
#include "completion.h"

#include <lualib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "hints.h"

/* How far a chain of __index goes; there are those that go round. */
#define COMPLETION_DEPTH 16

static const char *const completion_keywords[] = {
    "and",    "break",    "continue", "do",   "else",  "elseif", "end", "false",
    "for",    "function", "if",       "in",   "local", "nil",    "not", "or",
    "repeat", "return",   "then",     "true", "until", "while",
};

/* ------------------------------------------------------------------------ */
/* Names                                                                    */
/* ------------------------------------------------------------------------ */

static bool completion_is_name(const char *s, size_t length) {
    if (length == 0 || (*s >= '0' && *s <= '9'))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!hints_is_word(s[i]))
            return false;
    return true;
}

static void completion_add(struct completion *c, const char *name) {
    if (c->count == c->capacity) {
        size_t capacity = c->capacity * 2 + 32;
        char **names = realloc(c->names, capacity * sizeof(*names));

        if (names == NULL)
            return;
        c->names = names;
        c->capacity = capacity;
    }
    c->names[c->count] = strdup(name);
    if (c->names[c->count] != NULL)
        c->count++;
}

static int completion_compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void completion_sort(struct completion *c) {
    size_t n = 0;

    if (c->count == 0)
        return;
    qsort(c->names, c->count, sizeof(*c->names), completion_compare);
    for (size_t i = 0; i < c->count; i++)
        if (n > 0 && strcmp(c->names[n - 1], c->names[i]) == 0)
            free(c->names[i]);
        else
            c->names[n++] = c->names[i];
    c->count = n;
}

size_t completion_common(const struct completion *c) {
    size_t n = c->count == 0 ? 0 : strlen(c->names[0]);

    for (size_t i = 1; i < c->count; i++)
        while (strncmp(c->names[0], c->names[i], n) != 0)
            n--;
    return n;
}

void completion_free(struct completion *c) {
    for (size_t i = 0; i < c->count; i++)
        free(c->names[i]);
    free(c->names);
    *c = (struct completion){NULL, 0, 0, 0};
}

/* ------------------------------------------------------------------------ */
/* Values                                                                   */
/* ------------------------------------------------------------------------ */

/* Replaces the value on top by the table that stands in for it: __index of its
 * metatable. False, with nothing in its place, when there is none. */
static bool completion_next(lua_State *L) {
    if (!lua_getmetatable(L, -1)) {
        lua_pop(L, 1);
        return false;
    }
    lua_remove(L, -2);
    lua_rawgetfield(L, -1, "__index");
    lua_remove(L, -2);
    if (lua_istable(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

/* Replaces the value on top by its field of that name, or by nil. */
static void completion_field(lua_State *L, const char *name, size_t length) {
    bool more = true;

    for (int depth = 0; more && depth < COMPLETION_DEPTH; depth++) {
        if (lua_istable(L, -1)) {
            lua_pushlstring(L, name, length);
            lua_rawget(L, -2);
            if (!lua_isnil(L, -1)) {
                lua_remove(L, -2);
                return;
            }
            lua_pop(L, 1);
        }
        more = completion_next(L);
    }
    if (more)
        lua_pop(L, 1);
    lua_pushnil(L);
}

/* Adds the names of the table on top that begin so. */
static void completion_collect(lua_State *L, const char *prefix, size_t length,
                               bool methods, struct completion *out) {
    for (int i = 0; (i = lua_rawiter(L, -1, i)) >= 0; lua_pop(L, 2)) {
        size_t size;
        const char *name =
            lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &size) : NULL;

        if (name != NULL && completion_is_name(name, size) &&
            strncmp(name, prefix, length) == 0 &&
            (!methods || lua_isfunction(L, -1)))
            completion_add(out, name);
    }
}

/* Pops the value on top, after adding what it and its __index have. */
static void completion_collect_all(lua_State *L, const char *prefix,
                                   size_t length, bool methods,
                                   struct completion *out) {
    bool more = true;

    for (int depth = 0; more && depth < COMPLETION_DEPTH; depth++) {
        if (lua_istable(L, -1))
            completion_collect(L, prefix, length, methods, out);
        more = completion_next(L);
    }
    if (more)
        lua_pop(L, 1);
}

/* ------------------------------------------------------------------------ */
/* Finding                                                                  */
/* ------------------------------------------------------------------------ */

struct completion_search {
    const char *from; /* the names, with what is between them */
    const char *end;
    struct completion *out;
};

/* Where the chain of names begins that the text ends in. */
static const char *completion_begin(const char *text, const char *end) {
    while (end > text &&
           (hints_is_word(end[-1]) || end[-1] == '.' || end[-1] == ':'))
        end--;
    return end;
}

static void completion_add_keywords(struct completion_search *search) {
    size_t length = (size_t)(search->end - search->from);

    for (size_t i = 0;
         i < sizeof(completion_keywords) / sizeof(*completion_keywords); i++)
        if (strncmp(completion_keywords[i], search->from, length) == 0)
            completion_add(search->out, completion_keywords[i]);
}

/* On a stack of its own: the globals, and the search. */
static int completion_protected(lua_State *L) {
    struct completion_search *search = lua_tolightuserdata(L, 2);
    const char *name = search->from;
    char separator = '\0';

    lua_settop(L, 1);
    for (const char *at = name; at < search->end; at++) {
        if (hints_is_word(*at))
            continue;
        completion_field(L, name, (size_t)(at - name));
        separator = *at;
        name = at + 1;
    }
    search->out->typed = (size_t)(search->end - name);
    completion_collect_all(L, name, search->out->typed, separator == ':',
                           search->out);
    if (separator == '\0')
        completion_add_keywords(search);
    return 0;
}

/* An empty text may be anything, and nobody wants to see all of it. */
void completion_find(lua_State *L, const char *text, size_t length,
                     struct completion *out) {
    struct completion_search search = {completion_begin(text, text + length),
                                       text + length, out};

    if (search.from == search.end || !lua_checkstack(L, 3))
        return;
    lua_pushcfunction(L, completion_protected, "complete");
    lua_pushvalue(L, -2);
    lua_pushlightuserdata(L, &search);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        lua_pop(L, 1);
    completion_sort(out);
}
