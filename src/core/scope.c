/* SPDX-License-Identifier: MIT */
/*
 * scope.c - groups of threads that are cancelled together.
 *
 * A member is a watch of its thread: it goes when the thread ends. Callbacks
 * of a cancellation may change everything, so a walk keeps names, not
 * pointers, and marks what it has been to.
 *
 * Invariants
 *   (1) A scope is in s->scopes, and in its parent's children or, without a
 *       parent, in s->all_scopes, until it is freed.
 *   (2) A member is in its scope's list exactly while its thread is watched.
 */
#include "../base/common.h"
#include "sched.h"

struct scope_member {
    struct kahu__scope *scope;
    lua_State *co;
    struct scope_member *next;
    struct scope_member *prev;
    uint64_t seq;  /* order of making */
    uint64_t walk; /* the last kahu_scope_cancel() that has been here */
};

struct kahu__scope {
    kahu_sched *s;
    uint64_t id;
    struct kahu__scope *parent;
    struct kahu__scope *children; /* in order of making */
    struct kahu__scope *next;     /* sibling */
    struct kahu__scope *prev;
    struct scope_member *first; /* in order of adding */
    struct scope_member *last;
    size_t members;
    uint64_t seq; /* as a member's */
    uint64_t walk;
};

static struct kahu__scope *scope_get(const kahu_sched *s, kahu_scope scope) {
    return kahu__slots_get(&s->scopes, scope.id);
}

/* ------------------------------------------------------------------------ */
/* The tree                                                                 */
/* ------------------------------------------------------------------------ */

static struct kahu__scope **scope_siblings(const struct kahu__scope *c) {
    return c->parent != NULL ? &c->parent->children : &c->s->all_scopes;
}

/* At the end, which the first one's prev knows. */
static void scope_link(struct kahu__scope *c) {
    struct kahu__scope **first = scope_siblings(c);

    c->next = NULL;
    if (*first == NULL) {
        *first = c->prev = c;
        return;
    }
    c->prev = (*first)->prev;
    c->prev->next = c;
    (*first)->prev = c;
}

static void scope_unlink(struct kahu__scope *c) {
    struct kahu__scope **first = scope_siblings(c);

    if (c->next != NULL)
        c->next->prev = c->prev;
    else
        (*first)->prev = c->prev;
    if (*first == c)
        *first = c->next;
    else
        c->prev->next = c->next;
}

/* The next below root: itself, its children, each before its siblings. */
static struct kahu__scope *scope_next(const struct kahu__scope *root,
                                      struct kahu__scope *c) {
    if (c->children != NULL)
        return c->children;
    while (c != root && c->next == NULL)
        c = c->parent;
    return c == root ? NULL : c->next;
}

kahu_status kahu_scope_new(kahu_sched *s, kahu_scope parent, kahu_scope *out) {
    struct kahu__scope *above;
    struct kahu__scope *c;

    KAHU__LOOP_ONLY(s);
    above = scope_get(s, parent);
    if (out == NULL)
        return KAHU_EINVAL;
    if (parent.id != 0 && above == NULL)
        return KAHU_ESTALE;
    if (s->closing)
        return KAHU_ECLOSED;
    c = kahu__calloc(&s->alloc, sizeof(*c));
    if (c == NULL)
        return KAHU_ENOMEM;
    c->id = kahu__slots_put(&s->scopes, c);
    if (c->id == 0) {
        kahu__free(&s->alloc, c, sizeof(*c));
        return KAHU_ENOMEM;
    }
    c->s = s;
    c->seq = s->scope_seq++;
    c->parent = above;
    scope_link(c);
    out->id = c->id;
    return KAHU_OK;
}

/* ------------------------------------------------------------------------ */
/* Members                                                                  */
/* ------------------------------------------------------------------------ */

static void member_link(struct kahu__scope *c, struct scope_member *m) {
    m->prev = c->last;
    if (c->last != NULL)
        c->last->next = m;
    else
        c->first = m;
    c->last = m;
    c->members++;
}

/* The watch is over: the member's drop. */
static void member_free(void *ud) {
    struct scope_member *m = ud;
    struct kahu__scope *c = m->scope;

    if (m->next != NULL)
        m->next->prev = m->prev;
    else
        c->last = m->prev;
    if (m->prev != NULL)
        m->prev->next = m->next;
    else
        c->first = m->next;
    c->members--;
    kahu__free(&c->s->alloc, m, sizeof(*m));
}

/* The watch's end does all there is to do. */
static bool member_ended(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    (void)L;
    (void)f;
    return false;
}

kahu_status kahu_scope_add(kahu_sched *s, kahu_scope scope, lua_State *co) {
    struct kahu__scope *c;
    struct scope_member *m;
    kahu_status status;

    KAHU__LOOP_ONLY(s);
    c = scope_get(s, scope);
    if (c == NULL)
        return KAHU_ESTALE;
    m = kahu__calloc(&s->alloc, sizeof(*m));
    if (m == NULL)
        return KAHU_ENOMEM;
    *m = (struct scope_member){.scope = c, .co = co, .seq = s->scope_seq++};
    status = kahu_watch(s, co, member_ended, m, member_free);
    if (status == KAHU_OK)
        member_link(c, m);
    else
        kahu__free(&s->alloc, m, sizeof(*m));
    return status;
}

/* ------------------------------------------------------------------------ */
/* Cancelling                                                               */
/* ------------------------------------------------------------------------ */

/* What callbacks make meanwhile is not for this walk: it would not end where a
 * supervisor starts a thread for each that ends. */
struct scope_walk {
    uint64_t number;
    uint64_t end; /* what was made before */
};

/* Those that run stay at the front, and are passed by: they are few. */
static struct scope_member *scope_unvisited(const struct kahu__scope *c,
                                            struct scope_walk walk) {
    struct scope_member *m = c->first;

    while (m != NULL && m->walk == walk.number)
        m = m->next;
    return m == NULL || m->seq >= walk.end ? NULL : m;
}

static kahu_status scope_cancel_members(kahu_sched *s, kahu_scope scope,
                                        struct scope_walk walk) {
    kahu_status status = KAHU_OK;
    struct kahu__scope *c;
    struct scope_member *m;

    while ((c = scope_get(s, scope)) != NULL &&
           (m = scope_unvisited(c, walk)) != NULL) {
        m->walk = walk.number;
        if (kahu_cancel(s, m->co) == KAHU_ENOMEM)
            status = KAHU_ENOMEM;
    }
    return status;
}

/* The first scope below root that this walk has not been to. */
static struct kahu__scope *scope_next_unvisited(struct kahu__scope *root,
                                                struct kahu__scope *from,
                                                struct scope_walk walk) {
    struct kahu__scope *c = from != NULL ? from : root;

    while (c != NULL && (c->walk == walk.number || c->seq >= walk.end))
        c = scope_next(root, c);
    return c;
}

kahu_status kahu_scope_cancel(kahu_sched *s, kahu_scope scope) {
    kahu_status status = KAHU_OK;
    struct scope_walk walk = {++s->scope_walks, s->scope_seq};
    kahu_scope at = scope;
    struct kahu__scope *root;
    struct kahu__scope *c;

    KAHU__LOOP_ONLY(s);
    if (scope_get(s, scope) == NULL)
        return KAHU_ESTALE;
    kahu__enter(s);
    while ((root = scope_get(s, scope)) != NULL &&
           (c = scope_next_unvisited(root, scope_get(s, at), walk)) != NULL) {
        c->walk = walk.number;
        at.id = c->id;
        if (scope_cancel_members(s, at, walk) != KAHU_OK)
            status = KAHU_ENOMEM;
    }
    kahu__leave(s);
    return status;
}

size_t kahu_scope_count(const kahu_sched *s, kahu_scope scope) {
    struct kahu__scope *root;
    size_t n = 0;

    KAHU__LOOP_ONLY(s);
    root = scope_get(s, scope);
    for (struct kahu__scope *c = root; c != NULL; c = scope_next(root, c))
        n += c->members;
    return n;
}

/* ------------------------------------------------------------------------ */
/* Freeing                                                                  */
/* ------------------------------------------------------------------------ */

/* One without children. */
static void scope_free_leaf(kahu_sched *s, struct kahu__scope *c) {
    while (c->first != NULL)
        (void)kahu_unwatch(s, c->first->co, member_ended, c->first);
    scope_unlink(c);
    (void)kahu__slots_take(&s->scopes, c->id);
    kahu__free(&s->alloc, c, sizeof(*c));
}

static struct kahu__scope *scope_leaf(struct kahu__scope *c) {
    while (c->children != NULL)
        c = c->children;
    return c;
}

kahu_status kahu_scope_free(kahu_sched *s, kahu_scope scope) {
    struct kahu__scope *root;

    KAHU__LOOP_ONLY(s);
    root = scope_get(s, scope);
    if (root == NULL)
        return KAHU_ESTALE;
    while (root->children != NULL)
        scope_free_leaf(s, scope_leaf(root));
    scope_free_leaf(s, root);
    return KAHU_OK;
}

void kahu__scope_free_all(kahu_sched *s) {
    while (s->all_scopes != NULL)
        (void)kahu_scope_free(s, (kahu_scope){s->all_scopes->id});
}
