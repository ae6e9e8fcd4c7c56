/* SPDX-License-Identifier: MIT */
/*
 * Errors that nobody caught: their texts, and what a policy makes of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "kahu/threads.h"

/* ------------------------------------------------------------------------ */
/* Texts                                                                    */
/* ------------------------------------------------------------------------ */

struct expectation {
    const char *script;
    const char *log;
};

static void on_failure(void *ud, lua_State *L, const kahu_feedback *f) {
    struct host *h = ud;

    assert_int_equal(f->outcome, KAHU_FAILED);
    assert_int_equal(f->nvalues, 1);
    assert_int_equal(lua_gettop(L), 1);
    assert_true(lua_rawequal(L, 1, 1));
    host_log(h, luaL_typename(L, 1));
    host_log(h, f->message);
    host_log(h, strchr(f->traceback, '\n') == NULL ? "none" : "lines");
}

static void texts_of_errors(void **state) {
    static const struct expectation e[] = {
        {"error('text', 0)", "string text lines"},
        {"error(42, 0)", "number 42 lines"},
        {"error()", "nil (error object is a nil value) lines"},
        {"error({})", "table (error object is a table value) lines"},
        {"error(setmetatable({}, {__tostring = function() return 'w' end}))",
         "table w lines"},
        {"error(setmetatable({}, {__tostring = function() error('x') end}))",
         "table (error object is a table value) lines"},
        {"error(setmetatable({}, {__tostring = function() return 5 end}))",
         "table 5 lines"},
        {"error(setmetatable({}, {__tostring = function()"
         " coroutine.yield() end}))",
         "table (error object is a table value) lines"},
    };
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct host h;

    (void)state;
    for (size_t i = 0; i < sizeof(e) / sizeof(*e); i++) {
        host_open(&h, NULL);
        hooks.ud = &h;
        hooks.on_resume = on_failure;
        assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
        host_run(&h, e[i].script);
        assert_log(&h, e[i].log);
        host_close(&h);
    }
}

/* Deep stacks are cut in the middle, long lines at the end: no more than the
 * buffer holds. */
static void long_texts(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_set_error_policy(h.s, KAHU_ERRORS_COLLECT), KAHU_OK);
    host_run(&h, "local function f(n) if n > 0 then f(n - 1) end"
                 " error(('x'):rep(100000), 0) end f(150)");
    assert_int_equal(strlen(kahu_get_error(h.s, 0).message), 100000);
    assert_non_null(strstr(kahu_get_error(h.s, 0).traceback, "frames)\n"));
    assert_true(strlen(kahu_get_error(h.s, 0).traceback) < 2000);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Policies                                                                 */
/* ------------------------------------------------------------------------ */

static void set_policy(struct host *h, kahu_error_policy policy) {
    assert_int_equal(kahu_set_error_policy(h->s, policy), KAHU_OK);
}

static uint64_t errors_of(struct host *h) {
    kahu_stats stats = {.size = sizeof(stats)};

    kahu_get_stats(h->s, &stats);
    return stats.errors;
}

/* The default, and what is no error that nobody caught. */
static void errors_are_reported(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "pcall(error) coroutine.resume(coroutine.create(error))"
                 "task.cancel(coroutine.create(error))");
    assert_int_equal(h.errors, 0);
    host_run(&h, "task.spawn(error, 'a') task.defer(error, 'b')"
                 " task.delay(1, error, 'c')");
    host_finish(&h);
    assert_int_equal(h.errors, 3);
    assert_int_equal(errors_of(&h), 3);
    assert_int_equal(kahu_count_errors(h.s), 0);
    assert_int_equal(kahu_exit_code(h.s), 1);
    assert_false(kahu_is_stopped(h.s));
    host_close(&h);
}

static void a_policy_is_for_what_comes(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_set_error_policy(h.s, (kahu_error_policy)3),
                     KAHU_EINVAL);
    assert_int_equal(kahu_set_error_policy(h.s, (kahu_error_policy)-1),
                     KAHU_EINVAL);
    host_run(&h, "error('reported')");
    set_policy(&h, KAHU_ERRORS_COLLECT);
    host_run(&h, "error('kept', 0)");
    set_policy(&h, KAHU_ERRORS_REPORT);
    host_run(&h, "error('reported')");
    assert_int_equal(h.errors, 2);
    assert_int_equal(kahu_count_errors(h.s), 1);
    assert_string_equal(kahu_get_error(h.s, 0).message, "kept");
    assert_int_equal(errors_of(&h), 3);
    host_close(&h);
}

/* In the order they happened; what was lent stays when more come, and when
 * the scheduler closes. */
static void collected_errors_are_lent(void **state) {
    struct host h;
    kahu_error first;
    char text[16];

    (void)state;
    host_open(&h, NULL);
    set_policy(&h, KAHU_ERRORS_COLLECT);
    host_run(&h, "error('0', 0)");
    first = kahu_get_error(h.s, 0);
    host_run(&h, "for i = 1, 99 do task.spawn(error, tostring(i), 0) end");
    assert_int_equal(kahu_count_errors(h.s), 100);
    kahu_close(h.s);
    assert_ptr_equal(kahu_get_error(h.s, 0).message, first.message);
    for (size_t i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "%d", (int)i);
        assert_string_equal(kahu_get_error(h.s, i).message, text);
        assert_non_null(kahu_get_error(h.s, i).traceback);
    }
    assert_null(kahu_get_error(h.s, 100).message);
    assert_null(kahu_get_error(h.s, 100).traceback);
    assert_null(kahu_get_error(h.s, SIZE_MAX).message);
    assert_int_equal(kahu_exit_code(h.s), 1);
    kahu_clear_errors(h.s);
    kahu_clear_errors(h.s);
    assert_int_equal(kahu_count_errors(h.s), 0);
    assert_null(kahu_get_error(h.s, 0).message);
    host_close(&h);
}

static bool take(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    (void)L;
    (void)f;
    return true;
}

/* Taken by a watch it is no error for any policy. */
static void what_is_taken_is_none(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    host_open(&h, NULL);
    for (int policy = KAHU_ERRORS_REPORT; policy <= KAHU_ERRORS_STOP;
         policy++) {
        set_policy(&h, (kahu_error_policy)policy);
        co = host_load(&h, "error('e')");
        assert_int_equal(kahu_watch(h.s, co, take, NULL, NULL), KAHU_OK);
        assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    }
    assert_int_equal(h.errors, 0);
    assert_int_equal(errors_of(&h), 0);
    assert_int_equal(kahu_count_errors(h.s), 0);
    assert_int_equal(kahu_exit_code(h.s), 0);
    assert_false(kahu_is_stopped(h.s));
    host_close(&h);
}

static void log_end(void *ud, lua_State *L, lua_State *co, kahu_outcome outcome,
                    int nresults) {
    (void)L;
    (void)co;
    (void)nresults;
    host_log(ud, outcome == KAHU_FAILED ? "failed" : "ended");
}

/* The others are told as always, and nothing more is resumed. */
static void the_first_error_stops(void **state) {
    struct host h;
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    (void)state;
    host_open(&h, NULL);
    hooks.ud = &h;
    hooks.on_end = log_end;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    set_policy(&h, KAHU_ERRORS_STOP);
    host_run(&h, "task.delay(1, error, 'x') task.delay(1, log, 'never')");
    assert_int_equal(kahu_run(h.s), KAHU_ESTOPPED);
    assert_log(&h, "ended failed");
    assert_int_equal(h.errors, 1);
    assert_int_equal(kahu_exit_code(h.s), 1);
    assert_int_equal(kahu_count(h.s, KAHU_DELAY), 1);
    kahu_unstop(h.s);
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_log(&h, "ended failed never ended");
    assert_int_equal(kahu_exit_code(h.s), 1);
    host_close(&h);
}

static int stop_with_seven(lua_State *L) {
    kahu_stop(host_of(L)->s, 7);
    return 0;
}

/* S9.6: a code that was given before counts. */
static void a_stop_before_counts(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "stop", stop_with_seven);
    set_policy(&h, KAHU_ERRORS_STOP);
    host_run(&h, "stop() error('e')");
    assert_int_equal(h.errors, 1);
    assert_true(kahu_is_stopped(h.s));
    assert_int_equal(kahu_exit_code(h.s), 7);
    host_close(&h);
}

static void clear_all(void *ud, lua_State *L, lua_State *co,
                      kahu_outcome outcome, int nresults) {
    struct host *h = ud;

    (void)L;
    (void)co;
    (void)nresults;
    if (outcome == KAHU_FAILED)
        kahu_clear_errors(h->s);
}

/* From inside a hook, when it has just been kept. */
static void a_hook_may_clear_them(void **state) {
    struct host h;
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    (void)state;
    host_open(&h, NULL);
    hooks.ud = &h;
    hooks.on_end = clear_all;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    set_policy(&h, KAHU_ERRORS_COLLECT);
    host_run(&h, "for i = 1, 9 do task.spawn(error, i) end");
    assert_int_equal(kahu_count_errors(h.s), 0);
    host_close(&h);
}

static void post_error(void *ud, lua_State *L) {
    (void)ud;
    luaL_error(L, "posted");
}

/* S9.1: a posted call's errors are like those of a thread. */
static void errors_of_posted_calls(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    set_policy(&h, KAHU_ERRORS_COLLECT);
    assert_int_equal(kahu_call(h.s, post_error, NULL), KAHU_ERAISED);
    assert_int_equal(kahu_count_errors(h.s), 1);
    assert_string_equal(kahu_get_error(h.s, 0).message, "posted");
    assert_non_null(kahu_get_error(h.s, 0).traceback);
    set_policy(&h, KAHU_ERRORS_STOP);
    assert_int_equal(kahu_post(h.s, post_error, NULL, NULL), KAHU_OK);
    host_finish(&h);
    assert_int_equal(h.errors, 1);
    assert_true(kahu_is_stopped(h.s));
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Memory                                                                   */
/* ------------------------------------------------------------------------ */

static struct {
    size_t bytes;
    bool refuse;
} pool;

static void *refusing_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    (void)ud;
    if (nsize == 0) {
        free(ptr);
        pool.bytes -= ptr == NULL ? 0 : osize;
        return NULL;
    }
    if (pool.refuse && nsize > osize)
        return NULL;
    pool.bytes += nsize - (ptr == NULL ? 0 : osize);
    return realloc(ptr, nsize);
}

/* One that can't be kept is reported instead; those kept are still there. */
static void what_can_not_be_kept_is_reported(void **state) {
    kahu_options options = KAHU_OPTIONS_INIT;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    kahu_free(h.s);
    options.alloc = refusing_alloc;
    pool.bytes = 0;
    host_attach(&h, &options);
    set_policy(&h, KAHU_ERRORS_COLLECT);
    host_run(&h, "error('kept', 0)");
    for (int i = 1; i <= 5; i++) {
        lua_State *co = host_load(&h, "error('lost', 0)");

        pool.refuse = true;
        assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
        pool.refuse = false;
        assert_int_equal(h.errors, i);
        assert_string_equal(h.error, "lost");
    }
    assert_int_equal(kahu_count_errors(h.s), 1);
    assert_int_equal(errors_of(&h), 6);
    kahu_free(h.s);
    h.s = NULL;
    assert_int_equal(pool.bytes, 0);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_errors),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(errors_are_reported),
        cmocka_unit_test(a_policy_is_for_what_comes),
        cmocka_unit_test(collected_errors_are_lent),
        cmocka_unit_test(what_is_taken_is_none),
        cmocka_unit_test(the_first_error_stops),
        cmocka_unit_test(a_stop_before_counts),
        cmocka_unit_test(a_hook_may_clear_them),
        cmocka_unit_test(errors_of_posted_calls),
        cmocka_unit_test(what_can_not_be_kept_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
