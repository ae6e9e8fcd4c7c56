/* SPDX-License-Identifier: MIT */
#include "births.h"

#include <stdlib.h>
#include <string.h>

/* The VM gives its callback no pointer of ours. NULL: nobody wants to know. */
static struct births *births_current;

/* ------------------------------------------------------------------------ */
/* Table                                                                    */
/* ------------------------------------------------------------------------ */

static size_t births_home(const struct births *b, const lua_State *co) {
    uint64_t hash = (uint64_t)(uintptr_t)co * UINT64_C(0x9E3779B97F4A7C15);

    return (size_t)(hash >> 32) & (b->capacity - 1);
}

/* The place of co, or the free one where it would be. */
static size_t births_place(const struct births *b, const lua_State *co) {
    size_t i = births_home(b, co);

    while (b->table[i].co != NULL && b->table[i].co != co)
        i = (i + 1) & (b->capacity - 1);
    return i;
}

static bool births_grow(struct births *b) {
    struct births more = *b;

    more.capacity = b->capacity == 0 ? 64 : b->capacity * 2;
    more.table = calloc(more.capacity, sizeof(*more.table));
    if (more.table == NULL)
        return false;
    for (size_t i = 0; i < b->capacity; i++)
        if (b->table[i].co != NULL)
            more.table[births_place(&more, b->table[i].co)] = b->table[i];
    free(b->table);
    *b = more;
    return true;
}

/* What follows it moves up, where that is nearer to its home. */
static void births_remove(struct births *b, const lua_State *co) {
    size_t hole = births_place(b, co);
    size_t mask = b->capacity - 1;

    if (b->table[hole].co == NULL)
        return;
    for (size_t i = (hole + 1) & mask; b->table[i].co != NULL;
         i = (i + 1) & mask) {
        size_t home = births_home(b, b->table[i].co);

        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        b->table[hole] = b->table[i];
        hole = i;
    }
    b->table[hole].co = NULL;
    b->count--;
}

/* ------------------------------------------------------------------------ */
/* Births                                                                   */
/* ------------------------------------------------------------------------ */

static uint32_t births_text(struct births *b, const char *name) {
    struct stacks_frame frame = {.thread = true, .name = name, .file = ""};

    return stacks_frame(b->stacks, &frame);
}

/* A frame for the line; that of the birth before, if it is the same. */
static uint32_t births_line(struct births *b, const lua_Debug *ar) {
    const struct stacks_frame *last = &b->stacks->frames[b->last_frame];
    struct stacks_frame frame = {.thread = true, .name = "thread started at"};
    uint32_t number;

    if (last->line == ar->currentline && strcmp(last->file, ar->short_src) == 0)
        return b->last_frame;
    frame.file = ar->short_src;
    frame.line = ar->currentline;
    number = stacks_frame(b->stacks, &frame);
    if (number != STACKS_NONE)
        b->last_frame = number;
    return number;
}

/* The innermost line of Luau code of whoever makes it. The program's own
 * thread, which comes first, is made by none. */
static uint32_t births_frame(struct births *b, lua_State *maker) {
    lua_Debug ar;

    for (int level = 0; lua_getinfo(maker, level, "sl", &ar); level++)
        if (ar.currentline > 0)
            return births_line(b, &ar);
    return b->last_id == 1 ? births_text(b, "main thread") : b->unknown.frame;
}

static void births_add(struct births *b, lua_State *maker, lua_State *co) {
    struct birth birth = {co, ++b->last_id, births_frame(b, maker)};

    if (birth.frame == STACKS_NONE)
        return;
    if (2 * (b->count + 1) > b->capacity && !births_grow(b))
        return;
    b->table[births_place(b, co)] = birth;
    b->count++;
}

static void births_userthread(lua_State *maker, lua_State *co) {
    if (births_current == NULL)
        return;
    if (maker != NULL)
        births_add(births_current, maker, co);
    else
        births_remove(births_current, co);
}

const struct birth *births_find(const struct births *b, const lua_State *co) {
    const struct birth *found = &b->table[births_place(b, co)];

    return found->co != NULL ? found : &b->unknown;
}

bool births_open(struct births *b, struct stacks *stacks, lua_State *L) {
    *b = (struct births){.stacks = stacks};
    b->unknown.frame = births_text(b, "kahu");
    b->last_frame = b->unknown.frame; /* has no line */
    if (b->unknown.frame == STACKS_NONE || !births_grow(b))
        return false;
    births_current = b;
    lua_callbacks(L)->userthread = births_userthread;
    return true;
}

void births_close(struct births *b) {
    births_current = NULL;
    free(b->table);
    b->table = NULL;
}
