/* SPDX-License-Identifier: MIT */
/*
 * An asynchronous C function, written once, in every corner: each scenario on
 * both drivers, ended by the loop's OS thread and by another one.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "core/sched.h"
#include "host.h"

/* ------------------------------------------------------------------------ */
/* Operations on their way to whoever ends them                             */
/* ------------------------------------------------------------------------ */

#define MOST 4096

enum how { FINISH, FAIL, FAIL_TEXT, ABANDON, TWICE };

struct item {
    kahu_op op;
    enum how how;
    double value;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct item items[MOST];
    int begun;
    int ended;
    bool over;
    bool held; /* until the script has waited for the first time */
    kahu_sched *s;
    int accepted; /* values handed over */
    int stale;
    int dropped;
    int cancelled;
} ops = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static int push_value(lua_State *L, void *ud) {
    const struct item *item = ud;

    lua_pushnumber(L, item->value);
    return 1;
}

static void drop_value(void *ud) {
    (void)ud;
    ops.dropped++; /* on the loop thread, always */
}

static void on_cancel(void *ud, kahu_op op) {
    (void)ud;
    (void)op;
    ops.cancelled++;
}

static void count(kahu_status status) {
    assert_true(status == KAHU_OK || status == KAHU_ESTALE);
    pthread_mutex_lock(&ops.lock);
    ops.accepted += status == KAHU_OK;
    ops.stale += status == KAHU_ESTALE;
    pthread_mutex_unlock(&ops.lock);
}

static void end_item(struct item *item) {
    kahu_sched *s = ops.s;

    switch (item->how) {
    case TWICE:
        count(kahu_op_finish(s, item->op, push_value, item, drop_value));
        count(kahu_op_fail(s, item->op, push_value, item, drop_value));
        break;
    case FINISH:
        count(kahu_op_finish(s, item->op, push_value, item, drop_value));
        break;
    case FAIL:
        count(kahu_op_fail(s, item->op, push_value, item, drop_value));
        break;
    case FAIL_TEXT:
        count(kahu_op_fail_text(s, item->op, "in words"));
        break;
    case ABANDON:
        count(kahu_op_abandon(s, item->op));
        break;
    }
}

static struct item *take_item(bool wait) {
    struct item *item = NULL;

    pthread_mutex_lock(&ops.lock);
    while (wait && (ops.held || ops.ended == ops.begun) && !ops.over)
        pthread_cond_wait(&ops.filled, &ops.lock);
    if (ops.ended < ops.begun && !ops.held)
        item = &ops.items[ops.ended++];
    pthread_mutex_unlock(&ops.lock);
    return item;
}

static void *end_elsewhere(void *ud) {
    struct item *item;

    (void)ud;
    while ((item = take_item(true)) != NULL)
        end_item(item);
    return NULL;
}

/* ------------------------------------------------------------------------ */
/* For scripts                                                              */
/* ------------------------------------------------------------------------ */

static struct item *begin_item(lua_State *L, enum how how) {
    kahu_op op;
    kahu_status status = kahu_op_begin(L, on_cancel, NULL, &op);
    struct item *item;

    if (status != KAHU_OK)
        kahu_raise(L, status);
    pthread_mutex_lock(&ops.lock);
    assert_true(ops.begun < MOST);
    item = &ops.items[ops.begun];
    *item = (struct item){op, how, ops.begun + 1};
    pthread_mutex_unlock(&ops.lock);
    return item;
}

static int hand_over(lua_State *L) {
    pthread_mutex_lock(&ops.lock);
    ops.begun++;
    pthread_cond_signal(&ops.filled);
    pthread_mutex_unlock(&ops.lock);
    return kahu_op_yield(L);
}

static int op_finish(lua_State *L) {
    (void)begin_item(L, FINISH);
    return hand_over(L);
}

static int op_fail(lua_State *L) {
    (void)begin_item(L, FAIL);
    return hand_over(L);
}

static int op_fail_text(lua_State *L) {
    (void)begin_item(L, FAIL_TEXT);
    return hand_over(L);
}

static int op_abandon(lua_State *L) {
    (void)begin_item(L, ABANDON);
    return hand_over(L);
}

static int op_twice(lua_State *L) {
    (void)begin_item(L, TWICE);
    return hand_over(L);
}

/* Ended before the function yields, here or elsewhere. */
static void *end_this(void *ud) {
    end_item(ud);
    return NULL;
}

static bool elsewhere;

static int op_before(lua_State *L) {
    struct item *item = begin_item(L, FINISH);
    pthread_t thread;

    if (elsewhere) {
        assert_int_equal(pthread_create(&thread, NULL, end_this, item), 0);
        pthread_join(thread, NULL);
    } else {
        end_item(item);
    }
    pthread_mutex_lock(&ops.lock);
    ops.begun++;
    ops.ended++;
    pthread_mutex_unlock(&ops.lock);
    return kahu_op_yield(L);
}

/* ------------------------------------------------------------------------ */
/* Scenarios                                                                */
/* ------------------------------------------------------------------------ */

struct scenario {
    const char *name;
    const char *script;
    const char *log;
    int accepted;
    int stale;
    int cancelled;
};

static const struct scenario scenarios[] = {
    {"plain", "log(op())", "1", 1, 0, 0},
    {"pcall", "log(pcall(op))", "true 1", 1, 0, 0},
    {"pcall of a failure", "log(pcall(opfail))", "false 1", 1, 0, 0},
    {"xpcall",
     "log(xpcall(op, log)) log(xpcall(opfail, function(e)"
     " return e + 10 end))",
     "true 1 false 12", 2, 0, 0},
    {"wrap", "coroutine.wrap(function() log(op()) end)() log('first')",
     "first 1", 1, 0, 0},
    {"iterator",
     "for i in function() local v = op()"
     " return if v < 4 then v else nil end do log(i) end",
     "1 2 3", 4, 0, 0},
    {"a thousand deep",
     "local function f(n) if n == 0 then return 0 end"
     " op() return 1 + f(n - 1) end log(f(1000))",
     "1000", 1000, 0, 0},
    {"an operation's result begins more",
     "local function f(n) if n > 0 then op() task.spawn(f, n - 1)"
     " task.spawn(f, n - 1) else n0 = (n0 or 0) + 1 end"
     " if n0 == 256 then n0 = 0 log('all') end end f(8)",
     "all", 255, 0, 0},
    {"resumed early",
     "local t = task.spawn(function() log('op', op())"
     " log('yield', coroutine.yield()) end)"
     " coroutine.resume(t, 'early')",
     "op early yield 1", 1, 0, 0},
    {"cancelled",
     "local t = task.spawn(op) task.cancel(t)"
     " log(coroutine.status(t))",
     "dead", 0, 1, 1},
    {"completed late",
     "local t = task.spawn(function() op() end)"
     " coroutine.resume(t) log(coroutine.status(t))",
     "dead", 1, 0, 0},
    {"completed before the yield", "log(opbefore())", "1", 1, 0, 0},
    {"completed twice", "log(optwice())", "1", 1, 1, 0},
    {"abandoned", "log(pcall(opabandon))", "false operation abandoned", 1, 0,
     0},
    {"failed in words", "log(pcall(optext))", "false in words", 1, 0, 0},
    {"many at once",
     "local n = 0 for i = 1, 500 do task.spawn(function()"
     " assert(op() == i) n += 1"
     " if n == 500 then log('all in order') end end) end",
     "all in order", 500, 0, 0},
};

/* ------------------------------------------------------------------------ */
/* Running one                                                              */
/* ------------------------------------------------------------------------ */

static void pause_a_little(void) {
    nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

static void turn(struct host *h) {
    if (h->loop != NULL)
        uv_run(h->loop, UV_RUN_NOWAIT);
    else if (kahu_is_ready(h->s))
        (void)kahu_step(h->s);
}

/* Until all is done and everything that was begun was ended. */
static void run_to_the_end(struct host *h) {
    bool over = false;

    while (!over) {
        struct item *item = elsewhere ? NULL : take_item(false);

        if (item != NULL)
            end_item(item);
        else if (elsewhere)
            pause_a_little();
        turn(h);
        pthread_mutex_lock(&ops.lock);
        over = kahu_is_done(h->s) && ops.ended == ops.begun &&
               ops.accepted + ops.stale >= ops.begun;
        pthread_mutex_unlock(&ops.lock);
    }
}

static void open_ops(struct host *h) {
    static const luaL_Reg functions[] = {
        {"op", op_finish},
        {"opfail", op_fail},
        {"opabandon", op_abandon},
        {"optext", op_fail_text},
        {"optwice", op_twice},
        {"opbefore", op_before},
        {NULL, NULL},
    };

    for (const luaL_Reg *f = functions; f->name != NULL; f++)
        host_global(h, f->name, f->func);
    ops.begun = ops.ended = ops.accepted = ops.stale = 0;
    ops.dropped = ops.cancelled = 0;
    ops.over = false;
    ops.held = true;
    ops.s = h->s;
}

static void release(void) {
    pthread_mutex_lock(&ops.lock);
    ops.held = false;
    pthread_cond_broadcast(&ops.filled);
    pthread_mutex_unlock(&ops.lock);
}

static void run_scenario(const struct scenario *c, bool uv) {
    pthread_t thread = 0;
    struct host h;

    if (uv)
        host_open_uv(&h, NULL);
    else
        host_open(&h, NULL);
    open_ops(&h);
    if (elsewhere)
        assert_int_equal(pthread_create(&thread, NULL, end_elsewhere, NULL), 0);
    host_run(&h, c->script);
    release();
    run_to_the_end(&h);
    pthread_mutex_lock(&ops.lock);
    ops.over = true;
    pthread_cond_broadcast(&ops.filled);
    pthread_mutex_unlock(&ops.lock);
    if (elsewhere)
        pthread_join(thread, NULL);

    assert_log(&h, c->log);
    assert_int_equal(h.errors, 0);
    assert_int_equal(ops.accepted, c->accepted);
    assert_int_equal(ops.stale, c->stale);
    assert_int_equal(ops.cancelled, c->cancelled);
    kahu__verify(h.s);
    host_close(&h);
}

/* An abandonment and a text hand over nothing of ours. */
static bool has_values(const struct scenario *c) {
    return strstr(c->script, "opabandon") == NULL &&
           strstr(c->script, "optext") == NULL;
}

/* What was handed over is dropped once. */
static void each(bool uv, bool threaded) {
    elsewhere = threaded;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
        const struct scenario *c = &scenarios[i];

        print_message("    %s\n", c->name);
        run_scenario(c, uv);
        assert_int_equal(ops.dropped, has_values(c) ? c->accepted : 0);
    }
}

static void stepped_on_one_thread(void **state) {
    (void)state;
    each(false, false);
}

static void stepped_from_another_thread(void **state) {
    (void)state;
    each(false, true);
}

static void uv_on_one_thread(void **state) {
    (void)state;
    each(true, false);
}

static void uv_from_another_thread(void **state) {
    (void)state;
    each(true, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stepped_on_one_thread),
        cmocka_unit_test(stepped_from_another_thread),
        cmocka_unit_test(uv_on_one_thread),
        cmocka_unit_test(uv_from_another_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
