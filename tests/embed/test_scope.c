/* SPDX-License-Identifier: MIT */
/*
 * Scopes: trees of them, what callbacks do to them in the middle of it, and
 * cancelling by the clock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "kahu/threads.h"

#define SECOND UINT64_C(1000000000)

static const kahu_scope none = {0};

static kahu_scope scope_in(struct host *h, kahu_scope parent) {
    kahu_scope scope = none;

    assert_int_equal(kahu_scope_new(h->s, parent, &scope), KAHU_OK);
    assert_true(scope.id != 0);
    return scope;
}

static kahu_scope new_scope(struct host *h) {
    return scope_in(h, none);
}

static void add(struct host *h, kahu_scope scope, lua_State *co) {
    assert_int_equal(kahu_scope_add(h->s, scope, co), KAHU_OK);
}

static lua_State *sleeper(struct host *h) {
    return host_run(h, "task.wait(1e6)");
}

static bool is_dead(const struct host *h, lua_State *co) {
    return lua_costatus(h->L, co) == LUA_COFIN;
}

static bool log_name(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)f;
    host_log(host_of(L), ud);
    return false;
}

/* A sleeping member whose end is said. */
static lua_State *member(struct host *h, kahu_scope scope, const char *name) {
    static char names[64][8];
    static int next;
    lua_State *co = sleeper(h);
    char *copy = names[next++ % 64];

    snprintf(copy, 8, "%s", name);
    assert_int_equal(kahu_watch(h->s, co, log_name, copy, NULL), KAHU_OK);
    add(h, scope, co);
    return co;
}

/* ------------------------------------------------------------------------ */
/* Trees                                                                    */
/* ------------------------------------------------------------------------ */

#define DEEP 3000

/* A chain of children without end is walked without a C stack of that size. */
static void very_deep_trees(void **state) {
    struct host h;
    kahu_scope scope[DEEP];
    lua_State *last;

    (void)state;
    host_open(&h, NULL);
    scope[0] = new_scope(&h);
    for (int i = 1; i < DEEP; i++)
        scope[i] = scope_in(&h, scope[i - 1]);
    add(&h, scope[DEEP - 1], last = sleeper(&h));
    assert_int_equal(kahu_scope_count(h.s, scope[0]), 1);
    assert_int_equal(kahu_scope_cancel(h.s, scope[0]), KAHU_OK);
    assert_true(is_dead(&h, last));
    assert_int_equal(kahu_scope_count(h.s, scope[0]), 0);
    assert_int_equal(kahu_scope_free(h.s, scope[1]), KAHU_OK);
    assert_int_equal(kahu_scope_cancel(h.s, scope[DEEP - 1]), KAHU_ESTALE);
    assert_int_equal(kahu_scope_cancel(h.s, scope[0]), KAHU_OK);
    host_close(&h);
}

static void order_in_a_tree(void **state) {
    struct host h;
    kahu_scope a, b, c, d, e;

    (void)state;
    host_open(&h, NULL);
    a = new_scope(&h);
    b = scope_in(&h, a);
    c = scope_in(&h, a);
    d = scope_in(&h, b);
    e = scope_in(&h, a);
    member(&h, e, "e1");
    member(&h, d, "d1");
    member(&h, c, "c1");
    member(&h, b, "b1");
    member(&h, a, "a1");
    member(&h, d, "d2");
    member(&h, a, "a2");
    assert_int_equal(kahu_scope_free(h.s, c), KAHU_OK);
    c = scope_in(&h, a); /* is now the last one made */
    member(&h, c, "c2");
    assert_int_equal(kahu_scope_count(h.s, a), 7);
    assert_int_equal(kahu_scope_cancel(h.s, a), KAHU_OK);
    assert_log(&h, "a1 a2 b1 d1 d2 e1 c2");
    assert_int_equal(kahu_count_all(h.s), 1); /* c1, whose scope went */
    host_close(&h);
}

/* Any tree, in any order of making and freeing: each scope counts what a plain
 * table of parents says. */
#define PLACES 24

struct model {
    kahu_scope scope[PLACES];
    int parent[PLACES]; /* a place, or -1 */
    int members[PLACES];
    bool used[PLACES];
};

static bool model_is_below(const struct model *m, int place, int root) {
    while (place >= 0 && place != root)
        place = m->parent[place];
    return place == root;
}

static size_t model_count(const struct model *m, int root) {
    size_t n = 0;

    for (int i = 0; i < PLACES; i++)
        if (m->used[i] && model_is_below(m, i, root))
            n += (size_t)m->members[i];
    return n;
}

static void model_end(struct host *h, struct model *m, int root, bool cancel) {
    int below[PLACES];
    int n = 0;

    assert_int_equal(cancel ? kahu_scope_cancel(h->s, m->scope[root])
                            : kahu_scope_free(h->s, m->scope[root]),
                     KAHU_OK);
    for (int i = 0; i < PLACES; i++)
        if (m->used[i] && model_is_below(m, i, root))
            below[n++] = i;
    for (int i = 0; i < n; i++) {
        m->members[below[i]] = 0;
        m->used[below[i]] = cancel;
    }
}

static void model_make(struct host *h, struct model *m, int place, int parent) {
    bool child = parent != place && m->used[parent];

    m->parent[place] = child ? parent : -1;
    m->scope[place] = scope_in(h, child ? m->scope[parent] : none);
    m->members[place] = 0;
    m->used[place] = true;
}

static void model_check(struct host *h, const struct model *m) {
    for (int i = 0; i < PLACES; i++) {
        if (m->used[i])
            assert_int_equal(kahu_scope_count(h->s, m->scope[i]),
                             model_count(m, i));
        else
            assert_int_equal(kahu_scope_cancel(h->s, m->scope[i]), KAHU_ESTALE);
    }
}

static void any_tree_at_all(void **state) {
    struct model m = {0};
    uint32_t random = 1;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    for (int i = 0; i < 4000; i++) {
        int place, other;

        random = random * 1664525 + 1013904223;
        place = (int)(random >> 8) % PLACES;
        other = (int)(random >> 16) % PLACES;
        if (!m.used[place]) {
            model_make(&h, &m, place, other);
        } else if (random >> 29 < 6) {
            add(&h, m.scope[place], sleeper(&h));
            m.members[place]++;
        } else {
            model_end(&h, &m, place, random >> 29 == 6);
        }
        if (i % 16 == 0)
            model_check(&h, &m);
    }
    host_close(&h);
}

/* A name of what was freed stays stale, however often its place is used. */
static void freed_names_stay_stale(void **state) {
    struct host h;
    kahu_scope old[500];
    kahu_scope unknown = {UINT64_MAX};

    (void)state;
    host_open(&h, NULL);
    for (int i = 0; i < 500; i++) {
        old[i] = new_scope(&h);
        assert_int_equal(kahu_scope_free(h.s, old[i]), KAHU_OK);
    }
    for (int i = 0; i < 500; i++)
        assert_int_equal(kahu_scope_free(h.s, old[i]), KAHU_ESTALE);
    assert_int_equal(kahu_scope_free(h.s, none), KAHU_ESTALE);
    assert_int_equal(kahu_scope_cancel(h.s, none), KAHU_ESTALE);
    assert_int_equal(kahu_scope_cancel(h.s, unknown), KAHU_ESTALE);
    assert_int_equal(kahu_scope_count(h.s, unknown), 0);
    assert_int_equal(kahu_scope_count(h.s, none), 0);
    unknown = old[7];
    assert_int_equal(kahu_scope_new(h.s, old[7], &unknown), KAHU_ESTALE);
    assert_int_equal(unknown.id, old[7].id);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Members                                                                  */
/* ------------------------------------------------------------------------ */

static kahu_scope shared;
static int op_cancels;

static void op_cancelled(void *ud, kahu_op op) {
    (void)ud;
    (void)op;
    op_cancels++;
}

static int begin_op(lua_State *L) {
    kahu_op op;

    assert_int_equal(kahu_op_begin(L, op_cancelled, NULL, &op), KAHU_OK);
    return kahu_op_yield(L);
}

/* Whatever they wait for, or if they were never resumed. */
static void members_of_all_kinds(void **state) {
    static const char *const scripts[] = {"task.wait(1) log('never')",
                                          "coroutine.yield() log('never')",
                                          "op() log('never')",
                                          "task.defer(coroutine.running())"
                                          " coroutine.yield() log('never')"};
    struct host h;
    lua_State *co[6];

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "op", begin_op);
    shared = new_scope(&h);
    for (int i = 0; i < 4; i++)
        add(&h, shared, co[i] = host_run(&h, scripts[i]));
    add(&h, shared, co[4] = host_load(&h, "log('never')"));
    add(&h, shared, co[5] = host_load(&h, "log('never')"));
    assert_int_equal(kahu_delay(h.s, co[5], 0, 5), KAHU_OK);
    assert_int_equal(kahu_scope_count(h.s, shared), 6);
    op_cancels = 0;
    assert_int_equal(kahu_scope_cancel(h.s, shared), KAHU_OK);
    for (int i = 0; i < 6; i++)
        assert_true(is_dead(&h, co[i]));
    assert_int_equal(op_cancels, 1);
    assert_true(kahu_is_done(h.s));
    assert_log(&h, "");
    host_close(&h);
}

/* However it ends it leaves all its scopes, and only then. */
static void members_leave_at_their_end(void **state) {
    static const char *const scripts[] = {
        "task.wait(1)", "task.wait(1) error('e')", "coroutine.yield()"};
    struct host h;
    kahu_scope scope[3];
    lua_State *co = NULL;

    (void)state;
    host_open(&h, NULL);
    for (int i = 0; i < 3; i++) {
        scope[i] = new_scope(&h);
        co = host_run(&h, scripts[i]);
        for (int k = 0; k <= i; k++)
            add(&h, scope[k], co);
    }
    assert_int_equal(kahu_scope_count(h.s, scope[0]), 3);
    host_finish(&h);
    for (int i = 0; i < 3; i++)
        assert_int_equal(kahu_scope_count(h.s, scope[i]), 1);
    assert_int_equal(lua_resume(co, NULL, 0), LUA_OK); /* by the host */
    for (int i = 0; i < 3; i++)
        assert_int_equal(kahu_scope_count(h.s, scope[i]), 0);
    assert_int_equal(h.errors, 1);
    host_close(&h);
}

/* S9.5: kept alive by its scopes alone, and nothing pending. */
static void members_are_kept(void **state) {
    struct host h;
    kahu_scope a;
    kahu_scope b;

    (void)state;
    host_open(&h, NULL);
    a = new_scope(&h);
    b = new_scope(&h);
    lua_newtable(h.L);
    lua_newtable(h.L);
    lua_pushliteral(h.L, "k");
    lua_setfield(h.L, -2, "__mode");
    lua_setmetatable(h.L, -2);
    add(&h, a, lua_newthread(h.L) == NULL ? NULL : host_load(&h, ""));
    for (int i = 0; i < 2; i++) {
        lua_State *co = lua_tothread(h.L, 2);

        lua_xmove(host_load(&h, ""), co, 1);
        add(&h, i == 0 ? a : b, co);
    }
    lua_pushboolean(h.L, true);
    lua_rawset(h.L, 1);
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    assert_true(kahu_is_done(h.s));
    lua_pushnil(h.L);
    assert_int_equal(lua_next(h.L, 1), 1);
    lua_settop(h.L, 1);
    assert_int_equal(kahu_scope_free(h.s, a), KAHU_OK);
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    lua_pushnil(h.L);
    assert_int_equal(lua_next(h.L, 1), 1);
    lua_settop(h.L, 1);
    assert_int_equal(kahu_scope_free(h.s, b), KAHU_OK);
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    lua_pushnil(h.L);
    assert_int_equal(lua_next(h.L, 1), 0);
    host_close(&h);
}

static void bad_members_are_refused(void **state) {
    struct host h;
    struct host other;
    lua_State *dead;

    (void)state;
    host_open(&h, NULL);
    host_open(&other, NULL);
    shared = new_scope(&h);
    dead = host_run(&h, "");
    assert_int_equal(kahu_scope_add(h.s, shared, NULL), KAHU_EINVAL);
    assert_int_equal(kahu_scope_add(h.s, shared, h.L), KAHU_EINVAL);
    assert_int_equal(kahu_scope_add(h.s, shared, host_load(&other, "")),
                     KAHU_EINVAL);
    assert_int_equal(kahu_scope_add(h.s, shared, dead), KAHU_ESTATE);
    dead = host_run(&h, "error('e')");
    assert_int_equal(kahu_scope_add(h.s, shared, dead), KAHU_ESTATE);
    assert_int_equal(kahu_scope_count(h.s, shared), 0);
    assert_int_equal(kahu_scope_free(h.s, shared), KAHU_OK);
    assert_int_equal(kahu_scope_add(h.s, shared, host_load(&h, "")),
                     KAHU_ESTALE);
    assert_int_equal(kahu_scope_add(h.s, none, host_load(&h, "")), KAHU_ESTALE);
    assert_int_equal(kahu_scope_new(h.s, none, NULL), KAHU_EINVAL);
    host_close(&other);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Cancelled from inside                                                    */
/* ------------------------------------------------------------------------ */

static int cancel_shared(lua_State *L) {
    assert_int_equal(kahu_scope_cancel(host_of(L)->s, shared), KAHU_OK);
    return 0;
}

static int add_to_shared(lua_State *L) {
    add(host_of(L), shared, lua_tothread(L, 1));
    return 0;
}

/* S6.8: the one that runs and the ones that resumed it end when they next
 * yield; one that returns instead was not cancelled. */
static void running_and_normal_members(void **state) {
    struct host h;
    lua_State *outer;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "cancel", cancel_shared);
    host_global(&h, "add", add_to_shared);
    shared = new_scope(&h);
    outer = host_load(&h, "local inner = coroutine.create(function()"
                          " cancel() log('inner') end)"
                          " add(inner) task.spawn(inner) log('outer')"
                          " task.wait() log('never')");
    add(&h, scope_in(&h, shared), outer);
    assert_int_equal(kahu_spawn(h.s, outer, NULL, 0), KAHU_OK);
    assert_log(&h, "inner outer");
    assert_true(is_dead(&h, outer));
    assert_int_equal(kahu_scope_count(h.s, shared), 0);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

/* A scope of a scheduler that is closing takes nothing more. */
static int close_and_try(lua_State *L) {
    struct host *h = host_of(L);
    kahu_scope scope;

    kahu_close(h->s);
    assert_int_equal(kahu_scope_new(h->s, none, &scope), KAHU_ECLOSED);
    assert_int_equal(kahu_scope_new(h->s, shared, &scope), KAHU_ECLOSED);
    assert_int_equal(kahu_scope_add(h->s, shared, L), KAHU_ECLOSED);
    host_log(h, "closed");
    return 0;
}

static void a_close_frees_all(void **state) {
    struct host h;
    kahu_scope child;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "close", close_and_try);
    shared = new_scope(&h);
    child = scope_in(&h, shared);
    add(&h, child, sleeper(&h));
    host_run(&h, "close()");
    assert_log(&h, "closed");
    assert_int_equal(kahu_scope_count(h.s, child), 0);
    assert_int_equal(kahu_scope_cancel(h.s, child), KAHU_ESTALE);
    assert_int_equal(kahu_scope_free(h.s, shared), KAHU_ESTALE);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Changed meanwhile                                                        */
/* ------------------------------------------------------------------------ */

/* root: r1 r2 r3, with children a: a1 a2, and b: b1 b2. */
static struct family {
    struct host h;
    kahu_scope root, a, b;
} family;

static void family_open(struct family *f, lua_State **r1, lua_State **a1) {
    static const char *const names[] = {"r2", "r3", "a2", "b1", "b2"};

    host_open(&f->h, NULL);
    f->root = new_scope(&f->h);
    f->a = scope_in(&f->h, f->root);
    f->b = scope_in(&f->h, f->root);
    *r1 = member(&f->h, f->root, "r1");
    *a1 = member(&f->h, f->a, "a1");
    for (int i = 0; i < 5; i++)
        (void)member(&f->h, i < 2 ? f->root : i == 2 ? f->a : f->b, names[i]);
}

static bool free_one(void *ud, lua_State *L, const kahu_feedback *f) {
    const kahu_scope *scope = ud;

    (void)L;
    (void)f;
    assert_int_equal(kahu_scope_free(family.h.s, *scope), KAHU_OK);
    return false;
}

/* What a callback frees is not gone on with, and nothing else is left out. */
static void scopes_freed_meanwhile(void **state) {
    static const struct {
        int from; /* which one's end frees: 0 is r1, 1 is a1 */
        kahu_scope *frees;
        const char *log;
    } cases[] = {
        {0, &family.root, "r1"},
        {0, &family.a, "r1 r2 r3 b1 b2"},
        {0, &family.b, "r1 r2 r3 a1 a2"},
        {1, &family.root, "r1 r2 r3 a1"},
        {1, &family.a, "r1 r2 r3 a1 b1 b2"},
        {1, &family.b, "r1 r2 r3 a1 a2"},
    };
    lua_State *co[2];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        family_open(&family, &co[0], &co[1]);
        assert_int_equal(kahu_watch(family.h.s, co[cases[i].from], free_one,
                                    cases[i].frees, NULL),
                         KAHU_OK);
        assert_int_equal(kahu_scope_cancel(family.h.s, family.root), KAHU_OK);
        assert_log(&family.h, cases[i].log);
        host_close(&family.h);
    }
}

static bool cancel_one(void *ud, lua_State *L, const kahu_feedback *f) {
    const kahu_scope *scope = ud;

    (void)L;
    (void)f;
    assert_int_equal(kahu_scope_cancel(family.h.s, *scope), KAHU_OK);
    return false;
}

/* A cancellation inside a cancellation: each ends once, in its order. */
static void scopes_cancelled_meanwhile(void **state) {
    static const struct {
        kahu_scope *cancels;
        const char *log;
    } cases[] = {
        {&family.root, "r1 r2 r3 a1 a2 b1 b2"},
        {&family.a, "r1 a1 a2 r2 r3 b1 b2"},
        {&family.b, "r1 b1 b2 r2 r3 a1 a2"},
    };
    lua_State *r1;
    lua_State *a1;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        family_open(&family, &r1, &a1);
        assert_int_equal(
            kahu_watch(family.h.s, r1, cancel_one, cases[i].cancels, NULL),
            KAHU_OK);
        assert_int_equal(kahu_scope_cancel(family.h.s, family.root), KAHU_OK);
        assert_log(&family.h, cases[i].log);
        assert_int_equal(kahu_scope_count(family.h.s, family.root), 0);
        assert_true(kahu_is_done(family.h.s));
        host_close(&family.h);
    }
}

/* A supervisor, which starts another whenever one of the scope ends. */
#define RESTARTS 300

static int restarts;

static bool restart(void *ud, lua_State *L, const kahu_feedback *f) {
    struct host *h = ud;
    lua_State *co;

    (void)L;
    (void)f;
    if (++restarts == RESTARTS)
        return false;
    co = sleeper(h);
    add(h, shared, co);
    assert_int_equal(kahu_watch(h->s, co, restart, h, NULL), KAHU_OK);
    return false;
}

/* What is added meanwhile is not among what was there: it ends. */
static void members_added_meanwhile_go_on(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    shared = new_scope(&h);
    restarts = -3;
    for (int i = 0; i < 3; i++)
        (void)restart(&h, NULL, NULL);
    assert_int_equal(kahu_scope_count(h.s, shared), 3);
    assert_int_equal(kahu_scope_cancel(h.s, shared), KAHU_OK);
    assert_int_equal(restarts, 3);
    assert_int_equal(kahu_scope_count(h.s, shared), 3);
    assert_int_equal(kahu_count(h.s, KAHU_WAIT), 3);
    restarts = RESTARTS;
    host_close(&h);
}

static bool restart_in_child(void *ud, lua_State *L, const kahu_feedback *f) {
    struct host *h = ud;
    lua_State *co;

    (void)L;
    (void)f;
    if (++restarts == RESTARTS)
        return false;
    co = sleeper(h);
    add(h, scope_in(h, shared), co);
    assert_int_equal(kahu_watch(h->s, co, restart_in_child, h, NULL), KAHU_OK);
    return false;
}

static void children_made_meanwhile_go_on(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    shared = new_scope(&h);
    restarts = -1;
    (void)restart_in_child(&h, NULL, NULL);
    assert_int_equal(kahu_scope_cancel(h.s, shared), KAHU_OK);
    assert_int_equal(restarts, 1);
    assert_int_equal(kahu_scope_count(h.s, shared), 1);
    restarts = RESTARTS;
    host_close(&h);
}

static bool close_now(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)L;
    (void)f;
    kahu_close(((struct host *)ud)->s);
    return false;
}

static bool free_now(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)L;
    (void)f;
    kahu_free(((struct host *)ud)->s);
    return false;
}

/* By kahu_scope_cancel(), kahu_cancel_all(), kahu_cancel() and the clock. */
static void end_all(struct host *h, lua_State *first, int way) {
    switch (way) {
    case 0:
        assert_int_equal(kahu_scope_cancel(h->s, shared), KAHU_OK);
        break;
    case 1:
        assert_int_equal(kahu_cancel_all(h->s), KAHU_OK);
        break;
    case 2:
        assert_int_equal(kahu_cancel(h->s, first), KAHU_OK);
        break;
    default:
        assert_int_equal(kahu_cancel_after(h->s, first, SECOND), KAHU_OK);
        (void)kahu_stepped_step(h->m, SECOND);
    }
}

static void the_scheduler_goes_meanwhile(void **state) {
    struct host h;
    lua_State *first;

    (void)state;
    for (int i = 0; i < 8; i++) {
        host_open(&h, NULL);
        shared = new_scope(&h);
        first = sleeper(&h);
        add(&h, shared, first);
        add(&h, shared, sleeper(&h));
        add(&h, scope_in(&h, shared), sleeper(&h));
        assert_int_equal(
            kahu_watch(h.s, first, i % 2 == 0 ? close_now : free_now, &h, NULL),
            KAHU_OK);
        end_all(&h, first, i / 2);
        assert_true(is_dead(&h, first));
        if (i % 2 == 1)
            h.s = NULL;
        host_close(&h);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(very_deep_trees),
        cmocka_unit_test(order_in_a_tree),
        cmocka_unit_test(any_tree_at_all),
        cmocka_unit_test(freed_names_stay_stale),
        cmocka_unit_test(members_of_all_kinds),
        cmocka_unit_test(members_leave_at_their_end),
        cmocka_unit_test(members_are_kept),
        cmocka_unit_test(bad_members_are_refused),
        cmocka_unit_test(running_and_normal_members),
        cmocka_unit_test(a_close_frees_all),
        cmocka_unit_test(scopes_freed_meanwhile),
        cmocka_unit_test(scopes_cancelled_meanwhile),
        cmocka_unit_test(members_added_meanwhile_go_on),
        cmocka_unit_test(children_made_meanwhile_go_on),
        cmocka_unit_test(the_scheduler_goes_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
