/* SPDX-License-Identifier: MIT */
/*
 * trace_map.c - open addressing, next place first; at most half full.
 *
 * Keys that follow each other have places that do, in groups of a few: what
 * was made together is used together, and then is in the cache. The numbers of
 * the groups, multiplied by an odd one near 2^64 over the golden ratio, have
 * their upper bits spread. (Without groups each place is one to be fetched;
 * with long ones, runs of keys that meet are gone through one by one.)
 */
#include "trace_map.h"

#include <stdlib.h>

#define TRACE_MAP_BITS 8 /* of the first allocation */
#define TRACE_MAP_GROUP 8U

static size_t map_mask(const struct trace_map *m) {
    return ((size_t)1 << m->bits) - 1;
}

static size_t map_home(const struct trace_map *m, uint64_t key) {
    uint64_t step = key / TRACE_MAP_STEP;
    uint64_t group = step / TRACE_MAP_GROUP * UINT64_C(0x9E3779B97F4A7C15);
    size_t first = (size_t)(group >> (64 - m->bits)) & ~(TRACE_MAP_GROUP - 1);

    return first + step % TRACE_MAP_GROUP;
}

/* The place of the key, or the free one where it would be. */
static struct trace_entry *map_find(const struct trace_map *m, uint64_t key) {
    size_t mask = map_mask(m);
    size_t i = map_home(m, key);

    while (m->entries[i].track != 0 && m->entries[i].key != key)
        i = (i + 1) & mask;
    return &m->entries[i];
}

static bool map_grow(struct trace_map *m) {
    struct trace_map grown = {NULL, m->count, TRACE_MAP_BITS};

    if (m->entries != NULL)
        grown.bits = m->bits + 1;
    grown.entries = calloc((size_t)1 << grown.bits, sizeof(*grown.entries));
    if (grown.entries == NULL)
        return false;
    for (size_t i = 0; m->entries != NULL && i <= map_mask(m); i++)
        if (m->entries[i].track != 0)
            *map_find(&grown, m->entries[i].key) = m->entries[i];
    free(m->entries);
    *m = grown;
    return true;
}

struct trace_entry *trace_map_get(const struct trace_map *m, uint64_t key) {
    struct trace_entry *entry;

    if (m->entries == NULL)
        return NULL;
    entry = map_find(m, key);
    return entry->track != 0 ? entry : NULL;
}

bool trace_map_put(struct trace_map *m, struct trace_entry entry) {
    struct trace_entry *place;

    if ((m->entries == NULL || m->count > map_mask(m) / 2) && !map_grow(m))
        return false;
    place = map_find(m, entry.key);
    m->count += place->track == 0;
    *place = entry;
    return true;
}

/* Those behind the gap move up, if that brings them nearer to their home. */
void trace_map_remove(struct trace_map *m, struct trace_entry *entry) {
    size_t mask = map_mask(m);
    size_t gap = (size_t)(entry - m->entries);

    for (size_t i = (gap + 1) & mask; m->entries[i].track != 0;
         i = (i + 1) & mask) {
        size_t home = map_home(m, m->entries[i].key);

        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->entries[gap] = m->entries[i];
            gap = i;
        }
    }
    m->entries[gap].track = 0;
    m->count--;
}

void trace_map_free(struct trace_map *m) {
    free(m->entries);
    *m = (struct trace_map){NULL, 0, 0};
}
