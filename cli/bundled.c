/* SPDX-License-Identifier: MIT */
#include "bundled.h"

#include <stdlib.h>

#include "bundle.h"
#include "options.h"
#include "report.h"
#include "run.h"

/* A command line as it would be without the bundle: its options, a name for
 * the script, the arguments. From malloc, what is in it is not; NULL when
 * memory is out. */
static char **bundled_arguments(const struct bundle *b, int argc, char **argv,
                                int *count) {
    static char end[] = "--";
    static char script[] = "script";
    size_t room = (size_t)b->options_count + (size_t)argc + 4;
    char **line = calloc(room, sizeof(*line));

    *count = 0;
    if (line == NULL)
        return NULL;
    line[(*count)++] = argv[0];
    for (uint32_t i = 0; i < b->options_count; i++)
        line[(*count)++] = b->options[i];
    line[(*count)++] = end;
    line[(*count)++] = script;
    for (int i = 1; i < argc; i++)
        line[(*count)++] = argv[i];
    return line;
}

static int bundled_run(const struct bundle *b, int argc, char **argv) {
    struct source none = {NULL, 0}; /* the bundle has it */
    struct options o;
    int code;

    if (!options_parse(&o, argc, argv, &code))
        return code;
    o.bundle = b;
    bundle_keep_sources(b);
    return run_script(&o, &none, b->chunkname);
}

int bundled_main(int argc, char **argv) {
    struct bundle bundle;
    int code = EXIT_SCRIPT;
    char **line;
    int count;

    if (!bundle_load(&bundle))
        return EXIT_USAGE;
    line = bundled_arguments(&bundle, argc, argv, &count);
    if (line == NULL)
        report_no_memory();
    else
        code = bundled_run(&bundle, count, line);
    free(line);
    bundle_free(&bundle);
    return code;
}
