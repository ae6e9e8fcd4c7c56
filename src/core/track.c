/* SPDX-License-Identifier: MIT */
/*
 * track.c - a record of every thread, for those who ask for it.
 *
 * The VM tells when a thread is made and when it is freed (chain.c), so a
 * record is there exactly as long as its thread, and holds nothing. Only where
 * it was made outlives it, for what it has made.
 *
 * Invariants
 *   (1) Records are in one list in order of making; a parent comes before its
 *       children.
 *   (2) A record's parent is NULL or in the list: the children of one that
 *       goes become its parent's.
 */
#include <assert.h>
#include <lualib.h>
#include <string.h>

#include "../base/common.h"
#include "origin.h"
#include "sched.h"

struct track {
    lua_State *co;
    uint64_t id;
    uint32_t number; /* in records, from 1 */
    struct track *next;
    struct track *prev;
    struct track *parent;
    struct track *child; /* the one made last */
    struct track *older; /* siblings */
    struct track *newer;
    uint64_t since_ns;
    bool met;      /* it was there before */
    bool unseen;   /* and has not yielded since */
    uint64_t walk; /* the last kahu_each_thread() that wants it */
    void *ud;
    char *label; /* NULL: none */
    struct kahu__origin *origin;
};

struct kahu__tracker {
    struct kahu__index index; /* lua_State * -> number */
    struct track **records;   /* by number; NULL where none is */
    uint32_t capacity;
    uint32_t lowest; /* no NULL below this place */
    uint32_t count;
    struct track *first;
    struct track *last;
    struct track *cursor; /* of a kahu_each_thread(): what is next */
    bool walking;
    uint64_t walks;
    uint64_t last_id;
    uint32_t refused;  /* since the last collection that a limit asked for */
    uint32_t patience; /* how many to refuse before the next one */
};

/* ------------------------------------------------------------------------ */
/* Finding                                                                  */
/* ------------------------------------------------------------------------ */

static struct track *track_find(const kahu_sched *s, const lua_State *co) {
    const struct kahu__tracker *t = s->tracker;
    uint32_t number = t == NULL ? 0 : kahu__index_get(&t->index, co);

    return number == 0 ? NULL : t->records[number - 1];
}

/* ------------------------------------------------------------------------ */
/* Where a thread stands                                                    */
/* ------------------------------------------------------------------------ */

#define WHERE_LINE 16 /* bytes that are left to it */

/* "source:line". The line is what is needed most: it is the source that is cut.
 * Each thread that is made has one written: hence not by printf. */
static void where_write(char *out, const lua_Debug *ar, int line) {
    char digits[WHERE_LINE];
    char *first = digits + sizeof(digits);
    size_t size = strlen(ar->short_src);
    size_t room = KAHU_WHERE_SIZE - WHERE_LINE;

    assert(line >= 0);
    *--first = '\0';
    do
        *--first = (char)('0' + line % 10);
    while ((line /= 10) > 0);
    *--first = ':';
    size = size < room ? size : room;
    memcpy(out, ar->short_src, size);
    memcpy(out + size, first, (size_t)(digits + sizeof(digits) - first));
}

/* The innermost line of Luau code; false where there is none. */
static bool where_runs(lua_State *co, char *out) {
    lua_Debug ar;

    out[0] = '\0';
    for (int level = 0; lua_getinfo(co, level, "sl", &ar); level++)
        if (ar.currentline > 0) {
            where_write(out, &ar, ar.currentline);
            return true;
        }
    return false;
}

static void where_copy(char *out, const struct kahu__origin *o) {
    memcpy(out, o->where, strlen(o->where) + 1);
}

/* That, or where a fresh thread will begin: its function is at index 1. */
static void where_find(lua_State *co, char *out) {
    lua_Debug ar;

    if (where_runs(co, out) || lua_status(co) != LUA_OK ||
        lua_stackdepth(co) > 0 || !lua_isLfunction(co, 1))
        return;
    (void)lua_getinfo(co, -lua_gettop(co), "s", &ar);
    where_write(out, &ar, ar.linedefined);
}

/* ------------------------------------------------------------------------ */
/* Records                                                                  */
/* ------------------------------------------------------------------------ */

static bool records_grow(kahu_sched *s, struct kahu__tracker *t) {
    uint32_t capacity = t->capacity + t->capacity / 2 + KAHU__CAPACITY(16);
    struct track **records = kahu__realloc(&s->alloc, t->records,
                                           t->capacity * sizeof(struct track *),
                                           capacity * sizeof(struct track *));

    if (records == NULL)
        return false;
    for (uint32_t i = t->capacity; i < capacity; i++)
        records[i] = NULL;
    t->records = records;
    t->capacity = capacity;
    return true;
}

/* A free number; 0 when memory is out. */
static uint32_t records_number(kahu_sched *s, struct kahu__tracker *t) {
    while (t->lowest < t->capacity && t->records[t->lowest] != NULL)
        t->lowest++;
    if (t->lowest == t->capacity && !records_grow(s, t))
        return 0;
    return t->lowest + 1;
}

static void track_list(struct kahu__tracker *t, struct track *r) {
    r->prev = t->last;
    if (t->last != NULL)
        t->last->next = r;
    else
        t->first = r;
    t->last = r;
}

static void track_unlist(struct kahu__tracker *t, struct track *r) {
    if (t->cursor == r)
        t->cursor = r->next;
    if (r->next != NULL)
        r->next->prev = r->prev;
    else
        t->last = r->prev;
    if (r->prev != NULL)
        r->prev->next = r->next;
    else
        t->first = r->next;
}

static void track_adopt(struct track *parent, struct track *r) {
    r->parent = parent;
    r->newer = NULL;
    r->older = parent == NULL ? NULL : parent->child;
    if (r->older != NULL)
        r->older->newer = r;
    if (parent != NULL)
        parent->child = r;
}

static void track_disown(struct track *r) {
    if (r->older != NULL)
        r->older->newer = r->newer;
    if (r->newer != NULL)
        r->newer->older = r->older;
    else if (r->parent != NULL)
        r->parent->child = r->older;
    while (r->child != NULL) {
        struct track *child = r->child;

        r->child = child->older;
        track_adopt(r->parent, child);
    }
}

static struct track *track_make(kahu_sched *s, struct track *parent,
                                const char *where) {
    struct track *r = kahu__calloc(&s->alloc, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->origin = kahu__origin_new(
        &s->alloc, parent == NULL ? NULL : &parent->origin, where);
    if (r->origin != NULL)
        return r;
    kahu__free(&s->alloc, r, sizeof(*r));
    return NULL;
}

/* NULL when memory is out. */
static struct track *track_new(kahu_sched *s, lua_State *co,
                               struct track *parent, const char *where) {
    struct kahu__tracker *t = s->tracker;
    struct track *r;
    uint32_t number;

    if (!kahu__index_reserve(&t->index, co) ||
        (number = records_number(s, t)) == 0 ||
        (r = track_make(s, parent, where)) == NULL)
        return NULL;
    r->co = co;
    r->id = ++t->last_id;
    r->number = number;
    r->since_ns = s->driver.now_ns(s->driver.ud);
    t->records[number - 1] = r;
    t->count++;
    kahu__index_put(&t->index, co, number);
    track_list(t, r);
    track_adopt(parent, r);
    return r;
}

static void track_free_label(kahu_sched *s, struct track *r) {
    if (r->label != NULL)
        kahu__free(&s->alloc, r->label, strlen(r->label) + 1);
    r->label = NULL;
}

static void track_free(kahu_sched *s, struct track *r) {
    struct kahu__tracker *t = s->tracker;

    kahu__index_remove(&t->index, r->co);
    t->records[r->number - 1] = NULL;
    if (r->number - 1 < t->lowest)
        t->lowest = r->number - 1;
    t->count--;
    track_unlist(t, r);
    track_disown(r);
    track_free_label(s, r);
    kahu__origin_release(&s->alloc, r->origin);
    kahu__free(&s->alloc, r, sizeof(*r));
}

/* ------------------------------------------------------------------------ */
/* The limit of threads                                                     */
/* ------------------------------------------------------------------------ */

/* What is dead but not collected does not count. To collect for every thread
 * beyond the limit would be an attack of its own: as long as it is of no use,
 * twice as many are refused each time, up to a quarter of the limit. */
static bool track_is_full(kahu_sched *s, lua_State *L) {
    struct kahu__tracker *t = s->tracker;
    uint32_t most = s->limits.max_threads;

    if (most == 0 || t->count < most)
        return false;
    if (t->refused < t->patience) {
        t->refused++;
        return true;
    }
    t->refused = 0;
    (void)lua_gc(L, LUA_GCCOLLECT, 0);
    if (t->count < most)
        t->patience = 0;
    else if (t->patience < most / 4)
        t->patience = t->patience * 2 + 1;
    return t->count >= most;
}

/* ------------------------------------------------------------------------ */
/* What the VM and the core tell                                            */
/* ------------------------------------------------------------------------ */

void kahu__track_made(kahu_sched *s, lua_State *L, lua_State *co) {
    char where[KAHU_WHERE_SIZE];

    s->threads_full = track_is_full(s, L);
    if (s->threads_full)
        luaL_error(L, "%s", kahu_status_text(KAHU_ETHREADS));
    (void)where_runs(L, where);
    if (track_new(s, co, track_find(s, L), where) == NULL)
        luaL_error(L, "%s", kahu_status_text(KAHU_ENOMEM));
}

void kahu__track_gone(kahu_sched *s, const lua_State *co) {
    struct track *r = track_find(s, co);

    if (r != NULL)
        track_free(s, r);
}

bool kahu__track_meet(kahu_sched *s, lua_State *co) {
    struct track *r;

    if (track_find(s, co) != NULL)
        return true;
    r = track_new(s, co, NULL, "");
    if (r != NULL)
        r->met = r->unseen = true;
    return r != NULL;
}

void kahu__track_yielded(kahu_sched *s, lua_State *co) {
    struct track *r = track_find(s, co);

    if (r == NULL)
        return;
    r->since_ns = s->driver.now_ns(s->driver.ud);
    r->unseen = false;
}

/* Of a thread that a walk has come to. */
static const struct track *track_walked(const kahu_sched *s,
                                        const lua_State *co) {
    const struct track *r = track_find(s, co);

    kahu__assume(r != NULL);
    return r;
}

bool kahu__track_met(const kahu_sched *s, const lua_State *co) {
    return track_walked(s, co)->met;
}

bool kahu__track_saw_yield(const kahu_sched *s, const lua_State *co) {
    return !track_walked(s, co)->unseen;
}

/* ------------------------------------------------------------------------ */
/* Beginning and end                                                        */
/* ------------------------------------------------------------------------ */

/* Those that have a wake, in the order of their oldest. */
static bool track_meet_all(kahu_sched *s) {
    size_t n = s->threads.count;
    struct kahu__thread_item *items;
    bool good = true;

    if (n == 0)
        return true;
    items = kahu__realloc(&s->alloc, NULL, 0, n * sizeof(*items));
    if (items == NULL)
        return false;
    kahu__threads_list(s, items);
    for (size_t i = 0; i < n && good; i++)
        good = kahu__track_meet(s, items[i].co);
    kahu__free(&s->alloc, items, n * sizeof(*items));
    return good;
}

kahu_status kahu_track(kahu_sched *s) {
    KAHU__LOOP_ONLY(s);
    if (s->tracker != NULL)
        return KAHU_OK;
    if (s->closing)
        return KAHU_ECLOSED;
    s->tracker = kahu__calloc(&s->alloc, sizeof(*s->tracker));
    if (s->tracker == NULL)
        return KAHU_ENOMEM;
    kahu__index_init(&s->tracker->index, &s->alloc);
    if (!track_meet_all(s) ||
        (s->running != NULL && !kahu__track_meet(s, s->running)) ||
        !kahu__chain_take_userthread(s)) {
        kahu__track_end(s);
        return KAHU_ENOMEM;
    }
    kahu__chain_update(s);
    return KAHU_OK;
}

void kahu__track_end(kahu_sched *s) {
    struct kahu__tracker *t = s->tracker;

    if (t == NULL)
        return;
    kahu__chain_give_userthread(s);
    while (t->last != NULL)
        track_free(s, t->last);
    kahu__index_deinit(&t->index);
    kahu__free(&s->alloc, t->records, t->capacity * sizeof(struct track *));
    kahu__free(&s->alloc, t, sizeof(*t));
    s->tracker = NULL;
}

/* ------------------------------------------------------------------------ */
/* Looking                                                                  */
/* ------------------------------------------------------------------------ */

static kahu_thread_state info_state(kahu_sched *s, lua_State *co) {
    switch (lua_costatus(s->work, co)) {
    case LUA_COSUS:
        return lua_status(co) == LUA_OK ? KAHU_THREAD_FRESH
                                        : KAHU_THREAD_YIELDED;
    case LUA_COFIN:
    case LUA_COERR:
        return KAHU_THREAD_DEAD;
    default:
        return KAHU_THREAD_RUNNING;
    }
}

static void info_wakes(const kahu_sched *s, kahu_thread_info *info) {
    const struct kahu__wake *w = kahu__thread_reason(s, info->co);

    info->wakes = kahu__thread_wakes(s, info->co);
    info->waits_for = w == NULL ? KAHU_KINDS : (kahu_kind)w->kind;
    info->deadline_ns =
        w != NULL && kahu__is_timed(w) ? w->deadline_ns : KAHU_NEVER_NS;
}

static void info_fill(kahu_sched *s, const struct track *r,
                      kahu_thread_info *info) {
    *info = (kahu_thread_info){
        .size = sizeof(*info),
        .co = r->co,
        .id = r->id,
        .parent_id = r->parent == NULL ? 0 : r->parent->id,
        .ud = r->ud,
        .label = r->label == NULL ? "" : r->label,
        .state = info_state(s, r->co),
        .since_ns = r->since_ns,
    };
    info_wakes(s, info);
    where_find(r->co, info->where);
    where_copy(info->started, r->origin);
}

kahu_status kahu_get_thread_info(kahu_sched *s, lua_State *co,
                                 kahu_thread_info *out) {
    const struct track *r;
    kahu_thread_info info;
    size_t size;

    KAHU__LOOP_ONLY(s);
    if (out == NULL || out->size < sizeof(out->size))
        return KAHU_EINVAL;
    r = track_find(s, co);
    if (r == NULL)
        return KAHU_ESTALE;
    info_fill(s, r, &info);
    size = out->size;
    memcpy(out, &info, size < sizeof(info) ? size : sizeof(info));
    out->size = size;
    return KAHU_OK;
}

kahu_status kahu_get_thread_origin(kahu_sched *s, lua_State *co, unsigned level,
                                   char out[KAHU_WHERE_SIZE]) {
    const struct kahu__origin *o;
    const struct track *r;

    KAHU__LOOP_ONLY(s);
    if (out == NULL)
        return KAHU_EINVAL;
    r = track_find(s, co);
    o = r == NULL ? NULL : kahu__origin_up(r->origin, level);
    if (o == NULL)
        return KAHU_ESTALE;
    where_copy(out, o);
    return KAHU_OK;
}

/* A parent comes before its children, so its mark is right by then. */
static bool walk_wants(const struct kahu__tracker *t, struct track *r,
                       bool all) {
    if (all || (r->parent != NULL && r->parent->walk == t->walks))
        r->walk = t->walks;
    return r->walk == t->walks;
}

/* The thread is held, as fn may let the collector run. */
static bool walk_tell(kahu_sched *s, const struct track *r, kahu_thread_fn fn,
                      void *ud) {
    kahu_thread_info info;
    bool more;

    info_fill(s, r, &info);
    kahu__hold(r->co, s->work);
    more = fn(ud, &info);
    lua_pop(s->work, 1);
    return more;
}

static int64_t walk_run(kahu_sched *s, const struct track *root,
                        kahu_thread_fn fn, void *ud) {
    struct kahu__tracker *t = s->tracker;
    uint64_t last_id = t->last_id; /* fn may make more */
    struct track *r;
    bool more = true;
    int64_t n = 0;

    for (t->cursor = t->first;
         more && (r = t->cursor) != NULL && r->id <= last_id;) {
        t->cursor = r->next;
        if (!walk_wants(t, r, root == NULL) || r == root ||
            kahu__is_dead(s->work, r->co))
            continue;
        more = walk_tell(s, r, fn, ud);
        n++;
    }
    return n;
}

/* A thread that the collector has found to be garbage has a record until it is
 * freed, and must not be touched: there are none after a whole collection, and
 * none come up while there is no other. */
static int64_t walk_alive(kahu_sched *s, const struct track *root,
                          kahu_thread_fn fn, void *ud) {
    bool collecting = lua_gc(s->main, LUA_GCISRUNNING, 0) != 0;
    int64_t n;

    if (!kahu__collect(s))
        return KAHU_ENOMEM;
    (void)lua_gc(s->main, LUA_GCSTOP, 0);
    n = walk_run(s, root, fn, ud);
    if (collecting)
        (void)lua_gc(s->main, LUA_GCRESTART, 0);
    return n;
}

int64_t kahu_each_thread(kahu_sched *s, lua_State *ancestor, kahu_thread_fn fn,
                         void *ud) {
    struct track *root = track_find(s, ancestor);
    int64_t n;

    KAHU__LOOP_ONLY(s);
    if (s->tracker == NULL || s->tracker->walking)
        return KAHU_ESTATE;
    if (fn == NULL || (ancestor != NULL && root == NULL))
        return KAHU_EINVAL;
    s->tracker->walks++;
    if (root != NULL)
        root->walk = s->tracker->walks;
    kahu__enter(s); /* fn may close s, or free it */
    s->tracker->walking = true;
    n = walk_alive(s, root, fn, ud);
    s->tracker->walking = false;
    s->tracker->cursor = NULL;
    kahu__leave(s);
    return n;
}

kahu_status kahu_set_thread_label(kahu_sched *s, lua_State *co,
                                  const char *label) {
    struct track *r = track_find(s, co);
    size_t size = strlen(label) + 1;
    char *copy;

    KAHU__LOOP_ONLY(s);
    if (r == NULL)
        return KAHU_ESTALE;
    copy = kahu__realloc(&s->alloc, NULL, 0, size);
    if (copy == NULL)
        return KAHU_ENOMEM;
    memcpy(copy, label, size); /* before: it may be the one it has */
    track_free_label(s, r);
    r->label = copy;
    return KAHU_OK;
}

kahu_status kahu_set_thread_data(kahu_sched *s, lua_State *co, void *ud) {
    struct track *r = track_find(s, co);

    KAHU__LOOP_ONLY(s);
    if (r == NULL)
        return KAHU_ESTALE;
    r->ud = ud;
    return KAHU_OK;
}
