/* SPDX-License-Identifier: MIT */
/*
 * kahu_dump(): each line it can write, where it may be called, and what it says
 * of a program that can never finish.
 */
#include <stdio.h>
#include <string.h>

#include "host.h"
#include "kahu/threads.h"

#define SECOND UINT64_C(1000000000)

/* ------------------------------------------------------------------------ */
/* What is written                                                          */
/* ------------------------------------------------------------------------ */

static struct {
    char text[8192];
    size_t longest;
} dumped;

static void keep_line(void *ud, const char *line) {
    size_t used = strlen(dumped.text);

    assert_ptr_equal(ud, &dumped);
    if (strlen(line) > dumped.longest)
        dumped.longest = strlen(line);
    snprintf(dumped.text + used, sizeof(dumped.text) - used, "%s\n", line);
}

static int64_t dump_of(struct host *h, kahu_dump_what what) {
    dumped.text[0] = '\0';
    return kahu_dump(h->s, what, keep_line, &dumped);
}

static void assert_dump(struct host *h, int64_t threads, const char *text) {
    assert_int_equal(dump_of(h, KAHU_DUMP_ALL), threads);
    assert_string_equal(dumped.text, text);
}

static void open_tracking(struct host *h) {
    host_open(h, NULL);
    assert_int_equal(kahu_track(h->s), KAHU_OK);
}

static int begin_op(lua_State *L) {
    kahu_op op;

    assert_int_equal(kahu_op_begin(L, NULL, NULL, &op), KAHU_OK);
    return kahu_op_yield(L);
}

static void label(struct host *h, lua_State *co, const char *text) {
    assert_int_equal(kahu_set_thread_label(h->s, co, text), KAHU_OK);
}

/* ------------------------------------------------------------------------ */
/* Lines                                                                    */
/* ------------------------------------------------------------------------ */

/* Everything a thread may wait for; in the order of making. */
static void every_reason(void **state) {
    struct host h;

    (void)state;
    open_tracking(&h);
    host_global(&h, "op", begin_op);
    label(&h,
          host_run(&h, "task.spawn(function() task.wait(2) end)\n"
                       "task.delay(3, function() end)\n"
                       "task.spawn(function() op() end)\n"
                       "fresh = coroutine.create(function() end)\n"
                       "idle = task.spawn(function() coroutine.yield() end)\n"
                       "task.spawn(function() task.wait(math.huge) end)\n"
                       "task.wait(1.5)\n"
                       "task.defer(function() end)\n"
                       "coroutine.yield()"),
          "script");
    (void)kahu_stepped_advance(h.m, SECOND);
    assert_dump(
        &h, 7,
        "#1 script: sleeping at test:7, for 1.000 s, 0.500 s to go; made by "
        "the host\n"
        "#2: sleeping at test:1, for 1.000 s, 1.000 s to go; made at test:1 by "
        "#1\n"
        "#3: delayed, to begin at test:2, for 1.000 s, 2.000 s to go; made at "
        "test:2 by #1\n"
        "#4: in an operation at test:3, for 1.000 s; made at test:3 by #1\n"
        "#5: not started, to begin at test:4, for 1.000 s, nothing pending "
        "would resume it; made at test:4 by #1\n"
        "#6: yielded at test:5, for 1.000 s, nothing pending would resume it; "
        "made at test:5 by #1\n"
        "#7: sleeping at test:6, for 1.000 s, without end; made at test:6 by "
        "#1\n"
        "7 threads; kept alive by 4 sleeping, 1 in operations; next deadline "
        "in 0.500 s; nothing pending would resume 1 of them\n");
    host_close(&h);
}

/* Before the cycle that is to run them. */
static void what_is_due_or_deferred(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_tracking(&h);
    co = host_load(&h, "");
    assert_int_equal(kahu_defer(h.s, co, 0), KAHU_OK);
    assert_int_equal(kahu_delay(h.s, co, 0, SECOND), KAHU_OK);
    assert_dump(&h, 1,
                "#1: deferred, to begin at test:1, for 0.000 s, 1 more "
                "pending; made by the host\n"
                "1 thread; kept alive by 1 sleeping, 1 deferred; next deadline "
                "in 1.000 s\n");
    host_close(&h);
}

/* The clock is past the deadline: a step that is in the middle of others. */
static void look(void *ud, lua_State *L) {
    (void)L;
    (void)dump_of(ud, KAHU_DUMP_ALL);
}

static void an_overdue_thread(void **state) {
    struct host h;

    (void)state;
    open_tracking(&h);
    host_run(&h, "task.wait(1)");
    assert_int_equal(kahu_post(h.s, look, &h, NULL), KAHU_OK);
    (void)kahu_stepped_step(h.m, 3 * SECOND);
    assert_string_equal(
        dumped.text,
        "#1: sleeping at test:1, for 3.000 s, due; made by the host\n"
        "1 thread; kept alive by 1 sleeping, 1 to be called; next deadline in "
        "0.000 s\n");
    host_close(&h);
}

static void deadlines_of_the_host(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_tracking(&h);
    co = host_run(&h, "coroutine.yield()");
    assert_int_equal(kahu_cancel_after(h.s, co, SECOND), KAHU_OK);
    assert_dump(&h, 1,
                "#1: yielded at test:1, for 0.000 s, to be cancelled; made by "
                "the host\n"
                "1 thread; kept alive by 1 to be cancelled; next deadline in "
                "1.000 s\n");
    assert_int_equal(dump_of(&h, KAHU_DUMP_LOST), 0);
    assert_string_equal(dumped.text, "");
    host_close(&h);
}

/* Nobody can make a terminal do things by a label, or a line without end. */
static void labels_are_tamed(void **state) {
    struct host h;
    char text[5000];
    lua_State *co;

    (void)state;
    open_tracking(&h);
    co = host_run(&h, "task.wait(1)");
    label(&h, co, "a\x1b[2J\nb\x7f");
    assert_dump(&h, 1,
                "#1 a?[2J?b?: sleeping at test:1, for 0.000 s, 1.000 s to go; "
                "made by the host\n"
                "1 thread; kept alive by 1 sleeping; next deadline in 1.000 "
                "s\n");
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    label(&h, co, text);
    dumped.longest = 0;
    assert_int_equal(dump_of(&h, KAHU_DUMP_ALL), 1);
    assert_int_equal(strspn(dumped.text + strlen("#1 "), "x"), 64);
    assert_true(dumped.longest <= 600);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* What keeps it alive                                                      */
/* ------------------------------------------------------------------------ */

static void nothing(void *ud, lua_State *L) {
    (void)ud;
    (void)L;
}

static void holds_and_calls(void **state) {
    struct host h;

    (void)state;
    open_tracking(&h);
    assert_dump(&h, 0, "0 threads; nothing is pending\n");
    kahu_ref(h.s);
    kahu_ref(h.s);
    assert_dump(&h, 0, "0 threads; kept alive by 2 kahu_ref()\n");
    assert_int_equal(kahu_post(h.s, nothing, NULL, NULL), KAHU_OK);
    assert_dump(&h, 0,
                "0 threads; kept alive by 1 to be called, 2 kahu_ref()\n");
    (void)kahu_step(h.s);
    assert_int_equal(kahu_unref(h.s), KAHU_OK);
    assert_int_equal(kahu_unref(h.s), KAHU_OK);
    host_close(&h);
}

/* That it may never end is for whoever ends operations to know. */
static void operations_alone(void **state) {
    struct host h;

    (void)state;
    open_tracking(&h);
    host_global(&h, "op", begin_op);
    host_run(&h, "op()");
    assert_dump(&h, 1,
                "#1: in an operation at test:1, for 0.000 s; made by the host\n"
                "1 thread; kept alive by 1 in operations\n");
    host_close(&h);
}

/* All yielded, nobody left to wake them; or waiting for what never comes. */
static void programs_that_can_never_finish(void **state) {
    struct host h;

    (void)state;
    open_tracking(&h);
    host_run(&h, "other = task.spawn(function() coroutine.yield() end)\n"
                 "coroutine.yield()");
    assert_true(kahu_is_done(h.s));
    assert_dump(&h, 2,
                "#1: yielded at test:2, for 0.000 s, nothing pending would "
                "resume it; made by the host\n"
                "#2: yielded at test:1, for 0.000 s, nothing pending would "
                "resume it; made at test:1 by #1\n"
                "2 threads; nothing is pending; nothing pending would resume 2 "
                "of them\n");
    host_run(&h, "task.wait(math.huge)");
    assert_int_equal(dump_of(&h, KAHU_DUMP_LOST), 2);
    assert_string_equal(dumped.text,
                        "#1: yielded at test:2, for 0.000 s, nothing pending "
                        "would resume it; made by the host\n"
                        "#2: yielded at test:1, for 0.000 s, nothing pending "
                        "would resume it; made at test:1 by #1\n");
    assert_int_equal(dump_of(&h, KAHU_DUMP_ALL), 3);
    assert_non_null(strstr(dumped.text, "\n3 threads; kept alive by 1 sleeping;"
                                        " it can never finish by itself;"));
    kahu_stop(h.s, 0);
    assert_int_equal(dump_of(&h, KAHU_DUMP_ALL), 3);
    assert_non_null(strstr(dumped.text, "kept alive by 1 sleeping; stopped;"));
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* From inside                                                              */
/* ------------------------------------------------------------------------ */

static int lua_dump_now(lua_State *L) {
    (void)dump_of(host_of(L), KAHU_DUMP_ALL);
    return 0;
}

/* All that have resumed each other run. */
static void while_it_runs(void **state) {
    struct host h;

    (void)state;
    open_tracking(&h);
    host_global(&h, "dump", lua_dump_now);
    host_run(&h, "task.delay(1, coroutine.running())\n"
                 "coroutine.wrap(function() task.spawn(dump) end)()");
    assert_string_equal(
        dumped.text,
        "#1: running at test:2, 1 pending; made by the host\n"
        "#2: running at test:2; made at test:2 by #1\n"
        "#3: running; made at test:2 by #2\n"
        "3 threads; kept alive by 3 running, 1 sleeping; next deadline in "
        "1.000 s\n");
    host_close(&h);
}

static struct host *interrupted;

/* In the middle of a resume, at a loop of a function with values on its stack
 * that only the VM knows of. */
static void interrupt(lua_State *L, int gc) {
    if (gc >= 0)
        return;
    lua_callbacks(L)->interrupt = NULL;
    (void)dump_of(interrupted, KAHU_DUMP_ALL);
}

static int lua_interrupt(lua_State *L) {
    lua_callbacks(L)->interrupt = interrupt;
    return 0;
}

static void at_a_safepoint(void **state) {
    struct host h;

    (void)state;
    for (int tracking = 0; tracking < 2; tracking++) {
        host_open(&h, NULL);
        interrupted = &h;
        host_global(&h, "interrupt", lua_interrupt);
        if (tracking)
            assert_int_equal(kahu_track(h.s), KAHU_OK);
        host_run(&h, "local function f(...) return ... end\n"
                     "local t = {} for i = 1, 100 do t[i] = {i} end\n"
                     "interrupt() log(#{f({}, f({}, f(table.unpack(t))))})\n"
                     "interrupt() for i, v in t do log(i, v[1]) break end\n"
                     "interrupt() while #t > 99 do t[#t] = nil end log(#t)");
        assert_log(&h, "102 1 1 99");
        if (tracking)
            assert_string_equal(dumped.text,
                                "#1: running at test:5; made by the host\n"
                                "1 thread; kept alive by 1 running\n");
        else
            assert_string_equal(dumped.text, "");
        host_close(&h);
    }
}

static void on_resume(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)L;
    (void)f;
    (void)dump_of(ud, KAHU_DUMP_ALL);
}

static void in_a_hook(void **state) {
    struct host h;
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    (void)state;
    open_tracking(&h);
    hooks.ud = &h;
    hooks.on_resume = on_resume;
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    host_run(&h, "task.wait(1)");
    assert_string_equal(
        dumped.text,
        "#1: sleeping at test:1, for 0.000 s, 1.000 s to go; made by the host\n"
        "1 thread; kept alive by 1 sleeping; next deadline in 1.000 s\n");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Tracking from now on                                                     */
/* ------------------------------------------------------------------------ */

static int lua_track(lua_State *L) {
    assert_int_equal(kahu_track(host_of(L)->s), KAHU_OK);
    return lua_dump_now(L);
}

/* Of what was there before, a wait knows when it began; the rest is known from
 * the next yield on. */
static void what_was_there_before(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "track", lua_track);
    assert_int_equal(dump_of(&h, KAHU_DUMP_ALL), KAHU_ESTATE);
    host_run(&h, "task.wait(5)");
    host_run(&h, "task.delay(7, function() task.wait(1) end)");
    (void)kahu_stepped_advance(h.m, 2 * SECOND);
    host_run(&h, "track() coroutine.yield()");
    assert_string_equal(
        dumped.text,
        "#1: sleeping at test:1, for 2.000 s, 3.000 s to go; made before "
        "tracking\n"
        "#2: delayed, to begin at test:1, for 0.000 s or more, 5.000 s to go; "
        "made before tracking\n"
        "#3: running at test:1; made before tracking\n"
        "3 threads; kept alive by 1 running, 2 sleeping; next deadline in "
        "3.000 s\n");
    (void)kahu_stepped_advance(h.m, 5 * SECOND);
    assert_dump(&h, 2,
                "#2: sleeping at test:1, for 0.000 s, 1.000 s to go; made "
                "before tracking\n"
                "#3: yielded at test:1, for 5.000 s, nothing pending would "
                "resume it; made before tracking\n"
                "2 threads; kept alive by 1 sleeping; next deadline in 1.000 "
                "s; nothing pending would resume 1 of them\n");
    host_close(&h);
}

/* It waits for nothing any more, and since when is not known. */
static void what_was_there_and_cleared(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "t = coroutine.running() task.wait(5)");
    assert_int_equal(kahu_track(h.s), KAHU_OK);
    kahu_clear(h.s);
    assert_dump(&h, 1,
                "#1: yielded at test:1, for 0.000 s or more, nothing pending "
                "would resume it; made before tracking\n"
                "1 thread; nothing is pending; nothing pending would resume 1 "
                "of them\n");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Refusals and ends                                                        */
/* ------------------------------------------------------------------------ */

/* Inside of the walk, and after it. */
static void dump_inside(void *ud, const char *line) {
    struct host *h = ud;
    bool walking = line[0] == '#';

    host_log(h, walking ? "thread" : "sum");
    assert_int_equal(dump_of(h, KAHU_DUMP_ALL), walking ? KAHU_ESTATE : 1);
}

static void free_inside(void *ud, const char *line) {
    struct host *h = ud;

    (void)line;
    if (h->s != NULL)
        kahu_free(h->s);
    h->s = NULL;
}

static void bad_calls(void **state) {
    struct host h;

    (void)state;
    open_tracking(&h);
    assert_int_equal(kahu_dump(h.s, KAHU_DUMP_ALL, NULL, NULL), KAHU_EINVAL);
    assert_int_equal(dump_of(&h, (kahu_dump_what)2), KAHU_EINVAL);
    host_run(&h, "task.wait(1)");
    assert_int_equal(kahu_dump(h.s, KAHU_DUMP_LOST, dump_inside, &h), 0);
    assert_log(&h, "");
    assert_int_equal(kahu_dump(h.s, KAHU_DUMP_ALL, dump_inside, &h), 1);
    assert_log(&h, "thread sum");
    host_close(&h);
}

static bool dump_in_a_walk(void *ud, const kahu_thread_info *info) {
    (void)info;
    assert_int_equal(dump_of(ud, KAHU_DUMP_ALL), KAHU_ESTATE);
    return true;
}

static void one_walk_at_a_time(void **state) {
    struct host h;

    (void)state;
    open_tracking(&h);
    host_run(&h, "task.wait(1)");
    assert_int_equal(kahu_each_thread(h.s, NULL, dump_in_a_walk, &h), 1);
    assert_int_equal(kahu_dump(h.s, KAHU_DUMP_ALL, free_inside, &h), 1);
    assert_null(h.s);
    host_attach(&h, NULL);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason),
        cmocka_unit_test(what_is_due_or_deferred),
        cmocka_unit_test(an_overdue_thread),
        cmocka_unit_test(deadlines_of_the_host),
        cmocka_unit_test(labels_are_tamed),
        cmocka_unit_test(holds_and_calls),
        cmocka_unit_test(operations_alone),
        cmocka_unit_test(programs_that_can_never_finish),
        cmocka_unit_test(while_it_runs),
        cmocka_unit_test(at_a_safepoint),
        cmocka_unit_test(in_a_hook),
        cmocka_unit_test(what_was_there_before),
        cmocka_unit_test(what_was_there_and_cleared),
        cmocka_unit_test(bad_calls),
        cmocka_unit_test(one_walk_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
