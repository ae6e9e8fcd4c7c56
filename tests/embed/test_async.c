/* SPDX-License-Identifier: MIT */
/*
 * C functions that run on libuv's thread pool: what goes in and comes out.
 */
#define _POSIX_C_SOURCE 200809L
#include "jobs.h"

static void a_function_waits_for_its_job(void **state) {
    struct host h;

    (void)state;
    open_async(&h);
    host_run(&h, "log(add(1, 2)) log(add(5))");
    host_run(&h, "log(pcall(add, 7, 1, true))");
    host_finish(&h);
    assert_non_null(strstr(h.log, "3 released by drop"));
    assert_non_null(strstr(h.log, "15 released by drop"));
    assert_non_null(strstr(h.log, "false job 7 failed"));
    assert_int_equal(dropped, 3);
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

/* Nothing is begun, and what read had taken is released. */
static void bad_arguments_are_errors(void **state) {
    struct host h;

    (void)state;
    open_async(&h);
    host_run(&h, "log(pcall(add)) log(pcall(add, 1, {}))"
                 " local t = setmetatable({}, {__index = function()"
                 " log(pcall(add, 1)) end}) local _ = t.x");
    assert_log(&h, "false invalid argument #1 to 'add' (number expected, got "
                   "nil) false invalid argument #2 to 'add' (number expected, "
                   "got table) false attempt to yield across "
                   "metamethod/C-call boundary");
    assert_true(kahu_is_done(h.s));
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    assert_int_equal(dropped, 3);
    host_close(&h);
}

static void many_at_once(void **state) {
    struct host h;

    (void)state;
    open_async(&h);
    host_run(&h, "local n, sum = 0, 0 for i = 1, 1000 do task.spawn(function()"
                 " local v = add(i, 0) sum += v n += 1"
                 " if n == 1000 then log(n, sum) end end) end");
    host_finish(&h);
    assert_log(&h, "1000 500500");
    assert_int_equal(dropped, 1000);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Methods                                                                  */
/* ------------------------------------------------------------------------ */

#define ACCOUNT_TAG 7

static int accounts_freed;

static void account_free(lua_State *L, void *ud) {
    (void)L;
    (void)ud;
    accounts_freed++;
}

struct deposit {
    double *balance;
    double sum;
    struct job gate;
};

static void deposit_read(lua_State *L, void *ud) {
    struct deposit *d = ud;

    d->balance = lua_touserdatatagged(L, 1, ACCOUNT_TAG);
    d->sum = luaL_checknumber(L, 2);
    d->gate.waits = true;
}

static void deposit_run(void *ud) {
    struct deposit *d = ud;

    job_run(&d->gate);
    *d->balance += d->sum;
}

static int deposit_push(lua_State *L, void *ud) {
    struct deposit *d = ud;

    lua_pushnumber(L, *d->balance);
    return 1;
}

static int new_account(lua_State *L) {
    double *balance = lua_newuserdatatagged(L, sizeof(double), ACCOUNT_TAG);

    *balance = 0;
    lua_getuserdatametatable(L, ACCOUNT_TAG);
    lua_setmetatable(L, -2);
    return 1;
}

static void open_accounts(struct host *h) {
    kahu_uv_async async = KAHU_UV_ASYNC_INIT;

    open_async(h);
    async.name = "deposit";
    async.job_size = sizeof(struct deposit);
    async.params = 2;
    async.self_tag = ACCOUNT_TAG;
    async.self_type = "Account";
    async.read = deposit_read;
    async.run = deposit_run;
    async.push = deposit_push;
    lua_newtable(h->L);
    (void)kahu_uv_push_async(h->L, h->loop, &async);
    lua_setfield(h->L, -2, "deposit");
    lua_pushvalue(h->L, -1);
    lua_setfield(h->L, -2, "__index");
    lua_setuserdatametatable(h->L, ACCOUNT_TAG);
    lua_setuserdatadtor(h->L, ACCOUNT_TAG, account_free);
    host_global(h, "account", new_account);
    accounts_freed = 0;
}

static void a_method_keeps_its_self(void **state) {
    struct host h;

    (void)state;
    open_accounts(&h);
    host_run(&h, "task.spawn(function() local a = account()"
                 " log(a:deposit(5)) end)"
                 " worker = task.spawn(function() account():deposit(7) end)"
                 " log(pcall(account().deposit, 1, 2))"
                 " log(pcall(account().deposit, account(), 'x'))");
    gate_await_jobs(1);
    host_run(&h, "task.cancel(worker) worker = nil");
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    assert_in_range(accounts_freed, 2, 3);
    gate_set(true);
    host_finish(&h);
    uv_run(h.loop, UV_RUN_DEFAULT);
    assert_log(&h, "false invalid argument #1 to 'deposit' (Account expected, "
                   "got number) false invalid argument #2 to 'deposit' (number "
                   "expected, got string) 5");
    lua_gc(h.L, LUA_GCCOLLECT, 0);
    assert_int_equal(accounts_freed, 5);
    host_close(&h);
}

static int push_bad(lua_State *L) {
    const kahu_uv_async *async = lua_tolightuserdata(L, 1);

    return kahu_uv_push_async(L, host_of(L)->loop, async);
}

static void assert_refused(struct host *h, kahu_uv_async async) {
    assert_int_equal(lua_cpcall(h->L, push_bad, &async), LUA_ERRRUN);
    assert_string_equal(lua_tostring(h->L, -1), "invalid argument");
    lua_settop(h->L, 0);
}

static void bad_descriptions_are_refused(void **state) {
    kahu_uv_async async = async_of("x");
    struct host h;

    (void)state;
    open_async(&h);
    async.run = NULL;
    assert_refused(&h, async);
    assert_refused(&h, async_of(NULL));
    async = async_of("x");
    async.size--;
    assert_refused(&h, async);
    async = async_of("x");
    async.params = -1;
    assert_refused(&h, async);
    async = async_of("x");
    async.self_tag = ACCOUNT_TAG; /* and no argument to be it */
    async.params = 0;
    assert_refused(&h, async);
    async = async_of("x");
    async.job_size = SIZE_MAX;
    assert_refused(&h, async);
    assert_int_equal(lua_cpcall(h.L, push_bad, NULL), LUA_ERRRUN);
    host_close(&h);
}

/* Self is a pointer into the userdata for push as well: it is kept though the
 * thread, resumed early, has let go of it. */
static void self_stays_until_the_job_is_over(void **state) {
    struct host h;

    (void)state;
    open_accounts(&h);
    host_run(&h, "local t = task.spawn(function() account():deposit(5)"
                 " log(coroutine.yield()) end) coroutine.resume(t)");
    gate_set(true);
    kahu_stop(h.s, 0); /* the job ends, and nothing is delivered yet */
    uv_run(h.loop, UV_RUN_DEFAULT);
    collect(h.L);
    assert_int_equal(accounts_freed, 0);
    kahu_unstop(h.s);
    host_finish(&h);
    assert_log(&h, "5");
    collect(h.L);
    assert_int_equal(accounts_freed, 1);
    host_close(&h);
}

/* And lets go when nobody wants the values: cleared, or resumed to its end. */
static void self_goes_with_the_job(void **state) {
    struct host h;

    (void)state;
    open_accounts(&h);
    host_run(&h, "task.spawn(function() account():deposit(5) end)"
                 " local t = task.spawn(function() account():deposit(5) end)"
                 " coroutine.resume(t)");
    gate_await_jobs(2);
    kahu_clear(h.s);
    assert_true(kahu_is_done(h.s));
    collect(h.L);
    assert_int_equal(accounts_freed, 0);
    gate_set(true);
    uv_run(h.loop, UV_RUN_DEFAULT);
    collect(h.L);
    assert_int_equal(accounts_freed, 2);
    host_close(&h);
}

static int new_other(lua_State *L) {
    lua_newuserdatatagged(L, 1, ACCOUNT_TAG + 1);
    return 1;
}

static void only_its_own_userdata_is_self(void **state) {
    kahu_uv_async async = async_of("anonymous");
    struct host h;

    (void)state;
    open_accounts(&h);
    host_global(&h, "other", new_other);
    async.self_tag = ACCOUNT_TAG;
    make_global(&h, &async);
    host_run(&h, "local deposit = account().deposit"
                 " for _, f in {deposit, anonymous} do log(pcall(f))"
                 " log(pcall(f, other())) log(pcall(f, {})) end");
    assert_log(&h,
               "false missing argument #1 to 'deposit' (Account expected) "
               "false invalid argument #1 to 'deposit' (Account expected, got "
               "userdata) "
               "false invalid argument #1 to 'deposit' (Account expected, got "
               "table) "
               "false missing argument #1 to 'anonymous' (userdata expected) "
               "false invalid argument #1 to 'anonymous' (userdata expected, "
               "got userdata) "
               "false invalid argument #1 to 'anonymous' (userdata expected, "
               "got table)");
    assert_true(kahu_is_done(h.s));
    assert_int_equal(dropped, 0); /* nothing was read */
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Arguments and values                                                     */
/* ------------------------------------------------------------------------ */

static void tick_run(void *job) {
    (void)job;
    pthread_mutex_lock(&gate_lock);
    ran++;
    pthread_mutex_unlock(&gate_lock);
}

/* The least there is: no arguments, no job, no values. */
static void nothing_but_a_run(void **state) {
    kahu_uv_async async = KAHU_UV_ASYNC_INIT;
    struct host h;

    (void)state;
    open_async(&h);
    async.name = "tick";
    async.run = tick_run;
    make_global(&h, &async);
    host_run(&h, "log(select('#', tick())) log(select('#', tick(1, 2)))");
    host_finish(&h);
    assert_log(&h, "0 0");
    assert_int_equal(ran, 2);
    host_close(&h);
}

struct seen {
    max_align_t aligned;
    int types[3];
    int zeroes;
};

static void seen_read(lua_State *L, void *ud) {
    const unsigned char *bytes = ud;
    struct seen *seen = ud;
    int zeroes = 0;

    for (size_t i = 0; i < sizeof(*seen); i++)
        zeroes += bytes[i] == 0;
    seen->zeroes = zeroes;
    for (int i = 0; i < 3; i++)
        seen->types[i] = lua_type(L, i + 1);
}

static void seen_run(void *ud) {
    must((uintptr_t)ud % _Alignof(max_align_t) == 0);
}

static int seen_push(lua_State *L, void *ud) {
    struct seen *seen = ud;

    must(seen->zeroes == sizeof(*seen));
    for (int i = 0; i < 3; i++)
        lua_pushstring(L, lua_typename(L, seen->types[i]));
    return 3;
}

/* What was not given is nil, and what is too much is not there. A job may hold
 * anything. */
static void arguments_are_as_many_as_it_takes(void **state) {
    kahu_uv_async async = async_of("types");
    struct host h;

    (void)state;
    open_async(&h);
    async.job_size = sizeof(struct seen);
    async.read = seen_read;
    async.run = seen_run;
    async.push = seen_push;
    async.drop = NULL;
    make_global(&h, &async);
    host_run(&h, "log(types()) log(types(1)) log(types(nil, 'x', {}, 4))");
    host_finish(&h);
    assert_log(&h, "nil nil nil number nil nil nil string table");
    host_close(&h);
}

static int push_by_number(lua_State *L, void *ud) {
    struct job *job = ud;

    switch ((int)job->a) {
    case 1:
        lua_newtable(L);
        lua_pushstring(L, "a code");
        lua_setfield(L, -2, "code");
        lua_error(L);
    case 2:
        return KAHU_EUSER;
    case 3:
        return 0;
    default:
        luaL_checkstack(L, (int)job->a, NULL);
        for (int i = 0; i < (int)job->a; i++)
            lua_pushinteger(L, i);
        return (int)job->a;
    }
}

/* S10.1 S8.5: any error, any number of values. */
static void values_and_errors_are_push_s(void **state) {
    kahu_uv_async async = async_of("push");
    struct host h;

    (void)state;
    open_async(&h);
    async.push = push_by_number;
    make_global(&h, &async);
    host_run(&h, "local ok, e = pcall(push, 1) log(ok, e.code)"
                 " log(pcall(push, 2)) log(select('#', push(3)))"
                 " log(select('#', push(500))) log((pcall(push, 8100)))");
    host_finish(&h);
    assert_log(&h, "false a code false never made by kahu; callbacks may "
                   "return it 0 500 false");
    assert_int_equal(dropped, 5);
    host_close(&h);
}

/* S9.1: one that nobody catches is told once, with its place. */
static void an_error_nobody_catches(void **state) {
    struct host h;

    (void)state;
    open_async(&h);
    host_run(&h, "task.spawn(function() add(7, 1, true) log('never') end)"
                 " task.spawn(function() add() log('never') end) log('on')");
    assert_int_equal(h.errors, 1);
    assert_string_equal(h.error, "test:1: invalid argument #1 to 'add' (number "
                                 "expected, got nil)");
    host_finish(&h);
    assert_int_equal(h.errors, 2);
    assert_non_null(strstr(h.error, "job 7 failed"));
    assert_log(&h, "on");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Where it may be called                                                   */
/* ------------------------------------------------------------------------ */

static void everywhere_a_thread_can_yield(void **state) {
    static const struct {
        const char *script;
        const char *log;
    } cases[] = {
        {"log(pcall(function() return (add(1)) end))", "true 11"},
        {"log(xpcall(add, function(e) return 'handled' end, 1, 1, true))",
         "false handled"},
        {"coroutine.wrap(function() log((add(1))) end)() log('first')",
         "first 11"},
        {"task.spawn(coroutine.create(add), 1) log('first')", "first"},
        {"local n = 0 for v in function() n += 1"
         " return if n < 4 then (add(n, 0)) else nil end do log(v) end",
         "1 2 3"},
        {"local function f(n) if n == 0 then return 0 end"
         " return add(1, 0) + f(n - 1) end log(f(1000))",
         "1000"},
        {"local left = 0 local function f(n) left += 1 add(n) left -= 1"
         " if n > 0 then task.spawn(f, n - 1) task.spawn(f, n - 1) end"
         " if left == 0 then log('all') end end f(7)",
         "all"},
        {"local ok, e = pcall(table.sort, {2, 1}, add) log(ok, e)",
         "false attempt to yield across metamethod/C-call boundary"},
    };
    struct host h;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        open_async(&h);
        host_run(&h, cases[i].script);
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        assert_log(&h, cases[i].log);
        assert_int_equal(h.errors, 0);
        host_close(&h);
    }
}

/* ------------------------------------------------------------------------ */
/* Reads that do the unusual                                                */
/* ------------------------------------------------------------------------ */

static void closing_read(lua_State *L, void *ud) {
    job_read(L, ud);
    kahu_close(kahu_get(L));
}

static void cancelling_read(lua_State *L, void *ud) {
    job_read(L, ud);
    assert_int_equal(kahu_cancel(kahu_get(L), L), KAHU_OK);
}

/* S9.7: nothing is begun, and what read took is released. */
static void a_read_that_closes(void **state) {
    kahu_uv_async async = async_of("closing");
    struct host h;

    (void)state;
    open_async(&h);
    async.read = closing_read;
    make_global(&h, &async);
    host_run(&h, "log(pcall(closing, 1))");
    assert_log(&h, "false scheduler is closing");
    collect(h.L);
    assert_int_equal(dropped, 1);
    host_close(&h);
    assert_int_equal(ran, 0);
}

/* S6.8: the thread ends when it yields, with the job begun. */
static void a_read_that_cancels_its_thread(void **state) {
    kahu_uv_async async = async_of("cancelling");
    struct host h;

    (void)state;
    open_async(&h);
    async.read = cancelling_read;
    make_global(&h, &async);
    host_run(&h, "cancelling(1) log('never')");
    assert_true(kahu_is_done(h.s));
    uv_run(h.loop, UV_RUN_DEFAULT);
    assert_int_equal(dropped, 1);
    assert_log(&h, "");
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_function_waits_for_its_job, let_go),
        cmocka_unit_test_teardown(bad_arguments_are_errors, let_go),
        cmocka_unit_test_teardown(many_at_once, let_go),
        cmocka_unit_test_teardown(a_method_keeps_its_self, let_go),
        cmocka_unit_test_teardown(bad_descriptions_are_refused, let_go),
        cmocka_unit_test_teardown(self_stays_until_the_job_is_over, let_go),
        cmocka_unit_test_teardown(self_goes_with_the_job, let_go),
        cmocka_unit_test_teardown(only_its_own_userdata_is_self, let_go),
        cmocka_unit_test_teardown(nothing_but_a_run, let_go),
        cmocka_unit_test_teardown(arguments_are_as_many_as_it_takes, let_go),
        cmocka_unit_test_teardown(values_and_errors_are_push_s, let_go),
        cmocka_unit_test_teardown(an_error_nobody_catches, let_go),
        cmocka_unit_test_teardown(everywhere_a_thread_can_yield, let_go),
        cmocka_unit_test_teardown(a_read_that_closes, let_go),
        cmocka_unit_test_teardown(a_read_that_cancels_its_thread, let_go),
    };

    assert_int_equal(setenv("UV_THREADPOOL_SIZE", POOL_TEXT, 1), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
