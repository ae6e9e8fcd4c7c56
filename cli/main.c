/* SPDX-License-Identifier: MIT */
/*
 * main.c - the program kahu: finds its script, runs it, exits with its code.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "options.h"
#include "report.h"
#include "run.h"
#include "source.h"

#define MAIN_PATH 4096

/* A directory stands for the init.luau in it. */
static const char *main_resolve(const char *path, char out[MAIN_PATH]) {
    size_t length = strlen(path);
    struct stat st;

    if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return path;
    while (length > 1 && path[length - 1] == '/')
        length--;
    if (snprintf(out, MAIN_PATH, "%.*s/init.luau", (int)length, path) >=
        MAIN_PATH)
        return path;
    return out;
}

static bool main_read(const char *path, struct source *source) {
    const char *why;

    if (source_read(source, path, &why))
        return true;
    fprintf(stderr, "kahu: cannot read '%s': %s\n", path, why);
    return false;
}

static int main_run_file(const struct options *o) {
    char resolved[MAIN_PATH];
    char chunkname[MAIN_PATH + 1];
    const char *path = main_resolve(o->script, resolved);
    struct source source;

    if (!main_read(path, &source))
        return EXIT_USAGE;
    if (strcmp(path, "-") == 0)
        return run_script(o, &source, "=stdin");
    snprintf(chunkname, sizeof(chunkname), "@%s", path);
    return run_script(o, &source, chunkname);
}

static int main_run_code(const struct options *o) {
    struct source source;

    if (!source_copy(&source, o->code)) {
        report_failure("-e", strerror(ENOMEM));
        return EXIT_SCRIPT;
    }
    return run_script(o, &source, "=-e");
}

/* A full disk is not to pass for success. */
static int main_flush(int code) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    report_failure("cannot write to standard output", strerror(errno));
    return code == EXIT_SUCCESS ? EXIT_SCRIPT : code;
}

int main(int argc, char **argv) {
    struct options o;
    int code;

    if (options_parse(&o, argc, argv, &code))
        code = o.code != NULL ? main_run_code(&o) : main_run_file(&o);
    return main_flush(code);
}
