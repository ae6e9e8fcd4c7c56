/* SPDX-License-Identifier: MIT */
/*
 * bundle.h - a script and its modules inside the program that runs them.
 *
 * `kahu compile` writes a copy of the running program with a bundle behind it:
 *
 *   program | bundle | trailer
 *
 * and changes a mark in the copy, so that it knows that it has one: a copy that
 * was cut or stripped says so, and never takes its user's arguments for its
 * own. Numbers are little-endian; a text is its length and its bytes with a
 * zero behind them. A bundle is
 *
 *   count, texts        options the script is run with
 *   text                what the script's chunk is called
 *   count, (text, text) units: bytecode and its source, which is empty without
 *                       --sources, or a configuration file and nothing; the
 *                       first is the script
 *   count, (text, unit) files: a name as require finds it, and what it holds
 *
 * and is trusted like the program it is part of: the sum in the trailer finds
 * accidents and nothing else.
 */
#ifndef KAHU_CLI_BUNDLE_H
#define KAHU_CLI_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define BUNDLE_MAGIC "\x1BkahuBDL" /* 8 bytes */
#define BUNDLE_FORMAT 2U
#define BUNDLE_TRAILER 32 /* magic, format, 0, size of the bundle, its sum */
#define BUNDLE_MARK 32

struct bundle_text {
    char *bytes; /* ends in a zero, which size does not count */
    uint32_t size;
};

struct bundle_unit {
    struct bundle_text bytes;
    struct bundle_text source; /* empty when it was not asked for */
};

struct bundle_file {
    const char *name;
    uint32_t unit;
};

struct bundle {
    char *bytes; /* what all else points into */
    uint32_t options_count;
    char **options; /* whoever parses them may want to write */
    const char *chunkname;
    uint32_t units_count;
    struct bundle_unit *units;
    uint32_t files_count;
    struct bundle_file *files;
};

/* The running program, open for reading; NULL with errno set. */
FILE *bundle_open_program(void);

/* The mark as it is in this program. */
void bundle_copy_mark(char out[BUNDLE_MARK]);

/* Its first byte, in a program that has a bundle. */
#define BUNDLE_MARK_SET '1'

uint64_t bundle_sum(const char *bytes, size_t size);

/* Is there a bundle in this program? True also for one that is damaged. */
bool bundle_is_expected(void);

/* Loads it. False after saying why that can't be. */
bool bundle_load(struct bundle *out);
void bundle_free(struct bundle *b);

/* The file of that name, or NULL. */
const struct bundle_file *bundle_find(const struct bundle *b, const char *name);

/* The name of the file that Luau calls so, which begins with an '@', or NULL. A
 * script is called as the user wrote its path, a module by its name. */
const char *bundle_name(const struct bundle *b, const char *chunkname);

/* Is a file of the bundle in the directory, or below it? "" is the current
 * directory. */
bool bundle_has_dir(const struct bundle *b, const char *dir);

/* A copy of a unit, from malloc; NULL when memory is out. */
char *bundle_read(const struct bundle *b, uint32_t unit, size_t *size);

/* Gives the sources that are in it to those who show their lines. */
void bundle_keep_sources(const struct bundle *b);

#endif
