/* SPDX-License-Identifier: MIT */
/*
 * hints.h - what to do about messages that people often meet.
 */
#ifndef KAHU_CLI_HINTS_H
#define KAHU_CLI_HINTS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct hint {
    char text[256];
    const char *name; /* the name in the line that it is about, or NULL */
};

/* False when there is no hint for the message. line is that of the source it
 * speaks of, NULL when it is not known; co the thread that failed, with its
 * frames, or NULL. */
bool hints_find(struct hint *out, const char *message, const char *line,
                lua_State *co);

/* May it be in the middle of a name? */
bool hints_is_word(char c);

/* The place of the name in the line, as a whole word that is no field; NULL
 * when there is none. */
const char *hints_name_in(const char *line, const char *name, size_t length);

#endif
