/* SPDX-License-Identifier: MIT */
/*
 * setup_files.h - what `kahu setup` wants in which file.
 */
#ifndef KAHU_CLI_SETUP_FILES_H
#define KAHU_CLI_SETUP_FILES_H

#include <stdbool.h>

#include "bytes.h"
#include "jsonc.h"

/* For whom a file is. */
enum setup_editor {
    SETUP_ANY,
    SETUP_VSCODE,
    SETUP_NEOVIM,
    SETUP_ZED,
    SETUP_EDITORS
};

struct setup_file {
    enum setup_editor editor;
    const char *name;

    /* Adds to what is in the file, if anything; text->failed when memory is
     * out. With a conflict the text is as it was. */
    enum jsonc_result (*add)(struct bytes *text);
};

/* Up to one without a name. */
extern const struct setup_file setup_files[];

#endif
