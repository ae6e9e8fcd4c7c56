/* SPDX-License-Identifier: MIT */
/*
 * completion.h - what a name that is being typed may become: globals, fields
 * of tables, methods, keywords. It looks, and calls nothing.
 */
#ifndef KAHU_CLI_COMPLETION_H
#define KAHU_CLI_COMPLETION_H

#include <lua.h>
#include <stddef.h>

/* Zeroed before use; completion_free() after. */
struct completion {
    char **names; /* in order, each once */
    size_t count;
    size_t capacity;
    size_t typed; /* bytes of the name that are there already */
};

/* Finds the names that may stand at the end of text; globals is the table on
 * top of L, and stays. Fewer of them when memory is out. */
void completion_find(lua_State *L, const char *text, size_t length,
                     struct completion *out);

/* How many bytes all the names have in common; 0 when there is none. */
size_t completion_common(const struct completion *c);

void completion_free(struct completion *c);

#endif
