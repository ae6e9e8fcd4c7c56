/* SPDX-License-Identifier: MIT */
/*
 * script.h - the script that a command line names.
 */
#ifndef KAHU_CLI_SCRIPT_H
#define KAHU_CLI_SCRIPT_H

#include <stdbool.h>

#include "source.h"

#define SCRIPT_PATH 4096

struct script {
    struct source source;
    char path[SCRIPT_PATH];          /* of its file; "-" is standard input */
    char chunkname[SCRIPT_PATH + 1]; /* what Luau calls it */
};

/* Reads the script that the path stands for: a file, a directory's init.luau,
 * "-". False when there is no text; what to exit with is in *code. */
bool script_read(struct script *out, const char *path, int *code);

#endif
