/* SPDX-License-Identifier: MIT */
/*
 * Limits, each against scripts that attack it.
 */
#include "guest.h"

/* ------------------------------------------------------------------------ */
/* The time of one resume                                                   */
/* ------------------------------------------------------------------------ */

/* Whoever catches, hides, yields in between, or has others do it. To leave a
 * deep recursion of calls that catch takes a look each. */
#define DEEPEST 30000

static const char *const loops[] = {
    "while true do end",
    "while pcall(function() while true do end end) or true do end",
    "local function f() while true do pcall(f) end end f()",
    "local function f() return pcall(f), f() end f()",
    "local function h() while true do end end"
    " while true do xpcall(h, h) end",
    "local function h() while true do xpcall(error, h) end end"
    " while true do xpcall(h, h) end",
    "while true do xpcall(error, function() error('again') end) end",
    "while true do coroutine.wrap(function() while true do end end)() end",
    "while true do pcall(coroutine.wrap(function() while true do end end)) end",
    "local function f() while true do coroutine.resume(coroutine.create(f))"
    " end end f()",
    "local w = coroutine.wrap(function() while true do coroutine.yield() end"
    " end) while true do w() end",
    "while true do task.spawn(function() while true do end end) end",
    "local function f() while true do pcall(task.spawn, f) end end f()",
    "while true do task.spawn(coroutine.yield) end",
    "while true do local t = task.spawn(coroutine.yield) task.cancel(t) end",
    "while true do task.cancel(task.delay(1, print)) end",
    "local t = setmetatable({}, {__index = function(t, k) return t[k] end})"
    " while true do pcall(function() return t.x end) end",
    "local t = setmetatable({}, {__eq = function() while true do end end})"
    " local u = setmetatable({}, getmetatable(t)) return t == u",
    "table.sort(table.create(9, 1), function() while true do end end)",
    "string.gsub(('x'):rep(99), '.', function() while true do end end)",
    "table.foreach({1}, function() while true do end end)",
    "for _ in function() return 1 end do end",
    "for i = 1, math.huge do end",
    "local t = {} t[1] = t while true do for k, v in t do end end",
    "while true do pcall(error) end",
    "repeat until coroutine.running() == nil",
    "local s = ('a'):rep(30000) while true do"
    " s:find(('a*'):rep(20) .. 'b') end",
    "while true do task.spawn(error, setmetatable({}, {__tostring ="
    " function() while true do end end})) end",
    "while true do tostring(setmetatable({}, {__tostring ="
    " function() while true do end end})) end",
};

static void no_loop_outlives_its_time(void **state) {
    kahu_limits limits = time_limit(3000);
    struct host h;

    (void)state;
    guest_open(&h, &limits);
    for (size_t i = 0; i < sizeof(loops) / sizeof(*loops); i++) {
        assert_stopped(&h, loops[i], 3000 + DEEPEST);
        assert_int_equal(kahu_cancel_all(h.s), KAHU_OK);
    }
    host_run(&h, "log('others live')");
    assert_log(&h, "others live");
    assert_null(lua_callbacks(h.L)->interrupt);
    host_close(&h);
}

/* Code that runs after the resume, for the text of its error, has an end as
 * well; and what it resumes is no new beginning. */
static const char *const texts[] = {
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "while true do task.spawn(function() end) end",
    "while true do task.spawn(function() while true do end end) end",
    "while true do coroutine.wrap(function() end)() end",
    "task.spawn(error, setmetatable({}, getmetatable(e))) while true do end",
};

static void texts_of_errors_have_an_end(void **state) {
    kahu_limits limits = time_limit(3000);
    struct host h;
    char script[400];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        guest_open(&h, &limits);
        snprintf(script, sizeof(script),
                 "e = setmetatable({}, {__tostring = function() %s end})"
                 " error(e)",
                 texts[i]);
        host_run(&h, script);
        assert_string_equal(last_error(&h), "(error object is a table value)");
        assert_true(clock_of.now < 10000);
        kahu_clear_errors(h.s);
        assert_stopped(&h, "while true do end", 4000);
        assert_null(lua_callbacks(h.L)->interrupt);
        host_close(&h);
    }
}

/* ------------------------------------------------------------------------ */
/* To the nanosecond                                                        */
/* ------------------------------------------------------------------------ */

static void a_resume_has_just_its_time(void **state) {
    kahu_limits limits = time_limit(100);
    struct host h;

    (void)state;
    exact_open(&h, &limits);
    for (int i = 0; i < 3; i++)
        assert_runs(&h, "spend(99) for i = 1, 5 do end log('ok')");
    assert_stopped(&h, "spend(100) for i = 1, 5 do end log('never')", 100);
    assert_stopped(&h,
                   "task.spawn(spend, 60) task.spawn(spend, 40)"
                   " log('never')",
                   100); /* with all that is resumed inside */
    assert_runs(&h, "log('ok') task.wait(1) spend(99) task.wait(1)"
                    " for i = 1, 5 do end spend(99)");
    host_finish(&h);
    assert_string_equal(last_error(&h), "none");
    host_close(&h);
}

/* Where the driver has no time of its own for it, its clock's is taken. */
static void the_clock_s_time_where_there_is_no_other(void **state) {
    kahu_limits limits = time_limit(1000);
    kahu_driver driver;
    struct host h;

    (void)state;
    guest_open(&h, &limits);
    kahu_free(h.s);
    assert_int_equal(kahu_stepped_new(&h.m, &driver), KAHU_OK);
    driver.now_ns = real_ns;
    driver.real_ns = NULL;
    guest_attach_to(&h, &driver);
    set_limits(&h, &limits);
    assert_stopped(&h, "while true do end", 1100);
    assert_runs(&h, "for i = 1, 5 do end log('ok')");
    host_close(&h);
}

/* Each resume of theirs has its own, whoever started them. */
static void those_that_wait_have_their_own(void **state) {
    kahu_limits limits = time_limit(100);
    struct host h;

    (void)state;
    exact_open(&h, &limits);
    host_run(&h, "for i = 1, 5 do task.delay(1, function() spend(90)"
                 " task.wait(1) spend(90) log(i) end) end"
                 " task.defer(function() spend(90) log(0) end)"
                 " spend(200) log('never')");
    assert_timeout(&h);
    host_finish(&h);
    assert_log(&h, "0 1 2 3 4 5");
    assert_string_equal(last_error(&h), "none");
    host_close(&h);
}

/* All together; time between resumes is nobody's. */
static void all_resumes_together(void **state) {
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct host h;

    (void)state;
    limits.max_total_ns = 1000;
    exact_open(&h, &limits);
    for (int i = 0; i < 3; i++) {
        assert_runs(&h, "spend(300) log('ok')");
        clock_of.now += 5000;
    }
    assert_runs(&h, "spend(99) for i = 1, 5 do end log('ok')");
    assert_stopped(&h, "spend(1) log('never')", 1);
    for (int i = 0; i < 5; i++)
        assert_stopped(&h, "log('never')", 0);
    assert_stopped(&h, "while true do pcall(log) end", 0);
    limits.max_total_ns = 1100; /* the time used up stays */
    set_limits(&h, &limits);
    assert_runs(&h, "spend(99) log('ok')");
    assert_stopped(&h, "spend(1) log('never')", 1);
    limits.max_total_ns = 0;
    set_limits(&h, &limits);
    assert_runs(&h, "spend(99999) log('ok')");
    host_close(&h);
}

/* A queue without end comes to one when the time for all is over. */
static void endless_queues_run_out_of_time(void **state) {
    static const char *const scripts[] = {
        "local function f() n += 1 task.defer(f) end n = 0 f()",
        "local function f() n += 1 task.delay(0, f) end n = 0 f()",
        "n = 0 while true do n += 1 task.wait() end",
        "local function f() n += 1 task.defer(f) task.defer(f) end n = 0 f()",
    };
    kahu_limits limits = KAHU_LIMITS_INIT;
    struct host h;

    (void)state;
    limits.max_total_ns = 2000;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
        guest_open(&h, &limits);
        host_run(&h, scripts[i]);
        host_finish(&h);
        assert_true(kahu_is_done(h.s));
        assert_non_null(strstr(last_error(&h), TIMEOUT));
        lua_getglobal(h.L, "n");
        assert_in_range((unsigned)lua_tonumber(h.L, -1), 50, 2000);
        host_close(&h);
    }
}

/* ------------------------------------------------------------------------ */
/* Caught once                                                              */
/* ------------------------------------------------------------------------ */

#define CATCH "local ok, why = pcall(function() spend(100) log('no') end) "

/* The time of one more resume, and not a nanosecond more; the next resume may
 * catch again. */
static void once_and_for_one_resume_s_time(void **state) {
    kahu_limits limits = time_limit(100);
    struct host h;

    (void)state;
    limits.catch_timeout_once = true;
    exact_open(&h, &limits);
    for (int i = 0; i < 2; i++)
        assert_runs(&h, CATCH "spend(99) for i = 1, 5 do end log('ok')");
    assert_stopped(&h, CATCH "spend(100) log('never')", 200);
    assert_stopped(&h, CATCH "pcall(spend, 100) log('never')", 200);
    assert_stopped(&h, CATCH CATCH CATCH "log('never')", 200);
    h.log[0] = '\0';
    host_run(&h, CATCH "log(ok, why) task.wait(1) " CATCH "log(ok)");
    host_finish(&h);
    assert_log(&h, "false test:1: " TIMEOUT " false");
    host_close(&h);
}

static void catching_does_not_lengthen_the_whole(void **state) {
    kahu_limits limits = time_limit(100);
    struct host h;

    (void)state;
    limits.catch_timeout_once = true;
    limits.max_total_ns = 150;
    exact_open(&h, &limits);
    assert_stopped(&h, CATCH "spend(49) log('half') spend(1) log('never')",
                   150);
    assert_log(&h, "half");
    assert_stopped(&h, "pcall(log) log('never')", 0);
    assert_log(&h, "half");
    host_close(&h);
}

/* Without, catching it is of no use from the first time on. */
static void without_it_catching_is_of_no_use(void **state) {
    kahu_limits limits = time_limit(100);
    struct host h;

    (void)state;
    exact_open(&h, &limits);
    assert_stopped(&h, CATCH "log('never')", 100);
    assert_stopped(&h, CATCH "for i = 1, 5 do log('never') end", 100);
    assert_log(&h, "");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Several VMs                                                              */
/* ------------------------------------------------------------------------ */

static struct host first, second;

/* From the first's script to the second's, and back to code of the first. */
static int into_second(lua_State *L) {
    (void)L;
    host_run(&second, "back()");
    return 0;
}

static int back_into_first(lua_State *L) {
    lua_State *co = host_load(&first, "while true do end");

    (void)L;
    assert_int_equal(lua_pcall(co, 0, 0, 0), LUA_ERRRUN);
    host_log(&first, strstr(lua_tostring(co, -1), TIMEOUT) != NULL ? "stopped"
                                                                   : "else");
    lua_settop(co, 0);
    return 0;
}

static void each_vm_has_its_own_time(void **state) {
    kahu_limits limits = time_limit(1000);

    (void)state;
    guest_open(&first, &limits);
    limits.max_resume_ns = 1000000;
    guest_open(&second, &limits);
    host_global(&first, "into", into_second);
    host_global(&second, "back", back_into_first);
    assert_stopped(&first, "into() log('never')", 1100);
    assert_log(&first, "stopped");
    assert_string_equal(last_error(&second), "none");
    assert_stopped(&first, "while true do end", 1100);
    host_close(&second);
    assert_stopped(&first, "while true do end", 1100);
    host_close(&first);
}

static int run_in_second(lua_State *L) {
    (void)L;
    host_run(&second, "for i = 1, 500 do end log('ran')");
    return 0;
}

/* One without limits inside of one with, and the other way round. */
static void only_who_is_limited_is(void **state) {
    kahu_limits none = KAHU_LIMITS_INIT;
    kahu_limits limits = time_limit(200);

    (void)state;
    guest_open(&first, &limits);
    guest_open(&second, &none);
    host_global(&first, "other", run_in_second);
    host_run(&first, "other() log('on')");
    assert_log(&second, "ran");
    assert_log(&first, "on");
    set_limits(&first, &none);
    set_limits(&second, &limits);
    host_run(&first, "other() for i = 1, 500 do end log('on')");
    assert_log(&first, "on on");
    assert_timeout(&second);
    host_close(&second);
    host_close(&first);
}

/* A scheduler that goes while its script runs, and leaves nothing behind. */
static int free_first(lua_State *L) {
    kahu_free(host_of(L)->s);
    return 0;
}

static void a_limited_scheduler_may_go(void **state) {
    kahu_limits limits = time_limit(500);

    (void)state;
    guest_open(&first, &limits);
    host_global(&first, "quit", free_first);
    lua_State *co = host_load(&first, "quit() while true do end");

    assert_int_equal(kahu_spawn(first.s, co, NULL, 0), KAHU_OK);
    assert_int_equal(lua_costatus(first.L, co), LUA_COERR);
    assert_null(lua_callbacks(first.L)->interrupt);
    guest_attach(&first);
    set_limits(&first, &limits);
    assert_stopped(&first, "while true do end", 600);
    host_close(&first);
}

static int set_shorter(lua_State *L) {
    kahu_limits limits = time_limit(50);

    set_limits(host_of(L), &limits);
    return 0;
}

static int set_unlimited(lua_State *L) {
    kahu_limits limits = KAHU_LIMITS_INIT;

    set_limits(host_of(L), &limits);
    return 0;
}

/* Changed from inside of a resume: at the latest for the next one. */
static void limits_change_meanwhile(void **state) {
    kahu_limits limits = time_limit(5000);
    struct host h;

    (void)state;
    guest_open(&h, &limits);
    host_global(&h, "shorter", set_shorter);
    host_global(&h, "unlimited", set_unlimited);
    host_run(&h, "shorter() task.wait(1) for i = 1, 100 do end log('never')");
    host_finish(&h);
    assert_timeout(&h);
    host_run(&h, "unlimited() for i = 1, 9000 do end task.wait(1)"
                 " for i = 1, 9000 do end log('ok')");
    host_finish(&h);
    assert_string_equal(last_error(&h), "none");
    assert_log(&h, "ok");
    assert_null(lua_callbacks(h.L)->interrupt);
    host_run(&h, "shorter()");
    assert_stopped(&h, "while true do end", 60);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_loop_outlives_its_time),
        cmocka_unit_test(texts_of_errors_have_an_end),
        cmocka_unit_test(a_resume_has_just_its_time),
        cmocka_unit_test(the_clock_s_time_where_there_is_no_other),
        cmocka_unit_test(those_that_wait_have_their_own),
        cmocka_unit_test(all_resumes_together),
        cmocka_unit_test(endless_queues_run_out_of_time),
        cmocka_unit_test(once_and_for_one_resume_s_time),
        cmocka_unit_test(catching_does_not_lengthen_the_whole),
        cmocka_unit_test(without_it_catching_is_of_no_use),
        cmocka_unit_test(each_vm_has_its_own_time),
        cmocka_unit_test(only_who_is_limited_is),
        cmocka_unit_test(a_limited_scheduler_may_go),
        cmocka_unit_test(limits_change_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
