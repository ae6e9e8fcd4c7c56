/* SPDX-License-Identifier: MIT */
/*
 * replace.h - a file written whole, or not at all.
 */
#ifndef KAHU_CLI_REPLACE_H
#define KAHU_CLI_REPLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Writes a file in place of what is at path, if anything; what is open there
 * stays as it is. False with errno set, and nothing changed. */
bool replace_file(const char *path, const char *bytes, size_t size,
                  mode_t mode);

#endif
