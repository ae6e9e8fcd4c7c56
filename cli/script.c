/* SPDX-License-Identifier: MIT */
#include "script.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "options.h"
#include "report.h"

/* A directory stands for the init.luau in it. False when the path is too
 * long. */
static bool script_resolve(const char *path, char out[SCRIPT_PATH]) {
    size_t length = strlen(path);
    const char *inside = "/init.luau";
    struct stat st;

    if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        inside = "";
    while (*inside != '\0' && length > 1 && path[length - 1] == '/')
        length--;
    return snprintf(out, SCRIPT_PATH, "%.*s%s", (int)length, path, inside) <
           SCRIPT_PATH;
}

bool script_read(struct script *out, const char *path, int *code) {
    struct source_failure failure = {"File name too long", false};
    bool resolved = script_resolve(path, out->path);

    if (resolved && source_read(&out->source, out->path, &failure)) {
        if (strcmp(path, "-") == 0)
            memcpy(out->chunkname, "=stdin", sizeof("=stdin"));
        else
            snprintf(out->chunkname, sizeof(out->chunkname), "@%s", out->path);
        return true;
    }
    *code = failure.memory ? EXIT_SCRIPT : EXIT_USAGE;
    if (failure.memory)
        report_no_memory();
    else
        fprintf(stderr, "kahu: cannot read '%s': %s\n",
                resolved ? out->path : path, failure.why);
    return false;
}
