/* SPDX-License-Identifier: MIT */
/*
 * C functions that go on in C: operations begun by functions pushed with a
 * continuation, which get the values, call Luau, and begin the next one.
 */
#define _POSIX_C_SOURCE 200809L
#include <string.h>
#include <uv.h>

#include "core/sched.h"
#include "embed.h"

/* ------------------------------------------------------------------------ */
/* Operations                                                               */
/* ------------------------------------------------------------------------ */

#define MOST 4096

/* In the order they were begun. Guarded by lock: another OS thread may end
 * them. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    kahu_op op[MOST];
    int begun;
    int ended;
    bool over;
    int cancelled;
    int many; /* values of each operation */
} ops = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static void on_cancel(void *ud, kahu_op op) {
    (void)op;
    assert_ptr_equal(ud, &ops);
    ops.cancelled++;
}

/* For a continuation to return: one more operation, and a yield. */
static int begin(lua_State *L) {
    kahu_op op;
    kahu_status status = kahu_op_begin(L, on_cancel, &ops, &op);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    pthread_mutex_lock(&ops.lock);
    must(ops.begun < MOST);
    ops.op[ops.begun++] = op;
    pthread_cond_signal(&ops.filled);
    pthread_mutex_unlock(&ops.lock);
    return kahu_op_yield(L);
}

/* n, n + 1, ... for the n-th operation. */
static int push_numbers(lua_State *L, void *ud) {
    int first = *(const int *)ud;

    luaL_checkstack(L, ops.many, NULL);
    for (int i = 0; i < ops.many; i++)
        lua_pushinteger(L, first + i);
    return ops.many;
}

static kahu_status end_op(struct host *h, int i) {
    static int numbers[MOST];
    kahu_op op;

    numbers[i] = i + 1;
    pthread_mutex_lock(&ops.lock);
    op = ops.op[i];
    pthread_mutex_unlock(&ops.lock);
    return kahu_op_finish(h->s, op, push_numbers, &numbers[i], NULL);
}

/* The next to end; -1 when there is none. wait: not before there is one, or
 * never will be. */
static int next_op(bool wait) {
    int i = -1;

    pthread_mutex_lock(&ops.lock);
    while (wait && ops.ended == ops.begun && !ops.over)
        pthread_cond_wait(&ops.filled, &ops.lock);
    if (ops.ended < ops.begun)
        i = ops.ended++;
    pthread_mutex_unlock(&ops.lock);
    return i;
}

/* ------------------------------------------------------------------------ */
/* Functions with continuations                                             */
/* ------------------------------------------------------------------------ */

/* gather(...): its arguments, and what one operation brings behind them. */
static int gather_go_on(lua_State *L, int status) {
    must(status == LUA_OK);
    return lua_gettop(L);
}

static int gather(lua_State *L) {
    return begin(L);
}

/* chain(n): the sum of n operations, one after the other. */
static int chain_go_on(lua_State *L, int status) {
    double left = lua_tonumber(L, 1) - 1;
    double sum = lua_tonumber(L, 2) + lua_tonumber(L, 3);

    must(status == LUA_OK);
    lua_settop(L, 0);
    lua_pushnumber(L, left);
    lua_pushnumber(L, sum);
    return left > 0 ? begin(L) : 1;
}

static int chain(lua_State *L) {
    lua_settop(L, 1);
    lua_pushnumber(L, 0);
    return begin(L);
}

/* each(f): f is told of what each of three operations brings, and waits for
 * whatever it likes; the last one's answer is returned. On the stack: f, a
 * count, and what came last. */
static int each_go_on(lua_State *L, int status) {
    int stage = lua_tointeger(L, 2) + 1;

    must(status == LUA_OK);
    lua_pushinteger(L, stage);
    lua_replace(L, 2);
    if (stage == 6)
        return 1;
    if (stage % 2 == 0) { /* f has answered */
        lua_settop(L, 2);
        return begin(L);
    }
    lua_pushvalue(L, 1);
    lua_insert(L, 3);
    return lua_callyieldable(L, lua_gettop(L) - 3, 1);
}

static int each(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_pushinteger(L, 0);
    return begin(L);
}

/* protect(f): begins an operation, calls f protected with what it brings, and
 * begins another; what f answered or raised is returned with the second. */
static int protect_go_on(lua_State *L, int status) {
    int stage = lua_tointeger(L, 2) + 1;

    lua_pushinteger(L, stage);
    lua_replace(L, 2);
    if (stage == 1) {
        must(status == LUA_OK);
        lua_pushvalue(L, 1);
        lua_insert(L, 3);
        return lua_pcallyieldable(L, lua_gettop(L) - 3, 1, 0);
    }
    if (stage == 3)
        return lua_gettop(L) - 2;
    if (status != LUA_OK) {
        lua_replace(L, 3); /* below it lies what the callback left behind */
        lua_settop(L, 3);
    }
    lua_pushboolean(L, status == LUA_OK);
    return begin(L);
}

static int protect(lua_State *L) {
    lua_settop(L, 1);
    lua_pushinteger(L, 0);
    return begin(L);
}

/* fall(): its continuation raises. */
static int fall_go_on(lua_State *L, int status) {
    (void)status;
    luaL_error(L, "fell with %d", lua_tointeger(L, -1));
}

/* count(): for a generic for; 1, 2, 3 as operations bring them. */
static int count_go_on(lua_State *L, int status) {
    must(status == LUA_OK);
    if (lua_tointeger(L, -1) > 3)
        lua_pushnil(L);
    return 1;
}

/* under(f): calls f from C, with nothing of ours begun. */
static int under_go_on(lua_State *L, int status) {
    must(status == LUA_OK);
    return lua_gettop(L);
}

static int under(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    return lua_callyieldable(L, lua_gettop(L) - 1, LUA_MULTRET);
}

static int collect(lua_State *L) {
    (void)lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

static void reset(void) {
    ops.begun = ops.ended = ops.cancelled = 0;
    ops.over = false;
    ops.many = 1;
}

static void open_functions(struct host *h) {
    static const struct {
        const char *name;
        lua_CFunction fn;
        lua_Continuation go_on;
    } functions[] = {
        {"gather", gather, gather_go_on}, {"chain", chain, chain_go_on},
        {"each", each, each_go_on},       {"protect", protect, protect_go_on},
        {"fall", begin, fall_go_on},      {"count", begin, count_go_on},
        {"under", under, under_go_on},    {"op", begin, NULL},
        {"collect", collect, NULL},
    };

    reset();
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        lua_pushcclosurek(h->L, functions[i].fn, functions[i].name, 0,
                          functions[i].go_on);
        lua_setglobal(h->L, functions[i].name);
    }
}

static bool strict;

static void open_host(struct host *h, int driver) {
    kahu_options options = KAHU_OPTIONS_INIT;

    options.strict_wakes = strict;
    embed_open_with(h, driver, options);
    open_functions(h);
}

/* ------------------------------------------------------------------------ */
/* Where they may be called                                                 */
/* ------------------------------------------------------------------------ */

struct scenario {
    const char *name;
    const char *script;
    const char *log;
    int begun;
};

/* Operations bring 1, 2, 3, in the order they are begun. */
static const struct scenario scenarios[] = {
    {"arguments stay, values follow", "log(gather('a', nil, 'c'))", "a nil c 1",
     1},
    {"no arguments", "log(gather())", "1", 1},
    {"one after the other", "log(chain(1)) log(chain(3)) log(chain(100))",
     "1 9 5450", 104},
    {"the callback returns at once",
     "log(each(function(v) log('v', v) return v * 10 end))", "v 1 v 2 v 3 30",
     3},
    {"the callback sleeps",
     "log(each(function(v) task.wait(0) log('v', v) return v * 10 end))",
     "v 1 v 2 v 3 30", 3},
    {"the callback begins operations",
     "log(each(function(v) return v + op() end))", "11", 6},
    {"the callback yields to the script",
     "local t = coroutine.running() log(each(function(v)"
     " task.defer(t, v + 100) return coroutine.yield() end))",
     "103", 3},
    {"in pcall", "log(pcall(each, function(v) return v + op() end))", "true 11",
     6},
    {"in xpcall", "log(xpcall(chain, log, 4))", "true 10", 4},
    {"in pcall in pcall", "log(pcall(pcall, chain, 4))", "true true 10", 4},
    {"in wrap",
     "coroutine.wrap(function() log(each(function(v) return v + op() end))"
     " end)() log('first')",
     "first 11", 6},
    {"the body of wrap", "coroutine.wrap(chain)(3) log('first')", "first", 3},
    {"the body of a thread", "task.spawn(each, function(v) log(v) end)",
     "1 2 3", 3},
    {"deferred", "task.defer(each, function(v) log(v) end)", "1 2 3", 3},
    {"an iterator", "for i in count do log(i) end log('end')", "1 2 3 end", 4},
    {"of each other",
     "log(each(function(v) return v + each(function(w)"
     " return w + chain(2) end) end))",
     "108", 30},
    {"under C that calls", "log(under(under, gather, 'x'))", "x 1", 1},
    {"errors of the callback are raised at the call",
     "log(pcall(each, function(v) op() error('no ' .. v, 0) end)) log(op())",
     "false no 1 3", 3},
    {"errors of the callback, caught in C",
     "log(protect(function(v) op() error('no ' .. v, 0) end))", "no 1 false 3",
     3},
    {"the callback, protected in C",
     "log(protect(function(v) return v + op() end))", "3 true 3", 3},
    {"errors of a continuation", "log(pcall(fall)) log(op())",
     "false fell with 1 2", 2},
    {"metamethods that call",
     "local t = setmetatable({}, {__call = function(_, n)"
     " return chain(n) end}) log(t(2))",
     "3", 2},
};

static bool elsewhere; /* operations are ended by another OS thread */

static void *end_elsewhere(void *ud) {
    int i;

    while ((i = next_op(true)) >= 0)
        must(end_op(ud, i) == KAHU_OK);
    return NULL;
}

/* What sleeps in C is kept by its thread: all else is collected. */
static void turn(struct host *h) {
    int i = elsewhere ? -1 : next_op(false);

    collect(h->L);
    if (i >= 0)
        must(end_op(h, i) == KAHU_OK);
    if (h->loop != NULL)
        (void)uv_run(h->loop, UV_RUN_NOWAIT);
    else if (h->m != NULL)
        (void)kahu_stepped_run(h->m);
    else
        (void)kahu_step(h->s);
    kahu__verify(h->s);
}

static void finish(struct host *h) {
    pthread_t thread = {0};

    if (elsewhere)
        thread = start(end_elsewhere, h);
    while (!kahu_is_done(h->s))
        turn(h);
    if (!elsewhere)
        return;
    pthread_mutex_lock(&ops.lock);
    ops.over = true;
    pthread_cond_signal(&ops.filled);
    pthread_mutex_unlock(&ops.lock);
    join(thread);
}

static void run_scenario(const struct scenario *c, int driver) {
    struct host h;

    open_host(&h, driver);
    host_run(&h, c->script);
    finish(&h);
    if (strcmp(h.log, c->log) != 0)
        print_message("    %s\n", c->name);
    assert_log(&h, c->log);
    assert_int_equal(h.errors, 0);
    assert_int_equal(ops.begun, c->begun);
    assert_int_equal(ops.cancelled, 0);
    host_close(&h);
}

static void everywhere(void) {
    for (int driver = STEPPED; driver < DRIVERS; driver++)
        for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++)
            run_scenario(&scenarios[i], driver);
}

static void ended_on_the_loop_thread(void **state) {
    (void)state;
    strict = elsewhere = false;
    everywhere();
}

static void ended_by_another_os_thread(void **state) {
    (void)state;
    strict = false;
    elsewhere = true;
    everywhere();
    elsewhere = false;
}

/* M3: the yield an operation belongs to is told from those of the callbacks
 * the same function calls. */
static void with_strict_wakes(void **state) {
    (void)state;
    strict = true;
    everywhere();
    elsewhere = true;
    everywhere();
    strict = elsewhere = false;
}

/* ------------------------------------------------------------------------ */
/* How many values, how deep                                                */
/* ------------------------------------------------------------------------ */

/* S10.1: any number; beyond what a C function's stack may hold it is an error
 * at the call, and the thread is not left hanging. */
static void any_number_of_values(void **state) {
    static const int counts[] = {0, 1, 19, 20, 21, 500, 7900, 8100};
    char expected[64];
    struct host h;

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        open_host(&h, STEPPED);
        ops.many = counts[i];
        host_run(&h, "local t = table.pack(pcall(gather, 'a', 'b'))"
                     " log(t[1], t.n, t[2], t[t.n])");
        finish(&h);
        if (counts[i] == 0)
            assert_log(&h, "true 3 a b");
        else if (counts[i] < 8000) {
            snprintf(expected, sizeof(expected), "true %d a %d", counts[i] + 3,
                     counts[i]);
            assert_log(&h, expected);
        } else {
            assert_non_null(strstr(h.log, "false 2 "));
        }
        host_close(&h);
    }
}

/* Functions in C and in Luau by turns, each of them asleep. */
static void deep_in_each_other(void **state) {
    struct host h;

    (void)state;
    open_host(&h, STEPPED);
    host_run(&h, "local function f(n) if n == 0 then return gather(0) end"
                 " local v = chain(1) local a = under(f, n - 1)"
                 " return a + chain(1) - v end log(f(150), task.count())");
    finish(&h);
    /* n-th in, n-th last out: 1..150, 151, 152..301 */
    assert_log(&h, "22650 0");
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

/* The VM's limit is an error, and nothing is left of what was begun. */
static void too_deep_in_each_other(void **state) {
    struct host h;

    (void)state;
    open_host(&h, STEPPED);
    host_run(&h, "local function f(n) return under(f, n + 1) end"
                 " log((string.find(select(2, pcall(f, 0)), 'stack overflow')"
                 " ~= nil)) log(chain(2))");
    finish(&h);
    assert_log(&h, "true 3");
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Ends of another kind                                                     */
/* ------------------------------------------------------------------------ */

static void end_and_step(struct host *h, int i) {
    assert_int_equal(end_op(h, i), KAHU_OK);
    (void)kahu_step(h->s);
}

static void abandon_and_step(struct host *h, int i) {
    assert_int_equal(kahu_op_abandon(h->s, ops.op[i]), KAHU_OK);
    (void)kahu_step(h->s);
}

/* S10.1 S10.3: a failure is raised at the call, or inside the callback; the
 * function does not go on with it. */
static void a_failure_is_raised(void **state) {
    struct host h;
    int code = 77;

    (void)state;
    open_host(&h, STEPPED);
    host_run(&h, "log(pcall(chain, 5)) log(pcall(each, function(v)"
                 " log(pcall(op)) return v end)) log(pcall(pcall, fall))");
    end_and_step(&h, 0);
    assert_int_equal(kahu_op_fail(h.s, ops.op[1], push_numbers, &code, NULL),
                     KAHU_OK);
    (void)kahu_step(h.s);
    end_and_step(&h, 2);
    abandon_and_step(&h, 3); /* in the callback */
    abandon_and_step(&h, 4); /* of the function that called it */
    abandon_and_step(&h, 5);
    assert_log(&h, "false 77 false operation abandoned false operation "
                   "abandoned true false operation abandoned");
    assert_true(kahu_is_done(h.s));
    assert_int_equal(ops.cancelled, 0);
    host_close(&h);
}

/* S6.2: whatever it sleeps in, it does not go on. */
static void a_cancelled_function(void **state) {
    static const struct {
        const char *script;
        int ended;
        int cancelled;
    } cases[] = {
        {"chain(9) log('never')", 0, 1},
        {"chain(9) log('never')", 5, 1},
        {"pcall(each, function() op() log('never') end) log('never')", 1, 1},
        {"each(function() task.wait(1) log('never') end)", 1, 0},
        {"each(function() coroutine.yield() log('never') end)", 1, 0},
        {"under(under, gather) log('never')", 0, 1},
        {"protect(function() pcall(op) log('never') end)", 1, 1},
    };
    struct host h;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        lua_State *co;

        open_host(&h, STEPPED);
        co = host_run(&h, cases[i].script);
        for (int n = 0; n < cases[i].ended; n++)
            end_and_step(&h, n);
        assert_int_equal(kahu_cancel(h.s, co), KAHU_OK);
        assert_int_equal(ops.cancelled, cases[i].cancelled);
        assert_true(kahu_is_done(h.s));
        host_finish(&h);
        assert_log(&h, "");
        host_close(&h);
    }
}

/* ------------------------------------------------------------------------ */
/* Resumed early                                                            */
/* ------------------------------------------------------------------------ */

static void run_early(struct host *h, const char *body, const char *value) {
    char script[256];

    open_host(h, STEPPED);
    snprintf(script, sizeof(script),
             "local t = task.spawn(function() %s end) coroutine.resume(t, %s)",
             body, value);
    host_run(h, script);
}

/* S8.3 M2: it goes on with what it was resumed with; what the operation brings
 * comes to its next yield, whosever that is. */
static void an_early_resume_goes_on(void **state) {
    struct host h;

    (void)state;
    run_early(&h, "log(gather('a')) log(coroutine.yield())", "'early'");
    end_and_step(&h, 0);
    assert_log(&h, "a early 1");
    host_close(&h);

    run_early(&h, "log(chain(2)) log(coroutine.yield())", "10");
    assert_int_equal(ops.begun, 2);
    end_and_step(&h, 0);
    end_and_step(&h, 1);
    assert_log(&h, "11 2");
    host_close(&h);

    run_early(&h, "log(each(function(v) return coroutine.yield() end))", "10");
    end_and_step(&h, 0); /* the callback's yield */
    assert_int_equal(ops.begun, 2);
    host_close(&h);
}

static void assert_dropped(struct host *h, uint64_t n) {
    kahu_stats stats = {.size = sizeof(stats)};

    kahu_get_stats(h->s, &stats);
    assert_int_equal(stats.dropped[KAHU_OPERATION], n);
}

/* M3: that of an operation whose yield is over is dropped: the function is in
 * its next one, or in a callback. */
static void a_strict_early_resume(void **state) {
    static const char *const sleeps[] = {
        "each(function() coroutine.yield() log('never') end)",
        "each(function() task.wait(9) log('never') end)",
        "each(function() op() log('never') end)",
        "each(function() chain(2) log('never') end)",
    };
    struct host h;

    (void)state;
    strict = true;
    run_early(&h, "log(chain(2)) log(coroutine.yield())", "10");
    end_and_step(&h, 0);
    assert_log(&h, "");
    end_and_step(&h, 1);
    assert_log(&h, "12");
    assert_dropped(&h, 1);
    host_close(&h);
    for (size_t i = 0; i < sizeof(sleeps) / sizeof(*sleeps); i++) {
        run_early(&h, sleeps[i], "10");
        end_and_step(&h, 0);
        assert_log(&h, "");
        assert_dropped(&h, 1);
        host_close(&h);
    }
    strict = false;
}

/* ------------------------------------------------------------------------ */
/* Where there is nothing to begin                                          */
/* ------------------------------------------------------------------------ */

/* S9.7: the next operation is refused, at the call; the scheduler is closed,
 * or gone, and it is the host that resumes. */
static void the_next_one_is_refused(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    for (int gone = 0; gone < 2; gone++) {
        open_host(&h, STEPPED);
        co = host_run(&h, "log(pcall(chain, 3))");
        kahu_close(h.s);
        assert_int_equal(ops.cancelled, 1);
        if (gone) {
            kahu_free(h.s);
            h.s = NULL;
        }
        lua_pushnumber(co, 5);
        assert_int_equal(lua_resume(co, NULL, 1), LUA_OK);
        assert_log(&h, gone ? "false not allowed in the present state"
                            : "false scheduler is closing");
        assert_int_equal(ops.begun, 1);
        host_close(&h);
    }
}

/* S10.4: a continuation is no help where the VM can't yield. */
static void no_yield_no_operation(void **state) {
    struct host h;

    (void)state;
    open_host(&h, STEPPED);
    host_run(&h, "log(pcall(table.sort, {2, 1}, gather))"
                 " log(pcall(string.gsub, 'x', 'x', chain))"
                 " log(xpcall(error, gather))");
    assert_log(&h, "false attempt to yield across metamethod/C-call boundary "
                   "false attempt to yield across metamethod/C-call boundary "
                   "false error in error handling");
    assert_int_equal(ops.begun, 0);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

static int plainly(void **state) {
    (void)state;
    strict = elsewhere = false;
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ended_on_the_loop_thread, plainly),
        cmocka_unit_test_setup(ended_by_another_os_thread, plainly),
        cmocka_unit_test_setup(with_strict_wakes, plainly),
        cmocka_unit_test_setup(any_number_of_values, plainly),
        cmocka_unit_test_setup(deep_in_each_other, plainly),
        cmocka_unit_test_setup(too_deep_in_each_other, plainly),
        cmocka_unit_test_setup(a_failure_is_raised, plainly),
        cmocka_unit_test_setup(a_cancelled_function, plainly),
        cmocka_unit_test_setup(an_early_resume_goes_on, plainly),
        cmocka_unit_test_setup(a_strict_early_resume, plainly),
        cmocka_unit_test_setup(the_next_one_is_refused, plainly),
        cmocka_unit_test_setup(no_yield_no_operation, plainly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
