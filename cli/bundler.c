/* SPDX-License-Identifier: MIT */
#include "bundler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "bytes.h"
#include "replace.h"
#include "report.h"

/* ------------------------------------------------------------------------ */
/* What is in it                                                            */
/* ------------------------------------------------------------------------ */

/* Room for one more, the arrays being as long as powers of two allow. */
static bool bundler_grow(struct bundler *b, void **array, uint32_t count,
                         size_t size) {
    void *grown = *array;

    if ((count & (count - 1)) == 0) /* 0, 1, 2, 4, 8 ... are full */
        grown = realloc(*array, size * (count == 0 ? 1 : (size_t)count * 2));
    if (grown == NULL)
        b->failed = true;
    else
        *array = grown;
    return grown != NULL;
}

int64_t bundler_find_unit(const struct bundler *b, const char *real) {
    for (uint32_t i = 0; i < b->units_count; i++)
        if (b->units[i].real != NULL && strcmp(b->units[i].real, real) == 0)
            return i;
    return -1;
}

uint32_t bundler_add_unit(struct bundler *b, const char *real, char *bytes,
                          size_t size) {
    struct bundler_unit unit = {NULL, bytes, size, {NULL, 0}};
    void *units = b->units;

    if (real != NULL) {
        unit.real = strdup(real);
        b->failed |= unit.real == NULL;
    }
    if (!bundler_grow(b, &units, b->units_count, sizeof(unit))) {
        free(unit.real);
        free(bytes);
        return 0;
    }
    b->units = units;
    b->units[b->units_count] = unit;
    return b->units_count++;
}

void bundler_set_source(struct bundler *b, uint32_t unit,
                        const struct source *source) {
    if (unit >= b->units_count || !source_clone(&b->units[unit].source, source))
        b->failed = true;
}

bool bundler_has_file(const struct bundler *b, const char *name) {
    for (uint32_t i = 0; i < b->files_count; i++)
        if (strcmp(b->files[i].name, name) == 0)
            return true;
    return false;
}

void bundler_add_file(struct bundler *b, const char *name, uint32_t unit) {
    struct bundler_file file = {strdup(name), unit};
    void *files = b->files;

    if (file.name == NULL ||
        !bundler_grow(b, &files, b->files_count, sizeof(file))) {
        free(file.name);
        b->failed = true;
        return;
    }
    b->files = files;
    b->files[b->files_count++] = file;
}

void bundler_free(struct bundler *b) {
    for (uint32_t i = 0; i < b->units_count; i++) {
        free(b->units[i].real);
        free(b->units[i].bytes);
        source_free(&b->units[i].source);
    }
    for (uint32_t i = 0; i < b->files_count; i++)
        free(b->files[i].name);
    free(b->units);
    free(b->files);
    *b = (struct bundler){0};
}

/* ------------------------------------------------------------------------ */
/* Its bytes                                                                */
/* ------------------------------------------------------------------------ */

static void put_number(struct bytes *out, uint64_t n, size_t width) {
    char bytes[8];

    for (size_t i = 0; i < width; i++)
        bytes[i] = (char)(n >> i * 8 & 0xFF);
    bytes_put(out, bytes, width);
}

static void put_text(struct bytes *out, const char *text, size_t size) {
    put_number(out, size, 4);
    bytes_put(out, text, size);
    bytes_put(out, "", 1);
    out->failed |= size > UINT32_MAX; /* no source is half as long */
}

static void put_bundle(struct bytes *out, const struct bundler *b,
                       const struct bundler_run *run) {
    uint32_t options = 0;

    while (run->options[options] != NULL)
        options++;
    put_number(out, options, 4);
    for (uint32_t i = 0; i < options; i++)
        put_text(out, run->options[i], strlen(run->options[i]));
    put_text(out, run->chunkname, strlen(run->chunkname));
    put_number(out, b->units_count, 4);
    for (uint32_t i = 0; i < b->units_count; i++) {
        put_text(out, b->units[i].bytes, b->units[i].size);
        put_text(out, b->units[i].source.text, b->units[i].source.size);
    }
    put_number(out, b->files_count, 4);
    for (uint32_t i = 0; i < b->files_count; i++) {
        put_text(out, b->files[i].name, strlen(b->files[i].name));
        put_number(out, b->files[i].unit, 4);
    }
}

/* Behind what is in out already, which is the program. */
static void put_bundle_and_trailer(struct bytes *out, const struct bundler *b,
                                   const struct bundler_run *run) {
    size_t start = out->size;
    size_t size;
    uint64_t sum;

    put_bundle(out, b, run);
    if (out->failed)
        return;
    size = out->size - start;
    sum = bundle_sum(out->at + start, size);
    bytes_put(out, BUNDLE_MAGIC, 8);
    put_number(out, BUNDLE_FORMAT, 4);
    put_number(out, 0, 4);
    put_number(out, size, 8);
    put_number(out, sum, 8);
}

/* ------------------------------------------------------------------------ */
/* The program                                                              */
/* ------------------------------------------------------------------------ */

/* False with errno set. */
static bool program_read(struct bytes *out) {
    FILE *f = bundle_open_program();
    char chunk[65536];
    size_t n;
    int error;

    if (f == NULL)
        return false;
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        bytes_put(out, chunk, n);
    error = ferror(f) ? EIO : out->failed ? ENOMEM : 0;
    fclose(f);
    errno = error;
    return error == 0;
}

/* Tells the copy that it has a bundle: see bundle.h. False when the mark is not
 * there, or more than once. */
static bool program_mark(const struct bytes *program) {
    char mark[BUNDLE_MARK];
    char *found = NULL;

    bundle_copy_mark(mark);
    for (size_t i = 0; i + BUNDLE_MARK <= program->size; i++)
        if (program->at[i] == mark[0] &&
            memcmp(program->at + i, mark, BUNDLE_MARK) == 0) {
            if (found != NULL)
                return false;
            found = program->at + i;
        }
    if (found != NULL)
        *found = BUNDLE_MARK_SET;
    return found != NULL;
}

/* ------------------------------------------------------------------------ */
/* Writing                                                                  */
/* ------------------------------------------------------------------------ */

static bool bundler_make(struct bundler *b, const struct bundler_run *run,
                         struct bytes *out) {
    if (!program_read(out)) {
        report_failure("cannot read this program", strerror(errno));
        return false;
    }
#ifndef __APPLE__ /* there the signature would not hold any more */
    if (!program_mark(out)) {
        report_failure("cannot copy this program", "it was changed");
        return false;
    }
#endif
    put_bundle_and_trailer(out, b, run);
    if (out->failed || b->failed)
        report_no_memory();
    return !out->failed && !b->failed;
}

bool bundler_write(struct bundler *b, const struct bundler_run *run,
                   const char *path) {
    struct bytes out = {NULL, 0, 0, false};
    bool written = bundler_make(b, run, &out);

    if (written && !replace_file(path, out.at, out.size, 0777)) {
        fprintf(stderr, "kahu: cannot write '%s': %s\n", path, strerror(errno));
        written = false;
    }
    bytes_free(&out);
    return written;
}
