/* SPDX-License-Identifier: MIT */
/*
 * Hooks: what they are told, and what they may do.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host.h"

struct seen {
    struct host *h;
    int ends[3];
    int results;
    double sum;
    kahu_status spawned;
};

static void on_end(void *ud, lua_State *L, lua_State *co, kahu_outcome outcome,
                   int nresults) {
    struct seen *seen = ud;

    assert_int_equal(lua_gettop(L), nresults);
    assert_false(outcome == KAHU_RETURNED && lua_costatus(L, co) != LUA_COFIN);
    seen->ends[outcome]++;
    seen->results = nresults;
    for (int i = 1; i <= nresults; i++)
        seen->sum += lua_tonumber(L, i);
    if (nresults > 0)
        seen->spawned = kahu_spawn(seen->h->s, co, NULL, 0);
}

/* S8.4 V1: results are seen by the hook, and the thread that returned them is
 * dead to it, whatever it tries. */
static void ends_and_results_are_told(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct seen seen = {0};
    struct host h;

    (void)state;
    host_open(&h, NULL);
    seen.h = &h;
    hooks.ud = &seen;
    hooks.on_end = on_end;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    host_run(&h, "return 1, 2, 39");
    assert_int_equal(seen.results, 3);
    assert_true(seen.sum == 42);
    assert_int_equal(seen.spawned, KAHU_ESTATE);
    host_run(&h, "task.spawn(error, 'x') task.cancel(task.spawn(task.wait))"
                 "task.defer(function() end)"
                 "coroutine.close(task.spawn(task.wait, 1))");
    assert_int_equal(kahu_step(h.s), 1);
    assert_int_equal(seen.ends[KAHU_RETURNED], 3);
    assert_int_equal(seen.ends[KAHU_FAILED], 1);
    assert_int_equal(seen.ends[KAHU_CANCELLED], 2);
    host_close(&h);
}

/* S9.1 S9.2: an error is told once, in words, and sets the exit code. */
static void an_error_is_told_once(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_exit_code(h.s), 0);
    host_run(&h, "task.defer(function() task.wait() error('late') end)");
    host_finish(&h);
    assert_int_equal(h.errors, 1);
    assert_string_equal(h.error, "test:1: late");
    assert_int_equal(kahu_exit_code(h.s), 1);
    host_close(&h);
}

static void measure(void *ud, lua_State *L, lua_State *co, const char *message,
                    const char *traceback) {
    size_t *length = ud;

    (void)L;
    (void)co;
    assert_string_equal(message, "test:2: deep");
    *length = strlen(traceback);
}

/* S9.1: a traceback has an end, however long the names in it are. */
static void names_without_end(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    char script[4096];
    char name[900];
    size_t length = 0;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    hooks.ud = &length;
    hooks.on_error = measure;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    memset(name, 'f', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(script, sizeof(script),
                   "local function %s(n)\nif n == 0 then error('deep') end"
                   " %s(n - 1)\nreturn end %s(100)",
                   name, name, name);
    host_run(&h, script);
    assert_in_range(length, 4000, 8191);
    host_close(&h);
}

static void on_end_defer(void *ud, lua_State *L, lua_State *co,
                         kahu_outcome outcome, int nresults) {
    struct seen *seen = ud;

    (void)L;
    (void)nresults;
    if (outcome == KAHU_CANCELLED)
        assert_int_equal(kahu_defer(seen->h->s, co, 0), KAHU_OK);
}

/* S6.1 S9.4: a thread that is being cancelled is not dead yet; what a hook
 * makes of it then goes with it. */
static void a_cancelled_thread_keeps_no_wake(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct seen seen = {0};
    struct host h;

    (void)state;
    host_open(&h, NULL);
    seen.h = &h;
    hooks.ud = &seen;
    hooks.on_end = on_end_defer;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    host_run(&h, "task.cancel(task.spawn(task.wait, 1))"
                 "coroutine.close(task.spawn(task.wait, 1))");
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

static void raising(void *ud, lua_State *L, lua_State *co, const char *message,
                    const char *traceback) {
    (void)ud;
    (void)co;
    (void)message;
    (void)traceback;
    luaL_error(L, "raised by a hook of this test");
}

/* S9.8: an error in a hook changes nothing, not even for the next hook. */
static void an_error_in_a_hook_changes_nothing(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    hooks.on_error = raising;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    host_run(&h, "log(pcall(task.spawn, error) == true)"
                 "task.defer(log, 'on')");
    host_finish(&h);
    assert_log(&h, "true on");
    assert_int_equal(h.errors, 1);
    assert_false(kahu_is_running(h.s));
    host_close(&h);
}

static void raising_a_table(void *ud, lua_State *L, lua_State *co,
                            kahu_outcome outcome, int nresults) {
    (void)ud;
    (void)co;
    (void)outcome;
    (void)nresults;
    lua_newtable(L);
    lua_error(L);
}

/* What fn writes to standard error. */
static void capture(void (*fn)(struct host *h), struct host *h, char *out,
                    size_t size) {
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    size_t n;

    assert_true(file != NULL && saved >= 0);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    fn(h);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    rewind(file);
    n = fread(out, 1, size - 1, file);
    out[n] = '\0';
    (void)fclose(file);
}

static void run_to_an_end(struct host *h) {
    host_run(h, "log('on')");
}

/* S9.8: such an error is written down, whatever its value. */
static void errors_in_hooks_are_written_down(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    char said[256];
    struct host h;

    (void)state;
    host_open(&h, NULL);
    hooks.on_end = raising_a_table;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    capture(run_to_an_end, &h, said, sizeof(said));
    assert_string_equal(said,
                        "error in a hook: (error object is not a string)\n");
    assert_log(&h, "on");
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

static void never_told(void *ud, lua_State *L, lua_State *co,
                       kahu_outcome outcome, int nresults) {
    (void)ud;
    (void)L;
    (void)co;
    (void)outcome;
    (void)nresults;
    fail();
}

static void never_failed(void *ud, lua_State *L, lua_State *co,
                         const char *message, const char *traceback) {
    (void)ud;
    (void)L;
    (void)co;
    (void)message;
    (void)traceback;
    fail();
}

static void told_of_a_resume(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)L;
    (void)f;
    ++*(int *)ud;
}

/* Hooks are the same when all of their members are: of two that share all but
 * one, the one that was named goes. */
static void hooks_that_differ_in_one_member(void **state) {
    kahu_hooks kept = KAHU_HOOKS_INIT;
    kahu_hooks others[4];
    struct host h;
    int resumes = 0;

    (void)state;
    host_open(&h, NULL);
    kept.ud = &resumes;
    kept.on_resume = told_of_a_resume;
    others[0] = others[1] = others[2] = others[3] = kept;
    others[0].on_end = never_told;
    others[1].on_resume = NULL;
    others[2].user_resumes = true;
    others[3].on_error = never_failed;
    assert_int_equal(kahu_add_hooks(h.s, &kept), KAHU_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(kahu_remove_hooks(h.s, &others[i]), KAHU_ESTALE);
        assert_int_equal(kahu_add_hooks(h.s, &others[i]), KAHU_OK);
        assert_int_equal(kahu_add_hooks(h.s, &kept), KAHU_OK);
        assert_int_equal(kahu_remove_hooks(h.s, &others[i]), KAHU_OK);
        assert_int_equal(kahu_remove_hooks(h.s, &kept), KAHU_OK);
    }
    host_run(&h, "coroutine.resume(coroutine.create(log))");
    assert_int_equal(resumes, 1);
    assert_int_equal(kahu_remove_hooks(h.s, &kept), KAHU_OK);
    assert_int_equal(kahu_remove_hooks(h.s, &kept), KAHU_ESTALE);
    host_close(&h);
}

struct leaver {
    struct host *h;
    kahu_hooks hooks;
};

static void leave(void *ud, lua_State *L, lua_State *co, kahu_outcome outcome,
                  int nresults) {
    const kahu_hooks nothing = KAHU_HOOKS_INIT;
    struct leaver *l = ud;

    (void)L;
    (void)co;
    (void)outcome;
    (void)nresults;
    assert_int_equal(kahu_remove_hooks(l->h->s, &l->hooks), KAHU_OK);
    assert_int_equal(kahu_remove_hooks(l->h->s, &l->hooks), KAHU_ESTALE);
    assert_int_equal(kahu_remove_hooks(l->h->s, &nothing), KAHU_ESTALE);
}

/* What is left of removed hooks until the walk is over is no hooks without
 * members, which could be removed again. */
static void what_was_removed_is_nothing(void **state) {
    struct host h;
    struct leaver l = {&h, KAHU_HOOKS_INIT};

    (void)state;
    host_open(&h, NULL);
    l.hooks.ud = &l;
    l.hooks.on_end = leave;
    assert_int_equal(kahu_add_hooks(h.s, &l.hooks), KAHU_OK);
    host_run(&h, "log('on')");
    host_run(&h, "log('on')");
    assert_log(&h, "on on");
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

static void calling_back(void *ud, lua_State *L, lua_State *co,
                         const char *message, const char *traceback) {
    struct host *h = ud;

    (void)L;
    (void)co;
    (void)traceback;
    if (strstr(message, "first") != NULL)
        host_run(h, "log('from the hook') task.defer(log, 'later')"
                    "error('second')");
}

/* S9.8: a hook may call the API back. */
static void a_hook_may_call_back(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    hooks.ud = &h;
    hooks.on_error = calling_back;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    lua_State *co = host_load(&h, "error('first')");
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    host_finish(&h);
    assert_log(&h, "from the hook later");
    assert_int_equal(h.errors, 2);
    host_close(&h);
}

/* V9 S3.7: an error whose __tostring makes errors comes to an end. */
static void errors_in_tostring_come_to_an_end(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "local e local n = 0\n"
                 "local function nest(d) n += 1\n"
                 "  if d == 0 then error(e) end task.spawn(nest, d - 1) end\n"
                 "e = setmetatable({}, {__tostring = function()\n"
                 "  task.spawn(nest, 150) return 'e' end})\n"
                 "task.spawn(nest, 150) log(n)");
    assert_log(&h, "302");
    assert_string_equal(h.error, "e");
    host_close(&h);
}

/* No script gets hold of a thread of ours (through coroutine.running() in a
 * __tostring) that it could do harm to. */
static void a_tostring_keeps_no_thread_of_ours(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h,
             "local e = setmetatable({}, {__tostring = function()\n"
             "  running = coroutine.running() return 'e' end})\n"
             "task.spawn(error, e)\n"
             "task.defer(function()\n"
             "  log(coroutine.status(running), pcall(task.spawn, running))\n"
             "  task.cancel(running) coroutine.close(running)\n"
             "  for i = 1, 9 do task.defer(log, i) end end)");
    host_finish(&h);
    assert_log(&h, "dead false cannot spawn non-suspended coroutine "
                   "1 2 3 4 5 6 7 8 9");
    host_close(&h);
}

static int thread_ref;

static void release_and_collect(void *ud, lua_State *L, lua_State *co,
                                kahu_outcome outcome, int nresults) {
    (void)ud;
    (void)co;
    (void)outcome;
    (void)nresults;
    lua_unref(L, thread_ref);
    lua_gc(L, LUA_GCCOLLECT, 0);
}

/* S9.5: a thread lives as long as it is being resumed or cancelled, even if a
 * hook lets go of the last reference. */
static void a_hook_may_release_the_thread(void **state) {
    static const char *const scripts[] = {"return 1", "coroutine.yield()"};
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    hooks.on_end = release_and_collect;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    for (int i = 0; i < 2; i++) {
        lua_State *main = host_load(&h, scripts[i]);
        lua_State *co = lua_newthread(h.L);

        thread_ref = lua_ref(h.L, -1);
        lua_pop(h.L, 1);
        lua_xmove(main, co, 1);
        assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
        if (i == 1)
            assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
    }
    host_close(&h);
}

/* A struct of an unknown size is refused, unless what is unknown is zero. */
static void sizes_of_structs_are_checked(void **state) {
    struct {
        kahu_hooks hooks;
        void *added;
    } larger = {KAHU_HOOKS_INIT, NULL};
    kahu_hooks smaller = KAHU_HOOKS_INIT;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    smaller.size--;
    assert_int_equal(kahu_add_hooks(h.s, &smaller), KAHU_EINVAL);
    assert_int_equal(kahu_add_hooks(h.s, NULL), KAHU_EINVAL);
    larger.hooks.size = sizeof(larger);
    assert_int_equal(kahu_add_hooks(h.s, &larger.hooks), KAHU_OK);
    larger.added = &h;
    assert_int_equal(kahu_add_hooks(h.s, &larger.hooks), KAHU_EINVAL);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_and_results_are_told),
        cmocka_unit_test(a_cancelled_thread_keeps_no_wake),
        cmocka_unit_test(an_error_is_told_once),
        cmocka_unit_test(names_without_end),
        cmocka_unit_test(an_error_in_a_hook_changes_nothing),
        cmocka_unit_test(errors_in_hooks_are_written_down),
        cmocka_unit_test(hooks_that_differ_in_one_member),
        cmocka_unit_test(what_was_removed_is_nothing),
        cmocka_unit_test(a_hook_may_call_back),
        cmocka_unit_test(errors_in_tostring_come_to_an_end),
        cmocka_unit_test(a_tostring_keeps_no_thread_of_ours),
        cmocka_unit_test(a_hook_may_release_the_thread),
        cmocka_unit_test(sizes_of_structs_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
