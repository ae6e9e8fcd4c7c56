/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* for what uv.h uses of pthread.h */
#include "host_sleep.h"

#include <lualib.h>
#include <stdlib.h>

#define NS_PER_MS UINT64_C(1000000)
#define LONGEST_S 1e9 /* some 30 years; keeps all sums below 2^64 */

struct sleep {
    struct sleeps *all;
    struct sleep *before;
    struct sleep *after; /* also of a spare one */
    kahu_op op;
    uint64_t start_ns;
    uint64_t deadline_ns;
};

static uint64_t sleeps_now(const struct sleeps *z) {
    return z->stepped == NULL ? uv_hrtime() : kahu_stepped_now_ns(z->stepped);
}

/* ------------------------------------------------------------------------ */
/* Records                                                                  */
/* ------------------------------------------------------------------------ */

static struct sleep *sleep_new(struct sleeps *z) {
    struct sleep *p = z->spare;

    if (p == NULL)
        return malloc(sizeof(*p));
    z->spare = p->after;
    return p;
}

static void sleep_drop(void *ud) {
    struct sleep *p = ud;

    p->after = p->all->spare;
    p->all->spare = p;
}

/* ------------------------------------------------------------------------ */
/* The list                                                                 */
/* ------------------------------------------------------------------------ */

/* Looked for from the end: most sleep as long as those before them. Who came
 * first is first, of two with one deadline. */
static struct sleep *list_place(const struct sleeps *z, uint64_t deadline_ns) {
    struct sleep *before = z->last;

    while (before != NULL && before->deadline_ns > deadline_ns)
        before = before->before;
    return before;
}

static void list_add(struct sleeps *z, struct sleep *p) {
    p->before = list_place(z, p->deadline_ns);
    p->after = p->before == NULL ? z->first : p->before->after;
    *(p->before == NULL ? &z->first : &p->before->after) = p;
    *(p->after == NULL ? &z->last : &p->after->before) = p;
}

static void list_remove(struct sleeps *z, struct sleep *p) {
    *(p->before == NULL ? &z->first : &p->before->after) = p->after;
    *(p->after == NULL ? &z->last : &p->after->before) = p->before;
}

uint64_t sleeps_next_ns(const struct sleeps *z) {
    return z->first == NULL ? KAHU_NEVER_NS : z->first->deadline_ns;
}

/* ------------------------------------------------------------------------ */
/* Ends                                                                     */
/* ------------------------------------------------------------------------ */

static int sleep_push(lua_State *L, void *ud) {
    const struct sleep *p = ud;

    lua_pushnumber(L, (double)(sleeps_now(p->all) - p->start_ns) / 1e9);
    return 1;
}

/* It is open: a cancelled one is not in the list any more. */
static void sleep_end(struct sleep *p) {
    list_remove(p->all, p);
    (void)kahu_op_finish(p->all->s, p->op, sleep_push, p, sleep_drop);
}

void sleeps_end_due(struct sleeps *z) {
    uint64_t now = sleeps_now(z);

    while (sleeps_next_ns(z) <= now)
        sleep_end(z->first);
}

static void sleeps_set_timer(struct sleeps *z);

static void sleeps_on_timer(uv_timer_t *timer) {
    sleeps_end_due(timer->data);
    sleeps_set_timer(timer->data);
}

/* libuv adds to the time it keeps, which may be old: what is added is counted
 * from there, and the deadline rounded up, so that none ends too soon. */
static void sleeps_set_timer(struct sleeps *z) {
    uint64_t now_ms = uv_now(z->timer.loop);
    uint64_t due_ms;

    if (z->stepped != NULL)
        return;
    if (z->first == NULL) {
        (void)uv_timer_stop(&z->timer);
        return;
    }
    due_ms = (z->first->deadline_ns + NS_PER_MS - 1) / NS_PER_MS;
    (void)uv_timer_start(&z->timer, sleeps_on_timer,
                         due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void sleep_on_cancel(void *ud, kahu_op op) {
    struct sleep *p = ud;
    bool was_first = p == p->all->first;

    (void)op;
    list_remove(p->all, p);
    if (was_first)
        sleeps_set_timer(p->all);
    sleep_drop(p);
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

int sleep_call(lua_State *L) {
    struct sleeps *z = lua_tolightuserdata(L, lua_upvalueindex(1));
    uint64_t ns = sleep_ns(luaL_checknumber(L, 1));
    struct sleep *p = sleep_new(z);
    kahu_status status;

    if (p == NULL)
        return kahu_raise(L, KAHU_ENOMEM);
    p->all = z;
    status = kahu_op_begin(L, sleep_on_cancel, p, &p->op);
    if (status != KAHU_OK) {
        sleep_drop(p);
        return kahu_raise(L, status);
    }
    p->start_ns = sleeps_now(z);
    p->deadline_ns = p->start_ns + ns;
    list_add(z, p);
    if (p == z->first)
        sleeps_set_timer(z);
    return kahu_op_yield(L);
}

/* ------------------------------------------------------------------------ */
/* All of them                                                              */
/* ------------------------------------------------------------------------ */

void sleeps_init(struct sleeps *z, uv_loop_t *loop) {
    *z = (struct sleeps){.s = NULL};
    (void)uv_timer_init(loop, &z->timer);
    z->timer.data = z;
}

void sleeps_free(struct sleeps *z) {
    uv_close((uv_handle_t *)&z->timer, NULL);
    while (z->spare != NULL)
        free(sleep_new(z));
}
