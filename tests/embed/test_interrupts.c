/* SPDX-License-Identifier: MIT */
/*
 * The VM's interrupt, which limits of time take during a resume: the host's own
 * before, after and below ours.
 */
#include "guest.h"

static struct {
    int calls;
    int depth;
    void (*below)(lua_State *L, int gc);
} own;

static void own_interrupt(lua_State *L, int gc) {
    (void)L;
    (void)gc;
    own.calls++;
}

static void chaining_interrupt(lua_State *L, int gc) {
    own.calls++;
    assert_true(++own.depth < 10); /* no circle */
    if (own.below != NULL)
        own.below(L, gc);
    own.depth--;
}

static void ending_interrupt(lua_State *L, int gc) {
    if (gc >= 0)
        return;
    lua_callbacks(L)->interrupt = NULL;
    luaL_error(L, "ended by the host");
}

static int set_chaining(lua_State *L) {
    own.below = lua_callbacks(L)->interrupt;
    own.depth = 0;
    lua_callbacks(L)->interrupt = chaining_interrupt;
    return 0;
}

static int set_ending(lua_State *L) {
    lua_callbacks(L)->interrupt = ending_interrupt;
    return 0;
}

static int set_plain(lua_State *L) {
    lua_callbacks(L)->interrupt = own_interrupt;
    return 0;
}

static int set_none(lua_State *L) {
    lua_callbacks(L)->interrupt = NULL;
    return 0;
}

static void interrupt_open(struct host *h, lua_CFunction set) {
    kahu_limits limits = time_limit(1000);

    guest_open(h, &limits);
    host_global(h, "set", set);
    memset(&own, 0, sizeof(own));
}

/* Set before: called first and back in place between resumes. */
static void an_interrupt_from_before(void **state) {
    struct host h;

    (void)state;
    interrupt_open(&h, set_none);
    lua_callbacks(h.L)->interrupt = own_interrupt;
    for (int i = 0; i < 3; i++) {
        own.calls = 0;
        assert_stopped(&h, "while true do end", 1100);
        assert_true(own.calls >= 990);
        assert_true(lua_callbacks(h.L)->interrupt == own_interrupt);
    }
    host_close(&h);
}

/* Set in the middle of a resume, chaining to ours, and left there. */
static void an_interrupt_that_chains(void **state) {
    struct host h;

    (void)state;
    interrupt_open(&h, set_chaining);
    assert_stopped(&h, "set() while true do end", 1100);
    for (int i = 0; i < 3; i++) {
        own.calls = own.depth = 0;
        assert_stopped(&h, "while true do end", 1100);
        assert_true(own.calls >= 400); /* each looks at the time twice */
    }
    own.depth = 0;
    assert_true(lua_callbacks(h.L)->interrupt == chaining_interrupt);
    lua_callbacks(h.L)->interrupt = own.below;
    assert_stopped(&h, "while true do end", 1100);
    host_close(&h);
}

/* Set in the middle of a resume, chaining to nobody, or none at all: that
 * resume is the host's affair, and the next is limited again. */
static void an_interrupt_that_does_not_chain(void **state) {
    static const lua_CFunction ways[] = {set_plain, set_none, set_ending};
    struct host h;

    (void)state;
    for (int i = 0; i < 3; i++) {
        interrupt_open(&h, ways[i]);
        host_run(&h, "set() for i = 1, 5 do end");
        kahu_clear_errors(h.s);
        for (int k = 0; k < 2; k++)
            assert_stopped(&h, "for i = 1, 100000 do end", 1100);
        if (ways[i] == set_plain)
            assert_true(own.calls > 1000);
        host_close(&h);
    }
}

/* The collector's own calls are passed on, and nothing is raised in them. */
static int collector_calls;

static void count_collector(lua_State *L, int gc) {
    (void)L;
    collector_calls += gc >= 0;
}

static void collecting_is_not_interrupted(void **state) {
    kahu_limits limits = time_limit(1);
    struct host h;

    (void)state;
    exact_open(&h, &limits);
    lua_callbacks(h.L)->interrupt = count_collector;
    collector_calls = 0;
    assert_stopped(&h, "spend(9) collectgarbage()", 9);
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    assert_runs(&h, "log('ok')");
    limits.max_resume_ns = UINT64_MAX;
    set_limits(&h, &limits);
    assert_runs(&h, "for i = 1, 1e5 do local t = {{}} end log('ok')");
    assert_true(collector_calls > 0);
    host_close(&h);
}

/* A host's own guard that raises is not to be got rid of by catching. */
static void guarding_interrupt(lua_State *L, int gc) {
    if (gc >= 0)
        return;
    own.calls++;
    if (own.calls > 100)
        luaL_error(L, "guarded");
}

static void a_host_s_own_guard(void **state) {
    kahu_limits limits = time_limit(20000);
    struct host h;

    (void)state;
    guest_open(&h, &limits);
    memset(&own, 0, sizeof(own));
    lua_callbacks(h.L)->interrupt = guarding_interrupt;
    host_run(&h, "for i = 1, 9 do pcall(function() while true do end end) end"
                 " log('never')");
    assert_non_null(strstr(last_error(&h), "guarded"));
    assert_log(&h, "");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Several in a chain, and chains that reach ours when it has nothing to say */
/* ------------------------------------------------------------------------ */

static struct chain {
    int calls;
    int depth;
    void (*below)(lua_State *L, int gc);
} chain[2];

static void chain_on(struct chain *c, lua_State *L, int gc) {
    if (gc >= 0)
        return;
    c->calls++;
    assert_true(++c->depth < 3);
    c->below(L, gc);
    c->depth--;
}

static void first_of_chain(lua_State *L, int gc) {
    chain_on(&chain[0], L, gc);
}

static void second_of_chain(lua_State *L, int gc) {
    chain_on(&chain[1], L, gc);
}

static int set_first(lua_State *L) {
    chain[0].below = lua_callbacks(L)->interrupt;
    lua_callbacks(L)->interrupt = first_of_chain;
    return 0;
}

static int set_second(lua_State *L) {
    chain[1].below = lua_callbacks(L)->interrupt;
    lua_callbacks(L)->interrupt = second_of_chain;
    return 0;
}

/* Set in one resume after the other, each over ours: both are called, once
 * each, and there is no circle. */
static void two_that_chain(void **state) {
    struct host h;

    (void)state;
    memset(chain, 0, sizeof(chain));
    interrupt_open(&h, set_first);
    host_run(&h, "set()");
    host_global(&h, "set", set_second);
    host_run(&h, "set()");
    chain[0].calls = chain[1].calls = 0;
    host_run(&h, "for i = 1, 100 do end");
    assert_string_equal(last_error(&h), "none");
    assert_in_range(chain[1].calls, 100, 110);
    assert_int_equal(chain[0].calls, chain[1].calls);
    for (int i = 0; i < 3; i++) {
        chain[0].depth = chain[1].depth = 0; /* an error leaves them */
        assert_stopped(&h, "while true do end", 1100);
    }
    host_close(&h);
}

/* More than the VM looks at in one of the resumes here. */
#define LONG "for i = 1, 5000 do end log('ok')"

static void resume_by_hand(struct host *h) {
    lua_State *co = host_load(h, LONG);

    h->log[0] = '\0';
    assert_int_equal(lua_resume(co, NULL, 0), LUA_OK);
    assert_log(h, "ok");
}

/* What the host resumes itself is not limited, whoever calls ours then. */
static void one_that_chains_outside_of_a_resume(void **state) {
    struct host h;

    (void)state;
    interrupt_open(&h, set_chaining);
    host_run(&h, "set()");
    own.calls = own.depth = 0;
    resume_by_hand(&h);
    assert_true(own.calls >= 5000);
    lua_callbacks(h.L)->interrupt = own.below;
    resume_by_hand(&h);
    assert_stopped(&h, "while true do end", 1100);
    host_close(&h);
}

static struct host guest, other;

static int resume_other(lua_State *L) {
    (void)L;
    resume_by_hand(&other);
    return 0;
}

/* Nor is it while another VM's resume is limited. */
static void one_that_chains_inside_of_another_s(void **state) {
    kahu_limits limits = time_limit(1000);

    (void)state;
    interrupt_open(&other, set_chaining);
    host_run(&other, "set()");
    own.depth = 0;
    guest_open(&guest, &limits);
    host_global(&guest, "other", resume_other);
    host_run(&guest, "other() log('on')");
    assert_log(&guest, "on");
    assert_true(own.calls >= 5000);
    assert_stopped(&guest, "while true do end", 1100);
    host_close(&guest);
    lua_callbacks(other.L)->interrupt = NULL;
    host_close(&other);
}

/* As many values as a frame of the VM may have, all but a few. */
static int push_many(lua_State *L) {
    luaL_checkstack(L, LUAI_MAXCSTACK - 20, "too many values");
    for (int i = 0; i < LUAI_MAXCSTACK - 20; i++)
        lua_pushnil(L);
    clock_of.now += 100;
    return LUAI_MAXCSTACK - 20;
}

/* Where the stack has no room for the words, it is an error all the same. */
static void a_timeout_without_room_for_words(void **state) {
    kahu_limits limits = time_limit(100);
    struct host h;

    (void)state;
    exact_open(&h, &limits);
    host_global(&h, "many", push_many);
    host_run(&h, "log(many()) log('never')");
    assert_non_null(strstr(last_error(&h), "stack overflow"));
    assert_log(&h, "");
    kahu_clear_errors(h.s);
    assert_runs(&h, "log('ok')");
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interrupt_from_before),
        cmocka_unit_test(an_interrupt_that_chains),
        cmocka_unit_test(an_interrupt_that_does_not_chain),
        cmocka_unit_test(two_that_chain),
        cmocka_unit_test(one_that_chains_outside_of_a_resume),
        cmocka_unit_test(one_that_chains_inside_of_another_s),
        cmocka_unit_test(collecting_is_not_interrupted),
        cmocka_unit_test(a_host_s_own_guard),
        cmocka_unit_test(a_timeout_without_room_for_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
