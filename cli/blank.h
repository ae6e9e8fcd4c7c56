/* SPDX-License-Identifier: MIT */
/*
 * blank.h - a source without what is no code in it: blanks in place of comments
 * and of what strings say, byte for byte, so that everything else stays where
 * it is. Quotes, brackets and the ends of lines are left.
 */
#ifndef KAHU_CLI_BLANK_H
#define KAHU_CLI_BLANK_H

#include <stdbool.h>

/* Of interpolated strings the expressions are code. With `strings` false only
 * comments go. */
void blank_source(char *text, bool strings);

#endif
