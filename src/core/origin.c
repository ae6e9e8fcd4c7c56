/* SPDX-License-Identifier: MIT */
#include "origin.h"

#include <string.h>

#include "../base/common.h"
#include "kahu/threads.h"

static size_t origin_size(const char *where) {
    return sizeof(struct kahu__origin) + strlen(where) + 1;
}

static struct kahu__origin *origin_make(struct kahu__alloc *a,
                                        const char *where, uint32_t depth) {
    size_t size = origin_size(where);
    struct kahu__origin *o = kahu__realloc(a, NULL, 0, size);

    if (o == NULL)
        return NULL;
    o->up = o->last = NULL;
    o->uses = 1;
    o->depth = depth;
    memcpy(o->where, where, size - sizeof(*o));
    return o;
}

/* A copy of the nearer half; NULL when memory is out. */
static struct kahu__origin *origin_copy(struct kahu__alloc *a,
                                        const struct kahu__origin *o) {
    struct kahu__origin *copy = NULL;
    struct kahu__origin **end = &copy;

    for (uint32_t left = KAHU_ORIGIN_LEVELS; left > 0; left--, o = o->up) {
        *end = origin_make(a, o->where, left);
        if (*end == NULL) {
            kahu__origin_release(a, copy);
            return NULL;
        }
        end = &(*end)->up;
    }
    return copy;
}

static bool origin_forget(struct kahu__alloc *a, struct kahu__origin **o) {
    struct kahu__origin *copy = origin_copy(a, *o);

    if (copy == NULL)
        return false;
    kahu__origin_release(a, *o);
    *o = copy;
    return true;
}

static struct kahu__origin *origin_add(struct kahu__alloc *a,
                                       struct kahu__origin **maker,
                                       const char *where) {
    struct kahu__origin *o;

    if ((*maker)->depth == 2 * KAHU_ORIGIN_LEVELS - 1 &&
        !origin_forget(a, maker))
        return NULL;
    o = origin_make(a, where, (*maker)->depth + 1);
    if (o == NULL)
        return NULL;
    o->up = *maker;
    o->up->uses++;
    o->up->last = o;
    return o;
}

struct kahu__origin *kahu__origin_new(struct kahu__alloc *a,
                                      struct kahu__origin **maker,
                                      const char *where) {
    struct kahu__origin *last;

    if (maker == NULL || *maker == NULL)
        return origin_make(a, where, 1);
    last = (*maker)->last;
    if (last == NULL || strcmp(last->where, where) != 0)
        return origin_add(a, maker, where);
    last->uses++;
    return last;
}

void kahu__origin_release(struct kahu__alloc *a, struct kahu__origin *o) {
    while (o != NULL && --o->uses == 0) {
        struct kahu__origin *up = o->up;

        if (up != NULL && up->last == o)
            up->last = NULL;
        kahu__free(a, o, origin_size(o->where));
        o = up;
    }
}

const struct kahu__origin *kahu__origin_up(const struct kahu__origin *o,
                                           unsigned level) {
    if (level >= KAHU_ORIGIN_LEVELS)
        return NULL;
    while (o != NULL && level-- > 0)
        o = o->up;
    return o;
}
