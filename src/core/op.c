/* SPDX-License-Identifier: MIT */
/*
 * op.c - asynchronous operations.
 *
 * Design notes
 *   An operation is named by an id, never by a pointer, so whoever completes
 *   it may be late, or twice: s->ops no longer finds it, and he is told.
 *   Ending one takes it out of s->ops and puts it into s->ended, both under
 *   the lock, so exactly one of any number of enders wins; the values are not
 *   made until delivery, on the loop thread, by push. Ending allocates nothing
 *   and can't run out of memory.
 *   Whoever frees the wake of an operation (delivery, cancel, close) owns what
 *   the ender left: drop is called once, there. An operation that was still
 *   open has nobody's values, and on_cancel is called instead.
 *   Callbacks run outside the lock: they may call back. Only the driver is
 *   woken under it.
 *   Calls posted from other OS threads (post.c) go the same way, so that they
 *   and the operations are delivered in the order in which they came.
 */
#include <lualib.h>
#include <string.h>

#include "../base/common.h"
#include "sched.h"

#define OP_SPARES 1024 /* freed records kept for the next ones */

/* ------------------------------------------------------------------------ */
/* Lists                                                                    */
/* ------------------------------------------------------------------------ */

void kahu__op_list_append(struct kahu__op_list *l, struct kahu__op *op) {
    op->next = NULL;
    op->prev = l->last;
    if (l->last != NULL)
        l->last->next = op;
    else
        l->first = op;
    l->last = op;
}

void kahu__op_list_remove(struct kahu__op_list *l, struct kahu__op *op) {
    if (op->next != NULL)
        op->next->prev = op->prev;
    else
        l->last = op->prev;
    if (op->prev != NULL)
        op->prev->next = op->next;
    else
        l->first = op->next;
}

/* ------------------------------------------------------------------------ */
/* Records                                                                  */
/* ------------------------------------------------------------------------ */

static struct kahu__op *op_alloc(kahu_sched *s) {
    struct kahu__op *op = s->op_spare;

    if (op == NULL)
        return kahu__calloc(&s->alloc, sizeof(*op));
    s->op_spare = op->next;
    s->op_spares--;
    *op = (struct kahu__op){0};
    return op;
}

static void op_free(kahu_sched *s, struct kahu__op *op) {
    if (s->op_spares == OP_SPARES) {
        kahu__free(&s->alloc, op, sizeof(*op));
        return;
    }
    op->next = s->op_spare;
    s->op_spare = op;
    s->op_spares++;
}

void kahu__op_free_spares(kahu_sched *s) {
    while (s->op_spare != NULL) {
        struct kahu__op *op = s->op_spare;

        s->op_spare = op->next;
        kahu__free(&s->alloc, op, sizeof(*op));
    }
    s->op_spares = 0;
}

/* ------------------------------------------------------------------------ */
/* Beginning                                                                */
/* ------------------------------------------------------------------------ */

static uint64_t op_name(kahu_sched *s, struct kahu__op *op) {
    uint64_t id;

    kahu__lock_take(&s->op_lock);
    id = kahu__slots_put(&s->ops, op);
    kahu__lock_give(&s->op_lock);
    return id;
}

static uint64_t op_unname(kahu_sched *s, struct kahu__op *op) {
    kahu__lock_take(&s->op_lock);
    kahu__slots_take(&s->ops, op->id);
    kahu__lock_give(&s->op_lock);
    return 0;
}

/* NULL when memory is out. */
static struct kahu__op *op_new(kahu_sched *s, lua_State *L) {
    struct kahu__op *op = op_alloc(s);

    if (op == NULL)
        return NULL;
    op->begun_in = s->options.strict_wakes ? kahu__top_function(L) : NULL;
    if (s->options.strict_wakes && op->begun_in == NULL) {
        op_free(s, op);
        return NULL; /* it could not be told from another's later */
    }
    op->id = op_name(s, op);
    if (op->id != 0)
        op->wake = kahu__wake_new(s, L, KAHU_OPERATION, L, 0);
    if (op->wake != 0)
        return op;
    if (op->id != 0)
        op->id = op_unname(s, op);
    op_free(s, op);
    return NULL;
}

static kahu_status op_check(const kahu_sched *s, lua_State *L) {
    if (s == NULL)
        return KAHU_ESTATE;
    if (s->closing)
        return KAHU_ECLOSED;
    if (!lua_isyieldable(L))
        return KAHU_EYIELD;
    return kahu__wake_allowed(s, L);
}

kahu_status kahu_op_begin(lua_State *L, kahu_op_cancel_fn on_cancel, void *ud,
                          kahu_op *out) {
    kahu_sched *s = kahu_get(L);
    kahu_status status;
    struct kahu__op *op;

    if (s != NULL)
        KAHU__LOOP_ONLY(s);
    status = op_check(s, L);
    if (status != KAHU_OK)
        return status;
    op = op_new(s, L);
    if (op == NULL)
        return KAHU_ENOMEM;

    op->on_cancel = on_cancel;
    op->cancel_ud = ud;
    kahu__wake_at(s, op->wake)->u.op = op;
    kahu__list_append(s, KAHU__OPERATING, op->wake);
    out->id = op->id;
    kahu__changed(s);
    return KAHU_OK;
}

int kahu_raise(lua_State *L, kahu_status status) {
    luaL_error(L, "%s", kahu_status_text(status));
}

int kahu_op_yield(lua_State *L) {
    return lua_yield(L, 0);
}

/* ------------------------------------------------------------------------ */
/* Ending, on any OS thread                                                 */
/* ------------------------------------------------------------------------ */

/* Whoever takes it out of the list may free the scheduler next. So the loop is
 * woken before the lock is given back, and nobody looks at s afterwards. */
bool kahu__op_put(kahu_sched *s, struct kahu__op *op) {
    op->in = KAHU__IN_ENDED;
    op->round = s->op_round;
    kahu__op_list_append(&s->ended, op);
    kahu__atomic_add(&s->ended_count, 1);
    if (kahu__atomic_get(&s->owner) == kahu__thread_self())
        return true;
    kahu__ring(s);
    return false;
}

static kahu_status op_end(kahu_sched *s, kahu_op handle, struct kahu__op how) {
    bool here = false;
    struct kahu__op *op;

    kahu__lock_take(&s->op_lock);
    op = kahu__slots_take(&s->ops, handle.id);
    if (op != NULL) {
        op->ending = how.ending;
        op->push = how.push;
        op->ud = how.ud;
        op->drop = how.drop;
        here = kahu__op_put(s, op);
    }
    kahu__lock_give(&s->op_lock);

    if (here)
        kahu__changed(s);
    return op == NULL ? KAHU_ESTALE : KAHU_OK;
}

kahu_status kahu_op_finish(kahu_sched *s, kahu_op op, kahu_push_fn push,
                           void *ud, kahu_drop_fn drop) {
    return op_end(
        s, op,
        (struct kahu__op){
            .ending = KAHU__VALUES, .push = push, .ud = ud, .drop = drop});
}

kahu_status kahu_op_fail(kahu_sched *s, kahu_op op, kahu_push_fn push, void *ud,
                         kahu_drop_fn drop) {
    return op_end(
        s, op,
        (struct kahu__op){
            .ending = KAHU__ERROR, .push = push, .ud = ud, .drop = drop});
}

static int op_push_text(lua_State *L, void *ud) {
    lua_pushstring(L, ud);
    return 1;
}

static void op_drop_text(void *ud) {
    (void)kahu__alloc_libc(NULL, ud, strlen(ud) + 1, 0);
}

kahu_status kahu_op_fail_text(kahu_sched *s, kahu_op op, const char *text) {
    size_t size = text == NULL ? 1 : strlen(text) + 1;
    char *copy = kahu__alloc_libc(NULL, NULL, 0, size);
    kahu_status status;

    if (copy == NULL)
        return KAHU_ENOMEM;
    memcpy(copy, text == NULL ? "" : text, size);
    status = kahu_op_fail(s, op, op_push_text, copy, op_drop_text);
    if (status != KAHU_OK)
        op_drop_text(copy);
    return status;
}

static int op_push_abandoned(lua_State *L, void *ud) {
    (void)ud;
    lua_pushliteral(L, "operation abandoned");
    return 1;
}

kahu_status kahu_op_abandon(kahu_sched *s, kahu_op op) {
    return kahu_op_fail(s, op, op_push_abandoned, NULL, NULL);
}

/* ------------------------------------------------------------------------ */
/* Delivery                                                                 */
/* ------------------------------------------------------------------------ */

void kahu__op_collect(kahu_sched *s) {
    kahu__lock_take(&s->op_lock);
    assert(s->finishing.first == NULL);
    s->finishing = s->ended;
    s->ended = (struct kahu__op_list){NULL, NULL};
    s->op_round++;
    kahu__atomic_set(&s->ended_count, 0);
    kahu__lock_give(&s->op_lock);
}

bool kahu__op_deliver_next(kahu_sched *s) {
    struct kahu__op *op = s->finishing.first;

    if (op == NULL)
        return false;
    kahu__op_list_remove(&s->finishing, op);
    op->in = KAHU__IN_DELIVERY;
    if (op->wake == 0) {
        kahu__post_run(s, op);
        return true;
    }
    kahu__list_remove(s, op->wake);
    kahu__deliver(s, op->wake);
    return true;
}

/* On the caller thread, protected. */
static int op_push(lua_State *L, void *ud) {
    struct kahu__op *op = ud;
    int n = op->push == NULL ? 0 : op->push(L, op->ud);

    if (n < 0)
        luaL_error(L, "%s", kahu_status_text(n));
    return n;
}

/* Pushes exactly one value for an error. */
static int op_push_outcome(lua_State *L, void *ud) {
    const struct kahu__op *op = ud;
    int n = op_push(L, ud);

    if (op->ending == KAHU__VALUES)
        return n;
    if (n == 0)
        lua_pushnil(L);
    else
        lua_pop(L, n - 1);
    return 1;
}

static void op_drop(kahu_sched *s, struct kahu__op *op) {
    kahu_drop_fn drop = op->drop;
    void *ud = op->ud;

    op_free(s, op);
    if (drop != NULL)
        drop(ud);
}

bool kahu__op_take(kahu_sched *s, struct kahu__op *op) {
    bool good = op->ending == KAHU__VALUES;

    if (op->push != NULL || !good)
        good =
            kahu__protect(s, s->caller, op_push_outcome, op) == LUA_OK && good;
    op_drop(s, op);
    return good;
}

/* ------------------------------------------------------------------------ */
/* Discarding                                                               */
/* ------------------------------------------------------------------------ */

static void op_unend(kahu_sched *s, struct kahu__op *op) {
    kahu__op_list_remove(&s->ended, op);
    kahu__atomic_sub(&s->ended_count, 1);
}

/* Takes op out of where it is; where that was. */
static enum kahu__op_place op_withdraw(kahu_sched *s, struct kahu__op *op) {
    enum kahu__op_place place;

    kahu__lock_take(&s->op_lock);
    place = op->in;
    if (place == KAHU__IN_SLOTS)
        kahu__slots_take(&s->ops, op->id);
    else if (place == KAHU__IN_ENDED && op->round == s->op_round)
        op_unend(s, op);
    else if (place == KAHU__IN_ENDED)
        kahu__op_list_remove(&s->finishing, op);
    kahu__lock_give(&s->op_lock);
    return place;
}

void kahu__op_discard(kahu_sched *s, struct kahu__op *op) {
    kahu_op_cancel_fn on_cancel = op->on_cancel;
    void *cancel_ud = op->cancel_ud;
    kahu_op handle = {op->id};

    if (op_withdraw(s, op) != KAHU__IN_SLOTS) {
        op_drop(s, op);
        return;
    }
    op_free(s, op);
    if (on_cancel != NULL)
        on_cancel(cancel_ud, handle);
}
