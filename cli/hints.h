/* SPDX-License-Identifier: MIT */
/*
 * hints.h - what to do about messages that people often meet.
 */
#ifndef KAHU_CLI_HINTS_H
#define KAHU_CLI_HINTS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct texts_line;

struct hint {
    char text[512];
    size_t at;     /* where in the line is the name that it is about? */
    size_t length; /* of that name; 0: of none */
};

/* False when there is no hint for the message, which is one of the VM's or of a
 * library's, without the place that it began with. line is that of the source
 * it speaks of, NULL when it is not known; co the thread that failed, with its
 * frames, or NULL. */
bool hints_find(struct hint *out, const char *message,
                const struct texts_line *line, lua_State *co);

/* May it be in the middle of a name? */
bool hints_is_word(char c);

#endif
