/* SPDX-License-Identifier: MIT */
/*
 * The `scheduler` library of scripts.
 */
#include "host.h"
#include "kahu/luau.h"

static int begin(lua_State *L) {
    kahu_op op;
    kahu_status status = kahu_op_begin(L, NULL, NULL, &op);

    return status == KAHU_OK ? kahu_op_yield(L) : kahu_raise(L, status);
}

static int close_all(lua_State *L) {
    kahu_close(host_of(L)->s);
    return 0;
}

static void open_scripts(struct host *h) {
    host_open(h, NULL);
    host_global(h, "begin", begin);
    host_global(h, "close", close_all);
    kahu_open_scheduler(h->L);
    lua_pop(h->L, 1);
}

static const char one_of_each[] =
    "task.defer(log, 'd') task.delay(1, log, 'e')"
    "task.spawn(function() begin() log('o') end)"
    "task.spawn(function() task.wait(2) log('w') end)";

/* S9.6: the caller yields where it can; who resumed it runs on. */
static void a_script_stops(void **state) {
    struct host h;

    (void)state;
    open_scripts(&h);
    host_run(&h, "task.defer(log, 'never')"
                 "task.spawn(function() scheduler.stop(9) log('never') end)"
                 "log('a') task.wait() log('never')");
    assert_log(&h, "a");
    assert_int_equal(kahu_exit_code(h.s), 9);
    assert_int_equal(kahu_step(h.s), KAHU_ESTATE);
    host_close(&h);
}

/* V7: one that can't yield goes on to where it can. */
static void a_script_stops_where_it_can_not_yield(void **state) {
    struct host h;

    (void)state;
    open_scripts(&h);
    host_run(&h, "local t = setmetatable({}, {__index = function()"
                 "  scheduler.stop() return 'x' end})"
                 "log(t.x) task.wait() log('never')");
    assert_log(&h, "x");
    assert_true(kahu_is_stopped(h.s));
    assert_int_equal(kahu_exit_code(h.s), 0);
    host_close(&h);
}

/* Whole numbers that every system has; nothing else stops anything. */
static void the_exit_codes_of_scripts(void **state) {
    struct host h;

    (void)state;
    open_scripts(&h);
    host_run(&h, "for _, c in {-1, 256, 1.5, 0/0, math.huge, '1x', {}} do"
                 "  assert(not pcall(scheduler.stop, c)) end "
                 "log(select(2, pcall(scheduler.stop, 256)))");
    assert_log(&h, "invalid argument #1 to 'stop' (exit code must be a whole "
                   "number from 0 to 255)");
    assert_false(kahu_is_stopped(h.s));
    assert_int_equal(h.errors, 0);
    host_run(&h, "scheduler.stop(255)");
    assert_int_equal(kahu_exit_code(h.s), 255);
    host_close(&h);
}

/* A table of what is pending, and the next of it. */
static void a_script_looks(void **state) {
    struct host h;

    (void)state;
    open_scripts(&h);
    host_run(&h, one_of_each);
    kahu_ref(h.s);
    host_run(&h, "local c = scheduler.counts()"
                 "log(c.deferred, c.delayed, c.waiting, c.operations, c.all)"
                 "local n = 0 for _ in c do n += 1 end log(n)"
                 "log(scheduler.next())");
    assert_log(&h, "1 1 1 1 5 5 1");
    assert_int_equal(kahu_unref(h.s), KAHU_OK);
    host_close(&h);
}

/* Seconds from now; nothing when there is none, or it never comes. */
static void the_next_of_a_script(void **state) {
    struct host h;

    (void)state;
    open_scripts(&h);
    host_run(&h, "log(select('#', scheduler.next())) task.wait(1.5)"
                 "t = task.delay(2.25, log) log(scheduler.next())");
    assert_int_equal(kahu_stepped_advance(h.m, 2000000000), 1);
    host_run(&h, "log(scheduler.next()) task.cancel(t)"
                 "log(select('#', scheduler.next()))"
                 "task.delay(math.huge, log)"
                 "log(select('#', scheduler.next()))");
    assert_log(&h, "0 2.25 1.75 0 0");
    host_close(&h);
}

/* A timer that is late is due now. */
static void the_next_that_is_late(void **state) {
    struct host h;

    (void)state;
    open_scripts(&h);
    host_run(&h, "task.delay(1, function() log(scheduler.next()) end)"
                 "task.delay(2, log, 'late')");
    assert_int_equal(kahu_stepped_step(h.m, 1500000000), 1);
    assert_log(&h, "0.5");
    host_run(&h, "task.defer(function() log(scheduler.next()) end)");
    assert_int_equal(kahu_stepped_step(h.m, 3000000000), 2);
    assert_log(&h, "0.5 0 late");
    host_close(&h);
}

/* From the thread that clears: it has no wake, and goes on. */
static void a_script_clears(void **state) {
    struct host h;

    (void)state;
    open_scripts(&h);
    host_run(&h, one_of_each);
    host_run(&h, "scheduler.clear() log(scheduler.counts().all)"
                 "task.wait() log('on')");
    host_finish(&h);
    assert_log(&h, "0 on");
    host_close(&h);
}

/* S9.7 S7.3: read-only; refused when closing, and after. */
static void the_library_and_its_scheduler(void **state) {
    struct host h;

    (void)state;
    open_scripts(&h);
    host_run(&h, "log(pcall(function() scheduler.stop = 1 end))");
    assert_log(&h, "false test:1: attempt to modify a readonly table");
    h.log[0] = '\0';
    host_run(&h, "close() for _, f in {'stop', 'clear', 'counts', 'next'} do"
                 "  local ok, e = pcall(scheduler[f]) log(ok, e) end");
    assert_log(&h, "false scheduler is closing false scheduler is closing "
                   "false scheduler is closing false scheduler is closing");
    host_close(&h);
}

static int open_scheduler(lua_State *L) {
    return kahu_open_scheduler(L);
}

/* A VM without one can't have it; one that has is given the table. */
static void opening_the_library(void **state) {
    struct host h;
    lua_State *L = luaL_newstate();

    (void)state;
    lua_pushcfunction(L, open_scheduler, "open");
    assert_int_equal(lua_pcall(L, 0, 1, 0), LUA_ERRRUN);
    assert_string_equal(lua_tostring(L, -1), "this VM has no scheduler");
    lua_close(L);

    host_open(&h, NULL);
    assert_int_equal(kahu_open_scheduler(h.L), 1);
    assert_int_equal(lua_gettop(h.L), 1);
    assert_true(lua_istable(h.L, 1));
    lua_getglobal(h.L, "scheduler");
    assert_true(lua_rawequal(h.L, 1, 2));
    lua_settop(h.L, 0);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_script_stops),
        cmocka_unit_test(a_script_stops_where_it_can_not_yield),
        cmocka_unit_test(the_exit_codes_of_scripts),
        cmocka_unit_test(a_script_looks),
        cmocka_unit_test(the_next_of_a_script),
        cmocka_unit_test(the_next_that_is_late),
        cmocka_unit_test(a_script_clears),
        cmocka_unit_test(the_library_and_its_scheduler),
        cmocka_unit_test(opening_the_library),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
