/* SPDX-License-Identifier: MIT */
/*
 * jsonc.h - JSON with comments, as editors keep their settings in: members are
 * added to a text, and of what people wrote there nothing but blanks before a
 * closing bracket is lost or moved.
 */
#ifndef KAHU_CLI_JSONC_H
#define KAHU_CLI_JSONC_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

/* Names of members, from the outermost object inwards, up to a NULL. */
typedef const char *const *jsonc_path;

enum jsonc_result {
    JSONC_KEPT,    /* it is there already */
    JSONC_ADDED,   /* the text was changed */
    JSONC_CONFLICT /* no JSON, or something else is there; nothing changed */
};

enum jsonc_kind { JSONC_NOTHING, JSONC_OBJECT, JSONC_ARRAY, JSONC_OTHER };

/* What is at the path; JSONC_NOTHING also for a text that is no JSON. */
enum jsonc_kind jsonc_at(const struct bytes *text, jsonc_path path);

/* Adds a member whose value is the given JSON, unless there is one of that
 * name, whatever its value. Objects on the way to it are made. */
enum jsonc_result jsonc_set(struct bytes *text, jsonc_path path,
                            const char *value);

/* Adds a string, which needs no escapes, to the array at the path, unless it
 * has it. The array is made, and objects on the way to it. */
enum jsonc_result jsonc_append(struct bytes *text, jsonc_path path,
                               const char *string);

#endif
