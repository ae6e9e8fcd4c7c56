/* SPDX-License-Identifier: MIT */
/*
 * kahu_run_until(): what counts as the end of a thread, and what does not run
 * after the last.
 */
#define _POSIX_C_SOURCE 200809L
#include "embed.h"

static kahu_op ops[4];
static int nops;

static int begin(lua_State *L) {
    kahu_status status = kahu_op_begin(L, NULL, NULL, &ops[nops]);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    nops++;
    return kahu_op_yield(L);
}

static void open_on(struct host *h, int driver) {
    nops = 0;
    embed_open(h, driver);
    host_global(h, "begin", begin);
}

static void finish(struct host *h, int i) {
    assert_int_equal(kahu_op_finish(h->s, ops[i], NULL, NULL, NULL), KAHU_OK);
}

/* ------------------------------------------------------------------------ */
/* Nothing after the last                                                   */
/* ------------------------------------------------------------------------ */

/* In whatever order they end; what the last one deferred is for later. */
static void the_last_of_several(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        struct host h;
        lua_State *co[3];

        (void)state;
        open_on(&h, d);
        co[0] = host_run(&h, "task.wait(0.004) log('a')");
        co[1] = host_run(&h, "task.wait(0.008) log('b')"
                             "task.defer(log, 'd')");
        co[2] = host_run(&h, "log('c')");
        host_run(&h, "task.wait(0.3) log('e')"); /* in another cycle */
        assert_int_equal(kahu_run_until(h.s, co, 3), KAHU_OK);
        assert_log(&h, "c a b");
        assert_int_equal(kahu_count_all(h.s), 2);
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        assert_log(&h, "c a b d e");
        host_close(&h);
    }
}

/* M6: in the middle of a flush. */
static void the_last_of_a_flush(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        struct host h;
        lua_State *co;

        (void)state;
        open_on(&h, d);
        host_run(&h, "task.defer(log, 'a')");
        co = host_load(&h, "log('b')");
        assert_int_equal(kahu_defer(h.s, co, 0), KAHU_OK);
        host_run(&h, "task.defer(log, 'c')");
        assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_OK);
        assert_log(&h, "a b");
        assert_true(kahu_is_ready(h.s));
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        assert_log(&h, "a b c");
        host_close(&h);
    }
}

/* In the middle of the operations, posted calls among them. */
static void the_last_of_the_operations(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        struct host h;
        lua_State *co[3];

        (void)state;
        open_on(&h, d);
        for (int i = 0; i < 3; i++)
            co[i] = host_run(&h, "begin() log('on')");
        finish(&h, 0);
        embed_post(&h, "p");
        finish(&h, 1);
        embed_post(&h, "q");
        finish(&h, 2);
        assert_int_equal(kahu_run_until(h.s, co, 2), KAHU_OK);
        assert_log(&h, "on p on");
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        assert_log(&h, "on p on q on");
        host_close(&h);
    }
}

/* M5: among timers of one deadline. */
static void the_last_of_the_timers(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_on(&h, STEPPED);
    host_run(&h, "task.delay(1, log, 'a')");
    co = host_run(&h, "task.wait(1) log('b')");
    host_run(&h, "task.delay(1, log, 'c')");
    assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_OK);
    assert_log(&h, "a b");
    assert_int_equal(kahu_step(h.s), 1);
    assert_log(&h, "a b c");
    host_close(&h);
}

/* A run until one thread has ended is no limit to the next. */
static void one_run_after_another(void **state) {
    struct host h;
    lua_State *co[3];

    (void)state;
    open_on(&h, STEPPED);
    for (int i = 0; i < 3; i++)
        co[i] = host_run(&h, "task.wait(1) log('on') task.wait(1) log('off')");
    assert_int_equal(kahu_run_until(h.s, co, 1), KAHU_OK);
    assert_log(&h, "on on on off");
    assert_int_equal(kahu_run_until(h.s, co, 3), KAHU_OK);
    assert_log(&h, "on on on off off off");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* However it ends                                                          */
/* ------------------------------------------------------------------------ */

static void cancel_it(void *ud, lua_State *L) {
    assert_int_equal(kahu_cancel(host_of(L)->s, ud), KAHU_OK);
}

/* What another thread does to the global `t`, which waits. */
static void an_end_made_by_a_script(void **state) {
    static const char *const texts[] = {
        "task.wait() task.cancel(t) task.wait() log('never')",
        "task.wait() coroutine.close(t) task.wait() log('never')",
        "task.wait() coroutine.resume(t) task.wait() log('never')",
        "task.wait() task.spawn(t) task.wait() log('never')",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct host h;
        lua_State *co;

        (void)state;
        open_on(&h, STEPPED);
        co = host_run(&h, "t = coroutine.running() task.wait(60)");
        host_run(&h, texts[i]);
        assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_OK);
        assert_log(&h, "");
        assert_true(kahu_stepped_now_ns(h.m) < 60000000000);
        host_close(&h);
    }
}

/* By an error, which is reported; by what the host posts, or a deadline. */
static void an_end_of_another_kind(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_on(&h, STEPPED);
    co = host_run(&h, "task.wait() error('oops')");
    assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_OK);
    assert_int_equal(h.errors, 1);

    co = host_run(&h, "task.wait(60)");
    assert_int_equal(kahu_post(h.s, cancel_it, co, NULL), KAHU_OK);
    assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_OK);

    co = host_run(&h, "task.wait(60)");
    assert_int_equal(kahu_cancel_after(h.s, co, 1000000000), KAHU_OK);
    assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_OK);
    assert_true(kahu_stepped_now_ns(h.m) < 60000000000);
    host_close(&h);
}

/* Those that ended before count; none at all is the end at once. */
static void what_has_ended_before(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        struct host h;
        lua_State *co[3];

        (void)state;
        open_on(&h, d);
        co[0] = host_run(&h, "error('oops')");
        co[1] = host_run(&h, "");
        co[2] = host_run(&h, "task.wait(60)");
        assert_int_equal(kahu_cancel(h.s, co[2]), KAHU_OK);
        host_run(&h, "task.defer(log, 'later')");
        assert_int_equal(kahu_run_until(h.s, co, 3), KAHU_OK);
        assert_int_equal(kahu_run_until(h.s, NULL, 0), KAHU_OK);
        assert_log(&h, "");
        co[2] = host_run(&h, "task.wait()");
        assert_int_equal(kahu_run_until(h.s, co, 3), KAHU_OK);
        assert_log(&h, "later");
        host_close(&h);
    }
}

/* One that is named twice ends once. */
static void one_thread_twice(void **state) {
    struct host h;
    lua_State *co[2];

    (void)state;
    open_on(&h, STEPPED);
    co[0] = co[1] = host_run(&h, "task.wait(1)");
    assert_int_equal(kahu_run_until(h.s, co, 2), KAHU_OK);
    host_close(&h);
}

static void *finish_from_afar(void *ud) {
    struct host *h = ud;

    must(kahu_op_finish(h->s, ops[0], NULL, NULL, NULL) == KAHU_OK);
    return NULL;
}

/* S10.2: another OS thread brings it about. */
static void an_end_brought_about_from_afar(void **state) {
    for (int d = UV; d < DRIVERS; d++) {
        struct host h;
        lua_State *co;
        pthread_t thread;

        (void)state;
        open_on(&h, d);
        co = host_run(&h, "begin() log('on')");
        host_run(&h, "task.wait(3600)");
        thread = start(finish_from_afar, &h);
        assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_OK);
        assert_log(&h, "on");
        join(thread);
        host_close(&h);
    }
}

/* ------------------------------------------------------------------------ */
/* What it says when it does not come about                                 */
/* ------------------------------------------------------------------------ */

/* Nothing is turned, and nobody is waited for. */
static void a_thread_of_another_vm(void **state) {
    struct host h;
    struct host g;
    lua_State *co[2];

    (void)state;
    open_on(&h, STEPPED);
    open_on(&g, STEPPED);
    co[0] = host_run(&h, "task.wait(1) log('on')");
    co[1] = host_run(&g, "task.wait(1)");
    assert_int_equal(kahu_run_until(h.s, co, 2), KAHU_EINVAL);
    assert_log(&h, "");
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    assert_log(&h, "on");
    host_close(&g);
    host_close(&h);
}

/* What is waited for is not what keeps all from being done. */
static void a_fresh_thread(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    open_on(&h, STEPPED);
    co = host_load(&h, "log('on')");
    assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_EIDLE);
    assert_true(kahu_is_done(h.s));
    assert_int_equal(kahu_spawn(h.s, co, NULL, 0), KAHU_OK);
    assert_log(&h, "on");
    host_close(&h);
}

/* Is it still there when all garbage is collected? */
static bool is_kept(struct host *h) {
    bool kept;

    lua_gc(h->L, LUA_GCCOLLECT, 0);
    lua_getglobal(h->L, "weak");
    lua_rawgeti(h->L, -1, 1);
    kept = !lua_isnil(h->L, -1);
    lua_pop(h->L, 2);
    return kept;
}

/* What was to be waited for is let go of, too. */
static void a_thread_beside_one_of_another_vm(void **state) {
    struct host h;
    struct host g;
    lua_State *co[2];

    (void)state;
    open_on(&h, STEPPED);
    open_on(&g, STEPPED);
    host_run(&h,
             "weak = setmetatable({coroutine.create(log)}, {__mode = 'v'})");
    lua_getglobal(h.L, "weak");
    lua_rawgeti(h.L, -1, 1);
    co[0] = lua_tothread(h.L, -1);
    co[1] = g.L;
    assert_int_equal(kahu_run_until(h.s, co, 2), KAHU_EINVAL);
    assert_true(is_kept(&h));
    lua_settop(h.L, 0);
    assert_false(is_kept(&h));
    host_close(&g);
    host_close(&h);
}

static bool refuse;

static void *sparing_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    (void)ud;
    (void)osize;
    if (nsize == 0) {
        free(ptr);
        return NULL;
    }
    return refuse ? NULL : realloc(ptr, nsize);
}

/* Memory for the watches runs out; those made are taken back. */
static void a_run_without_memory(void **state) {
    kahu_options o = KAHU_OPTIONS_INIT;
    lua_State *co[64];
    struct host h;

    (void)state;
    o.alloc = sparing_alloc;
    embed_open_with(&h, STEPPED, o);
    for (int i = 0; i < 64; i++)
        co[i] = host_run(&h, "task.wait(1) log('on')");
    refuse = true;
    assert_int_equal(kahu_run_until(h.s, co, 64), KAHU_ENOMEM);
    refuse = false;
    assert_log(&h, "");
    assert_int_equal(kahu_run_until(h.s, co, 64), KAHU_OK);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_of_several),
        cmocka_unit_test(the_last_of_a_flush),
        cmocka_unit_test(the_last_of_the_operations),
        cmocka_unit_test(the_last_of_the_timers),
        cmocka_unit_test(one_run_after_another),
        cmocka_unit_test(an_end_made_by_a_script),
        cmocka_unit_test(an_end_of_another_kind),
        cmocka_unit_test(what_has_ended_before),
        cmocka_unit_test(one_thread_twice),
        cmocka_unit_test(an_end_brought_about_from_afar),
        cmocka_unit_test(a_thread_of_another_vm),
        cmocka_unit_test(a_thread_beside_one_of_another_vm),
        cmocka_unit_test(a_fresh_thread),
        cmocka_unit_test(a_run_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
