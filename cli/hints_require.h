/* SPDX-License-Identifier: MIT */
/*
 * hints_require.h - what to do about a module that is not found.
 */
#ifndef KAHU_CLI_HINTS_REQUIRE_H
#define KAHU_CLI_HINTS_REQUIRE_H

#include <stdbool.h>

#include "hints.h"

/* As hints_find(). */
bool hints_for_require(struct hint *out, const char *message,
                       const struct texts_line *line);

#endif
