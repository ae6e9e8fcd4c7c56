/* SPDX-License-Identifier: MIT */
#include "trace_names.h"

#include <stdlib.h>
#include <string.h>

static uint64_t names_hash(const char *text) {
    uint64_t hash = UINT64_C(0xCBF29CE484222325);

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001B3);
    return hash;
}

void *trace_names_room(void *array, size_t number, size_t size) {
    if (number != 0 && (number & (number - 1)) != 0)
        return array;
    return realloc(array, (number == 0 ? 1 : 2 * number) * size);
}

static bool names_add(struct trace_names *n, const char *text, uint64_t hash) {
    struct trace_entry entry = {hash, n->count, 1};
    size_t size = strlen(text) + 1;
    char **list = trace_names_room(n->list, n->count, sizeof(*list));
    char *copy;

    if (list == NULL)
        return false;
    n->list = list;
    copy = malloc(size);
    if (copy == NULL || !trace_map_put(&n->numbers, entry)) {
        free(copy);
        return false;
    }
    list[n->count++] = memcpy(copy, text, size);
    return true;
}

/* Another text of the same hash stands at the next one that is free. */
bool trace_names_put(struct trace_names *n, const char *text, uint32_t *out) {
    uint64_t hash = names_hash(text);
    const struct trace_entry *entry;

    while ((entry = trace_map_get(&n->numbers, hash)) != NULL) {
        *out = (uint32_t)entry->number;
        if (strcmp(n->list[*out], text) == 0)
            return true;
        hash++;
    }
    *out = n->count;
    return names_add(n, text, hash);
}

void trace_names_free(struct trace_names *n) {
    for (uint32_t i = 0; i < n->count; i++)
        free(n->list[i]);
    free(n->list);
    trace_map_free(&n->numbers);
}
