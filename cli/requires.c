/* SPDX-License-Identifier: MIT */
/*
 * requires.c - Luau's tokens, as far as they matter for finding `require`.
 *
 * The text is one that compiles, so nothing here has to find mistakes; but
 * whatever it is, nothing is read beyond its end.
 */
#include "requires.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Strings with expressions inside of strings with expressions. Deeper ones are
 * read as text: more than anyone has written. */
#define SCAN_DEPTH 64

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_OTHER };

struct token {
    enum token_kind kind;
    unsigned line;
    const char *at;
    size_t size;
};

struct scan {
    const char *at;
    const char *end;
    unsigned line;
    unsigned depth;            /* of interpolated strings we are inside of */
    unsigned open[SCAN_DEPTH]; /* braces that are open in each of them */
};

/* ------------------------------------------------------------------------ */
/* Characters                                                               */
/* ------------------------------------------------------------------------ */

static char scan_peek(const struct scan *s, size_t ahead) {
    if ((size_t)(s->end - s->at) <= ahead)
        return '\0';
    return s->at[ahead];
}

static void scan_skip(struct scan *s, size_t n) {
    for (; n > 0 && s->at < s->end; n--)
        if (*s->at++ == '\n')
            s->line++;
}

static bool scan_is_name(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* The equals signs of a long bracket that begins here, or -1. */
static int scan_long_level(const struct scan *s) {
    int level = 0;

    if (scan_peek(s, 0) != '[')
        return -1;
    while (scan_peek(s, 1 + (size_t)level) == '=')
        level++;
    return scan_peek(s, 1 + (size_t)level) == '[' ? level : -1;
}

static bool scan_long_ends(const struct scan *s, size_t level) {
    if (scan_peek(s, 0) != ']' || scan_peek(s, level + 1) != ']')
        return false;
    for (size_t i = 1; i <= level; i++)
        if (s->at[i] != '=')
            return false;
    return true;
}

static void scan_long(struct scan *s, size_t level) {
    scan_skip(s, level + 2);
    while (s->at < s->end && !scan_long_ends(s, level))
        scan_skip(s, 1);
    scan_skip(s, level + 2);
}

static void scan_comment(struct scan *s) {
    int level;

    scan_skip(s, 2);
    level = scan_long_level(s);
    if (level >= 0)
        scan_long(s, (size_t)level);
    else
        while (s->at < s->end && *s->at != '\n')
            s->at++;
}

static void scan_blank(struct scan *s) {
    for (;;) {
        if (isspace((unsigned char)scan_peek(s, 0)))
            scan_skip(s, 1);
        else if (scan_peek(s, 0) == '-' && scan_peek(s, 1) == '-')
            scan_comment(s);
        else
            return;
    }
}

/* ------------------------------------------------------------------------ */
/* Tokens                                                                   */
/* ------------------------------------------------------------------------ */

/* A line's end is part of a string after \z or a backslash. */
static void scan_quoted(struct scan *s, char quote) {
    scan_skip(s, 1);
    while (s->at < s->end && *s->at != quote)
        scan_skip(s, *s->at == '\\' ? 2 : 1);
    scan_skip(s, 1);
}

/* From a backtick, or the brace that ends an expression, up to the end of the
 * string or the brace that begins the next expression. True at the end. */
static bool scan_interpolated(struct scan *s) {
    scan_skip(s, 1);
    while (s->at < s->end && *s->at != '`') {
        if (*s->at == '{' && s->depth < SCAN_DEPTH) {
            scan_skip(s, 1);
            s->open[s->depth++] = 0;
            return false;
        }
        scan_skip(s, *s->at == '\\' ? 2 : 1);
    }
    scan_skip(s, 1);
    return true;
}

static enum token_kind scan_brace(struct scan *s) {
    unsigned *open = s->depth > 0 ? &s->open[s->depth - 1] : NULL;

    if (open != NULL && *s->at == '}' && *open == 0) {
        s->depth--;
        (void)scan_interpolated(s);
        return TOKEN_OTHER;
    }
    if (open != NULL && *s->at == '{')
        ++*open;
    else if (open != NULL)
        --*open;
    scan_skip(s, 1);
    return TOKEN_OTHER;
}

/* Runs of "." ":" and "=" are one token: what they mean depends on it. */
static enum token_kind scan_sign(struct scan *s) {
    char first = *s->at;

    do
        scan_skip(s, 1);
    while (strchr(".:=", first) != NULL && scan_peek(s, 0) == first);
    return TOKEN_OTHER;
}

static enum token_kind scan_word(struct scan *s) {
    bool number = isdigit((unsigned char)*s->at);

    while (scan_is_name(scan_peek(s, 0)) ||
           (number && scan_peek(s, 0) == '.' && scan_peek(s, 1) != '.'))
        scan_skip(s, 1);
    return number ? TOKEN_OTHER : TOKEN_NAME;
}

static enum token_kind scan_any(struct scan *s) {
    char c = scan_peek(s, 0);
    int level = scan_long_level(s);

    if (s->at >= s->end)
        return TOKEN_END;
    if (scan_is_name(c))
        return scan_word(s);
    if (c == '{' || c == '}')
        return scan_brace(s);
    if (c == '`')
        return scan_interpolated(s) ? TOKEN_STRING : TOKEN_OTHER;
    if (level >= 0)
        scan_long(s, (size_t)level);
    else if (c == '"' || c == '\'')
        scan_quoted(s, c);
    else
        return scan_sign(s);
    return TOKEN_STRING;
}

static struct token scan_next(struct scan *s) {
    struct token token;

    scan_blank(s);
    token.line = s->line;
    token.at = s->at;
    token.kind = scan_any(s);
    token.size = (size_t)(s->at - token.at);
    return token;
}

/* ------------------------------------------------------------------------ */
/* Calls                                                                    */
/* ------------------------------------------------------------------------ */

/* Two tokens before the one that is looked at, and three behind. */
enum { BEFORE = 2, WINDOW = 6 };

static bool token_is(const struct token *token, const char *text) {
    return token->kind != TOKEN_STRING && token->size == strlen(text) &&
           memcmp(token->at, text, token->size) == 0;
}

static bool token_ends_argument(const struct token *token) {
    return token_is(token, ")") || token_is(token, ",");
}

/* A field, a method, or something else of that name that is only made here. */
static bool call_is_other(const struct token *t) {
    return token_is(t - 1, ".") || token_is(t - 1, ":") ||
           token_is(t - 1, "function") || token_is(t - 1, "local") ||
           token_is(t + 1, ".") || token_is(t + 1, ":") || token_is(t + 1, "=");
}

/* The string that the call at t has for a path, or NULL. */
static const struct token *call_path(const struct token *t,
                                     enum requires_kind *kind) {
    *kind = REQUIRES_CONSTANT;
    if (t[1].kind == TOKEN_STRING)
        return t + 1;
    if (t[2].kind != TOKEN_STRING || !token_ends_argument(t + 3))
        return NULL;
    if (token_is(t + 1, "("))
        return t + 2;
    *kind = REQUIRES_GUARDED;
    return token_is(t - 2, "pcall") && token_is(t - 1, "(") &&
                   token_is(t + 1, ",")
               ? t + 2
               : NULL;
}

void requires_scan(const char *text, size_t size,
                   void (*found)(void *ud, const struct requires_call *call),
                   void *ud) {
    struct scan s = {.at = text, .end = text + size, .line = 1};
    struct token window[WINDOW] = {{TOKEN_OTHER, 0, "", 0}};
    const struct token *t = window + BEFORE;

    for (int i = 0; i < WINDOW; i++)
        window[i] = i < BEFORE ? window[0] : scan_next(&s);
    while (t->kind != TOKEN_END) {
        if (token_is(t, "require") && !call_is_other(t)) {
            struct requires_call call = {REQUIRES_DYNAMIC, t->line, NULL, 0};
            enum requires_kind kind;
            const struct token *path = call_path(t, &kind);

            if (path != NULL)
                call =
                    (struct requires_call){kind, t->line, path->at, path->size};
            found(ud, &call);
        }
        memmove(window, window + 1, sizeof(window) - sizeof(*window));
        window[WINDOW - 1] = scan_next(&s);
    }
}
