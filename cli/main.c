/* SPDX-License-Identifier: MIT */
/*
 * main.c - the program kahu: finds the command and does it; without one, finds
 * its script, runs it, exits with its code.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"
#include "profile_command.h"
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

/* False when there is no text; what to exit with is in *code. */
static bool main_read(const char *path, struct source *source, int *code) {
    struct source_failure failure;

    if (source_read(source, path, &failure))
        return true;
    *code = failure.memory ? EXIT_SCRIPT : EXIT_USAGE;
    if (failure.memory)
        report_no_memory();
    else
        fprintf(stderr, "kahu: cannot read '%s': %s\n", path, failure.why);
    return false;
}

static int main_run_file(const struct options *o) {
    char resolved[MAIN_PATH];
    char chunkname[MAIN_PATH + 1];
    const char *path = main_resolve(o->script, resolved);
    struct source source;
    int code;

    if (!main_read(path, &source, &code))
        return code;
    if (strcmp(path, "-") == 0)
        return run_script(o, &source, "=stdin");
    snprintf(chunkname, sizeof(chunkname), "@%s", path);
    return run_script(o, &source, chunkname);
}

static int main_run_code(const struct options *o) {
    struct source source;

    if (!source_copy(&source, o->code)) {
        report_no_memory();
        return EXIT_SCRIPT;
    }
    return run_script(o, &source, "=-e");
}

/* libuv would get the descriptors of standard streams that are closed, and
 * refuses to own them. Opened for reading: what is written to them fails, as
 * it would have. */
static void main_fill_streams(void) {
    int fd;

    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* `kahu run`, and kahu without a command. */
static int main_run(int argc, char **argv) {
    struct options o;
    int code;

    if (options_parse(&o, argc, argv, &code))
        code = o.code != NULL ? main_run_code(&o) : main_run_file(&o);
    return code;
}

/* A command's own arguments follow its name, as those of a program do. */
static const struct command {
    const char *name;
    int (*main)(int argc, char **argv);
} main_commands[] = {
    {"run", main_run},
    {"profile", profile_command},
};

static int main_command(int argc, char **argv) {
    for (size_t i = 0; i < sizeof(main_commands) / sizeof(*main_commands); i++)
        if (argc > 1 && strcmp(argv[1], main_commands[i].name) == 0)
            return main_commands[i].main(argc - 1, argv + 1);
    return main_run(argc, argv);
}

int main(int argc, char **argv) {
    int code;

    main_fill_streams();
    code = main_command(argc, argv);
    if (!report_flushed() && code == EXIT_SUCCESS)
        code = EXIT_SCRIPT; /* a full disk is not to pass for success */
    return code;
}
