/* SPDX-License-Identifier: MIT */
/*
 * message.h - an error as people see it, on standard error:
 *
 *   main.luau:3: attempt to index nil with 'name'
 *       3 | print(user.name)
 *         |            ^^^^
 *   hint: what to do about it
 *   stack traceback:
 *     main.luau:3 function greet
 *   started at main.luau:7
 *
 * The first line is Luau's own, for editors to find. Colours are for terminals
 * alone, and carry no meaning that the text has not.
 */
#ifndef KAHU_CLI_MESSAGE_H
#define KAHU_CLI_MESSAGE_H

#include <lua.h>
#include <stdbool.h>
#include <stdio.h>

#include "kahu/kahu.h"

enum message_color {
    MESSAGE_AUTO, /* on a terminal that is not dumb, unless NO_COLOR is set */
    MESSAGE_ALWAYS,
    MESSAGE_NEVER
};

void message_set_color(enum message_color color);

/* Does what is written there have colours, by what was set? */
bool message_is_colored(FILE *out);

/* Called before a message is written; NULL: nothing is. */
void message_set_before(void (*before)(void));

/* What message_error() begins with, for who writes lines of another kind. */
void message_begin(void);

/* co is the thread that failed, with its frames; NULL when there is none, as
 * with errors of compilation. traceback has a line a frame, or none. */
void message_error(kahu_sched *s, lua_State *co, const char *message,
                   const char *traceback);

/* What a C function's line in a traceback begins with. */
#define MESSAGE_C_FUNCTION "[C] function "

/* Only what comes with the line that a message begins with: its text, the
 * caret, a hint; each line of it behind the prefix. Nothing if there is none
 * that is known. frames are of the traceback, or "": the C function that raised
 * the error, if one did, and "file:line:" of its caller, whose line it is when
 * the message names none. */
void message_place(FILE *out, const char *prefix, bool colored,
                   const char *message, const char *frames);

#endif
