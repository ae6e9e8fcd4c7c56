/* SPDX-License-Identifier: MIT */
#include "bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "report.h"
#include "texts.h"

/* ------------------------------------------------------------------------ */
/* The program                                                              */
/* ------------------------------------------------------------------------ */

#define BUNDLE_PATH 4096

/* Only here, so that it is found once in the program's file. */
static const volatile char bundle_mark[BUNDLE_MARK] =
    "0\x1BkahuMRK: a bundle is behind.";

void bundle_copy_mark(char out[BUNDLE_MARK]) {
    for (size_t i = 0; i < BUNDLE_MARK; i++)
        out[i] = bundle_mark[i];
}

/* On Linux also a program whose file was replaced or removed meanwhile. */
FILE *bundle_open_program(void) {
    char path[BUNDLE_PATH] = "/proc/self/exe";
    FILE *f = NULL;

#ifdef __linux__
    f = fopen(path, "rb");
#endif
    if (f == NULL) {
        size_t size = sizeof(path);
        int error = uv_exepath(path, &size);

        if (error == 0)
            f = fopen(path, "rb");
        else
            errno = -error;
    }
    return f;
}

uint64_t bundle_sum(const char *bytes, size_t size) {
    uint64_t sum = UINT64_C(14695981039346656037); /* FNV-1a */

    for (size_t i = 0; i < size; i++)
        sum = (sum ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
    return sum;
}

/* ------------------------------------------------------------------------ */
/* Reading                                                                  */
/* ------------------------------------------------------------------------ */

static uint32_t bundle_u32(const char *at) {
    const unsigned char *b = (const unsigned char *)at;

    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
}

static uint64_t bundle_u64(const char *at) {
    return bundle_u32(at) | (uint64_t)bundle_u32(at + 4) << 32;
}

/* What is left to read; with `wrong` set everything read is empty. */
struct bundle_reader {
    char *at;
    size_t left;
    bool wrong;
    bool memory; /* it was memory that failed */
};

static uint32_t read_number(struct bundle_reader *r) {
    uint32_t n;

    if (r->wrong || r->left < 4) {
        r->wrong = true;
        return 0;
    }
    n = bundle_u32(r->at);
    r->at += 4;
    r->left -= 4;
    return n;
}

static struct bundle_text read_text(struct bundle_reader *r) {
    static char empty[] = "";
    struct bundle_text text = {empty, read_number(r)};

    if (r->wrong || r->left <= text.size || r->at[text.size] != '\0') {
        r->wrong = true;
        return (struct bundle_text){empty, 0};
    }
    text.bytes = r->at;
    r->at += (size_t)text.size + 1;
    r->left -= (size_t)text.size + 1;
    return text;
}

/* A count, and room for as many things; each takes 4 bytes at least. */
static void *read_array(struct bundle_reader *r, uint32_t *count, size_t size) {
    void *array;

    *count = read_number(r);
    if (*count > r->left / 4)
        r->wrong = true;
    if (r->wrong) {
        *count = 0;
        return NULL;
    }
    array = calloc((size_t)*count + 1, size);
    if (array == NULL) {
        *count = 0;
        r->wrong = r->memory = true;
    }
    return array;
}

static struct bundle_unit read_unit(struct bundle_reader *r) {
    struct bundle_unit unit;

    unit.bytes = read_text(r);
    unit.source = read_text(r);
    return unit;
}

static void read_files(struct bundle_reader *r, struct bundle *b) {
    b->files = read_array(r, &b->files_count, sizeof(*b->files));
    for (uint32_t i = 0; i < b->files_count; i++) {
        b->files[i].name = read_text(r).bytes;
        b->files[i].unit = read_number(r);
        if (b->files[i].unit >= b->units_count)
            r->wrong = true;
    }
}

static void read_bundle(struct bundle_reader *r, struct bundle *b) {
    b->options = read_array(r, &b->options_count, sizeof(*b->options));
    for (uint32_t i = 0; i < b->options_count; i++)
        b->options[i] = read_text(r).bytes;
    b->chunkname = read_text(r).bytes;
    b->units = read_array(r, &b->units_count, sizeof(*b->units));
    for (uint32_t i = 0; i < b->units_count; i++)
        b->units[i] = read_unit(r);
    read_files(r, b);
    if (b->units_count == 0 || r->left != 0)
        r->wrong = true;
}

/* ------------------------------------------------------------------------ */
/* Loading                                                                  */
/* ------------------------------------------------------------------------ */

/* NULL, or what is wrong with the program; *size is that of its bundle, and f
 * stands where it begins. */
static const char *load_trailer(FILE *f, size_t *size, uint64_t *sum) {
    char trailer[BUNDLE_TRAILER];
    uint64_t bytes;
    long end;

    if (fseek(f, -BUNDLE_TRAILER, SEEK_END) != 0 || (end = ftell(f)) < 0 ||
        fread(trailer, 1, sizeof(trailer), f) != sizeof(trailer))
        return "it cannot be read";
    if (memcmp(trailer, BUNDLE_MAGIC, 8) != 0)
        return "it is missing: the file was cut, stripped, or changed";
    if (bundle_u32(trailer + 8) != BUNDLE_FORMAT)
        return "it has an unknown format";
    bytes = bundle_u64(trailer + 16);
    *sum = bundle_u64(trailer + 24);
    if (bytes > (uint64_t)end)
        return "it is damaged";
    *size = (size_t)bytes;
    return fseek(f, end - (long)bytes, SEEK_SET) == 0 ? NULL
                                                      : "it cannot be read";
}

/* The same, with the bundle in b->bytes. */
static const char *load_bytes(FILE *f, struct bundle *b, size_t *size) {
    uint64_t sum;
    const char *why = load_trailer(f, size, &sum);

    if (why != NULL)
        return why;
    b->bytes = malloc(*size + 1);
    if (b->bytes == NULL)
        return strerror(ENOMEM);
    if (fread(b->bytes, 1, *size, f) != *size)
        return "it cannot be read";
    return bundle_sum(b->bytes, *size) == sum ? NULL : "it is damaged";
}

static const char *load_all(struct bundle *b) {
    struct bundle_reader r = {NULL, 0, false, false};
    FILE *f = bundle_open_program();
    const char *why;

    if (f == NULL)
        return strerror(errno);
    why = load_bytes(f, b, &r.left);
    fclose(f);
    if (why != NULL)
        return why;
    r.at = b->bytes;
    read_bundle(&r, b);
    if (r.memory)
        return strerror(ENOMEM);
    return r.wrong ? "it is damaged" : NULL;
}

bool bundle_load(struct bundle *out) {
    const char *why;

    *out = (struct bundle){0};
    why = load_all(out);
    if (why == NULL)
        return true;
    report_failure("cannot run the script in this program", why);
    bundle_free(out);
    return false;
}

void bundle_free(struct bundle *b) {
    free(b->bytes);
    free(b->options);
    free(b->units);
    free(b->files);
    *b = (struct bundle){0};
}

/* Where signatures of programs forbid to change the mark, the end is asked. */
bool bundle_is_expected(void) {
#ifdef __APPLE__
    FILE *f = bundle_open_program();
    char magic[8] = "";
    bool found;

    if (f == NULL)
        return false;
    found = fseek(f, -BUNDLE_TRAILER, SEEK_END) == 0 &&
            fread(magic, 1, 8, f) == 8 && memcmp(magic, BUNDLE_MAGIC, 8) == 0;
    fclose(f);
    return found;
#else
    return bundle_mark[0] == BUNDLE_MARK_SET;
#endif
}

/* ------------------------------------------------------------------------ */
/* Files                                                                    */
/* ------------------------------------------------------------------------ */

const struct bundle_file *bundle_find(const struct bundle *b,
                                      const char *name) {
    for (uint32_t i = 0; i < b->files_count; i++)
        if (strcmp(b->files[i].name, name) == 0)
            return &b->files[i];
    return NULL;
}

/* A script that was a file is the first. */
const char *bundle_name(const struct bundle *b, const char *chunkname) {
    const struct bundle_file *file = bundle_find(b, chunkname + 1);

    if (strcmp(chunkname, b->chunkname) == 0 && b->files_count > 0 &&
        b->files[0].unit == 0)
        file = &b->files[0];
    return file == NULL ? NULL : file->name;
}

bool bundle_has_dir(const struct bundle *b, const char *dir) {
    size_t length = strcmp(dir, ".") == 0 ? 0 : strlen(dir);
    bool slash = length > 0 && dir[length - 1] == '/';

    for (uint32_t i = 0; i < b->files_count; i++) {
        const char *name = b->files[i].name;

        if (length == 0 ? *name != '/'
                        : strncmp(name, dir, length) == 0 &&
                              (slash || name[length] == '/'))
            return true;
    }
    return false;
}

/* From malloc; NULL when memory is out. */
static char *bundle_copy(const struct bundle_text *text) {
    char *copy = malloc((size_t)text->size + 1);

    if (copy != NULL)
        memcpy(copy, text->bytes, (size_t)text->size + 1);
    return copy;
}

char *bundle_read(const struct bundle *b, uint32_t unit, size_t *size) {
    *size = b->units[unit].bytes.size;
    return bundle_copy(&b->units[unit].bytes);
}

/* ------------------------------------------------------------------------ */
/* Sources                                                                  */
/* ------------------------------------------------------------------------ */

/* Without memory for it there is a line less in a message. */
static void keep_source(const struct bundle *b, uint32_t unit,
                        const char *chunkname) {
    const struct bundle_text *text = &b->units[unit].source;
    struct source source;

    if (text->size == 0)
        return;
    source.text = bundle_copy(text);
    source.size = text->size;
    if (source.text != NULL)
        texts_keep(chunkname, &source);
}

void bundle_keep_sources(const struct bundle *b) {
    char chunkname[BUNDLE_PATH + 1];

    keep_source(b, 0, b->chunkname);
    for (uint32_t i = 0; i < b->files_count; i++) {
        snprintf(chunkname, sizeof(chunkname), "@%s", b->files[i].name);
        keep_source(b, b->files[i].unit, chunkname);
    }
}
