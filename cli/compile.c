/* SPDX-License-Identifier: MIT */
#include "compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bundler.h"
#include "gather.h"
#include "options.h"
#include "report.h"
#include "script.h"

static const char compile_help[] =
    "Usage: kahu compile [options] SCRIPT [-o OUTPUT]\n"
    "\n"
    "Writes a program that runs SCRIPT where kahu is not installed: with the\n"
    "modules that it requires, and those that they do.\n"
    "\n"
    "  -o, --output OUTPUT    the program (SCRIPT without its suffix, here)\n"
    "      --include PATH     a module that is required by a name made when "
    "it\n"
    "                         runs, or a directory of modules\n"
    "      --sources          put the sources in, too: errors show their "
    "lines\n"
    "  -v, --verbose          list the files that are in it\n"
    "  -h, --help             this text\n"
    "\n"
    "and all options of `kahu run`, which the program then has at each run. "
    "It\n"
    "has none of its own: all its arguments are the script's.\n";

/* What the command line says, but for the options of `kahu run`. */
struct compile {
    const char *output; /* or NULL */
    char **includes;    /* up to a NULL; room for all arguments */
    int includes_count;
    bool sources;
    bool verbose;
    bool help;

    char **rest; /* what options_parse() may see, with room for all */
    int rest_count;
};

/* ------------------------------------------------------------------------ */
/* Command line                                                             */
/* ------------------------------------------------------------------------ */

static bool compile_refuse(const char *what, const char *about) {
    fprintf(stderr, "kahu: %s%s\nTry 'kahu compile --help'.\n", what, about);
    return false;
}

/* The value of an option that takes one, in this argument or the next; NULL if
 * the argument is another one. *missing is set when there is none. */
static char *compile_value(char **argv, int *i, const char *name,
                           bool *missing) {
    size_t length = strlen(name);
    char *argument = argv[*i];

    if (strncmp(argument, name, length) != 0)
        return NULL;
    if (argument[length] == '\0') {
        if (argv[*i + 1] == NULL)
            *missing = true;
        else
            ++*i;
        return argv[*i];
    }
    if (name[1] != '-')
        return argument + length; /* -oOUTPUT */
    return argument[length] == '=' ? argument + length + 1 : NULL;
}

/* True if the argument was one of ours. */
static bool compile_take(struct compile *c, char **argv, int *i,
                         bool *missing) {
    char *value = compile_value(argv, i, "-o", missing);

    if (value == NULL)
        value = compile_value(argv, i, "--output", missing);
    if (value != NULL) {
        c->output = value;
        return true;
    }
    value = compile_value(argv, i, "--include", missing);
    if (value != NULL) {
        c->includes[c->includes_count++] = value;
        return true;
    }
    if (strcmp(argv[*i], "--sources") == 0)
        return c->sources = true;
    if (strcmp(argv[*i], "-v") == 0 || strcmp(argv[*i], "--verbose") == 0)
        return c->verbose = true;
    if (strcmp(argv[*i], "-h") == 0 || strcmp(argv[*i], "--help") == 0)
        return c->help = true;
    return false;
}

/* Ours may stand before the script and after it. */
static bool compile_sort(struct compile *c, int argc, char **argv) {
    bool missing = false;
    bool ours = true;

    c->rest[c->rest_count++] = argv[0];
    for (int i = 1; i < argc; i++) {
        ours = ours && strcmp(argv[i], "--") != 0;
        if (!ours || !compile_take(c, argv, &i, &missing))
            c->rest[c->rest_count++] = argv[i];
        if (missing)
            return compile_refuse("a value is missing after ", argv[i]);
    }
    return true;
}

/* Cuts c->rest behind the options that are kept, those before the script. */
static bool compile_keep(struct compile *c, const struct options *o) {
    int script = 1;

    if (o->code != NULL)
        return compile_refuse("compile takes a script, not -e", "");
    if (o->argc > 0 && o->argv[0][0] == '-' && o->argv[0][1] != '\0')
        return compile_refuse("options of a run stand before the script: ",
                              o->argv[0]);
    if (o->argc > 0)
        return compile_refuse("compile takes one script, and there is also ",
                              o->argv[0]);
    while (c->rest[script] != o->script)
        script++;
    if (strcmp(c->rest[script - 1], "--") == 0)
        script--;
    c->rest[script] = NULL;
    return true;
}

/* ------------------------------------------------------------------------ */
/* Output                                                                   */
/* ------------------------------------------------------------------------ */

/* The script's name without suffix, or its directory's. */
static void compile_name(const char path[SCRIPT_PATH], char out[SCRIPT_PATH]) {
    char *slash;
    char *dot;

    memcpy(out, path, SCRIPT_PATH);
    slash = strrchr(out, '/');
    if (slash != NULL && strcmp(slash, "/init.luau") == 0)
        *slash = '\0';
    slash = strrchr(out, '/');
    if (slash != NULL)
        memmove(out, slash + 1, strlen(slash + 1) + 1);
    dot = strrchr(out, '.');
    if (dot != NULL && dot != out &&
        (strcmp(dot, ".luau") == 0 || strcmp(dot, ".lua") == 0))
        *dot = '\0';
}

static bool compile_is_source(const struct stat *st, const char *real) {
    struct stat other;

    return real != NULL && stat(real, &other) == 0 &&
           other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

/* A program may be replaced, but not what it is made of, nor a device. */
static bool compile_may_write(const char *path, const struct bundler *b) {
    struct stat st;
    bool source = false;

    if (stat(path, &st) != 0)
        return true;
    for (uint32_t i = 0; i < b->units_count; i++)
        source |= compile_is_source(&st, b->units[i].real);
    if (S_ISREG(st.st_mode) && !source)
        return true;
    fprintf(stderr, "kahu: will not write over '%s', %s: say -o OUTPUT\n", path,
            source ? "which is a source" : "which is no file");
    return false;
}

/* False when a name is missing. */
static bool compile_output(const struct compile *c, const struct script *script,
                           char out[SCRIPT_PATH]) {
    if (c->output == NULL && strcmp(script->path, "-") == 0)
        return compile_refuse("a script from standard input needs -o", "");
    if (c->output == NULL)
        compile_name(script->path, out);
    else if (snprintf(out, SCRIPT_PATH, "%s", c->output) >= SCRIPT_PATH)
        return compile_refuse("too long: ", c->output);
    if (*out == '\0' || strcmp(out, ".") == 0 || strcmp(out, "..") == 0)
        return compile_refuse("the script has no name to use: say -o OUTPUT",
                              "");
    return true;
}

/* ------------------------------------------------------------------------ */
/* Compiling                                                                */
/* ------------------------------------------------------------------------ */

static void compile_list(const struct bundler *b) {
    for (uint32_t i = 0; i < b->files_count; i++)
        puts(b->files[i].name);
}

static int compile_script(const struct compile *c, const struct options *o,
                          struct script *script, const char *path) {
    struct bundler bundler = {0};
    const struct gather gather = {o, &bundler, c->includes, c->sources};
    const struct bundler_run run = {c->rest + 1, script->chunkname};
    bool done = gather_script(&gather, script) &&
                compile_may_write(path, &bundler) &&
                bundler_write(&bundler, &run, path);

    if (done && c->verbose)
        compile_list(&bundler);
    bundler_free(&bundler);
    return done ? EXIT_SUCCESS : EXIT_SCRIPT;
}

static int compile_sorted(struct compile *c) {
    struct options o;
    struct script script;
    char path[SCRIPT_PATH];
    int code;

    if (!options_parse_compile(&o, c->rest_count, c->rest, &code))
        return code;
    if (!compile_keep(c, &o))
        return EXIT_USAGE;
    message_set_color(o.color);
    if (!script_read(&script, o.script, &code))
        return code;
    if (!compile_output(c, &script, path)) {
        source_free(&script.source);
        return EXIT_USAGE;
    }
    return compile_script(c, &o, &script, path);
}

int compile_main(int argc, char **argv) {
    struct compile c = {0};
    int code = EXIT_USAGE;

    c.includes = calloc((size_t)argc + 1, sizeof(*c.includes));
    c.rest = calloc((size_t)argc + 1, sizeof(*c.rest));
    if (c.includes == NULL || c.rest == NULL) {
        report_no_memory();
        code = EXIT_SCRIPT;
    } else if (compile_sort(&c, argc, argv)) {
        code = EXIT_SUCCESS;
        if (c.help)
            fputs(compile_help, stdout);
        else
            code = compile_sorted(&c);
    }
    free(c.includes);
    free(c.rest);
    return code;
}
