/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <lualib.h>

#include "../base/common.h"
#include "sched.h"

/* ------------------------------------------------------------------------ */
/* The list of chunks with a free place                                     */
/* ------------------------------------------------------------------------ */

static void partial_add(struct kahu__pool *p, struct kahu__chunk *c) {
    c->prev = NULL;
    c->next = p->partial;
    if (c->next != NULL)
        c->next->prev = c;
    p->partial = c;
}

static void partial_remove(struct kahu__pool *p, struct kahu__chunk *c) {
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        p->partial = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
}

/* ------------------------------------------------------------------------ */
/* Chunks                                                                   */
/* ------------------------------------------------------------------------ */

static size_t chunk_size(const struct kahu__pool *p) {
    return sizeof(struct kahu__chunk) + POOL_CHUNK * p->item_size;
}

/* Of a free place: the next one. */
static uint64_t *chunk_link(const struct kahu__pool *p, struct kahu__chunk *c,
                            uint32_t place) {
    return c->items + place * (p->item_size / sizeof(uint64_t));
}

struct chunk_making {
    kahu_sched *s;
    struct kahu__chunk *chunk;
};

/* Puts the table on top of s->keep where one has gone, or leaves it there. A
 * place that is free holds the number of the next one. */
static int chunk_place_table(kahu_sched *s) {
    int place = s->keep_free;

    if (place == 0)
        return lua_gettop(s->keep);
    s->keep_free = lua_tointeger(s->keep, place);
    lua_replace(s->keep, place);
    return place;
}

static int chunk_make_table(lua_State *L, void *ud) {
    struct chunk_making *making = ud;
    kahu_sched *s = making->s;

    lua_createtable(L, POOL_CHUNK, 0);
    if (s->keep_free == 0 && !lua_checkstack(s->keep, 1 + KAHU__KEEP_ROOM)) {
        making->chunk->table = -lua_ref(L, -1);
        return 0;
    }
    lua_xmove(L, s->keep, 1);
    making->chunk->table = chunk_place_table(s);
    return 0;
}

static bool chunks_grow(struct kahu__pool *p) {
    uint32_t capacity = p->capacity + p->capacity / 2 + KAHU__CAPACITY(8);
    struct kahu__chunk **chunks = kahu__realloc(
        &p->s->alloc, p->chunks, p->capacity * sizeof(struct kahu__chunk *),
        capacity * sizeof(struct kahu__chunk *));

    if (chunks == NULL)
        return false;
    for (uint32_t i = p->capacity; i < capacity; i++)
        chunks[i] = NULL;
    p->chunks = chunks;
    p->capacity = capacity;
    return true;
}

/* The lowest chunk number not in use; false when memory is out. */
static bool chunk_number(struct kahu__pool *p, uint32_t *out) {
    uint32_t n = p->lowest;

    while (n < p->capacity && p->chunks[n] != NULL)
        n++;
    p->lowest = n;
    if (n == p->capacity && (n >= UINT32_MAX / POOL_CHUNK || !chunks_grow(p)))
        return false;
    *out = n;
    return true;
}

static struct kahu__chunk *chunk_new(struct kahu__pool *p) {
    struct chunk_making making = {.s = p->s};
    struct kahu__chunk *c;
    uint32_t number;

    if (!chunk_number(p, &number))
        return NULL;
    c = kahu__realloc(&p->s->alloc, NULL, 0, chunk_size(p));
    if (c == NULL)
        return NULL;
    *c = (struct kahu__chunk){.number = number};
    making.chunk = c;
    if (kahu__protect(p->s, p->s->work, chunk_make_table, &making) != LUA_OK) {
        lua_pop(p->s->work, 1); /* the error */
        kahu__free(&p->s->alloc, c, chunk_size(p));
        return NULL;
    }

    for (uint32_t i = 0; i < POOL_CHUNK; i++)
        *chunk_link(p, c, i) = i + 1;
    p->chunks[number] = c;
    p->empty++;
    partial_add(p, c);
    return c;
}

static void chunk_drop_table(kahu_sched *s, int table) {
    if (table < 0) {
        lua_unref(s->keep, -table);
        return;
    }
    lua_pushinteger(s->keep, s->keep_free);
    lua_replace(s->keep, table);
    s->keep_free = table;
}

static void chunk_free(struct kahu__pool *p, struct kahu__chunk *c) {
    kahu_sched *s = p->s;

    chunk_drop_table(s, c->table);
    p->chunks[c->number] = NULL;
    if (c->number < p->lowest)
        p->lowest = c->number;
    kahu__free(&s->alloc, c, chunk_size(p));
}

/* ------------------------------------------------------------------------ */
/* Pool                                                                     */
/* ------------------------------------------------------------------------ */

void kahu__pool_init(struct kahu__pool *p, kahu_sched *s, size_t item_size) {
    assert(item_size % sizeof(uint64_t) == 0);
    *p = (struct kahu__pool){.s = s, .item_size = item_size};
}

void kahu__pool_deinit(struct kahu__pool *p) {
    for (uint32_t i = 0; i < p->capacity; i++)
        if (p->chunks[i] != NULL)
            chunk_free(p, p->chunks[i]);
    kahu__free(&p->s->alloc, p->chunks,
               p->capacity * sizeof(struct kahu__chunk *));
    kahu__pool_init(p, p->s, p->item_size);
}

uint32_t kahu__pool_take(struct kahu__pool *p) {
    struct kahu__chunk *c = p->partial;
    uint32_t place;

    if (kahu__unlikely(c == NULL) && (c = chunk_new(p)) == NULL)
        return 0;

    place = c->free;
    c->free = (uint32_t)*chunk_link(p, c, place);
    if (c->free == POOL_CHUNK)
        partial_remove(p, c);
    if (c->live++ == 0)
        p->empty--;
    p->live++;
    return c->number * POOL_CHUNK + place + 1;
}

void kahu__pool_give(struct kahu__pool *p, uint32_t id) {
    uint32_t place = (id - 1) % POOL_CHUNK;
    struct kahu__chunk *c = p->chunks[(id - 1) / POOL_CHUNK];

    lua_pushnil(p->s->keep);
    kahu__pool_set(p, id);

    if (c->free == POOL_CHUNK)
        partial_add(p, c);
    *chunk_link(p, c, place) = c->free;
    c->free = place;
    p->live--;
    if (--c->live > 0)
        return;
    if (p->empty == 0) {
        p->empty++;
        return;
    }
    partial_remove(p, c);
    chunk_free(p, c);
}

static int pool_table(const struct kahu__pool *p, uint32_t id) {
    return p->chunks[(id - 1) / POOL_CHUNK]->table;
}

static int pool_slot(uint32_t id) {
    return (int)((id - 1) % POOL_CHUNK) + 1;
}

void kahu__pool_set(struct kahu__pool *p, uint32_t id) {
    lua_State *keep = p->s->keep;
    int table = pool_table(p, id);

    if (kahu__likely(table > 0)) {
        lua_rawseti(keep, table, pool_slot(id));
        return;
    }
    lua_getref(keep, -table);
    lua_insert(keep, -2);
    lua_rawseti(keep, -2, pool_slot(id));
    lua_pop(keep, 1);
}

void kahu__pool_get(const struct kahu__pool *p, uint32_t id, lua_State *L) {
    lua_State *keep = p->s->keep;
    int table = pool_table(p, id);

    if (kahu__likely(table > 0)) {
        lua_rawgeti(keep, table, pool_slot(id));
    } else {
        lua_getref(keep, -table);
        lua_rawgeti(keep, -1, pool_slot(id));
        lua_remove(keep, -2);
    }
    lua_xmove(keep, L, 1);
}
