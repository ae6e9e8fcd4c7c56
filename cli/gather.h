/* SPDX-License-Identifier: MIT */
/*
 * gather.h - a script, the modules it requires, and those that they do.
 */
#ifndef KAHU_CLI_GATHER_H
#define KAHU_CLI_GATHER_H

#include <stdbool.h>

#include "bundler.h"
#include "options.h"
#include "script.h"

struct gather {
    const struct options *options;
    struct bundler *out;
    char **includes; /* files and directories, up to a NULL */
    bool sources;    /* are to be in it, too */
};

/* Compiles all of it into g->out; frees the script's source. False after saying
 * what is wrong with it. */
bool gather_script(const struct gather *g, struct script *script);

#endif
