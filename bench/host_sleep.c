/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* for what uv.h uses of pthread.h */
#include "host_sleep.h"

#include <lualib.h>
#include <stdlib.h>

#define NS_PER_MS UINT64_C(1000000)
#define LONGEST_S 1e9 /* some 30 years; keeps all sums below 2^64 */

struct sleep {
    struct sleeps *all;
    struct sleep *next; /* a spare one */
    kahu_sched *s;
    kahu_op op;
    uint64_t start_ns;
    uv_timer_t timer; /* on a loop */
};

static uint64_t sleeps_now(const struct sleeps *z) {
    return z->loop != NULL ? uv_hrtime() : kahu_stepped_now_ns(z->stepped);
}

static struct sleep *sleep_new(struct sleeps *z) {
    struct sleep *p = z->spare;

    if (p == NULL)
        return malloc(sizeof(*p));
    z->spare = p->next;
    return p;
}

static void sleep_drop(void *ud) {
    struct sleep *p = ud;

    p->next = p->all->spare;
    p->all->spare = p;
}

static int sleep_push(lua_State *L, void *ud) {
    const struct sleep *p = ud;

    lua_pushnumber(L, (double)(sleeps_now(p->all) - p->start_ns) / 1e9);
    return 1;
}

/* ------------------------------------------------------------------------ */
/* On a loop                                                                */
/* ------------------------------------------------------------------------ */

static void sleep_on_close(uv_handle_t *timer) {
    sleep_drop(timer->data);
}

static void sleep_close(void *ud) {
    struct sleep *p = ud;

    uv_close((uv_handle_t *)&p->timer, sleep_on_close);
}

static void sleep_on_cancel(void *ud, kahu_op op) {
    (void)op;
    sleep_close(ud);
}

/* It is open: a cancelled one has no timer any more. */
static void sleep_on_timer(uv_timer_t *timer) {
    struct sleep *p = timer->data;

    (void)kahu_op_finish(p->s, p->op, sleep_push, p, sleep_close);
}

/* libuv adds to the time it keeps, which may be old: what is added is counted
 * from there, and the deadline rounded up, so that none ends too soon. */
static void sleep_start(struct sleep *p, uint64_t deadline_ns) {
    uint64_t due_ms = (deadline_ns + NS_PER_MS - 1) / NS_PER_MS;

    (void)uv_timer_init(p->all->loop, &p->timer);
    p->timer.data = p;
    (void)uv_timer_start(&p->timer, sleep_on_timer,
                         due_ms - uv_now(p->all->loop), 0);
}

/* ------------------------------------------------------------------------ */
/* On a stepped clock                                                       */
/* ------------------------------------------------------------------------ */

static bool due_before(struct sleep_due a, struct sleep_due b) {
    if (a.deadline_ns != b.deadline_ns)
        return a.deadline_ns < b.deadline_ns;
    return a.seq < b.seq;
}

static bool heap_reserve(struct sleeps *z) {
    size_t capacity = z->capacity * 2 + 64;
    struct sleep_due *heap;

    if (z->count < z->capacity)
        return true;
    heap = realloc(z->heap, capacity * sizeof(*heap));
    if (heap == NULL)
        return false;
    z->heap = heap;
    z->capacity = capacity;
    return true;
}

static void heap_push(struct sleeps *z, struct sleep_due item) {
    size_t place = z->count++;

    while (place > 0 && due_before(item, z->heap[(place - 1) / 2])) {
        z->heap[place] = z->heap[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    z->heap[place] = item;
}

static struct sleep *heap_pop(struct sleeps *z) {
    struct sleep *first = z->heap[0].sleep;
    struct sleep_due last = z->heap[--z->count];
    size_t place = 0;

    for (;;) {
        size_t child = place * 2 + 1;

        if (child + 1 < z->count &&
            due_before(z->heap[child + 1], z->heap[child]))
            child++;
        if (child >= z->count || !due_before(z->heap[child], last))
            break;
        z->heap[place] = z->heap[child];
        place = child;
    }
    z->heap[place] = last;
    return first;
}

uint64_t sleeps_next_ns(const struct sleeps *z) {
    return z->count == 0 ? KAHU_NEVER_NS : z->heap[0].deadline_ns;
}

/* A cancelled one stays until it is due, and is stale then. */
void sleeps_end_due(struct sleeps *z) {
    while (sleeps_next_ns(z) <= sleeps_now(z)) {
        struct sleep *p = heap_pop(z);

        if (kahu_op_finish(p->s, p->op, sleep_push, p, sleep_drop) != KAHU_OK)
            sleep_drop(p);
    }
}

void sleeps_free(struct sleeps *z) {
    while (z->count > 0)
        sleep_drop(heap_pop(z));
    free(z->heap);
    while (z->spare != NULL)
        free(sleep_new(z));
}

/* ------------------------------------------------------------------------ */
/* For scripts                                                              */
/* ------------------------------------------------------------------------ */

/* What was cut off is a part of the last nanosecond: with one more, none is
 * told to have slept less than it asked for. */
static uint64_t sleep_ns(double seconds) {
    if (!(seconds > 0))
        return 0;
    return (uint64_t)((seconds < LONGEST_S ? seconds : LONGEST_S) * 1e9) + 1;
}

static kahu_status sleep_begin(lua_State *L, struct sleep *p) {
    if (p->all->loop != NULL)
        return kahu_op_begin(L, sleep_on_cancel, p, &p->op);
    if (!heap_reserve(p->all))
        return KAHU_ENOMEM;
    return kahu_op_begin(L, NULL, NULL, &p->op);
}

int sleep_call(lua_State *L) {
    struct sleeps *z = lua_tolightuserdata(L, lua_upvalueindex(1));
    uint64_t ns = sleep_ns(luaL_checknumber(L, 1));
    struct sleep *p = sleep_new(z);
    kahu_status status;

    if (p == NULL)
        return kahu_raise(L, KAHU_ENOMEM);
    p->all = z;
    p->s = kahu_get(L);
    p->start_ns = sleeps_now(z);
    status = sleep_begin(L, p);
    if (status != KAHU_OK) {
        sleep_drop(p);
        return kahu_raise(L, status);
    }
    if (z->loop != NULL)
        sleep_start(p, p->start_ns + ns);
    else
        heap_push(z, (struct sleep_due){p->start_ns + ns, z->seq++, p});
    return kahu_op_yield(L);
}
