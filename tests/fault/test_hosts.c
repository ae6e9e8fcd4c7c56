/* SPDX-License-Identifier: MIT */
/*
 * What kahu.h has for hosts, with memory running out at every place:
 * operations, stepping, cancelling, closing, other OS threads, jobs.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>

#include "fault.h"

/* ------------------------------------------------------------------------ */
/* Operations                                                               */
/* ------------------------------------------------------------------------ */

static int push_much(lua_State *L, void *ud) {
    assert_ptr_equal(ud, &a);
    luaL_checkstack(L, 100, NULL);
    for (int i = 0; i < 100; i++)
        lua_newtable(L);
    return 100;
}

static int push_table(lua_State *L, void *ud) {
    assert_ptr_equal(ud, &a);
    lua_newtable(L);
    lua_pushstring(L, "a code of an error");
    lua_setfield(L, -2, "code");
    return 1;
}

static int push_raises(lua_State *L, void *ud) {
    assert_ptr_equal(ud, &a);
    luaL_error(L, "no values for %p", ud);
}

/* Ends the i-th operation in one of the ways there are. Ending allocates
 * nothing, but for a text. */
static void end_op(int i) {
    kahu_op op = a.ops[i];

    switch (i % 6) {
    case 0:
        assert_true(took(kahu_op_finish(a.s, op, push_much, &a, on_drop)));
        break;
    case 1:
        assert_true(took(kahu_op_fail(a.s, op, push_table, &a, on_drop)));
        break;
    case 2:
        if (ok(kahu_op_fail_text(a.s, op, "a text that is copied")))
            break;
        assert_int_equal(kahu_op_abandon(a.s, op), KAHU_OK);
        break;
    case 3:
        assert_int_equal(kahu_op_abandon(a.s, op), KAHU_OK);
        break;
    case 4:
        assert_true(took(kahu_op_finish(a.s, op, push_raises, &a, on_drop)));
        break;
    default:
        assert_true(took(kahu_op_finish(a.s, op, NULL, &a, on_drop)));
    }
    assert_int_equal(kahu_op_abandon(a.s, op), KAHU_ESTALE);
}

/* Whatever is short, each of them is over in the end. */
static void operations(void) {
    lua_State *threads[7];

    for (int i = 0; i < 7; i++)
        threads[i] = spawned();
    for (int i = 0; i < a.begun; i++)
        end_op(i);
    (void)kahu_run(a.s);
    assert_true(kahu_is_done(a.s));
    for (int i = 0; i < 7; i++)
        assert_true(ended(threads[i]));
    assert_int_equal(a.cancelled, 0);
}

static void cancelled_operations(void) {
    lua_State *threads[4];
    int begun;

    for (int i = 0; i < 4; i++)
        threads[i] = spawned();
    begun = a.begun;
    if (begun > 0)
        assert_true(
            took(kahu_op_finish(a.s, a.ops[0], push_table, &a, on_drop)));
    for (int i = 0; i < 2; i++)
        if (threads[i] != NULL) {
            assert_int_equal(kahu_cancel(a.s, threads[i]), KAHU_OK);
            assert_true(ended(threads[i]));
        }
    kahu_clear(a.s);
    assert_int_equal(a.cancelled, begun > 0 ? begun - 1 : 0);
    assert_true(kahu_is_done(a.s));
}

/* ------------------------------------------------------------------------ */
/* Stepping, and what can be asked                                          */
/* ------------------------------------------------------------------------ */

static void look(void) {
    kahu_stats stats = {.size = sizeof(stats)};

    assert_ptr_equal(kahu_get(a.L), a.s);
    assert_int_equal(kahu_is_done(a.s), kahu_count_all(a.s) == 0);
    assert_false(kahu_is_running(a.s));
    assert_false(kahu_is_stopped(a.s));
    assert_int_equal(kahu_get_state(a.s) == KAHU_READY, kahu_is_ready(a.s));
    (void)kahu_next_deadline_ns(a.s);
    assert_in_range(kahu_exit_code(a.s), 0, 1);
    kahu_get_stats(a.s, &stats);
    for (int k = 0; k < KAHU_KINDS; k++)
        assert_int_equal(stats.made[k],
                         stats.delivered[k] + stats.cancelled[k] +
                             stats.dropped[k] + kahu_count(a.s, (kahu_kind)k));
}

static void steps(void) {
    (void)spawned();
    look();
    assert_true(kahu_stepped_step(a.m, 1000) >= 0);
    look();
    (void)spawned();
    assert_true(kahu_stepped_advance(a.m, 1500000000) >= 0);
    assert_int_equal(kahu_stepped_now_ns(a.m), 1500001000);
    look();
    assert_true(kahu_stepped_run(a.m) >= 0);
    assert_true(kahu_is_done(a.s));
    look();
}

/* Names need no memory at all. */
static void names(void) {
    assert_int_equal(kahu_version(), KAHU_VERSION_NUMBER);
    assert_string_equal(kahu_status_name(KAHU_ENOMEM), "KAHU_ENOMEM");
    assert_string_equal(kahu_status_text(KAHU_ENOMEM), "not enough memory");
    (void)spawned();
    look();
    assert_int_equal(kahu_run(a.s), KAHU_OK);
}

/* ------------------------------------------------------------------------ */
/* Ends                                                                     */
/* ------------------------------------------------------------------------ */

static bool stop_here(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)L;
    (void)f;
    assert_ptr_equal(ud, &a);
    kahu_close(a.s);
    return false;
}

/* From inside of a resume; what comes too late is refused. */
static void closed_by_a_watch(void) {
    lua_State *co = new_thread();

    (void)spawned();
    if (co == NULL || !took(kahu_watch(a.s, co, stop_here, &a, on_drop)))
        return;
    assert_int_equal(kahu_spawn(a.s, co, NULL, 0), KAHU_OK);
    (void)kahu_run(a.s);
    assert_int_equal(kahu_get_state(a.s), KAHU_CLOSED);
    assert_true(kahu_is_done(a.s));
    assert_int_equal(kahu_post(a.s, NULL, NULL, NULL), KAHU_EINVAL);
    assert_int_equal(kahu_spawn(a.s, co, NULL, 0), KAHU_ECLOSED);
    for (int i = 0; i < a.begun; i++)
        assert_int_equal(kahu_op_abandon(a.s, a.ops[i]), KAHU_ESTALE);
}

static bool free_here(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    (void)L;
    (void)f;
    kahu_free(a.s);
    a.s = NULL;
    return true;
}

static void freed_by_a_watch(void) {
    kahu_sched *s = a.s;
    lua_State *co = new_thread();

    (void)spawned();
    if (co == NULL || !took(kahu_watch(s, co, free_here, &a, on_drop)))
        return;
    assert_int_equal(kahu_spawn(s, co, NULL, 0), KAHU_OK);
    if (a.s != NULL)
        (void)kahu_run(s);
    assert_null(a.s);
    assert_null(kahu_get(a.L));
}

/* S9.2: the first error ends the run. */
static void stopped_by_an_error(void) {
    assert_int_equal(kahu_set_error_policy(a.s, KAHU_ERRORS_STOP), KAHU_OK);
    for (int i = 0; i < 3 && !kahu_is_stopped(a.s); i++)
        (void)spawned();
    (void)kahu_run(a.s);
    if (!kahu_is_stopped(a.s))
        return;
    assert_int_equal(kahu_exit_code(a.s), 1);
    kahu_unstop(a.s);
    kahu_clear(a.s);
    assert_true(kahu_is_done(a.s));
}

/* What the library `scheduler` does to us. */
static void under_a_script(void) {
    lua_State *co = spawned();

    (void)spawned();
    (void)kahu_run(a.s);
    assert_true(ended(co) || kahu_is_stopped(a.s) || kahu_is_done(a.s));
}

/* ------------------------------------------------------------------------ */
/* Other OS threads                                                         */
/* ------------------------------------------------------------------------ */

static void on_call(void *ud, lua_State *L) {
    assert_ptr_equal(ud, &a);
    lua_newtable(L);
    lua_pushstring(L, "what a call makes");
}

static void on_unref(void *ud, lua_State *L) {
    (void)ud;
    (void)L;
    (void)kahu_unref(a.s);
}

/* A call needs no memory: it says when the posts are over. */
static void *post_elsewhere(void *ud) {
    long *posted = ud;

    for (int i = 0; i < 5; i++)
        *posted += kahu_post(a.s, on_call, &a, on_drop) == KAHU_OK;
    (void)kahu_call(a.s, on_call, &a);
    return (void *)(kahu_call(a.s, on_unref, &a) == KAHU_OK ? ud : NULL);
}

static void posts_from_elsewhere(void) {
    pthread_t thread;
    long posted = 0;
    void *good;

    a.taken = 5; /* drops come while posts go on */
    kahu_ref(a.s);
    assert_int_equal(pthread_create(&thread, NULL, post_elsewhere, &posted), 0);
    assert_int_equal(kahu_run(a.s), KAHU_OK);
    assert_int_equal(pthread_join(thread, &good), 0);
    assert_non_null(good);
    a.taken -= 5 - posted;
    assert_int_equal(a.taken, 0);
}

/* cmocka's checks are for the OS thread that runs the tests. */
static void *adopt_elsewhere(void *ud) {
    (void)ud;
    kahu_adopt(a.s);
    (void)kahu_step(a.s);
    (void)kahu_post(a.s, on_unref, NULL, NULL);
    return NULL;
}

static void handed_over(void) {
    pthread_t thread;
    lua_State *co = spawned();

    assert_int_equal(pthread_create(&thread, NULL, adopt_elsewhere, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    kahu_adopt(a.s);
    look();
    (void)kahu_run(a.s);
    assert_true(ended(co));
}

/* ------------------------------------------------------------------------ */
/* Jobs                                                                     */
/* ------------------------------------------------------------------------ */

/* Methods, jobs of threads that are cancelled, and of a scheduler that goes. */
static void jobs_left_behind(void) {
    lua_State *co = spawned();

    (void)spawned();
    if (co != NULL)
        assert_int_equal(kahu_cancel(a.s, co), KAHU_OK);
    (void)spawned();
    (void)kahu_run(a.s);
    assert_true(kahu_is_done(a.s));
    (void)spawned();
    kahu_free(a.s);
    a.s = NULL;
}

/* ------------------------------------------------------------------------ */
/* All of it                                                                */
/* ------------------------------------------------------------------------ */

#define WAITS                                                                  \
    "task.wait(0.001) task.defer(function() end, {}) "                         \
    "task.delay(0.001, function() end, 'x', {}) return {}"

static void test_operations(void **state) {
    (void)state;
    fault_everywhere(operations, STEPPED, "return pcall(op, {})");
    fault_everywhere(operations, UV, "local v = op() return {v}");
    fault_everywhere(operations, PRECISE, "return op()");
    fault_setup.options.strict_wakes = true;
    fault_everywhere(operations, BLOCKING,
                     "return op(table.unpack(table.create(40, {})))");
    fault_setup.options.strict_wakes = false;
}

static void test_cancelled_operations(void **state) {
    (void)state;
    fault_everywhere(cancelled_operations, STEPPED, "op() op()");
    fault_everywhere(cancelled_operations, UV, "pcall(op)");
}

static void test_steps(void **state) {
    (void)state;
    fault_everywhere(steps, STEPPED, WAITS);
    fault_everywhere(names, BLOCKING, WAITS);
    fault_everywhere(names, UV, WAITS);
}

static void test_ends(void **state) {
    (void)state;
    fault_everywhere(closed_by_a_watch, STEPPED, "task.wait(1) return {}");
    fault_everywhere(closed_by_a_watch, STEPPED, "task.spawn(op) return {}");
    fault_everywhere(freed_by_a_watch, STEPPED, "task.wait(1) return {}");
    fault_everywhere(freed_by_a_watch, BLOCKING, "task.wait(0.001)");
    fault_everywhere(stopped_by_an_error, STEPPED,
                     "task.wait(1) error('an error' .. tostring({}))");
}

static void test_under_a_script(void **state) {
    (void)state;
    fault_everywhere(under_a_script, STEPPED,
                     "task.delay(1, print) assert(scheduler.counts().all > 0)"
                     " assert(scheduler.next()) scheduler.clear()"
                     " task.wait(1) scheduler.stop(3)");
}

static void test_other_os_threads(void **state) {
    (void)state;
    fault_everywhere(posts_from_elsewhere, BLOCKING, WAITS);
    fault_everywhere(posts_from_elsewhere, UV, WAITS);
    fault_everywhere(handed_over, STEPPED, WAITS);
    fault_everywhere(handed_over, BLOCKING, WAITS);
}

static void test_jobs_left_behind(void **state) {
    (void)state;
    fault_everywhere(jobs_left_behind, UV, "work(nil, 1) return work()");
    fault_everywhere(jobs_left_behind, UV,
                     "method(account()) return method(account(), {})");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_cancelled_operations),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_under_a_script),
        cmocka_unit_test(test_other_os_threads),
        cmocka_unit_test(test_jobs_left_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
