/* SPDX-License-Identifier: MIT */
/*
 * births.h - where each thread of the VM was made, as a frame of stacks.
 *
 * The scheduler could tell it too (kahu_track), but it looks at every resume
 * then, which would be a large part of what is to be measured.
 */
#ifndef KAHU_CLI_BIRTHS_H
#define KAHU_CLI_BIRTHS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stacks.h"

struct birth {
    lua_State *co; /* NULL: a free place in the table */
    uint64_t id;   /* in order of making, from 1 */
    uint32_t frame;
};

struct births {
    struct stacks *stacks;
    struct birth *table; /* by address, with open addressing */
    size_t capacity;     /* 0, or a power of 2 */
    size_t count;
    uint64_t last_id;
    uint32_t last_frame;  /* of the one before, which is often the same */
    struct birth unknown; /* of threads from before, and when memory is out */
};

/* Takes the VM's userthread callback; before the scheduler does, which calls
 * the one that it finds. One VM of a process. False when memory is out. */
bool births_open(struct births *b, struct stacks *stacks, lua_State *L);

/* Never NULL. */
const struct birth *births_find(const struct births *b, const lua_State *co);

/* The callback stays, and does nothing. */
void births_close(struct births *b);

#endif
