/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "report.h"

void *text_memory(void *memory, size_t count, size_t size) {
    void *grown = NULL;

    if (count <= SIZE_MAX / size)
        grown = realloc(memory, count * size + 1); /* none is no NULL */
    if (grown == NULL) {
        report_no_memory();
        exit(EXIT_SCRIPT);
    }
    return grown;
}

static void text_reserve(struct text *t, size_t size) {
    size_t capacity = t->capacity == 0 ? 64 : t->capacity;

    while (capacity - t->size <= size)
        capacity *= 2;
    if (capacity == t->capacity)
        return;
    t->bytes = text_memory(t->bytes, capacity, 1);
    t->capacity = capacity;
}

void text_add(struct text *t, const char *bytes, size_t size) {
    text_reserve(t, size);
    memcpy(t->bytes + t->size, bytes, size);
    t->size += size;
    t->bytes[t->size] = '\0';
}

void text_add_string(struct text *t, const char *string) {
    text_add(t, string, strlen(string));
}

void text_addf(struct text *t, const char *format, ...) {
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size <= 0)
        return;
    text_reserve(t, (size_t)size);
    va_start(arguments, format);
    vsnprintf(t->bytes + t->size, (size_t)size + 1, format, arguments);
    va_end(arguments);
    t->size += (size_t)size;
}

const char *text_string(const struct text *t) {
    return t->bytes == NULL ? "" : t->bytes;
}

char *text_take(struct text *t) {
    char *bytes;

    text_add(t, "", 0);
    bytes = t->bytes;
    *t = (struct text){NULL, 0, 0};
    return bytes;
}

char *text_copy(const char *string) {
    struct text t = {NULL, 0, 0};

    text_add_string(&t, string);
    return text_take(&t);
}

void text_free(struct text *t) {
    free(t->bytes);
    *t = (struct text){NULL, 0, 0};
}
