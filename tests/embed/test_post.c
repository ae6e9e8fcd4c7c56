/* SPDX-License-Identifier: MIT */
/*
 * Calls that are posted, by the OS thread that runs them: what becomes of one,
 * whatever happens. Those of other OS threads are in test_call.c.
 */
#include <stdlib.h>

#include "host.h"

/* ------------------------------------------------------------------------ */
/* A call that keeps a diary                                                */
/* ------------------------------------------------------------------------ */

struct note {
    struct host *h;
    const char *word;
    kahu_call_fn then;    /* may be NULL */
    kahu_drop_fn dropped; /* may be NULL */
    struct note *next;    /* for those two */
    kahu_status status;   /* what they were answered */
    int runs;
    int drops;
};

static void note_run(void *ud, lua_State *L) {
    struct note *n = ud;

    assert_int_equal(n->drops, 0);
    assert_int_equal(lua_gettop(L), 0);
    assert_false(lua_isyieldable(L));
    assert_ptr_equal(host_of(L), n->h);
    n->runs++;
    host_log(n->h, n->word);
    if (n->then != NULL)
        n->then(n, L);
}

static void note_drop(void *ud) {
    struct note *n = ud;

    n->drops++;
    if (n->dropped != NULL)
        n->dropped(n);
}

static kahu_status note_post(struct note *n) {
    return kahu_post(n->h->s, note_run, n, note_drop);
}

/* Notes a, b, c and so on. */
static void notes_init(struct host *h, struct note *notes, int count) {
    static const char *const words[] = {"a", "b", "c", "d", "e", "f"};

    for (int i = 0; i < count; i++)
        notes[i] = (struct note){.h = h, .word = words[i]};
}

static void post_all(struct note *notes, int count) {
    for (int i = 0; i < count; i++)
        assert_int_equal(note_post(&notes[i]), KAHU_OK);
}

/* Then: posts the next one. */
static void then_post(void *ud, lua_State *L) {
    struct note *n = ud;

    (void)L;
    n->status = note_post(n->next);
}

static void dropped_post(void *ud) {
    then_post(ud, NULL);
}

/* ------------------------------------------------------------------------ */
/* Running                                                                  */
/* ------------------------------------------------------------------------ */

/* S9.4: pending until it has run, which resumes no thread; dropped after. */
static void a_post_runs_in_the_next_step(void **state) {
    struct note note;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, &note, 1);
    assert_int_equal(kahu_get_state(h.s), KAHU_IDLE);
    post_all(&note, 1);
    assert_int_equal(note.runs + note.drops, 0);
    assert_false(kahu_is_done(h.s));
    assert_int_equal(kahu_count_all(h.s), 1);
    assert_int_equal(kahu_count(h.s, KAHU_OPERATION), 0);
    assert_true(kahu_is_ready(h.s));
    assert_int_equal(kahu_get_state(h.s), KAHU_READY);
    assert_int_equal(kahu_step(h.s), 0);
    assert_int_equal(note.runs, 1);
    assert_int_equal(note.drops, 1);
    assert_int_equal(kahu_get_state(h.s), KAHU_IDLE);
    host_close(&h);
    assert_int_equal(note.drops, 1);
}

static void run_counts_itself(void *ud, lua_State *L) {
    struct note *n = ud;

    (void)L;
    assert_int_equal(kahu_count_all(n->h->s), 1);
    assert_int_equal(kahu_get_state(n->h->s), KAHU_RUNNING);
}

static void drop_is_over(void *ud) {
    assert_true(kahu_is_done(((struct note *)ud)->h->s));
}

/* S9.4: exact: still pending while it runs, no more when it is dropped. */
static void a_post_is_pending_while_it_runs(void **state) {
    struct note note;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, &note, 1);
    note.then = run_counts_itself;
    note.dropped = drop_is_over;
    post_all(&note, 1);
    host_finish(&h);
    assert_int_equal(note.drops, 1);
    host_close(&h);
}

/* What is refused is not taken; without a drop there is nothing to drop. */
static void what_a_post_needs(void **state) {
    struct note note;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, &note, 1);
    assert_int_equal(kahu_post(h.s, NULL, &note, note_drop), KAHU_EINVAL);
    assert_true(kahu_is_done(h.s));
    assert_int_equal(kahu_post(h.s, note_run, &note, NULL), KAHU_OK);
    host_finish(&h);
    assert_int_equal(note.runs, 1);
    kahu_close(h.s);
    assert_int_equal(note_post(&note), KAHU_ECLOSED);
    host_close(&h);
    assert_int_equal(note.drops, 0);
}

static kahu_op ops[8];
static int nops;

static int begin(lua_State *L) {
    kahu_status status = kahu_op_begin(L, NULL, NULL, &ops[nops]);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    nops++;
    return kahu_op_yield(L);
}

static void finish(struct host *h, int i) {
    assert_int_equal(kahu_op_finish(h->s, ops[i], NULL, NULL, NULL), KAHU_OK);
}

static void open_with_ops(struct host *h, const kahu_options *o) {
    nops = 0;
    host_open(h, o);
    host_global(h, "begin", begin);
}

static void then_defer(void *ud, lua_State *L) {
    struct note *n = ud;
    lua_State *co = lua_newthread(L);

    lua_getglobal(co, "log");
    lua_pushfstring(co, "d%s", n->word);
    assert_int_equal(kahu_defer(n->h->s, co, 1), KAHU_OK);
}

/* S10.5 M5: one order with the operations, and then what both deferred. */
static void posts_and_operations_have_one_order(void **state) {
    struct note notes[3];
    struct host h;

    (void)state;
    open_with_ops(&h, NULL);
    notes_init(&h, notes, 3);
    notes[0].then = notes[1].then = then_defer;
    host_run(&h, "for i = 1, 3 do task.spawn(function() begin() log(i)"
                 "  task.defer(log, 'd' .. i) end) end");
    finish(&h, 1);
    post_all(notes, 1);
    finish(&h, 2);
    post_all(notes + 1, 2);
    finish(&h, 0);
    assert_int_equal(kahu_step(h.s), 8);
    assert_log(&h, "2 a 3 b c 1 d2 da d3 db d1");
    host_close(&h);
}

/* M7: a budget cuts the order anywhere, and changes nothing about it. */
static void a_budget_keeps_the_order(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct note notes[3];
    struct host h;

    (void)state;
    o.max_step_resumes = 1;
    open_with_ops(&h, &o);
    notes_init(&h, notes, 3);
    host_run(&h, "for i = 1, 2 do task.spawn(function() begin() log(i)"
                 "  task.defer(log, 'd' .. i) end) end");
    finish(&h, 0);
    post_all(notes, 2);
    finish(&h, 1);
    assert_int_equal(kahu_step(h.s), 1);
    post_all(notes + 2, 1);
    host_finish(&h);
    assert_log(&h, "1 a b 2 d1 d2 c");
    host_close(&h);
}

/* M7: the same with nothing but posts left. */
static void a_budget_with_posts_left(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    struct note note;
    struct host h;

    (void)state;
    o.max_step_resumes = 1;
    open_with_ops(&h, &o);
    notes_init(&h, &note, 1);
    host_run(&h, "begin() log(1)");
    finish(&h, 0);
    post_all(&note, 1);
    assert_int_equal(kahu_step(h.s), 1);
    assert_log(&h, "1");
    assert_int_equal(kahu_get_state(h.s), KAHU_READY);
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_log(&h, "1 a");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Errors                                                                   */
/* ------------------------------------------------------------------------ */

static void then_raise(void *ud, lua_State *L) {
    (void)ud;
    luaL_error(L, "oops");
}

static void then_raise_table(void *ud, lua_State *L) {
    (void)ud;
    lua_newtable(L);
    lua_error(L);
}

static void then_yield(void *ud, lua_State *L) {
    (void)ud;
    (void)lua_yield(L, 0);
}

/* S9.1 S9.2: reported, counted, and no harm to the others. */
static void an_error_of_a_post(void **state) {
    struct note notes[3];
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, notes, 3);
    notes[0].then = then_raise;
    notes[1].then = then_raise_table;
    post_all(notes, 1);
    host_finish(&h);
    assert_string_equal(h.error, "oops");
    post_all(notes + 1, 2);
    host_finish(&h);
    assert_string_equal(h.error, "(error object is a table value)");
    assert_int_equal(h.errors, 2);
    assert_int_equal(kahu_exit_code(h.s), 1);
    assert_log(&h, "a b c");
    assert_int_equal(notes[0].drops + notes[1].drops + notes[2].drops, 3);
    host_close(&h);
}

/* V8: L can not yield. */
static void a_post_can_not_yield(void **state) {
    struct note note;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, &note, 1);
    note.then = then_yield;
    post_all(&note, 1);
    host_finish(&h);
    assert_string_equal(h.error,
                        "attempt to yield across metamethod/C-call boundary");
    assert_int_equal(note.drops, 1);
    host_close(&h);
}

static void hear_of_itself(void *ud, lua_State *L, lua_State *co,
                           const char *message, const char *traceback) {
    assert_non_null(traceback);
    assert_ptr_equal(co, L);
    host_log(ud, message);
}

/* There is no thread to look at: co is the hook's own. */
static void the_thread_of_an_error_of_a_post(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct note note;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    hooks.ud = &h;
    hooks.on_error = hear_of_itself;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    notes_init(&h, &note, 1);
    note.then = then_raise;
    post_all(&note, 1);
    host_finish(&h);
    assert_log(&h, "a oops");
    host_close(&h);
}

/* The policies are those of threads. */
static void error_policies_and_posts(void **state) {
    struct note notes[3];
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, notes, 3);
    notes[0].then = notes[1].then = then_raise;
    assert_int_equal(kahu_set_error_policy(h.s, KAHU_ERRORS_COLLECT), KAHU_OK);
    post_all(notes, 1);
    host_finish(&h);
    assert_int_equal(h.errors, 0);
    assert_int_equal(kahu_count_errors(h.s), 1);
    assert_string_equal(kahu_get_error(h.s, 0).message, "oops");

    assert_int_equal(kahu_set_error_policy(h.s, KAHU_ERRORS_STOP), KAHU_OK);
    post_all(notes + 1, 2);
    host_finish(&h);
    assert_int_equal(h.errors, 1);
    assert_true(kahu_is_stopped(h.s));
    assert_log(&h, "a b");
    host_close(&h);
    assert_int_equal(notes[2].drops, 1);
}

/* ------------------------------------------------------------------------ */
/* From inside                                                              */
/* ------------------------------------------------------------------------ */

static void then_use_the_api(void *ud, lua_State *L) {
    struct note *n = ud;
    lua_State *co = host_load(n->h, "log('spawned') task.wait() log('on')");

    (void)L;
    assert_int_equal(kahu_step(n->h->s), KAHU_ESTATE);
    assert_int_equal(kahu_run(n->h->s), KAHU_ESTATE);
    assert_int_equal(kahu_run_until(n->h->s, NULL, 0), KAHU_ESTATE);
    assert_int_equal(kahu_spawn(n->h->s, co, NULL, 0), KAHU_OK);
    host_log(n->h, "end");
}

/* M8: it may use the API, except to step. */
static void a_post_uses_the_api(void **state) {
    struct note note;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, &note, 1);
    note.then = then_use_the_api;
    post_all(&note, 1);
    host_finish(&h);
    assert_log(&h, "a spawned end on");
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

/* What a call or a drop posts is for the next step: no step without end. */
static void posts_from_inside_a_post(void **state) {
    struct note notes[3];
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, notes, 3);
    notes[0].then = then_post;
    notes[0].next = &notes[1];
    notes[1].dropped = dropped_post;
    notes[1].next = &notes[2];
    post_all(notes, 1);
    for (int i = 0; i < 3; i++) {
        assert_true(kahu_is_ready(h.s));
        assert_int_equal(kahu_step(h.s), 0);
        assert_int_equal(notes[i].drops, 1);
    }
    assert_log(&h, "a b c");
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

static void hook_posts(void *ud, lua_State *L, lua_State *co,
                       kahu_outcome outcome, int nresults) {
    (void)L;
    (void)co;
    (void)outcome;
    (void)nresults;
    assert_int_equal(note_post(ud), KAHU_OK);
}

/* S9.8: a hook may call the API back. */
static void a_post_from_a_hook(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct note note;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, &note, 1);
    hooks.ud = &note;
    hooks.on_end = hook_posts;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    host_run(&h, "log('end')");
    assert_log(&h, "end");
    host_finish(&h);
    assert_log(&h, "end a");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Close, clear, stop                                                       */
/* ------------------------------------------------------------------------ */

/* S9.7: dropped in order, not run; nothing is taken from then on. */
static void a_close_drops_posts(void **state) {
    struct note notes[3];
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, notes, 3);
    notes[0].dropped = dropped_post;
    notes[0].next = &notes[2];
    post_all(notes, 2);
    kahu_close(h.s);
    assert_int_equal(notes[0].drops, 1);
    assert_int_equal(notes[1].drops, 1);
    assert_int_equal(notes[0].status, KAHU_ECLOSED);
    assert_int_equal(kahu_count_all(h.s), 0);
    assert_log(&h, "");
    host_close(&h);
    assert_int_equal(notes[2].drops, 0);
}

static void then_close(void *ud, lua_State *L) {
    struct note *n = ud;

    kahu_close(n->h->s);
    then_post(n, L);
}

/* S9.7: from inside, new work is refused at once; the rest comes after. */
static void a_close_from_inside_a_post(void **state) {
    struct note notes[3];
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, notes, 3);
    notes[0].then = then_close;
    notes[0].next = &notes[2];
    post_all(notes, 2);
    assert_int_equal(kahu_step(h.s), 0);
    assert_log(&h, "a");
    assert_int_equal(notes[0].drops, 1);
    assert_int_equal(notes[1].drops, 1);
    assert_int_equal(notes[0].status, KAHU_ECLOSED);
    assert_int_equal(notes[2].drops, 0);
    host_close(&h);
}

static void then_free(void *ud, lua_State *L) {
    struct note *n = ud;

    (void)L;
    kahu_free(n->h->s);
    n->h->s = NULL;
}

/* The same of a free. */
static void a_free_from_inside_a_post(void **state) {
    struct note notes[2];
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, notes, 2);
    notes[0].then = then_free;
    post_all(notes, 2);
    (void)kahu_step(h.s);
    assert_log(&h, "a");
    assert_int_equal(notes[0].drops + notes[1].drops, 2);
    host_close(&h);
}

static void dropped_free(void *ud) {
    then_free(ud, NULL);
}

/* And from a drop, when it runs, and when it is closed. */
static void a_free_from_a_drop(void **state) {
    for (int closes = 0; closes < 2; closes++) {
        struct note notes[2];
        struct host h;

        (void)state;
        host_open(&h, NULL);
        notes_init(&h, notes, 2);
        notes[0].dropped = dropped_free;
        post_all(notes, 2);
        if (closes)
            kahu_close(h.s);
        else
            (void)kahu_step(h.s);
        assert_log(&h, closes ? "" : "a");
        assert_int_equal(notes[0].drops + notes[1].drops, 2);
        host_close(&h);
    }
}

/* Dropped, and it goes on. */
static void a_clear_drops_posts(void **state) {
    struct note notes[4];
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, notes, 4);
    notes[1].dropped = dropped_post; /* is not taken */
    notes[1].next = &notes[2];
    post_all(notes, 2);
    kahu_clear(h.s);
    assert_int_equal(notes[0].drops + notes[1].drops, 2);
    assert_int_equal(kahu_count_all(h.s), 1);
    post_all(notes + 3, 1);
    host_finish(&h);
    assert_log(&h, "c d");
    host_close(&h);
}

static void then_clear(void *ud, lua_State *L) {
    (void)L;
    kahu_clear(((struct note *)ud)->h->s);
}

/* Those of this step too; what a drop posts meanwhile came after the call. */
static void a_clear_from_inside_a_post(void **state) {
    struct note notes[4];
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, notes, 4);
    notes[0].then = then_clear;
    notes[1].dropped = dropped_post;
    notes[1].next = &notes[3];
    post_all(notes, 3);
    host_finish(&h);
    assert_log(&h, "a d");
    for (int i = 0; i < 4; i++)
        assert_int_equal(notes[i].drops, 1);
    host_close(&h);
}

static void dropped_clear(void *ud) {
    then_clear(ud, NULL);
}

/* A drop that clears drops the rest, each once; nothing is left for the clear
 * or the close it came from. */
static void a_clear_from_a_drop(void **state) {
    for (int closes = 0; closes < 2; closes++) {
        struct note notes[3];
        struct host h;

        (void)state;
        host_open(&h, NULL);
        notes_init(&h, notes, 3);
        notes[0].dropped = dropped_clear;
        post_all(notes, 3);
        if (closes)
            kahu_close(h.s);
        else
            kahu_clear(h.s);
        for (int i = 0; i < 3; i++)
            assert_int_equal(notes[i].drops, 1);
        assert_true(kahu_is_done(h.s));
        assert_log(&h, "");
        host_close(&h);
    }
}

static void then_stop(void *ud, lua_State *L) {
    (void)L;
    kahu_stop(((struct note *)ud)->h->s, 0);
}

/* S9.6: what is pending stays, in its order, also what comes meanwhile. */
static void a_stop_keeps_posts(void **state) {
    struct note notes[4];
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, notes, 4);
    notes[1].then = then_stop;
    post_all(notes, 3);
    assert_int_equal(kahu_step(h.s), 0);
    assert_log(&h, "a b");
    post_all(notes + 3, 1);
    assert_int_equal(kahu_count_all(h.s), 2);
    assert_int_equal(kahu_step(h.s), KAHU_ESTATE);
    kahu_unstop(h.s);
    host_finish(&h);
    assert_log(&h, "a b c d");
    assert_int_equal(notes[2].drops + notes[3].drops, 2);
    host_close(&h);
}

/* The same where a step was cut off with nothing but posts left in it. */
static void a_stop_with_posts_left(void **state) {
    struct note notes[2];
    struct host h;

    (void)state;
    host_open(&h, NULL);
    notes_init(&h, notes, 2);
    notes[0].then = then_stop;
    post_all(notes, 2);
    assert_int_equal(kahu_step(h.s), 0);
    kahu_unstop(h.s);
    assert_true(kahu_is_ready(h.s));
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_log(&h, "a b");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Memory                                                                   */
/* ------------------------------------------------------------------------ */

static uint64_t allocations;

static void *count_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    (void)ud;
    (void)osize;
    allocations++;
    if (nsize > 0)
        return realloc(ptr, nsize);
    free(ptr);
    return NULL;
}

/* The scheduler's allocator is the loop thread's: a post never uses it. */
static void a_post_and_the_allocator(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    kahu_stats stats = {.size = sizeof(stats)};
    struct note notes[6];
    struct host h;
    uint64_t before;
    uint64_t bytes;

    (void)state;
    o.alloc = count_alloc;
    host_open(&h, &o);
    notes_init(&h, notes, 6);
    kahu_get_stats(h.s, &stats);
    bytes = stats.bytes;
    before = allocations;
    post_all(notes, 6);
    assert_int_equal(allocations, before);
    kahu_get_stats(h.s, &stats);
    assert_int_equal(stats.bytes, bytes);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_post_runs_in_the_next_step),
        cmocka_unit_test(a_post_is_pending_while_it_runs),
        cmocka_unit_test(what_a_post_needs),
        cmocka_unit_test(posts_and_operations_have_one_order),
        cmocka_unit_test(a_budget_keeps_the_order),
        cmocka_unit_test(a_budget_with_posts_left),
        cmocka_unit_test(an_error_of_a_post),
        cmocka_unit_test(a_post_can_not_yield),
        cmocka_unit_test(the_thread_of_an_error_of_a_post),
        cmocka_unit_test(error_policies_and_posts),
        cmocka_unit_test(a_post_uses_the_api),
        cmocka_unit_test(posts_from_inside_a_post),
        cmocka_unit_test(a_post_from_a_hook),
        cmocka_unit_test(a_close_drops_posts),
        cmocka_unit_test(a_close_from_inside_a_post),
        cmocka_unit_test(a_free_from_inside_a_post),
        cmocka_unit_test(a_free_from_a_drop),
        cmocka_unit_test(a_clear_drops_posts),
        cmocka_unit_test(a_clear_from_inside_a_post),
        cmocka_unit_test(a_clear_from_a_drop),
        cmocka_unit_test(a_stop_keeps_posts),
        cmocka_unit_test(a_stop_with_posts_left),
        cmocka_unit_test(a_post_and_the_allocator),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
