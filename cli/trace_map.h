/* SPDX-License-Identifier: MIT */
/*
 * trace_map.h - from numbers to what a trace remembers of them.
 */
#ifndef KAHU_CLI_TRACE_MAP_H
#define KAHU_CLI_TRACE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys are neighbours, and best used one after the other, that are about as far
 * from each other as threads are in memory. Numbers are multiplied by this. */
#define TRACE_MAP_STEP 128

struct trace_entry {
    uint64_t key;
    uint64_t number; /* the owner's own */
    uint32_t track;  /* 0: the entry is free */
};

/* All zero is an empty map. */
struct trace_map {
    struct trace_entry *entries;
    size_t count;
    unsigned bits; /* there is room for 1 << bits entries, if there is any */
};

/* The entry of the key, or NULL; good until the next put or remove. */
struct trace_entry *trace_map_get(const struct trace_map *m, uint64_t key);

/* Adds an entry, whose track is not 0, or overwrites the one of its key; false
 * when memory is out. */
bool trace_map_put(struct trace_map *m, struct trace_entry entry);

/* Takes out an entry that trace_map_get() gave. */
void trace_map_remove(struct trace_map *m, struct trace_entry *entry);

void trace_map_free(struct trace_map *m);

#endif
