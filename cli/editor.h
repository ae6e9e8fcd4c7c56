/* SPDX-License-Identifier: MIT */
/*
 * editor.h - lines from a terminal, by libedit, while a libuv loop goes on.
 *
 * libedit asks for a key and waits; here it is the loop that waits, so that
 * whatever else it has to do is done between two keys.
 */
#ifndef KAHU_CLI_EDITOR_H
#define KAHU_CLI_EDITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct editor;
struct completion;

/* What the editor asks its owner; ud is the owner's. */
struct editor_owner {
    void *ud;
    /* What may stand before the cursor, whose text is given. */
    void (*complete)(void *ud, const char *text, size_t length,
                     struct completion *out);
    /* True when there is nothing to read for any more. */
    bool (*is_over)(void *ud);
};

enum editor_result {
    EDITOR_LINE,
    EDITOR_INTERRUPTED, /* by editor_interrupt(); what was typed is dropped */
    EDITOR_END,         /* of the input, or it is over */
    EDITOR_NO_MEMORY
};

/* NULL when it can't be made, with the reason in *why. */
struct editor *editor_new(uv_loop_t *loop, const struct editor_owner *owner,
                          const char **why);

/* Saves the history. Runs the loop until its handles are closed. */
void editor_free(struct editor *e);

/* Reads a line, to *line, without its end, lent until the next call. */
enum editor_result editor_read(struct editor *e, const char *prompt,
                               const char **line);

/* Appends to the history. */
void editor_remember(struct editor *e, const char *line);

/* To be called before anything is written to the terminal: takes the line that
 * is being edited away, and it comes back before the loop sleeps. False when
 * none is being edited. */
bool editor_hide(struct editor *e);

/* Ends the wait for a key; by EDITOR_INTERRUPTED if is_over() is not true. In a
 * signal handler too. */
void editor_interrupt(struct editor *e);

/* Was there an interrupt that no line was ended by? Takes it. */
bool editor_take_interrupt(struct editor *e);

#endif
