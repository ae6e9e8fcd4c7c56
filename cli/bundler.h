/* SPDX-License-Identifier: MIT */
/*
 * bundler.h - a bundle while it is made: what is in it, and writing it behind a
 * copy of the program. See bundle.h.
 */
#ifndef KAHU_CLI_BUNDLER_H
#define KAHU_CLI_BUNDLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source.h"

struct bundler_unit {
    char *real; /* the one path of its file; NULL for standard input */
    char *bytes;
    size_t size;
    struct source source; /* to be in the program, too; or empty */
};

struct bundler_file {
    char *name;
    uint32_t unit;
};

/* Begins as zeros. */
struct bundler {
    struct bundler_unit *units;
    uint32_t units_count;
    struct bundler_file *files;
    uint32_t files_count;
    bool failed; /* memory was out: what is here is not whole */
};

/* What is run, and how. */
struct bundler_run {
    char **options; /* up to a NULL */
    const char *chunkname;
};

/* The unit made of the file whose one path is real, or -1. */
int64_t bundler_find_unit(const struct bundler *b, const char *real);

/* Takes the bytes, from malloc; real may be NULL. The unit's number. */
uint32_t bundler_add_unit(struct bundler *b, const char *real, char *bytes,
                          size_t size);

/* Copies what the unit was made of. */
void bundler_set_source(struct bundler *b, uint32_t unit,
                        const struct source *source);

bool bundler_has_file(const struct bundler *b, const char *name);
void bundler_add_file(struct bundler *b, const char *name, uint32_t unit);

/* Writes the program with the bundle, and replaces what was at path. False
 * after saying why that can't be. */
bool bundler_write(struct bundler *b, const struct bundler_run *run,
                   const char *path);

void bundler_free(struct bundler *b);

#endif
