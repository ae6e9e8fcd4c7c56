/* SPDX-License-Identifier: MIT */
#include "profile_command.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flame.h"
#include "folded.h"
#include "options.h"
#include "report.h"
#include "source.h"
#include "stacks.h"

static const char profile_command_help[] =
    "Usage: kahu profile flame FILE\n"
    "\n"
    "Turns folded stacks, as kahu --profile FILE.folded writes them, into a "
    "flame\n"
    "graph: an SVG picture on standard output. FILE may be - for standard "
    "input.\n"
    "\n"
    "  -h, --help             this text\n";

/* NULL: getopt has told it. */
static int profile_command_refuse(const char *what) {
    if (what != NULL)
        fprintf(stderr, "kahu: %s\n", what);
    fputs("Try 'kahu profile --help'.\n", stderr);
    return EXIT_USAGE;
}

static int profile_command_no_memory(void) {
    report_no_memory();
    return EXIT_SCRIPT;
}

/* What was read may fill its memory to the last byte. */
static bool profile_command_read(struct source *source, const char *path,
                                 struct source_failure *failure) {
    char *text;

    if (!source_read(source, path, failure))
        return false;
    text = realloc(source->text, source->size + 1);
    failure->memory = text == NULL;
    if (text == NULL) {
        source_free(source);
        return false;
    }
    source->text = text;
    text[source->size] = '\0';
    return true;
}

static int profile_command_draw(struct source *source, const char *path) {
    struct folded_failure failure = {true, 0};
    struct stacks st;
    bool good = stacks_init(&st) &&
                folded_read(&st, source->text, source->size, &failure);
    int code = EXIT_SUCCESS;

    if (!good && !failure.memory) {
        fprintf(stderr, "kahu: %s:%zu: not a stack and a count\n", path,
                failure.line);
        code = EXIT_USAGE;
    } else if (!good || !flame_write(&st, path, stdout)) {
        code = profile_command_no_memory();
    }
    stacks_deinit(&st);
    return code;
}

static int profile_command_flame(const char *path) {
    struct source_failure failure;
    struct source source;
    int code;

    if (profile_command_read(&source, path, &failure)) {
        code = profile_command_draw(&source, path);
        source_free(&source);
        return code;
    }
    if (failure.memory)
        return profile_command_no_memory();
    fprintf(stderr, "kahu: cannot read '%s': %s\n", path, failure.why);
    return EXIT_USAGE;
}

int profile_command(int argc, char **argv) {
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    static char name[] = "kahu"; /* what getopt's messages begin with */
    int option;

    argv[0] = name;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option != 'h')
            return profile_command_refuse(NULL);
        fputs(profile_command_help, stdout);
        return EXIT_SUCCESS;
    }
    if (argc - optind < 1 || strcmp(argv[optind], "flame") != 0)
        return profile_command_refuse("profile takes 'flame'");
    if (argc - optind != 2)
        return profile_command_refuse("profile flame takes one file");
    return profile_command_flame(argv[optind + 1]);
}
