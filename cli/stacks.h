/* SPDX-License-Identifier: MIT */
/*
 * stacks.h - call stacks with how often they were seen, as one tree.
 */
#ifndef KAHU_CLI_STACKS_H
#define KAHU_CLI_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A function, or what else may stand in a stack. */
struct stacks_frame {
    uint32_t hash;
    bool thread; /* the beginning of a thread */
    int line;    /* where it was defined; 0: unknown */
    const char *name;
    const char *file; /* "" without */
    char *texts;      /* the memory of both; not the caller's */
};

/* A frame below others: a stack is the way from the root to it. */
struct stacks_node {
    uint32_t hash;
    uint32_t parent; /* less than its own number */
    uint32_t frame;
    uint64_t self; /* how often it was what ran */
};

/* In order of time. */
struct stacks_sample {
    uint64_t thread;
    uint32_t node;
    uint32_t weight;
};

/* Numbers by hash, with open addressing. */
struct stacks_table {
    uint32_t *slots; /* a number + 1; 0: free */
    size_t capacity; /* 0, or a power of 2 */
};

struct stacks {
    struct stacks_frame *frames;
    size_t frame_count;
    size_t frame_capacity;
    struct stacks_table frame_table;

    struct stacks_node *nodes; /* the first is the root, which has no frame */
    size_t node_count;
    size_t node_capacity;
    struct stacks_table node_table;

    struct stacks_sample *samples;
    size_t sample_count;
    size_t sample_capacity;
};

#define STACKS_ROOT 0
#define STACKS_NONE UINT32_MAX

/* Bytes of a label, and what is cut off beyond. */
#define STACKS_LABEL_SIZE 512

/* False when memory is out. */
bool stacks_init(struct stacks *st);
void stacks_deinit(struct stacks *st);

/* The number of a frame like this one, whose texts are copied; STACKS_NONE when
 * memory is out. */
uint32_t stacks_frame(struct stacks *st, const struct stacks_frame *frame);

/* The node of the frame above parent; STACKS_NONE when memory is out, or when
 * one of them is. */
uint32_t stacks_child(struct stacks *st, uint32_t parent, uint32_t frame);

/* Keeps when a node was seen, beside how often. False when memory is out. */
bool stacks_add_sample(struct stacks *st, const struct stacks_sample *sample);

/* What the frame is called: "name file:line", in valid UTF-8 without control
 * characters and semicolons. */
void stacks_label(const struct stacks_frame *frame,
                  char out[STACKS_LABEL_SIZE]);

/* Replaces what would be in the way in any of the formats. */
void stacks_clean(char *text);

/* The node where the thread of a node begins; the root without one. */
uint32_t stacks_thread_of(const struct stacks *st, uint32_t node);

#endif
