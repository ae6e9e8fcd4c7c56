/* SPDX-License-Identifier: MIT */
/*
 * tidy.h - paths without what leads nowhere.
 *
 * "./", a second slash, and "x/.." are left out: the latter where x is a
 * directory. Where it is a link, "x/.." is the directory above what it leads
 * to, which has no shorter name, and stays. So a step down or up from the path
 * is one name more or less, and no link is seen through: what is beside a link
 * is beside it.
 */
#ifndef KAHU_CLI_TIDY_H
#define KAHU_CLI_TIDY_H

#include <stdbool.h>
#include <stddef.h>

/* "" is the current directory. Without `looks` every "x/.." stays, and the
 * answer is the same wherever the program runs. False when there is no room; it
 * never takes more than the path. */
bool tidy_path(char *out, size_t size, const char *path, bool looks);

#endif
