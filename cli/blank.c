/* SPDX-License-Identifier: MIT */
#include "blank.h"

#include <stddef.h>
#include <string.h>

/* Interpolated strings inside of expressions of others: deeper ones are taken
 * for code, as nobody writes them. */
#define BLANK_DEPTH 32

struct blank {
    char *at;
    bool strings;
    size_t depth;             /* of expressions that `at` is in */
    size_t open[BLANK_DEPTH]; /* braces that each has open */
};

static void blank_to(char *from, const char *end, bool wanted) {
    for (; wanted && from < end; from++)
        if (*from != '\n' && *from != '\r')
            *from = ' ';
}

/* Of a source of many megabytes each look is to take what it looks at, and no
 * more: hence not by <string.h>, which a sanitizer has look at all of it. */
static size_t blank_equals(const char *at) {
    size_t n = 0;

    while (at[n] == '=')
        n++;
    return n;
}

static char *blank_line_end(char *at) {
    while (*at != '\0' && *at != '\n')
        at++;
    return at;
}

static bool blank_is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* How many equals signs are between the brackets that open a long string or
 * comment; -1 where there is none. */
static int blank_level(const char *at) {
    size_t n;

    if (*at != '[')
        return -1;
    n = blank_equals(at + 1);
    return at[1 + n] == '[' ? (int)n : -1;
}

/* Where the bracket that closes it begins, or the end of all. */
static char *blank_closing(char *at, int level) {
    for (; *at != '\0'; at++)
        if (*at == ']' && blank_equals(at + 1) == (size_t)level &&
            at[1 + level] == ']')
            return at;
    return at;
}

/* At a bracket that opens; stays at what is after the one that closes. */
static void blank_long(struct blank *b, int level, bool wanted) {
    char *from = b->at + level + 2;

    b->at = blank_closing(from, level);
    blank_to(from, b->at, wanted);
    if (*b->at != '\0')
        b->at += level + 2;
}

static void blank_comment(struct blank *b) {
    char *from = b->at;
    int level = blank_level(from + 2);

    b->at += 2;
    if (level >= 0)
        blank_long(b, level, true);
    else
        b->at = blank_line_end(b->at);
    blank_to(from, b->at, true);
}

/* One of a string; escapes may have quotes, and ends of lines. */
static void blank_character(struct blank *b) {
    bool escapes = *b->at++ == '\\' && *b->at != '\0';
    bool skips = escapes && *b->at == 'z';

    b->at += escapes;
    while (skips && blank_is_space(*b->at))
        b->at++;
}

/* After an opening quote, or after the brace that ends an expression in a
 * string: up to the closing quote, or the brace that begins an expression. */
static void blank_string(struct blank *b, char quote) {
    char *from = b->at;

    while (*b->at != '\0' && *b->at != quote && *b->at != '\n' &&
           !(quote == '`' && *b->at == '{'))
        blank_character(b);
    blank_to(from, b->at, b->strings);
    if (quote == '`' && *b->at == '{' && b->depth < BLANK_DEPTH)
        b->open[b->depth++] = 0;
    if (*b->at != '\0' && *b->at != '\n')
        b->at++;
}

static void blank_brace(struct blank *b) {
    char brace = *b->at++;
    size_t *open = b->depth == 0 ? NULL : &b->open[b->depth - 1];

    if (open == NULL)
        return;
    if (brace == '{')
        ++*open;
    else if (*open > 0)
        --*open;
    else {
        b->depth--;
        blank_string(b, '`');
    }
}

void blank_source(char *text, bool strings) {
    struct blank b = {NULL, strings, 0, {0}};

    b.at = text;
    while (*b.at != '\0') {
        int level = blank_level(b.at);

        if (b.at[0] == '-' && b.at[1] == '-')
            blank_comment(&b);
        else if (level >= 0)
            blank_long(&b, level, strings);
        else if (*b.at == '{' || *b.at == '}')
            blank_brace(&b);
        else if (strchr("\"'`", *b.at++) != NULL)
            blank_string(&b, b.at[-1]);
    }
}
