/* SPDX-License-Identifier: MIT */
/*
 * on_resume with every cause and outcome, the order in which everybody is
 * told, and hooks that come and go meanwhile.
 */
#include <stdio.h>
#include <string.h>

#include "host.h"
#include "kahu/threads.h"

static const char *const causes[] = {"defer", "delay",  "wait", "op",
                                     "spawn", "cancel", "user"};
static const char *const outcomes[] = {"returned", "failed", "cancelled",
                                       "yielded"};

/* ------------------------------------------------------------------------ */
/* Hooks with words                                                         */
/* ------------------------------------------------------------------------ */

/* "cause:outcome(values)": nil is a dash. */
static void say(struct host *h, lua_State *L, const kahu_feedback *f) {
    char word[128];
    size_t n;

    n = (size_t)snprintf(word, sizeof(word), "%s:%s(", causes[f->cause],
                         outcomes[f->outcome]);
    for (int i = 1; i <= f->nvalues && n < 100; i++) {
        n += (size_t)snprintf(word + n, 20, "%s%s", i > 1 ? "," : "",
                              lua_isnil(L, i) ? "-"
                                              : luaL_tolstring(L, i, NULL));
        lua_settop(L, f->nvalues);
    }
    snprintf(word + n, sizeof(word) - n, ")");
    host_log(h, word);
}

static void on_resume(void *ud, lua_State *L, const kahu_feedback *f) {
    bool failed = f->outcome == KAHU_FAILED;

    assert_int_equal(lua_gettop(L), f->nvalues);
    assert_false(lua_isyieldable(L));
    assert_true((f->message != NULL) == failed);
    assert_true((f->traceback != NULL) == failed);
    assert_true(f->cause != KAHU_BY_CANCEL || f->outcome == KAHU_CANCELLED);
    assert_true(lua_mainthread(f->co) == lua_mainthread(L));
    say(ud, L, f);
    lua_pushliteral(L, "left behind");
}

static kahu_hooks hooks_of(struct host *h, bool user) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    hooks.ud = h;
    hooks.on_resume = on_resume;
    hooks.user_resumes = user;
    return hooks;
}

static void add(struct host *h, const kahu_hooks *hooks) {
    assert_int_equal(kahu_add_hooks(h->s, hooks), KAHU_OK);
}

static kahu_op op;

static int begin_op(lua_State *L) {
    assert_int_equal(kahu_op_begin(L, NULL, NULL, &op), KAHU_OK);
    return kahu_op_yield(L);
}

static int push_two(lua_State *L, void *ud) {
    (void)ud;
    lua_pushliteral(L, "a");
    lua_pushliteral(L, "b");
    return 2;
}

static int push_reason(lua_State *L, void *ud) {
    (void)ud;
    lua_pushliteral(L, "reason");
    return 1;
}

static int finish_op(lua_State *L) {
    assert_int_equal(kahu_op_finish(host_of(L)->s, op, push_two, NULL, NULL),
                     KAHU_OK);
    return 0;
}

static int fail_op(lua_State *L) {
    assert_int_equal(kahu_op_fail(host_of(L)->s, op, push_reason, NULL, NULL),
                     KAHU_OK);
    return 0;
}

static int cancel_argument(lua_State *L) {
    assert_int_equal(kahu_cancel(host_of(L)->s, lua_tothread(L, 1)), KAHU_OK);
    return 0;
}

static void open_with(struct host *h, bool user) {
    kahu_hooks hooks = hooks_of(h, user);

    host_open(h, NULL);
    host_global(h, "op", begin_op);
    host_global(h, "finish", finish_op);
    host_global(h, "fail", fail_op);
    host_global(h, "cancel", cancel_argument);
    add(h, &hooks);
}

/* ------------------------------------------------------------------------ */
/* Every cause, every outcome                                               */
/* ------------------------------------------------------------------------ */

struct expectation {
    const char *script;
    const char *log;
};

static void expect_all(const struct expectation *e, size_t n, bool user) {
    struct host h;

    for (size_t i = 0; i < n; i++) {
        open_with(&h, user);
        host_run(&h, e[i].script);
        host_finish(&h);
        assert_log(&h, e[i].log);
        host_close(&h);
    }
}

static void resumes_of_the_scheduler(void **state) {
    static const struct expectation e[] = {
        {"return 1, nil", "spawn:returned(1,-)"},
        {"error('e', 0)", "spawn:failed(e)"},
        {"task.defer(function() return 2 end)",
         "spawn:returned() defer:returned(2)"},
        {"task.defer(error, 'e', 0)", "spawn:returned() defer:failed(e)"},
        {"task.defer(coroutine.yield, 1)", "spawn:returned() defer:yielded(1)"},
        {"task.delay(1, function(...) return ... end, 3, nil)",
         "spawn:returned() delay:returned(3,-)"},
        {"task.delay(1, error, 'e')", "spawn:returned() delay:failed(e)"},
        {"task.delay(1, coroutine.yield, nil)",
         "spawn:returned() delay:yielded(-)"},
        {"task.wait(1) return 4", "spawn:yielded() wait:returned(4)"},
        {"task.wait(1) error('e', 0)", "spawn:yielded() wait:failed(e)"},
        {"task.wait(1) task.wait(1)",
         "spawn:yielded() wait:yielded() wait:returned()"},
        {"task.delay(1, finish) return op()",
         "spawn:yielded() delay:returned() op:returned(a,b)"},
        {"task.delay(1, fail) op()",
         "spawn:yielded() delay:returned() op:failed(reason)"},
        {"task.delay(1, fail) pcall(op) coroutine.yield(7)",
         "spawn:yielded() delay:returned() op:yielded(7)"},
        {"task.spawn(coroutine.yield, 1, 2) return 3",
         "spawn:yielded(1,2) spawn:returned(3)"},
        {"task.spawn(error)", "spawn:failed(-) spawn:returned()"},
    };

    (void)state;
    expect_all(e, sizeof(e) / sizeof(*e), false);
}

/* Whoever was cancelled or closed was resumed by nobody. */
static void cancellations(void **state) {
    static const struct expectation e[] = {
        {"task.cancel(task.spawn(coroutine.yield, 1))",
         "spawn:yielded(1) cancel:cancelled() spawn:returned()"},
        {"task.cancel(coroutine.create(log))",
         "cancel:cancelled() spawn:returned()"},
        {"task.cancel(task.delay(1, log, 'x'))",
         "cancel:cancelled() spawn:returned()"},
        {"coroutine.close(task.spawn(task.wait))",
         "spawn:yielded() cancel:cancelled() spawn:returned()"},
        {"local t = coroutine.create(error) coroutine.resume(t)"
         "coroutine.close(t) task.cancel(t)",
         "spawn:returned()"},
        {"cancel(coroutine.running()) task.wait(1)",
         "spawn:yielded() cancel:cancelled()"},
        {"local t = task.spawn(log) task.cancel(t) coroutine.close(t)",
         "spawn:returned() spawn:returned()"},
        {"local t = coroutine.create(function() cancel(coroutine.running())"
         " coroutine.yield() end) coroutine.resume(t)",
         "spawn:returned() cancel:cancelled()"},
    };

    (void)state;
    expect_all(e, sizeof(e) / sizeof(*e), false);
}

/* Only where asked for: by coroutine.resume, by .wrap, inside each other. */
static void resumes_of_scripts(void **state) {
    static const struct expectation e[] = {
        {"log(coroutine.resume(coroutine.create(function(...)"
         " return ... end), 1, nil, 3))",
         "user:returned(1,-,3) true 1 nil 3 spawn:returned()"},
        {"local t = coroutine.create(function() coroutine.yield(1, nil) end)"
         "log(coroutine.resume(t)) log(coroutine.resume(t))"
         "log(coroutine.resume(t))",
         "user:yielded(1,-) true 1 nil user:returned() true false "
         "cannot resume dead coroutine spawn:returned()"},
        {"log(coroutine.resume(coroutine.create(error), 'e'))",
         "user:failed(e) false e spawn:returned()"},
        {"local w = coroutine.wrap(function() coroutine.yield('y') return 'r'"
         " end) log(w()) log(w())",
         "user:yielded(y) y user:returned(r) r spawn:returned()"},
        {"log(pcall(coroutine.wrap(error), 'e'))",
         "user:failed(e) false e spawn:returned()"},
        {"for i in coroutine.wrap(function() for i = 1, 2 do"
         " coroutine.yield(i) end end) do log(i) end",
         "user:yielded(1) 1 user:yielded(2) 2 user:returned() "
         "spawn:returned()"},
        {"coroutine.wrap(function() coroutine.wrap(function()"
         " task.spawn(coroutine.yield, 's') return 'in' end)()"
         " return 'out' end)()",
         "spawn:yielded(s) user:returned(in) user:returned(out) "
         "spawn:returned()"},
        {"coroutine.wrap(function() task.wait(1) return 'w' end)()",
         "user:yielded() spawn:returned() wait:returned(w)"},
        {"local t = task.spawn(function() coroutine.yield(1)"
         " task.wait(1) end) coroutine.resume(t)",
         "spawn:yielded(1) user:yielded() spawn:returned() wait:returned()"},
    };

    (void)state;
    expect_all(e, sizeof(e) / sizeof(*e), true);
}

/* A resume that the VM refuses is over before it began: the scheduler's is an
 * end (S3.7), the script's is nothing. */
static void refused_resumes(void **state) {
    struct host h;

    (void)state;
    open_with(&h, false);
    host_run(&h, "local function nest()"
                 " local u = coroutine.create(function() end)"
                 " local ok, why = coroutine.resume(u)"
                 " if ok then return coroutine.wrap(nest)() end"
                 " log(why, coroutine.status(u))"
                 " log(coroutine.status(task.spawn(log, 'never'))) end nest()");
    assert_log(&h, "C stack overflow suspended spawn:failed(C stack overflow) "
                   "dead spawn:returned()");
    assert_int_equal(h.errors, 1);
    host_close(&h);
}

/* The host's own lua_resume() is a resume by others, in or out of a step. */
static void resumes_of_the_host(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_with(&h, true);
    co = host_load(&h, "coroutine.yield(1, nil) error('e', 0)");
    assert_int_equal(lua_resume(co, NULL, 0), LUA_YIELD);
    assert_int_equal(lua_gettop(co), 2);
    assert_int_equal(lua_tonumber(co, 1), 1);
    assert_true(lua_isnil(co, 2));
    lua_settop(co, 0);
    assert_int_equal(lua_resume(co, NULL, 0), LUA_ERRRUN);
    assert_string_equal(lua_tostring(co, -1), "e");
    co = host_load(&h, "return 1, 2, 3");
    assert_int_equal(lua_resume(co, NULL, 0), LUA_OK);
    assert_int_equal(lua_gettop(co), 3);
    assert_log(&h, "user:yielded(1,-) user:failed(e) user:returned(1,2,3)");
    assert_int_equal(h.errors, 0);
    assert_false(kahu_is_running(h.s));
    host_close(&h);
}

/* One hook asks for them, the other does not; no on_end, no on_error. */
static void on_end_unless_user(void *ud, lua_State *L, lua_State *co,
                               kahu_outcome outcome, int nresults) {
    (void)L;
    (void)co;
    (void)nresults;
    host_log(ud, outcomes[outcome]);
}

static void only_who_asks_is_told_of_others(void **state) {
    struct host h;
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    (void)state;
    open_with(&h, true);
    hooks = hooks_of(&h, false);
    hooks.on_end = on_end_unless_user;
    add(&h, &hooks);
    host_run(&h, "coroutine.wrap(log)() pcall(coroutine.wrap(error), 'e')");
    assert_log(&h, "user:returned() user:failed(e) returned spawn:returned() "
                   "spawn:returned()");
    assert_int_equal(h.errors, 0);
    host_close(&h);
}

/* What a hook does to its L is no other's business, nor the script's. */
static void spoil(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)f;
    (void)ud;
    lua_settop(L, 0);
    lua_pushliteral(L, "spoilt");
    lua_setglobal(L, "spoilt");
    assert_true(lua_checkstack(L, 500));
    for (int i = 0; i < 500; i++)
        lua_pushnumber(L, i);
}

static void values_are_safe_from_hooks(void **state) {
    struct host h;
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    (void)state;
    host_open(&h, NULL);
    hooks.on_resume = spoil;
    hooks.user_resumes = true;
    add(&h, &hooks);
    hooks = hooks_of(&h, true);
    add(&h, &hooks);
    host_run(&h, "local t = coroutine.create(function() coroutine.yield(1, nil)"
                 " return 'r' end) log(coroutine.resume(t))"
                 " log(coroutine.resume(t))");
    assert_log(&h, "user:yielded(1,-) true 1 nil user:returned(r) true r "
                   "spawn:returned()");
    host_close(&h);
}

static int many_values[16];
static int many;

static void count_values(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    assert_int_equal(lua_gettop(L), f->nvalues);
    many_values[many++ % 16] = f->nvalues;
}

/* As many as a stack has room for: whoever resumed gets the same with hooks
 * as without. */
static void very_many_values(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    char without[200];
    struct host h;

    (void)state;
    hooks.on_resume = count_values;
    hooks.user_resumes = true;
    for (int i = 0; i < 2; i++) {
        host_open(&h, NULL);
        many = 0;
        if (i == 1)
            add(&h, &hooks);
        host_run(&h, "for _, n in {100, 7000, 7900, 7950, 7980, 7990} do"
                     " local w = coroutine.create(function()"
                     "  coroutine.yield(table.unpack({}, 1, n))"
                     "  return table.unpack({}, 1, n) end)"
                     " log(select('#', coroutine.resume(w)))"
                     " log(select('#', coroutine.resume(w)))"
                     " log(coroutine.status(w)) end");
        if (i == 0)
            memcpy(without, h.log, sizeof(without));
        assert_log(&h, without);
        host_close(&h);
    }
    assert_int_equal(many, 13);
    assert_int_equal(many_values[0], 100);
    assert_int_equal(many_values[3], 7000);
}

/* ------------------------------------------------------------------------ */
/* Order                                                                    */
/* ------------------------------------------------------------------------ */

struct party {
    struct host *h;
    const char *name;
    kahu_hooks hooks;
};

static void party_says(const struct party *p, const char *what) {
    char word[32];

    snprintf(word, sizeof(word), "%s.%s", p->name, what);
    host_log(p->h, word);
}

static void party_on_error(void *ud, lua_State *L, lua_State *co,
                           const char *message, const char *traceback) {
    (void)L;
    (void)co;
    (void)message;
    (void)traceback;
    party_says(ud, "error");
}

static void party_on_end(void *ud, lua_State *L, lua_State *co,
                         kahu_outcome outcome, int nresults) {
    (void)L;
    (void)co;
    (void)outcome;
    (void)nresults;
    party_says(ud, "end");
}

static void party_on_resume(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)L;
    (void)f;
    party_says(ud, "resume");
}

static bool party_watch(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)L;
    (void)f;
    party_says(ud, "watch");
    return false;
}

static bool party_take(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)L;
    (void)f;
    party_says(ud, "take");
    return true;
}

static struct party party(struct host *h, const char *name) {
    struct party p = {h, name, KAHU_HOOKS_INIT};

    p.hooks.on_error = party_on_error;
    p.hooks.on_end = party_on_end;
    p.hooks.on_resume = party_on_resume;
    return p;
}

static void join(struct party *p) {
    p->hooks.ud = p;
    add(p->h, &p->hooks);
}

static void assert_and_clear(struct host *h, const char *expected) {
    assert_log(h, expected);
    h->log[0] = '\0';
}

static void run_watched(struct party *a, struct party *b, const char *text,
                        kahu_watch_fn fn) {
    lua_State *co = host_load(a->h, text);

    assert_int_equal(kahu_watch(a->h->s, co, party_watch, a, NULL), KAHU_OK);
    assert_int_equal(kahu_watch(a->h->s, co, fn, b, NULL), KAHU_OK);
    assert_int_equal(kahu_spawn(a->h->s, co, NULL, 0), KAHU_OK);
}

/* Watches, then every on_error, every on_end, every on_resume, as many as a
 * resume has of them. */
static void everybody_in_order(void **state) {
    struct host h;
    struct party a = party(&h, "a");
    struct party b = party(&h, "b");

    (void)state;
    host_open(&h, NULL);
    join(&a);
    join(&b);
    run_watched(&b, &a, "error('e')", party_watch);
    assert_and_clear(&h, "b.watch a.watch a.error b.error a.end b.end a.resume "
                         "b.resume");
    assert_int_equal(h.errors, 1);
    run_watched(&b, &a, "error('e')", party_take);
    assert_and_clear(&h, "b.watch a.take a.end b.end a.resume b.resume");
    assert_int_equal(h.errors, 1);
    run_watched(&b, &a, "", party_take);
    assert_and_clear(&h, "b.watch a.take a.end b.end a.resume b.resume");
    host_run(&h, "coroutine.yield()");
    assert_and_clear(&h, "a.resume b.resume");
    run_watched(&b, &a, "task.wait(1)", party_watch);
    h.log[0] = '\0';
    assert_int_equal(kahu_cancel_all(h.s), KAHU_OK);
    assert_and_clear(&h, "b.watch a.watch a.end b.end a.resume b.resume");
    host_close(&h);
}

/* A hook that resumes: all of that is told before it goes on. */
static void run_another(void *ud, lua_State *L, lua_State *co,
                        kahu_outcome outcome, int nresults) {
    struct host *h = ud;

    (void)L;
    (void)co;
    (void)outcome;
    if (nresults == 1)
        host_run(h, "task.cancel(task.spawn(coroutine.yield)) return 1, 2");
}

static void resumes_inside_hooks(void **state) {
    struct host h;
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    (void)state;
    open_with(&h, false);
    hooks.ud = &h;
    hooks.on_end = run_another;
    add(&h, &hooks);
    hooks = hooks_of(&h, false);
    add(&h, &hooks);
    host_run(&h, "return 'r'");
    assert_log(&h, "spawn:yielded() spawn:yielded() "
                   "cancel:cancelled() cancel:cancelled() "
                   "spawn:returned(1,2) spawn:returned(1,2) "
                   "spawn:returned(r) spawn:returned(r)");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Coming and going                                                         */
/* ------------------------------------------------------------------------ */

/* The last added of those that are the same; with every member, and only
 * those. */
static void the_last_added_goes(void **state) {
    struct host h;
    struct party a = party(&h, "a");
    struct party b = party(&h, "b");
    kahu_hooks other;

    (void)state;
    host_open(&h, NULL);
    join(&a);
    join(&b);
    join(&a);
    other = a.hooks;
    other.on_end = NULL;
    assert_int_equal(kahu_remove_hooks(h.s, &other), KAHU_ESTALE);
    other = a.hooks;
    other.user_resumes = true;
    assert_int_equal(kahu_remove_hooks(h.s, &other), KAHU_ESTALE);
    other = a.hooks;
    other.ud = NULL;
    assert_int_equal(kahu_remove_hooks(h.s, &other), KAHU_ESTALE);
    assert_int_equal(kahu_remove_hooks(h.s, &a.hooks), KAHU_OK);
    host_run(&h, "");
    assert_and_clear(&h, "a.end b.end a.resume b.resume");
    assert_int_equal(kahu_remove_hooks(h.s, &a.hooks), KAHU_OK);
    assert_int_equal(kahu_remove_hooks(h.s, &a.hooks), KAHU_ESTALE);
    host_run(&h, "");
    assert_and_clear(&h, "b.end b.resume");
    host_close(&h);
}

/* Takes itself and the two others out, or some of them, in any of the calls. */
static struct {
    struct party *out[3];
    const char *when; /* "watch", "error", "end" or "resume" */
    kahu_status status[3];
} leaving;

static void leave(const char *when, struct host *h) {
    if (strcmp(when, leaving.when) != 0)
        return;
    leaving.when = "";
    for (int i = 0; i < 3; i++)
        if (leaving.out[i] != NULL)
            leaving.status[i] = kahu_remove_hooks(h->s, &leaving.out[i]->hooks);
}

static void leaver_on_error(void *ud, lua_State *L, lua_State *co,
                            const char *message, const char *traceback) {
    struct party *p = ud;

    leave("error", p->h);
    party_on_error(ud, L, co, message, traceback);
}

static void leaver_on_end(void *ud, lua_State *L, lua_State *co,
                          kahu_outcome outcome, int nresults) {
    struct party *p = ud;

    leave("end", p->h);
    party_on_end(ud, L, co, outcome, nresults);
}

static void leaver_on_resume(void *ud, lua_State *L, const kahu_feedback *f) {
    struct party *p = ud;

    leave("resume", p->h);
    party_on_resume(ud, L, f);
}

static bool leaver_watch(void *ud, lua_State *L, const kahu_feedback *f) {
    struct party *p = ud;

    (void)L;
    (void)f;
    leave("watch", p->h);
    return false;
}

/* who: a bit each for a (before), b (itself) and c (after). */
static void run_leaving(unsigned who, const char *when, const char *expected) {
    struct host h;
    struct party p[3] = {party(&h, "a"), party(&h, "b"), party(&h, "c")};
    lua_State *co;

    host_open(&h, NULL);
    p[1].hooks.on_error = leaver_on_error;
    p[1].hooks.on_end = leaver_on_end;
    p[1].hooks.on_resume = leaver_on_resume;
    leaving.when = when;
    for (int i = 0; i < 3; i++) {
        join(&p[i]);
        leaving.out[i] = (who >> i & 1) != 0 ? &p[i] : NULL;
        leaving.status[i] = KAHU_OK;
    }
    co = host_load(&h, "error('e')");
    assert_int_equal(kahu_watch(h.s, co, leaver_watch, &p[1], NULL), KAHU_OK);
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_log(&h, expected);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(leaving.status[i], KAHU_OK);
        assert_int_equal(kahu_remove_hooks(h.s, &p[i].hooks),
                         leaving.out[i] != NULL ? KAHU_ESTALE : KAHU_OK);
    }
    host_close(&h);
}

/* From then on none of its members is called; the others miss nothing. */
static void hooks_leave_at_any_time(void **state) {
    (void)state;
    run_leaving(7, "watch", "");
    run_leaving(2, "watch", "a.error c.error a.end c.end a.resume c.resume");
    run_leaving(7, "error", "a.error b.error");
    run_leaving(1, "error",
                "a.error b.error c.error b.end c.end b.resume "
                "c.resume");
    run_leaving(2, "error",
                "a.error b.error c.error a.end c.end a.resume "
                "c.resume");
    run_leaving(4, "error", "a.error b.error a.end b.end a.resume b.resume");
    run_leaving(6, "end", "a.error b.error c.error a.end b.end a.resume");
    run_leaving(3, "end", "a.error b.error c.error a.end b.end c.end c.resume");
    run_leaving(5, "resume",
                "a.error b.error c.error a.end b.end c.end "
                "a.resume b.resume");
    run_leaving(2, "resume",
                "a.error b.error c.error a.end b.end c.end "
                "a.resume b.resume c.resume");
}

/* Out and in again, from inside: once in the chain, at its end. */
static struct party turncoat;

static void out_and_in(void *ud, lua_State *L, lua_State *co,
                       kahu_outcome outcome, int nresults) {
    struct party *p = ud;

    if (nresults == 1) {
        assert_int_equal(kahu_remove_hooks(p->h->s, &p->hooks), KAHU_OK);
        p->hooks.on_end = party_on_end;
        assert_int_equal(kahu_add_hooks(p->h->s, &p->hooks), KAHU_OK);
    }
    (void)L;
    (void)co;
    (void)outcome;
}

static void hooks_may_come_back(void **state) {
    struct host h;
    struct party b = party(&h, "b");

    (void)state;
    host_open(&h, NULL);
    turncoat = party(&h, "t");
    turncoat.hooks.on_end = out_and_in;
    join(&turncoat);
    join(&b);
    host_run(&h, "return 1");
    h.log[0] = '\0';
    host_run(&h, "");
    assert_log(&h, "b.end t.end b.resume t.resume");
    host_close(&h);
}

/* A walk inside a walk: what is removed in the inner one stays out. */
static void remove_inside(void *ud, lua_State *L, lua_State *co,
                          kahu_outcome outcome, int nresults) {
    struct party *p = ud;

    (void)L;
    (void)co;
    (void)outcome;
    if (nresults == 1)
        host_run(p->h, "return 1, 2");
    else if (nresults == 2)
        assert_int_equal(kahu_remove_hooks(p->h->s, &p->hooks), KAHU_OK);
}

static void removal_inside_a_walk_of_a_walk(void **state) {
    struct host h;
    struct party first = party(&h, "f");
    struct party last = party(&h, "l");

    (void)state;
    host_open(&h, NULL);
    first.hooks.on_end = remove_inside;
    join(&first);
    join(&last);
    host_run(&h, "return 1");
    assert_log(&h, "l.end l.resume l.end l.resume");
    assert_int_equal(kahu_remove_hooks(h.s, &first.hooks), KAHU_ESTALE);
    assert_int_equal(kahu_remove_hooks(h.s, &last.hooks), KAHU_OK);
    host_close(&h);
}

static int own_resumes;

static void own_postresume(lua_State *L) {
    assert_non_null(L);
    own_resumes++;
}

/* The host's callback is called in the meantime, and back afterwards. */
static void the_callback_comes_and_goes(void **state) {
    struct host h;
    kahu_hooks hooks;

    (void)state;
    host_open(&h, NULL);
    lua_callbacks(h.L)->postresume = own_postresume;
    hooks = hooks_of(&h, true);
    own_resumes = 0;
    for (int i = 1; i <= 3; i++) {
        add(&h, &hooks);
        add(&h, &hooks);
        assert_true(lua_callbacks(h.L)->postresume != own_postresume);
        assert_int_equal(kahu_remove_hooks(h.s, &hooks), KAHU_OK);
        host_run(&h, "coroutine.wrap(log)('x')");
        assert_int_equal(own_resumes, 2 * i);
        assert_and_clear(&h, "x user:returned() spawn:returned()");
        assert_int_equal(kahu_remove_hooks(h.s, &hooks), KAHU_OK);
        assert_true(lua_callbacks(h.L)->postresume == own_postresume);
    }
    host_close(&h);
}

/* Hooks without a single member are hooks, too. */
static void hooks_without_members(void **state) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    hooks.ud = &h;
    add(&h, &hooks);
    host_run(&h, "error('e')");
    assert_int_equal(kahu_remove_hooks(h.s, &hooks), KAHU_OK);
    assert_int_equal(kahu_remove_hooks(h.s, &hooks), KAHU_ESTALE);
    host_close(&h);
}

static void bad_hooks_are_refused(void **state) {
    struct host h;
    kahu_hooks hooks;

    (void)state;
    host_open(&h, NULL);
    hooks = hooks_of(&h, false);
    add(&h, &hooks);
    hooks.size = 4;
    assert_int_equal(kahu_remove_hooks(h.s, &hooks), KAHU_EINVAL);
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_EINVAL);
    assert_int_equal(kahu_remove_hooks(h.s, NULL), KAHU_EINVAL);
    hooks.size = sizeof(hooks);
    kahu_close(h.s);
    assert_int_equal(kahu_remove_hooks(h.s, &hooks), KAHU_OK);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumes_of_the_scheduler),
        cmocka_unit_test(cancellations),
        cmocka_unit_test(resumes_of_scripts),
        cmocka_unit_test(refused_resumes),
        cmocka_unit_test(resumes_of_the_host),
        cmocka_unit_test(only_who_asks_is_told_of_others),
        cmocka_unit_test(values_are_safe_from_hooks),
        cmocka_unit_test(very_many_values),
        cmocka_unit_test(everybody_in_order),
        cmocka_unit_test(resumes_inside_hooks),
        cmocka_unit_test(the_last_added_goes),
        cmocka_unit_test(hooks_leave_at_any_time),
        cmocka_unit_test(hooks_may_come_back),
        cmocka_unit_test(removal_inside_a_walk_of_a_walk),
        cmocka_unit_test(the_callback_comes_and_goes),
        cmocka_unit_test(hooks_without_members),
        cmocka_unit_test(bad_hooks_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
