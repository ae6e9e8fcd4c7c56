/* SPDX-License-Identifier: MIT */
#include "slots.h"

#include "common.h"

#define SLOTS_LEAST KAHU__CAPACITY(16)

/* Tests wear slots out. */
#if defined(KAHU_HOSTILE)
#define SLOTS_FIRST_GENERATION (UINT32_MAX - 3)
#else
#define SLOTS_FIRST_GENERATION 0
#endif

/* ------------------------------------------------------------------------ */
/* Ids                                                                       */
/* ------------------------------------------------------------------------ */

static uint64_t id_make(uint32_t index, uint32_t generation) {
    return ((uint64_t)generation << 32) | ((uint64_t)index + 1);
}

static struct kahu__slot *slot_find(const struct kahu__slots *t, uint64_t id) {
    uint32_t place = (uint32_t)(id & UINT32_MAX);
    uint32_t generation = (uint32_t)(id >> 32);
    struct kahu__slot *slot;

    if (place == 0 || place > t->count)
        return NULL;

    slot = &t->slots[place - 1];
    if (slot->generation != generation || slot->value == NULL)
        return NULL;

    return slot;
}

/* ------------------------------------------------------------------------ */
/* Space                                                                     */
/* ------------------------------------------------------------------------ */

static bool slots_grow(struct kahu__slots *t) {
    uint32_t capacity = t->capacity == 0 ? SLOTS_LEAST : t->capacity * 2;
    struct kahu__slot *slots;

    if (capacity < t->capacity)
        return false; /* 2^31 operations at once: refuse rather than wrap */

    slots = kahu__realloc(t->alloc, t->slots, t->capacity * sizeof(*slots),
                          capacity * sizeof(*slots));
    if (slots == NULL)
        return false;

    t->slots = slots;
    t->capacity = capacity;
    return true;
}

/* ------------------------------------------------------------------------ */
/* Table                                                                     */
/* ------------------------------------------------------------------------ */

void kahu__slots_init(struct kahu__slots *t, struct kahu__alloc *alloc) {
    *t = (struct kahu__slots){.alloc = alloc};
}

void kahu__slots_deinit(struct kahu__slots *t) {
    assert(t->live == 0 && "operations outlived their scheduler");
    kahu__free(t->alloc, t->slots, t->capacity * sizeof(*t->slots));
    kahu__slots_init(t, t->alloc);
}

uint64_t kahu__slots_put(struct kahu__slots *t, void *value) {
    struct kahu__slot *slot;
    uint32_t index;

    assert(value != NULL);

    if (t->first_free != 0) {
        index = t->first_free - 1;
        t->first_free = t->slots[index].next_free;
    } else {
        if (t->count == t->capacity && !slots_grow(t))
            return 0;
        index = t->count++;
        t->slots[index].generation = SLOTS_FIRST_GENERATION;
    }

    slot = &t->slots[index];
    slot->value = value;
    slot->next_free = 0;
    t->live++;
    return id_make(index, slot->generation);
}

void *kahu__slots_get(const struct kahu__slots *t, uint64_t id) {
    struct kahu__slot *slot = slot_find(t, id);
    return slot == NULL ? NULL : slot->value;
}

void *kahu__slots_take(struct kahu__slots *t, uint64_t id) {
    struct kahu__slot *slot = slot_find(t, id);
    void *value;

    if (slot == NULL)
        return NULL;

    value = slot->value;
    slot->value = NULL;
    t->live--;
    if (++slot->generation != UINT32_MAX) {
        slot->next_free = t->first_free;
        t->first_free = (uint32_t)(slot - t->slots) + 1;
    }
    return value;
}
