/* SPDX-License-Identifier: MIT */
#include "bytes.h"

#include <stdlib.h>
#include <string.h>

void bytes_put(struct bytes *out, const char *bytes, size_t size) {
    if (!out->failed && out->capacity - out->size < size) {
        size_t capacity = (out->size + size) * 2;
        char *at = realloc(out->at, capacity);

        out->failed = at == NULL;
        if (at != NULL) {
            out->at = at;
            out->capacity = capacity;
        }
    }
    if (out->failed || size == 0)
        return;
    memcpy(out->at + out->size, bytes, size);
    out->size += size;
}

void bytes_puts(struct bytes *out, const char *text) {
    bytes_put(out, text, strlen(text));
}

void bytes_free(struct bytes *b) {
    free(b->at);
    *b = (struct bytes){0};
}
