/* SPDX-License-Identifier: MIT */
/*
 * C functions that run on libuv's thread pool, and C functions that go on in
 * C after an operation.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "host.h"
#include "kahu/uv.h"

/* ------------------------------------------------------------------------ */
/* Jobs                                                                     */
/* ------------------------------------------------------------------------ */

struct job {
    double a;
    double b;
    double sum;
    bool fails;
    bool waits;
    char *owned;
};

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_opened = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int inside; /* jobs waiting at the gate */
static int dropped;

static void gate_set(bool open) {
    pthread_mutex_lock(&gate_lock);
    gate_open = open;
    pthread_cond_broadcast(&gate_opened);
    pthread_mutex_unlock(&gate_lock);
}

static void gate_await_jobs(int n) {
    pthread_mutex_lock(&gate_lock);
    while (inside < n)
        pthread_cond_wait(&gate_opened, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
}

static void job_read(lua_State *L, void *ud) {
    struct job *job = ud;

    job->owned = strdup("released by drop");
    job->a = luaL_checknumber(L, 1);
    job->b = luaL_optnumber(L, 2, 10);
    job->fails = luaL_optboolean(L, 3, false);
}

static void job_run(void *ud) {
    struct job *job = ud;

    pthread_mutex_lock(&gate_lock);
    inside++;
    pthread_cond_broadcast(&gate_opened);
    while (job->waits && !gate_open)
        pthread_cond_wait(&gate_opened, &gate_lock);
    inside--;
    pthread_mutex_unlock(&gate_lock);
    job->sum = job->a + job->b;
}

static int job_push(lua_State *L, void *ud) {
    struct job *job = ud;

    if (job->fails)
        luaL_error(L, "job %d failed", (int)job->a);
    lua_pushnumber(L, job->sum);
    lua_pushstring(L, job->owned);
    return 2;
}

static void job_drop(void *ud) {
    struct job *job = ud;

    free(job->owned);
    dropped++;
}

static void gated_read(lua_State *L, void *ud) {
    struct job *job = ud;

    job_read(L, ud);
    job->waits = true;
}

static kahu_uv_async async_of(const char *name) {
    kahu_uv_async async = KAHU_UV_ASYNC_INIT;

    async.name = name;
    async.job_size = sizeof(struct job);
    async.params = 3;
    async.read = job_read;
    async.run = job_run;
    async.push = job_push;
    async.drop = job_drop;
    return async;
}

static void open_async(struct host *h) {
    kahu_uv_async async = async_of("add");

    host_open_uv(h, NULL);
    assert_int_equal(kahu_uv_push_async(h->L, h->loop, &async), 1);
    lua_setglobal(h->L, "add");
    async.name = "gated";
    async.read = gated_read;
    assert_int_equal(kahu_uv_push_async(h->L, h->loop, &async), 1);
    lua_setglobal(h->L, "gated");
    dropped = 0;
    gate_set(false);
}

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

/* A job that runs ends by itself; one in the queue is taken back. */
static void a_cancelled_thread_goes_at_once(void **state) {
    struct host h;

    (void)state;
    open_async(&h);
    host_run(&h, "threads = {} for i = 1, 20 do"
                 " threads[i] = task.spawn(gated, i) end");
    gate_await_jobs(1);
    host_run(&h, "for _, t in threads do task.cancel(t)"
                 " log(coroutine.status(t)) end threads = nil");
    assert_true(kahu_is_done(h.s));
    gate_set(true);
    uv_run(h.loop, UV_RUN_DEFAULT);
    assert_int_equal(dropped, 20);
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

static void a_scheduler_may_go_while_jobs_run(void **state) {
    struct host h;

    (void)state;
    open_async(&h);
    host_run(&h, "for i = 1, 10 do task.spawn(gated, i) end");
    gate_await_jobs(1);
    kahu_free(h.s);
    h.s = NULL;
    gate_set(true);
    uv_run(h.loop, UV_RUN_DEFAULT);
    assert_int_equal(dropped, 10);
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
    kahu_uv_push_async(h->L, h->loop, &async);
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

static void bad_descriptions_are_refused(void **state) {
    kahu_uv_async async = async_of("x");
    struct host h;

    (void)state;
    open_async(&h);
    async.run = NULL;
    assert_int_equal(lua_cpcall(h.L, push_bad, &async), LUA_ERRRUN);
    assert_string_equal(lua_tostring(h.L, -1), "invalid argument");
    async = async_of(NULL);
    assert_int_equal(lua_cpcall(h.L, push_bad, &async), LUA_ERRRUN);
    assert_int_equal(lua_cpcall(h.L, push_bad, NULL), LUA_ERRRUN);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Continuations in C                                                       */
/* ------------------------------------------------------------------------ */

static kahu_op latest;

static int begin(lua_State *L) {
    kahu_status status = kahu_op_begin(L, NULL, NULL, &latest);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    return kahu_op_yield(L);
}

/* Adds up what three operations bring, then calls its argument with the sum:
 * arguments and values are on the stack, in order. */
static int sum_continue(lua_State *L, int status) {
    assert_int_equal(status, LUA_OK);
    if (lua_gettop(L) < 4)
        return begin(L);
    if (lua_gettop(L) > 4)
        return 1; /* what the callback returned */
    lua_pushvalue(L, 1);
    lua_pushnumber(L, lua_tonumber(L, 2) + lua_tonumber(L, 3) +
                          lua_tonumber(L, 4));
    return lua_callyieldable(L, 1, 1);
}

static int sum_begin(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    return begin(L);
}

static int push_number(lua_State *L, void *ud) {
    lua_pushnumber(L, *(double *)ud);
    return 1;
}

static void open_sum(struct host *h, bool strict) {
    kahu_options options = KAHU_OPTIONS_INIT;

    options.strict_wakes = strict;
    host_open(h, &options);
    lua_pushcclosurek(h->L, sum_begin, "sum", 0, sum_continue);
    lua_setglobal(h->L, "sum");
}

static void bring(struct host *h, double value) {
    assert_int_equal(kahu_op_finish(h->s, latest, push_number, &value, NULL),
                     KAHU_OK);
    (void)kahu_step(h->s);
}

static void a_c_function_goes_on_in_c(void **state) {
    static const char *const callers[] = {
        "log(sum(function(n) task.wait(1) return n * 10 end))",
        "log(select(2, pcall(sum, function(n) task.wait(1) return n * 10"
        " end)))",
        "task.spawn(coroutine.wrap(function()"
        " log(sum(function(n) return n * 10 end)) end))",
    };
    struct host h;

    (void)state;
    for (int strict = 0; strict < 2; strict++)
        for (size_t i = 0; i < sizeof(callers) / sizeof(*callers); i++) {
            open_sum(&h, strict != 0);
            host_run(&h, callers[i]);
            bring(&h, 1);
            bring(&h, 2);
            bring(&h, 3);
            host_finish(&h);
            assert_log(&h, "60");
            assert_int_equal(h.errors, 0);
            host_close(&h);
        }
}

/* A failed operation is an error at the call, not a continuation. */
static void a_failure_is_raised_at_the_call(void **state) {
    struct host h;

    (void)state;
    open_sum(&h, false);
    host_run(&h, "log(pcall(sum, log))");
    bring(&h, 1);
    assert_int_equal(kahu_op_abandon(h.s, latest), KAHU_OK);
    host_finish(&h);
    assert_log(&h, "false operation abandoned");
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_waits_for_its_job),
        cmocka_unit_test(bad_arguments_are_errors),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(a_cancelled_thread_goes_at_once),
        cmocka_unit_test(a_scheduler_may_go_while_jobs_run),
        cmocka_unit_test(a_method_keeps_its_self),
        cmocka_unit_test(bad_descriptions_are_refused),
        cmocka_unit_test(a_c_function_goes_on_in_c),
        cmocka_unit_test(a_failure_is_raised_at_the_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
