/* SPDX-License-Identifier: MIT */
/*
 * jsonc.c - adding to JSON with comments.
 *
 * The text is walked each time it is asked for something: it is short, and no
 * tree of it would keep what stands between its values. Commas behind the last
 * member are accepted, as editors do.
 */
#include "jsonc.h"

#include <string.h>

/* Deeper than anyone's settings. */
#define JSONC_DEPTH 100

struct walk {
    const char *text;
    size_t size;
    size_t at;
    int depth;
    bool wrong; /* it is no JSON */
};

/* An object or array that was walked through. */
struct container {
    size_t open; /* of its first bracket */
    size_t close;
    size_t first; /* where its first value or name begins */
    size_t last;  /* where its last value ends; 0 when it is empty */
    bool comma;   /* one stands behind the last value */
};

/* A part of the text. */
struct range {
    size_t from;
    size_t to;
};

/* ------------------------------------------------------------------------ */
/* Walking                                                                  */
/* ------------------------------------------------------------------------ */

static char walk_peek(const struct walk *w) {
    if (w->at >= w->size)
        return '\0';
    return w->text[w->at];
}

static bool walk_is(const struct walk *w, const char *text) {
    size_t length = strlen(text);

    return w->at <= w->size && w->size - w->at >= length &&
           memcmp(w->text + w->at, text, length) == 0;
}

/* Up to behind the next `end`, or to the end of the text. */
static bool walk_past(struct walk *w, const char *end) {
    while (w->at < w->size && !walk_is(w, end))
        w->at++;
    if (w->at >= w->size)
        return false;
    w->at += strlen(end);
    return true;
}

static void walk_blank(struct walk *w) {
    for (;;) {
        if (walk_is(w, "//"))
            (void)walk_past(w, "\n");
        else if (walk_is(w, "/*"))
            w->wrong |= !walk_past(w, "*/");
        else if (walk_peek(w) != '\0' && strchr(" \t\r\n", walk_peek(w)))
            w->at++;
        else
            return;
    }
}

static void walk_string(struct walk *w) {
    if (walk_peek(w) != '"') {
        w->wrong = true;
        return;
    }
    for (w->at++; walk_peek(w) != '"'; w->at++) {
        if (walk_peek(w) == '\\')
            w->at++;
        if (w->at >= w->size || walk_peek(w) == '\n') {
            w->wrong = true;
            return;
        }
    }
    w->at++;
}

/* A number, true, false, null: what it says is not our business. */
static void walk_word(struct walk *w) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._";
    size_t from = w->at;

    while (walk_peek(w) != '\0' && strchr(letters, walk_peek(w)) != NULL)
        w->at++;
    w->wrong |= w->at == from;
}

static void walk_value(struct walk *w, struct container *out);

/* The name of a member, and the colon. */
static struct range walk_name(struct walk *w) {
    struct range name = {w->at + 1, 0};

    walk_string(w);
    name.to = w->at - 1;
    walk_blank(w);
    if (walk_peek(w) != ':')
        w->wrong = true;
    else
        w->at++;
    walk_blank(w);
    return name;
}

static bool walk_range_is(const struct walk *w, struct range r,
                          const char *text) {
    return r.to >= r.from && r.to - r.from == strlen(text) &&
           memcmp(w->text + r.from, text, r.to - r.from) == 0;
}

/* Walks one member or element, and looks if it is the one that is sought: of
 * that name in an object, that string in an array. */
static bool walk_item(struct walk *w, bool object, const char *sought,
                      struct range *found) {
    struct range name = {w->at + 1, 0};
    struct container inner;

    if (object)
        name = walk_name(w);
    found->from = w->at;
    walk_value(w, &inner);
    found->to = w->at;
    if (!object)
        name.to = w->at - 1;
    return sought != NULL && !w->wrong && walk_range_is(w, name, sought) &&
           (object || w->text[found->from] == '"');
}

/* Stands at a bracket. True if what is sought is in it; where its value is goes
 * to *found. */
static bool walk_container(struct walk *w, const char *sought,
                           struct container *out, struct range *found) {
    bool object = walk_peek(w) == '{';
    struct range item;
    bool seen = false;

    *out = (struct container){.open = w->at++};
    w->wrong |= ++w->depth > JSONC_DEPTH;
    walk_blank(w);
    out->first = w->at;
    while (!w->wrong && walk_peek(w) != (object ? '}' : ']')) {
        w->wrong |= out->last != 0 && !out->comma;
        if (walk_item(w, object, sought, &item)) {
            *found = item;
            seen = true;
        }
        out->last = w->at;
        walk_blank(w);
        out->comma = walk_peek(w) == ',';
        w->at += out->comma;
        walk_blank(w);
    }
    out->close = w->at++;
    w->depth--;
    return seen;
}

static void walk_value(struct walk *w, struct container *out) {
    struct range unused;

    if (w->wrong)
        return;
    if (walk_peek(w) == '{' || walk_peek(w) == '[')
        (void)walk_container(w, NULL, out, &unused);
    else if (walk_peek(w) == '"')
        walk_string(w);
    else
        walk_word(w);
}

/* Stands at the value of the whole text, behind a byte order mark. */
static struct walk walk_start(const struct bytes *text) {
    struct walk w = {text->at, text->size, 0, 0, false};

    if (walk_is(&w, "\xEF\xBB\xBF"))
        w.at = 3;
    walk_blank(&w);
    return w;
}

/* ------------------------------------------------------------------------ */
/* Finding                                                                  */
/* ------------------------------------------------------------------------ */

/* How far a path leads. */
struct place {
    size_t depth;               /* names of the path that were found */
    enum jsonc_kind kind;       /* of the value there */
    struct container container; /* if it is one */
};

static bool jsonc_is_whole(const struct bytes *text) {
    struct walk w = walk_start(text);
    struct container all;

    if (walk_peek(&w) != '{')
        return false;
    walk_value(&w, &all);
    walk_blank(&w);
    return !w.wrong && w.at == w.size;
}

static enum jsonc_kind jsonc_kind_of(char first) {
    switch (first) {
    case '{':
        return JSONC_OBJECT;
    case '[':
        return JSONC_ARRAY;
    default:
        return JSONC_OTHER;
    }
}

/* Of a text that is whole. */
static struct place jsonc_find(const struct bytes *text, jsonc_path path) {
    struct place place = {0};
    struct walk w = walk_start(text);
    struct range value = {w.at, 0};
    bool found = true;

    while (found) {
        w.at = value.from;
        place.kind = jsonc_kind_of(walk_peek(&w));
        if (place.kind == JSONC_OTHER)
            break;
        found = walk_container(
            &w, place.kind == JSONC_OBJECT ? path[place.depth] : NULL,
            &place.container, &value);
        place.depth += found;
    }
    return place;
}

enum jsonc_kind jsonc_at(const struct bytes *text, jsonc_path path) {
    struct place place;

    if (!jsonc_is_whole(text))
        return JSONC_NOTHING;
    place = jsonc_find(text, path);
    return path[place.depth] == NULL ? place.kind : JSONC_NOTHING;
}

/* ------------------------------------------------------------------------ */
/* Layout                                                                   */
/* ------------------------------------------------------------------------ */

static bool range_has_newline(const char *text, size_t from, size_t to) {
    return to > from && memchr(text + from, '\n', to - from) != NULL;
}

static const char *layout_newline(const struct bytes *text) {
    const char *newline =
        text->size == 0 ? NULL : memchr(text->at, '\n', text->size);

    return newline != NULL && newline > text->at && newline[-1] == '\r' ? "\r\n"
                                                                        : "\n";
}

/* The blanks that the line begins with in which `at` is. */
static struct range layout_indent(const struct bytes *text, size_t at) {
    struct range indent;

    while (at > 0 && text->at[at - 1] != '\n')
        at--;
    indent.from = indent.to = at;
    while (indent.to < text->size &&
           (text->at[indent.to] == ' ' || text->at[indent.to] == '\t'))
        indent.to++;
    return indent;
}

/* How this text sets in the members of its outermost object. */
static struct range layout_unit(const struct bytes *text) {
    struct walk w = walk_start(text);
    struct container all;
    struct range unused;

    (void)walk_container(&w, NULL, &all, &unused);
    if (all.last == 0 || !range_has_newline(text->at, all.open, all.first))
        return (struct range){0, 0};
    return layout_indent(text, all.first);
}

static void layout_put(struct bytes *out, const struct bytes *text,
                       struct range r) {
    bytes_put(out, text->at + r.from, r.to - r.from);
}

/* A new line in the container, `levels` deeper than the line it begins in. */
static void layout_line(struct bytes *out, const struct bytes *text,
                        const struct container *c, size_t levels) {
    struct range unit = layout_unit(text);

    bytes_puts(out, layout_newline(text));
    layout_put(out, text, layout_indent(text, c->open));
    for (; levels > 0; levels--) {
        if (unit.to > unit.from)
            layout_put(out, text, unit);
        else
            bytes_puts(out, "    ");
    }
}

/* ------------------------------------------------------------------------ */
/* Adding                                                                   */
/* ------------------------------------------------------------------------ */

/* `"a": { "b": value }`, each on a line of its own; an element has no names. */
static void add_item(struct bytes *out, const struct bytes *text,
                     const struct container *c, jsonc_path names,
                     const char *value) {
    size_t levels = 0;

    for (; names[levels] != NULL; levels++) {
        if (levels > 0) {
            bytes_puts(out, "{");
            layout_line(out, text, c, levels + 1);
        }
        bytes_puts(out, "\"");
        bytes_puts(out, names[levels]);
        bytes_puts(out, "\": ");
    }
    bytes_puts(out, value);
    for (; levels > 1; levels--) {
        layout_line(out, text, c, levels - 1);
        bytes_puts(out, "}");
    }
}

/* Behind the last value of one line of them. */
static void add_inline(struct bytes *out, const struct bytes *text,
                       const struct container *c, jsonc_path names,
                       const char *value) {
    layout_put(out, text, (struct range){0, c->last});
    bytes_puts(out, ", ");
    add_item(out, text, c, names, value);
    layout_put(out, text, (struct range){c->last, text->size});
}

/* On a line before the closing bracket. What stands between the last value and
 * the bracket, comments in the first place, stays where it is. */
static void add_line(struct bytes *out, const struct bytes *text,
                     const struct container *c, jsonc_path names,
                     const char *value) {
    size_t end = c->close;
    size_t last = c->last == 0 ? c->open + 1 : c->last;

    while (end > last && strchr(" \t\r\n", text->at[end - 1]) != NULL)
        end--;
    layout_put(out, text, (struct range){0, last});
    if (c->last != 0 && !c->comma)
        bytes_puts(out, ",");
    layout_put(out, text, (struct range){last, end});
    layout_line(out, text, c, 1);
    add_item(out, text, c, names, value);
    if (range_has_newline(text->at, end, c->close))
        layout_put(out, text, (struct range){end, c->close});
    else
        layout_line(out, text, c, 0);
    layout_put(out, text, (struct range){c->close, text->size});
}

/* Adds to the container at the place. */
static enum jsonc_result jsonc_add(struct bytes *text,
                                   const struct place *place, jsonc_path names,
                                   const char *value) {
    const struct container *c = &place->container;
    bool single = names[0] == NULL || names[1] == NULL;
    struct bytes out = {0};

    if (c->last != 0 && single && !c->comma &&
        !range_has_newline(text->at, c->open, c->close))
        add_inline(&out, text, c, names, value);
    else
        add_line(&out, text, c, names, value);
    if (out.failed || !jsonc_is_whole(&out)) {
        text->failed |= out.failed;
        bytes_free(&out);
        return JSONC_CONFLICT;
    }
    bytes_free(text);
    *text = out;
    return JSONC_ADDED;
}

enum jsonc_result jsonc_set(struct bytes *text, jsonc_path path,
                            const char *value) {
    struct place place;

    if (!jsonc_is_whole(text))
        return JSONC_CONFLICT;
    place = jsonc_find(text, path);
    if (path[place.depth] == NULL)
        return JSONC_KEPT;
    if (place.kind != JSONC_OBJECT)
        return JSONC_CONFLICT;
    return jsonc_add(text, &place, path + place.depth, value);
}

/* `"string"`, or with `array` set, `["string"]`. */
static enum jsonc_result append_quoted(struct bytes *text,
                                       const struct place *place,
                                       jsonc_path names, const char *string,
                                       bool array) {
    struct bytes value = {0};
    enum jsonc_result result = JSONC_CONFLICT;

    bytes_puts(&value, array ? "[\"" : "\"");
    bytes_puts(&value, string);
    bytes_puts(&value, array ? "\"]" : "\"");
    bytes_put(&value, "", 1);
    if (!value.failed)
        result = jsonc_add(text, place, names, value.at);
    text->failed |= value.failed;
    bytes_free(&value);
    return result;
}

enum jsonc_result jsonc_append(struct bytes *text, jsonc_path path,
                               const char *string) {
    struct container array;
    struct range unused;
    struct place place;
    struct walk w;

    if (!jsonc_is_whole(text))
        return JSONC_CONFLICT;
    place = jsonc_find(text, path);
    if (path[place.depth] != NULL)
        return place.kind != JSONC_OBJECT
                   ? JSONC_CONFLICT
                   : append_quoted(text, &place, path + place.depth, string,
                                   true);
    if (place.kind != JSONC_ARRAY)
        return JSONC_CONFLICT;
    w = walk_start(text);
    w.at = place.container.open;
    if (walk_container(&w, string, &array, &unused))
        return JSONC_KEPT;
    return append_quoted(text, &place, path + place.depth, string, false);
}
