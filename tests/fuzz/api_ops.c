/* SPDX-License-Identifier: MIT */
/*
 * api_ops.c - operations and posted calls, ended early, late, twice, and by
 * another OS thread; with a book of those that are open.
 *
 * What another OS thread does is over before this one goes on: a run is the
 * same every time.
 */
#include "api.h"

#define OPS 256

static struct op {
    kahu_op handle;
    bool open;
} ops[OPS];
static unsigned ops_count;

/* Handed over with a result or a call: freed by its drop, once. */
struct token {
    bool used;
};

static struct token *token_new(void) {
    struct token *t = calloc(1, sizeof(*t));

    must(t != NULL);
    return t;
}

static void token_drop(void *ud) {
    must(pthread_equal(pthread_self(), f.owner) != 0);
    free(ud);
    f.taken--;
    act_inside();
}

static void token_taken(struct token *t, bool ok) {
    if (ok)
        f.taken++;
    else
        free(t);
}

static void token_use(void *ud) {
    struct token *t = ud;

    must(!t->used);
    t->used = true;
}

static int token_push(lua_State *L, void *ud) {
    token_use(ud);
    return on_push(L, ud);
}

static void token_call(void *ud, lua_State *L) {
    token_use(ud);
    on_call(ud, L);
}

void elsewhere(void *(*fn)(void *ud), void *ud) {
    pthread_t thread;

    must(pthread_create(&thread, NULL, fn, ud) == 0);
    must(pthread_join(thread, NULL) == 0);
}

/* ------------------------------------------------------------------------ */
/* Operations                                                               */
/* ------------------------------------------------------------------------ */

void ops_forget(void) {
    ops_count = 0;
}

uint64_t ops_begun(void) {
    return ops_count;
}

bool ops_all_ended(void) {
    for (unsigned i = 0; i < ops_count; i++)
        if (ops[i].open)
            return false;
    return true;
}

static void ops_cancelled(void *ud, kahu_op handle) {
    struct op *op = ud;

    must(op->open && op->handle.id == handle.id);
    op->open = false;
    act_inside();
}

kahu_status ops_begin(lua_State *L) {
    struct op *op = &ops[ops_count];
    kahu_status status;

    if (ops_count == OPS)
        return KAHU_EUSER;
    status = kahu_op_begin(L, ops_cancelled, op, &op->handle);
    if (status != KAHU_OK)
        return status;
    must(!f.closing);
    op->open = true;
    ops_count++;
    return KAHU_OK;
}

/* The values are pushed later, by whoever delivers them. */
static kahu_status ops_end_with(kahu_op handle, uint8_t how) {
    struct token *t = token_new();
    kahu_status status =
        how % 2 == 0 ? kahu_op_finish(f.s, handle, token_push, t, token_drop)
                     : kahu_op_fail(f.s, handle, token_push, t, token_drop);

    token_taken(t, status == KAHU_OK);
    return status;
}

static kahu_status ops_end_any(kahu_op handle, uint8_t how) {
    switch (how % 6) {
    case 0:
        return kahu_op_abandon(f.s, handle);
    case 1:
        return kahu_op_fail_text(f.s, handle, "failed");
    case 2:
        return kahu_op_finish(f.s, handle, NULL, NULL, NULL);
    default:
        return ops_end_with(handle, how);
    }
}

struct ending {
    struct op *op;
    uint8_t how;
};

/* Exactly one of those who end it is told that he did. */
static void *ops_end_here(void *ud) {
    const struct ending *e = ud;
    kahu_status status = ops_end_any(e->op->handle, e->how);

    if (status == KAHU_OK) {
        must(e->op->open);
        e->op->open = false;
    } else if (status == KAHU_ENOMEM) {
        must(e->how % 6 == 1);
    } else {
        must(status == KAHU_ESTALE && (!e->op->open || f.closing));
    }
    return NULL;
}

void ops_end(uint8_t which, uint8_t how) {
    struct ending e = {.how = how};

    if (ops_count == 0)
        return;
    e.op = &ops[ops_count - 1 - which % ops_count];
    if (how < 224)
        ops_end_here(&e);
    else
        elsewhere(ops_end_here, &e);
}

/* ------------------------------------------------------------------------ */
/* Posted calls                                                             */
/* ------------------------------------------------------------------------ */

static void *post_here(void *ud) {
    struct token *t = token_new();

    (void)ud;
    token_taken(t, accepted(kahu_post(f.s, token_call, t, token_drop)));
    return NULL;
}

/* From elsewhere nobody may wait here: it is answered at once or not asked. */
static void *call_here(void *ud) {
    kahu_status status;

    if (!kahu_is_stopped(f.s) && !f.closing)
        return NULL;
    status = kahu_call(f.s, on_call, ud);
    must(status == (f.closing ? KAHU_ECLOSED : KAHU_ESTOPPED));
    return NULL;
}

void post(uint8_t how) {
    switch (how % 8) {
    case 0:
        elsewhere(post_here, NULL);
        break;
    case 1:
        elsewhere(call_here, NULL);
        break;
    case 2:
    case 3:
        must(kahu_call(f.s, on_call, NULL) != KAHU_ECLOSED || f.closing);
        break;
    default:
        post_here(NULL);
    }
}
