/* SPDX-License-Identifier: MIT */
#include "stacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------ */
/* Room                                                                     */
/* ------------------------------------------------------------------------ */

/* One more item at *items; false when memory is out. */
static bool stacks_grow(void **items, size_t *capacity, size_t count,
                        size_t item_size) {
    size_t wanted = count < 32 ? 64 : count * 2;
    void *more;

    if (count < *capacity)
        return true;
    if (count >= STACKS_NONE / 2)
        return false;
    more = realloc(*items, wanted * item_size);
    if (more == NULL)
        return false;
    *items = more;
    *capacity = wanted;
    return true;
}

#define STACKS_HASH 2166136261U

static uint32_t stacks_mix(uint32_t hash, uint32_t number) {
    hash = (hash ^ number) * 16777619U;
    return hash ^ hash >> 15;
}

static uint32_t stacks_mix_text(uint32_t hash, const char *text) {
    for (; *text != '\0'; text++)
        hash = stacks_mix(hash, (unsigned char)*text);
    return hash;
}

/* ------------------------------------------------------------------------ */
/* Tables                                                                   */
/* ------------------------------------------------------------------------ */

static void table_put(struct stacks_table *t, uint32_t hash, uint32_t number) {
    size_t i = hash & (t->capacity - 1);

    while (t->slots[i] != 0)
        i = (i + 1) & (t->capacity - 1);
    t->slots[i] = number + 1;
}

/* Room for one more than count, at most half full. The hashes of what is in it
 * stand at the beginning of items of item_size bytes. */
static bool table_reserve(struct stacks_table *t, const void *items,
                          size_t item_size, size_t count) {
    struct stacks_table more = {NULL, t->capacity == 0 ? 64 : t->capacity * 2};
    const char *at = items;
    uint32_t hash;

    if (2 * (count + 1) <= t->capacity)
        return true;
    more.slots = calloc(more.capacity, sizeof(*more.slots));
    if (more.slots == NULL)
        return false;
    for (size_t i = 0; i < count; i++, at += item_size) {
        memcpy(&hash, at, sizeof(hash));
        table_put(&more, hash, (uint32_t)i);
    }
    free(t->slots);
    *t = more;
    return true;
}

/* ------------------------------------------------------------------------ */
/* Frames                                                                   */
/* ------------------------------------------------------------------------ */

static uint32_t frame_hash(const struct stacks_frame *f) {
    uint32_t hash = stacks_mix_text(STACKS_HASH, f->name);

    hash = stacks_mix_text(hash, f->file);
    return stacks_mix(hash, (uint32_t)f->line);
}

static bool frame_equals(const struct stacks_frame *a,
                         const struct stacks_frame *b) {
    return a->hash == b->hash && a->line == b->line && a->thread == b->thread &&
           strcmp(a->name, b->name) == 0 && strcmp(a->file, b->file) == 0;
}

static uint32_t frame_find(const struct stacks *st,
                           const struct stacks_frame *f) {
    const struct stacks_table *t = &st->frame_table;

    for (size_t i = f->hash & (t->capacity - 1); t->slots[i] != 0;
         i = (i + 1) & (t->capacity - 1))
        if (frame_equals(&st->frames[t->slots[i] - 1], f))
            return t->slots[i] - 1;
    return STACKS_NONE;
}

static uint32_t frame_add(struct stacks *st, const struct stacks_frame *f) {
    struct stacks_frame *to = &st->frames[st->frame_count];
    size_t name_size = strlen(f->name) + 1;
    size_t file_size = strlen(f->file) + 1;
    char *texts = malloc(name_size + file_size);

    if (texts == NULL)
        return STACKS_NONE;
    *to = *f;
    to->texts = texts;
    to->name = memcpy(texts, f->name, name_size);
    to->file = memcpy(texts + name_size, f->file, file_size);
    table_put(&st->frame_table, f->hash, (uint32_t)st->frame_count);
    return (uint32_t)st->frame_count++;
}

uint32_t stacks_frame(struct stacks *st, const struct stacks_frame *frame) {
    struct stacks_frame key = *frame;
    void *frames = st->frames;
    uint32_t number;

    key.hash = frame_hash(frame);
    if (!table_reserve(&st->frame_table, st->frames, sizeof(*st->frames),
                       st->frame_count))
        return STACKS_NONE;
    number = frame_find(st, &key);
    if (number != STACKS_NONE)
        return number;
    if (!stacks_grow(&frames, &st->frame_capacity, st->frame_count,
                     sizeof(*st->frames)))
        return STACKS_NONE;
    st->frames = frames;
    return frame_add(st, &key);
}

/* ------------------------------------------------------------------------ */
/* Nodes                                                                    */
/* ------------------------------------------------------------------------ */

static uint32_t node_find(const struct stacks *st, uint32_t hash,
                          uint32_t parent, uint32_t frame) {
    const struct stacks_table *t = &st->node_table;

    for (size_t i = hash & (t->capacity - 1); t->slots[i] != 0;
         i = (i + 1) & (t->capacity - 1)) {
        const struct stacks_node *n = &st->nodes[t->slots[i] - 1];

        if (n->parent == parent && n->frame == frame)
            return t->slots[i] - 1;
    }
    return STACKS_NONE;
}

static uint32_t node_add(struct stacks *st, const struct stacks_node *node) {
    void *nodes = st->nodes;

    if (!table_reserve(&st->node_table, st->nodes, sizeof(*st->nodes),
                       st->node_count) ||
        !stacks_grow(&nodes, &st->node_capacity, st->node_count,
                     sizeof(*st->nodes)))
        return STACKS_NONE;
    st->nodes = nodes;
    st->nodes[st->node_count] = *node;
    table_put(&st->node_table, node->hash, (uint32_t)st->node_count);
    return (uint32_t)st->node_count++;
}

uint32_t stacks_child(struct stacks *st, uint32_t parent, uint32_t frame) {
    struct stacks_node node = {0};
    uint32_t number;

    if (parent == STACKS_NONE || frame == STACKS_NONE)
        return STACKS_NONE;
    node.hash = stacks_mix(stacks_mix(STACKS_HASH, parent), frame);
    node.parent = parent;
    node.frame = frame;
    number = node_find(st, node.hash, parent, frame);
    return number != STACKS_NONE ? number : node_add(st, &node);
}

uint32_t stacks_thread_of(const struct stacks *st, uint32_t node) {
    while (node != STACKS_ROOT && !st->frames[st->nodes[node].frame].thread)
        node = st->nodes[node].parent;
    return node;
}

/* ------------------------------------------------------------------------ */
/* Samples                                                                  */
/* ------------------------------------------------------------------------ */

bool stacks_add_sample(struct stacks *st, const struct stacks_sample *sample) {
    struct stacks_sample *last = st->samples + st->sample_count;
    void *samples = st->samples;

    if (st->sample_count > 0 && last[-1].node == sample->node &&
        last[-1].thread == sample->thread &&
        last[-1].weight <= UINT32_MAX - sample->weight) {
        last[-1].weight += sample->weight;
        return true;
    }
    if (!stacks_grow(&samples, &st->sample_capacity, st->sample_count,
                     sizeof(*sample)))
        return false;
    st->samples = samples;
    st->samples[st->sample_count++] = *sample;
    return true;
}

/* ------------------------------------------------------------------------ */
/* All of it                                                                */
/* ------------------------------------------------------------------------ */

bool stacks_init(struct stacks *st) {
    struct stacks_node root = {0, STACKS_ROOT, STACKS_NONE, 0};

    *st = (struct stacks){0};
    return node_add(st, &root) == STACKS_ROOT;
}

void stacks_deinit(struct stacks *st) {
    for (size_t i = 0; i < st->frame_count; i++)
        free(st->frames[i].texts);
    free(st->frames);
    free(st->frame_table.slots);
    free(st->nodes);
    free(st->node_table.slots);
    free(st->samples);
    *st = (struct stacks){0};
}

/* ------------------------------------------------------------------------ */
/* Labels                                                                   */
/* ------------------------------------------------------------------------ */

/* Bytes of the character of UTF-8 at p; 0 when there is none. */
static size_t label_character(const unsigned char *p) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = p[0] < 0x80   ? 1
                    : p[0] < 0xC0 ? 0
                    : p[0] < 0xE0 ? 2
                    : p[0] < 0xF0 ? 3
                    : p[0] < 0xF8 ? 4
                                  : 0;
    uint32_t code = length < 2 ? p[0] : p[0] & (0x7FU >> length);

    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3FU);
    }
    if (length > 0 && (code < least[length] || code > 0x10FFFF ||
                       (code & ~0x7FFU) == 0xD800 || (code | 1) == 0xFFFF))
        return 0;
    return length;
}

void stacks_clean(char *text) {
    unsigned char *p = (unsigned char *)text;

    while (*p != '\0') {
        size_t length = label_character(p);

        if (length == 0 || *p < ' ' || *p == ';' || *p == 0x7F) {
            *p = *p == ';' ? ':' : '?';
            length = 1;
        }
        p += length;
    }
}

void stacks_label(const struct stacks_frame *frame,
                  char out[STACKS_LABEL_SIZE]) {
    if (frame->file[0] == '\0')
        snprintf(out, STACKS_LABEL_SIZE, "%s", frame->name);
    else if (frame->line > 0)
        snprintf(out, STACKS_LABEL_SIZE, "%s %s:%d", frame->name, frame->file,
                 frame->line);
    else
        snprintf(out, STACKS_LABEL_SIZE, "%s %s", frame->name, frame->file);
    stacks_clean(out);
}
