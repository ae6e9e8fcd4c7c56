/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* realpath */
#include "setup.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bytes.h"
#include "definitions.h"
#include "options.h"
#include "replace.h"
#include "report.h"
#include "setup_files.h"
#include "source.h"

#define SETUP_PATH 4096

static const char setup_help[] =
    "Usage: kahu setup [options] [DIR]\n"
    "\n"
    "Tells editors and type checkers of kahu's libraries, in the project in "
    "DIR\n"
    "(the current directory): type definitions in .kahu/types, strict mode in\n"
    ".luaurc, and settings for luau-lsp. Only adds to what is there; what "
    "can't\n"
    "be added safely is printed instead.\n"
    "\n"
    "      --editor EDITOR    vscode, neovim or zed; may be given again (all)\n"
    "      --update           replace definitions that another kahu wrote\n"
    "      --dry-run          say what would be done, and do nothing\n"
    "  -h, --help             this text\n";

struct setup {
    const char *dir;
    bool editors[SETUP_EDITORS];
    bool update;
    bool dry_run;
    bool failed;
};

/* ------------------------------------------------------------------------ */
/* Files                                                                    */
/* ------------------------------------------------------------------------ */

/* What is at a path. */
struct setup_found {
    char path[SETUP_PATH]; /* what links lead to, if it is there */
    bool there;
    mode_t mode;
    struct bytes text;
};

static void setup_fail(struct setup *s, const char *verb, const char *path,
                       const char *why) {
    fprintf(stderr, "kahu: cannot %s '%s': %s\n", verb, path, why);
    s->failed = true;
}

/* False after saying why it can't be read. */
static bool setup_read(struct setup *s, struct setup_found *f) {
    struct source_failure failure;
    struct source source;

    if (!source_read(&source, f->path, &failure)) {
        setup_fail(s, "read", f->path, failure.why);
        return false;
    }
    bytes_put(&f->text, source.text, source.size);
    source_free(&source);
    return true;
}

static bool setup_find(struct setup *s, const char *name,
                       struct setup_found *f) {
    char path[SETUP_PATH];
    struct stat st;

    *f = (struct setup_found){.mode = 0666};
    if (snprintf(path, sizeof(path), "%s/%s", s->dir, name) >= SETUP_PATH) {
        setup_fail(s, "read", name, strerror(ENAMETOOLONG));
        return false;
    }
    memcpy(f->path, path, sizeof(path));
    f->there = lstat(path, &st) == 0;
    if (!f->there && errno != ENOENT) {
        setup_fail(s, "read", path, strerror(errno));
        return false;
    }
    if (!f->there)
        return true;
    if (realpath(path, f->path) == NULL || stat(path, &st) != 0) {
        setup_fail(s, "read", path, strerror(errno));
        return false;
    }
    f->mode = st.st_mode & 07777;
    return setup_read(s, f);
}

/* Makes the directories that are to be above the file in s->dir. */
static bool setup_make_dirs(struct setup *s, const char path[SETUP_PATH]) {
    char dir[SETUP_PATH];
    size_t start = strlen(s->dir) + 1;

    memcpy(dir, path, sizeof(dir));
    for (char *slash = strchr(dir + start, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
            setup_fail(s, "make", dir, strerror(errno));
            return false;
        }
        *slash = '/';
    }
    return true;
}

static void setup_write(struct setup *s, const struct setup_found *f,
                        const struct bytes *text) {
    if (s->dry_run || (!f->there && !setup_make_dirs(s, f->path)))
        return;
    if (!replace_file(f->path, text->at, text->size, f->mode) ||
        (f->there && chmod(f->path, f->mode) != 0))
        setup_fail(s, "write", f->path, strerror(errno));
}

static void setup_tell(const char *what, const char *name, const char *more) {
    printf("%-8s %s%s\n", what, name, more);
}

/* ------------------------------------------------------------------------ */
/* What is to be in them                                                    */
/* ------------------------------------------------------------------------ */

static void setup_definition(struct setup *s, const struct definition *d) {
    struct bytes text = {0};
    struct setup_found f;
    char name[SETUP_PATH];
    bool same;

    snprintf(name, sizeof(name), ".kahu/types/%s.d.luau", d->name);
    if (!setup_find(s, name, &f))
        return;
    bytes_put(&text, d->text, *d->size);
    same = f.text.size == *d->size &&
           (*d->size == 0 || memcmp(f.text.at, d->text, *d->size) == 0);
    if (text.failed)
        setup_fail(s, "write", f.path, strerror(ENOMEM));
    else if (f.there && same)
        setup_tell("keep", name, "");
    else if (f.there && !s->update)
        setup_tell("leave", name, ": not of this kahu; --update replaces it");
    else {
        setup_tell(f.there ? "update" : "create", name, "");
        setup_write(s, &f, &text);
    }
    bytes_free(&text);
    bytes_free(&f.text);
}

/* What there would be if the file were not there, each line set in. */
static void setup_print(struct setup *s, const struct setup_file *file) {
    struct bytes text = {0};
    bool start = true;

    (void)file->add(&text);
    if (text.failed)
        setup_fail(s, "show", file->name, strerror(ENOMEM));
    for (size_t i = 0; i < text.size; i++) {
        if (start && text.at[i] != '\n')
            fputs("    ", stdout);
        putchar(text.at[i]);
        start = text.at[i] == '\n';
    }
    bytes_free(&text);
}

static void setup_file(struct setup *s, const struct setup_file *file) {
    enum jsonc_result result;
    struct setup_found f;

    if (!setup_find(s, file->name, &f))
        return;
    result = file->add(&f.text);
    if (f.text.failed) {
        setup_fail(s, "write", f.path, strerror(ENOMEM));
    } else if (result == JSONC_KEPT) {
        setup_tell("keep", file->name, "");
    } else if (result == JSONC_CONFLICT) {
        setup_tell("leave", file->name, ": please add by hand");
        setup_print(s, file);
    } else {
        setup_tell(f.there ? "add to" : "create", file->name, "");
        setup_write(s, &f, &f.text);
    }
    bytes_free(&f.text);
}

static void setup_all(struct setup *s) {
    for (const struct definition *d = definitions; d->name != NULL; d++)
        setup_definition(s, d);
    for (const struct setup_file *f = setup_files; f->name != NULL; f++)
        if (s->editors[f->editor])
            setup_file(s, f);
}

/* ------------------------------------------------------------------------ */
/* Command line                                                             */
/* ------------------------------------------------------------------------ */

static bool setup_refuse(int *code) {
    fputs("Try 'kahu setup --help'.\n", stderr);
    *code = EXIT_USAGE;
    return false;
}

static bool setup_editor(struct setup *s, const char *name) {
    static const char *const names[SETUP_EDITORS] = {"", "vscode", "neovim",
                                                     "zed"};

    for (int i = SETUP_ANY + 1; i < SETUP_EDITORS; i++)
        if (strcmp(name, names[i]) == 0)
            return s->editors[i] = true;
    fprintf(stderr, "kahu: --editor takes vscode, neovim or zed, not '%s'\n",
            name);
    return false;
}

/* False after a mistake; true too when help is asked for. */
static bool setup_option(struct setup *s, int option, bool *help) {
    switch (option) {
    case 'e':
        return setup_editor(s, optarg);
    case 'u':
        return s->update = true;
    case 'd':
        return s->dry_run = true;
    case 'h':
        return *help = true;
    default: /* getopt has told the mistake */
        return false;
    }
}

/* Without a choice, for every editor. */
static void setup_choose(struct setup *s) {
    bool chosen = false;

    for (int i = SETUP_ANY + 1; i < SETUP_EDITORS; i++)
        chosen |= s->editors[i];
    for (int i = 0; i < SETUP_EDITORS; i++)
        s->editors[i] |= i == SETUP_ANY || !chosen;
}

/* False when there is nothing more to do but to exit with *code. */
static bool setup_parse(struct setup *s, int argc, char **argv, int *code) {
    static char name[] = "kahu"; /* what getopt's messages begin with */
    static const struct option options[] = {
        {"editor", required_argument, NULL, 'e'},
        {"update", no_argument, NULL, 'u'},
        {"dry-run", no_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bool help = false;
    int option;

    argv[0] = name;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
        if (!setup_option(s, option, &help))
            return setup_refuse(code);
    *code = EXIT_SUCCESS;
    if (help) {
        fputs(setup_help, stdout);
        return false;
    }
    if (optind < argc)
        s->dir = argv[optind++];
    if (optind < argc) {
        fprintf(stderr,
                "kahu: setup takes one directory, and there is also "
                "%s\n",
                argv[optind]);
        return setup_refuse(code);
    }
    setup_choose(s);
    return true;
}

int setup_main(int argc, char **argv) {
    struct setup s = {.dir = "."};
    struct stat st;
    int code;

    if (!setup_parse(&s, argc, argv, &code))
        return code;
    if (stat(s.dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        fprintf(stderr, "kahu: '%s' is no directory\n", s.dir);
        return EXIT_USAGE;
    }
    setup_all(&s);
    return s.failed ? EXIT_SCRIPT : EXIT_SUCCESS;
}
