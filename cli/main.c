/* SPDX-License-Identifier: MIT */
/*
 * main.c - the program kahu: finds the command and does it; without one, finds
 * its script, runs it, exits with its code. With a script inside, it has no
 * commands and no options: see bundle.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundle.h"
#include "bundled.h"
#include "compile.h"
#include "memory.h"
#include "options.h"
#include "profile_command.h"
#include "report.h"
#include "run.h"
#include "script.h"
#include "setup.h"
#include "test.h"
#include "trace.h"

static bool main_is_command(const char *name);

/* Whoever meant a command is told how those are given. */
static void main_advise(const char *script) {
    size_t letters = strspn(script, "abcdefghijklmnopqrstuvwxyz");

    if (letters == 0 || script[letters] != '\0' || access(script, F_OK) == 0 ||
        errno != ENOENT)
        return;
    if (main_is_command(script))
        fprintf(stderr, "'%s' is a command: it comes before its options.\n",
                script);
    else
        fputs("Try 'kahu --help'.\n", stderr);
}

static int main_run_file(const struct options *o) {
    struct script script;
    int code;

    if (script_read(&script, o->script, &code))
        return run_script(o, &script.source, script.chunkname);
    if (code == EXIT_USAGE)
        main_advise(o->script);
    return code;
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

static bool main_has_terminal(void) {
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

static const char *main_no_session(void) {
#ifdef KAHU_REPL
    return main_has_terminal() ? NULL : "a session needs a terminal";
#else
    return "this build has no sessions: libedit was not there";
#endif
}

/* `kahu repl`, and kahu alone on a terminal. */
static int main_repl(int argc, char **argv) {
    const char *why = main_no_session();
    struct source nothing = {NULL, 0};
    struct options o;
    int code;

    if (!options_parse_session(&o, argc, argv, &code))
        return code;
    if (why == NULL)
        return run_script(&o, &nothing, "=repl");
    fprintf(stderr, "kahu: %s\n", why);
    return EXIT_USAGE;
}

/* A command's own arguments follow its name, as those of a program do. */
static const struct command {
    const char *name;
    int (*main)(int argc, char **argv);
} main_commands[] = {
    {"run", main_run},
    {"repl", main_repl},
    {"test", test_main},
    {"trace", trace_main},
    {"profile", profile_command},
    {"compile", compile_main},
    {"setup", setup_main},
};

/* NULL when there is none of this name. */
static const struct command *main_find(const char *name) {
    for (size_t i = 0; i < sizeof(main_commands) / sizeof(*main_commands); i++)
        if (strcmp(name, main_commands[i].name) == 0)
            return &main_commands[i];
    return NULL;
}

static bool main_is_command(const char *name) {
    return main_find(name) != NULL;
}

static int main_command(int argc, char **argv) {
    const struct command *command = argc > 1 ? main_find(argv[1]) : NULL;

    if (command != NULL)
        return command->main(argc - 1, argv + 1);
    if (argc == 1 && main_has_terminal())
        return main_repl(argc, argv);
    return main_run(argc, argv);
}

int main(int argc, char **argv) {
    int code;

    memory_open();
    main_fill_streams();
    code = bundle_is_expected() ? bundled_main(argc, argv)
                                : main_command(argc, argv);
    if (!report_flushed() && code == EXIT_SUCCESS)
        code = EXIT_SCRIPT; /* a full disk is not to pass for success */
    return code;
}
