/* SPDX-License-Identifier: MIT */
/*
 * kahu_call(), and what other OS threads post.
 */
#define _POSIX_C_SOURCE 200809L
#include <sched.h>
#include <stdatomic.h>

#include "embed.h"

/* ------------------------------------------------------------------------ */
/* OS threads                                                               */
/* ------------------------------------------------------------------------ */

/* A call that another OS thread makes. */
struct caller {
    struct host *h;
    kahu_call_fn fn;
    const char *word;
    int runs;
    kahu_status status; /* what it was answered */
    pthread_t ran_on;
    pthread_t thread;
};

static void caller_ran(void *ud, lua_State *L) {
    struct caller *c = ud;

    must(lua_gettop(L) == 0);
    must(!lua_isyieldable(L));
    c->ran_on = pthread_self();
    c->runs++;
    if (c->word != NULL)
        host_log(c->h, c->word);
}

static void *caller_main(void *ud) {
    struct caller *c = ud;

    c->status = kahu_call(c->h->s, c->fn, c);
    return NULL;
}

/* Returns when it waits. */
static void caller_start(struct caller *c, struct host *h, const char *word) {
    size_t before = kahu_count_all(h->s);

    *c = (struct caller){.h = h, .fn = caller_ran, .word = word};
    c->thread = start(caller_main, c);
    while (kahu_count_all(h->s) == before)
        sched_yield();
}

static kahu_status caller_end(struct caller *c) {
    join(c->thread);
    return c->status;
}

static void do_stop(void *ud, lua_State *L) {
    (void)ud;
    kahu_stop(host_of(L)->s, 0);
}

static void do_raise(void *ud, lua_State *L) {
    (void)ud;
    luaL_error(L, "oops");
}

/* ------------------------------------------------------------------------ */
/* From the scheduler's own OS thread                                       */
/* ------------------------------------------------------------------------ */

static kahu_status call_status;

static int lua_call_word(lua_State *L) {
    void *ud = embed_word(luaL_checkstring(L, 1));

    call_status = kahu_call(host_of(L)->s, embed_log, ud);
    return 0;
}

/* At once, wherever that is. */
static void a_call_at_home_runs_at_once(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "call", lua_call_word);
    assert_int_equal(kahu_call(h.s, NULL, NULL), KAHU_EINVAL);
    embed_post(&h, "p");
    assert_int_equal(kahu_call(h.s, embed_log, embed_word("a")), KAHU_OK);
    assert_log(&h, "a");
    assert_int_equal(kahu_count_all(h.s), 1);
    host_run(&h, "task.defer(log, 'd') log('b') call('c') log('e')");
    assert_int_equal(call_status, KAHU_OK);
    assert_log(&h, "a b c e");
    host_finish(&h);
    assert_log(&h, "a b c e d p");
    host_close(&h);
}

static void use_the_api(void *ud, lua_State *L) {
    struct host *h = ud;

    assert_int_equal(lua_gettop(L), 0);
    assert_false(lua_isyieldable(L));
    assert_int_equal(kahu_step(h->s), KAHU_ESTATE);
    assert_int_equal(kahu_run(h->s), KAHU_ESTATE);
    assert_int_equal(kahu_get_state(h->s), KAHU_RUNNING);
    host_run(h, "log('run') task.defer(log, 'defer')");
    assert_int_equal(kahu_call(h->s, embed_log, embed_word("inner")), KAHU_OK);
}

/* M8: it may use the API, except to step. */
static void a_call_at_home_uses_the_api(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_call(h.s, use_the_api, &h), KAHU_OK);
    assert_log(&h, "run inner");
    assert_true(kahu_is_ready(h.s));
    host_finish(&h);
    assert_log(&h, "run inner defer");
    host_close(&h);
}

static int lua_call_raise(lua_State *L) {
    call_status = kahu_call(host_of(L)->s, do_raise, NULL);
    return 0;
}

/* S9.1: its error is reported; the caller is not the one who failed. */
static void an_error_of_a_call_at_home(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "call", lua_call_raise);
    assert_int_equal(kahu_call(h.s, do_raise, NULL), KAHU_ERAISED);
    assert_string_equal(h.error, "oops");
    host_run(&h, "log(pcall(call))");
    assert_int_equal(call_status, KAHU_ERAISED);
    assert_int_equal(h.errors, 2);
    assert_log(&h, "true");
    assert_int_equal(kahu_exit_code(h.s), 1);
    host_close(&h);
}

static void close_and_call(void *ud, lua_State *L) {
    struct host *h = ud;

    (void)L;
    kahu_close(h->s);
    call_status = kahu_call(h->s, embed_log, embed_word("never"));
}

/* S9.7: refused from the moment of a close on, from inside too. */
static void a_call_at_home_when_closed(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_call(h.s, close_and_call, &h), KAHU_OK);
    assert_int_equal(call_status, KAHU_ECLOSED);
    assert_int_equal(kahu_get_state(h.s), KAHU_CLOSED);
    assert_int_equal(kahu_call(h.s, embed_log, embed_word("never")),
                     KAHU_ECLOSED);
    assert_log(&h, "");
    host_close(&h);
}

static void do_free(void *ud, lua_State *L) {
    struct host *h = ud;

    (void)L;
    kahu_free(h->s);
    h->s = NULL;
    host_log(h, "freed");
}

/* A free is carried out when the call is over. */
static void a_call_at_home_that_frees(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    embed_post(&h, "never");
    assert_int_equal(kahu_call(h.s, do_free, &h), KAHU_OK);
    assert_log(&h, "freed");
    host_close(&h);
}

static void call_other(void *ud, lua_State *L) {
    (void)L;
    assert_int_equal(kahu_call(ud, embed_log, embed_word("b")), KAHU_OK);
}

/* One OS thread with two schedulers waits for nobody. */
static void two_schedulers_at_home(void **state) {
    struct host a;
    struct host b;

    (void)state;
    host_open(&a, NULL);
    host_open(&b, NULL);
    assert_int_equal(kahu_call(a.s, call_other, b.s), KAHU_OK);
    assert_log(&b, "b");
    host_close(&b);
    host_close(&a);
}

/* ------------------------------------------------------------------------ */
/* From another OS thread                                                   */
/* ------------------------------------------------------------------------ */

/* Pending while it waits; in one order with what is posted; run at home. */
static void a_call_from_afar(void **state) {
    struct caller c;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    embed_post(&h, "a");
    caller_start(&c, &h, "b");
    embed_post(&h, "c");
    assert_int_equal(kahu_count_all(h.s), 3);
    assert_int_equal(kahu_get_state(h.s), KAHU_READY);
    assert_int_equal(c.runs, 0);
    assert_int_equal(kahu_step(h.s), 0);
    assert_int_equal(caller_end(&c), KAHU_OK);
    assert_true(pthread_equal(c.ran_on, pthread_self()));
    assert_int_equal(c.runs, 1);
    assert_log(&h, "a b c");
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

static void caller_raises(void *ud, lua_State *L) {
    caller_ran(ud, L);
    luaL_error(L, "oops");
}

static void *raiser_main(void *ud) {
    struct caller *c = ud;

    c->status = kahu_call(c->h->s, caller_raises, c);
    must(kahu_call(c->h->s, NULL, c) == KAHU_EINVAL);
    return NULL;
}

/* S9.1: reported at home, and the caller is told. */
static void an_error_of_a_call_from_afar(void **state) {
    struct host h;
    struct caller c = {.h = &h};

    (void)state;
    host_open(&h, NULL);
    c.thread = start(raiser_main, &c);
    while (c.runs == 0)
        (void)kahu_step(h.s);
    assert_int_equal(caller_end(&c), KAHU_ERAISED);
    assert_string_equal(h.error, "oops");
    assert_int_equal(h.errors, 1);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

#define CALLERS 4
#define CALLS 200

static int shared_sum; /* only ever touched at home */

static void add_one(void *ud, lua_State *L) {
    (void)L;
    *(int *)ud = ++shared_sum;
}

static void do_unref(void *ud, lua_State *L) {
    (void)ud;
    must(kahu_unref(host_of(L)->s) == KAHU_OK);
}

static void *call_many(void *ud) {
    struct caller *c = ud;
    int last = 0;
    int now;

    for (int i = 0; i < CALLS; i++) {
        must(kahu_call(c->h->s, add_one, &now) == KAHU_OK);
        must(now > last);
        last = now;
    }
    must(kahu_call(c->h->s, do_unref, NULL) == KAHU_OK);
    return NULL;
}

/* Each has its answer when it returns; the loop stays for the references. */
static void many_calls_from_afar(void **state) {
    for (int uv = 0; uv < 2; uv++) {
        struct caller callers[CALLERS];
        struct host h;

        (void)state;
        embed_open(&h, uv ? UV : BLOCKING);
        shared_sum = 0;
        for (int i = 0; i < CALLERS; i++) {
            callers[i] = (struct caller){.h = &h};
            kahu_ref(h.s);
            callers[i].thread = start(call_many, &callers[i]);
        }
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        for (int i = 0; i < CALLERS; i++)
            join(callers[i].thread);
        assert_int_equal(shared_sum, CALLERS * CALLS);
        host_close(&h);
    }
}

/* ------------------------------------------------------------------------ */
/* Posts from other OS threads                                              */
/* ------------------------------------------------------------------------ */

#define POSTERS 4
#define POSTS 200

struct poster {
    struct host *h;
    pthread_t loop;
    int posted;
    int ran;
    int drops;
    pthread_t thread;
};

struct parcel {
    struct poster *p;
    int number;
};

static void parcel_run(void *ud, lua_State *L) {
    struct parcel *parcel = ud;

    (void)L;
    must(pthread_equal(pthread_self(), parcel->p->loop));
    must(parcel->number == parcel->p->ran++);
    if (parcel->p->ran == POSTS)
        must(kahu_unref(parcel->p->h->s) == KAHU_OK);
}

static void parcel_drop(void *ud) {
    struct parcel *parcel = ud;

    must(pthread_equal(pthread_self(), parcel->p->loop));
    parcel->p->drops++;
    free(parcel);
}

static void *post_many(void *ud) {
    struct poster *p = ud;

    while (p->posted < POSTS) {
        struct parcel *parcel = malloc(sizeof(*parcel));

        must(parcel != NULL);
        *parcel = (struct parcel){p, p->posted++};
        must(kahu_post(p->h->s, parcel_run, parcel, parcel_drop) == KAHU_OK);
        if (p->posted % 16 == 0)
            sched_yield();
    }
    return NULL;
}

/* First in, first out for each of them; the loop stays for the references. */
static void posts_of_other_os_threads(void **state) {
    struct poster posters[POSTERS];
    struct host h;

    (void)state;
    host_open_uv(&h, NULL);
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.h = &h, .loop = pthread_self()};
        kahu_ref(h.s);
        posters[i].thread = start(post_many, &posters[i]);
    }
    host_finish(&h);
    assert_true(kahu_is_done(h.s));
    for (int i = 0; i < POSTERS; i++) {
        join(posters[i].thread);
        assert_int_equal(posters[i].ran, POSTS);
        assert_int_equal(posters[i].drops, POSTS);
    }
    host_close(&h);
}

static void *post_until_closed(void *ud) {
    struct poster *p = ud;

    for (;;) {
        struct parcel *parcel = malloc(sizeof(*parcel));
        kahu_status status;

        must(parcel != NULL);
        *parcel = (struct parcel){p, p->posted};
        status = kahu_post(p->h->s, parcel_run, parcel, parcel_drop);
        if (status == KAHU_OK) {
            p->posted++;
            continue;
        }
        must(status == KAHU_ECLOSED);
        free(parcel);
        return NULL;
    }
}

/* A close while they post: all that was taken is dropped, the rest refused. */
static void a_close_while_others_post(void **state) {
    struct poster p;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    p = (struct poster){.h = &h, .loop = pthread_self()};
    kahu_ref(h.s);
    p.thread = start(post_until_closed, &p);
    while (p.ran < POSTS)
        (void)kahu_step(h.s);
    kahu_close(h.s);
    join(p.thread);
    assert_int_equal(p.drops, p.posted);
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Stopped                                                                  */
/* ------------------------------------------------------------------------ */

static kahu_status call_now(struct host *h) {
    struct caller c = {.h = h, .fn = caller_ran};

    c.thread = start(caller_main, &c);
    join(c.thread);
    assert_int_equal(c.runs, 0);
    return c.status;
}

/* S9.6: nobody would run it, so nobody waits for it. */
static void a_call_when_stopped(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    kahu_stop(h.s, 0);
    assert_int_equal(call_now(&h), KAHU_ESTOPPED);
    assert_int_equal(kahu_count_all(h.s), 0);
    kahu_unstop(h.s);
    host_close(&h);
}

static void stop_and_step(struct host *h) {
    kahu_stop(h->s, 0);
    assert_int_equal(kahu_step(h->s), KAHU_ESTATE);
}

static void stop_and_run(struct host *h) {
    kahu_stop(h->s, 0);
    assert_int_equal(kahu_run(h->s), KAHU_ESTOPPED);
}

static void stop_in_a_call(struct host *h) {
    assert_int_equal(kahu_call(h->s, do_stop, NULL), KAHU_OK);
}

static void stop_in_a_resume(struct host *h) {
    host_global(h, "stop", lua_call_raise);
    (void)kahu_set_error_policy(h->s, KAHU_ERRORS_STOP);
    host_run(h, "stop()");
    assert_true(kahu_is_stopped(h->s));
}

static void *stop_main(void *ud) {
    kahu_stop(((struct host *)ud)->s, 0);
    return NULL;
}

static void stop_from_afar_and_run(struct host *h) {
    join(start(stop_main, h));
    assert_int_equal(kahu_run(h->s), KAHU_ESTOPPED);
}

static void stop_from_afar_and_advance(struct host *h) {
    join(start(stop_main, h));
    assert_int_equal(kahu_stepped_advance(h->m, 1000), 0);
}

static void stop_from_afar_and_finish(struct host *h) {
    join(start(stop_main, h));
    assert_int_equal(kahu_stepped_run(h->m), 0);
}

/* S9.6: those that wait when the stop comes are told, however it comes, by the
 * next that is heard of the scheduler; posts stay. */
static void a_stop_answers_who_waits(void **state) {
    static void (*const ways[])(struct host * h) = {
        stop_and_step,
        stop_and_run,
        stop_in_a_call,
        stop_in_a_resume,
        stop_from_afar_and_run,
        stop_from_afar_and_advance,
        stop_from_afar_and_finish,
    };

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct caller callers[2];
        struct host h;

        (void)state;
        host_open(&h, NULL);
        caller_start(&callers[0], &h, "never");
        embed_post(&h, "p");
        caller_start(&callers[1], &h, "never");
        ways[i](&h);
        assert_int_equal(caller_end(&callers[0]), KAHU_ESTOPPED);
        assert_int_equal(caller_end(&callers[1]), KAHU_ESTOPPED);
        assert_int_equal(kahu_count_all(h.s), 1);
        assert_log(&h, "");
        kahu_unstop(h.s);
        host_finish(&h);
        assert_log(&h, "p");
        host_close(&h);
    }
}

/* The same where the stop comes between two of one step, on a loop that ends
 * for it. */
static void a_stop_ahead_of_who_waits(void **state) {
    for (int uv = 0; uv < 2; uv++) {
        struct caller callers[2];
        struct host h;

        (void)state;
        embed_open(&h, uv ? UV : BLOCKING);
        caller_start(&callers[0], &h, "a");
        assert_int_equal(kahu_post(h.s, do_stop, NULL, NULL), KAHU_OK);
        caller_start(&callers[1], &h, "never");
        if (uv)
            host_finish(&h);
        else
            assert_int_equal(kahu_run(h.s), KAHU_ESTOPPED);
        assert_int_equal(caller_end(&callers[0]), KAHU_OK);
        assert_int_equal(caller_end(&callers[1]), KAHU_ESTOPPED);
        assert_log(&h, "a");
        host_close(&h);
    }
}

static atomic_int wakes;

static uint64_t bell_now(void *ud) {
    (void)ud;
    return 0;
}

static void bell_arm(void *ud, uint64_t deadline_ns, bool pending) {
    (void)ud;
    (void)deadline_ns;
    (void)pending;
}

static void bell_wake(void *ud) {
    (void)ud;
    wakes++;
}

/* A host whose driver counts what it is woken for. */
static void open_bell(struct host *h) {
    kahu_driver d = KAHU_DRIVER_INIT;

    host_open(h, NULL);
    d.now_ns = bell_now;
    d.arm = bell_arm;
    d.wake = bell_wake;
    embed_attach(h, &d, (kahu_options)KAHU_OPTIONS_INIT);
    wakes = 0;
}

static void *post_from_afar(void *ud) {
    embed_post(ud, "p");
    return NULL;
}

/* Another OS thread wakes the driver once for each step. */
static void posts_from_afar_wake_once(void **state) {
    struct host h;

    (void)state;
    open_bell(&h);
    for (int i = 1; i <= 3; i++) {
        join(start(post_from_afar, &h));
        join(start(post_from_afar, &h));
        assert_int_equal(wakes, i);
        assert_int_equal(kahu_step(h.s), 0);
    }
    assert_log(&h, "p p p p p p");
    host_close(&h);
}

/* A stop that is taken back leaves no driver asleep when the next one rings. */
static void a_stop_loses_no_wake_up(void **state) {
    struct caller c;
    struct host h;
    int before;

    (void)state;
    open_bell(&h);
    caller_start(&c, &h, "never");
    kahu_stop(h.s, 0);
    assert_int_equal(kahu_step(h.s), KAHU_ESTATE);
    assert_int_equal(caller_end(&c), KAHU_ESTOPPED);
    kahu_unstop(h.s);
    before = wakes;
    join(start(post_from_afar, &h));
    assert_int_equal(wakes, before + 1);
    assert_int_equal(kahu_step(h.s), 0);
    assert_log(&h, "p");
    host_close(&h);
}

struct stubborn {
    struct host *h;
    int ok;
    int stopped;
    atomic_bool done;
};

static void *call_stubbornly(void *ud) {
    struct stubborn *t = ud;
    int now;

    for (int i = 0; i < CALLS * 5; i++) {
        kahu_status status = kahu_call(t->h->s, add_one, &now);

        must(status == KAHU_OK || status == KAHU_ESTOPPED);
        if (status == KAHU_OK)
            t->ok++;
        else
            t->stopped++;
    }
    t->done = true;
    return NULL;
}

/* Whenever the stop comes, nobody is left waiting. */
static void stops_while_others_call(void **state) {
    struct host h;
    struct stubborn t = {.h = &h};
    pthread_t thread;

    (void)state;
    host_open(&h, NULL);
    shared_sum = 0;
    thread = start(call_stubbornly, &t);
    while (!t.done) {
        (void)kahu_step(h.s);
        kahu_stop(h.s, 0);
        (void)kahu_step(h.s);
        kahu_unstop(h.s);
    }
    join(thread);
    assert_int_equal(t.ok, shared_sum);
    assert_int_equal(t.ok + t.stopped, CALLS * 5);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Closed, cleared                                                          */
/* ------------------------------------------------------------------------ */

static void do_clear(void *ud, lua_State *L) {
    (void)ud;
    kahu_clear(host_of(L)->s);
}

static void do_close(void *ud, lua_State *L) {
    (void)ud;
    kahu_close(host_of(L)->s);
}

/* S9.7: told that it won't run, from outside and from inside a step. */
static void a_close_or_clear_answers_who_waits(void **state) {
    static const kahu_call_fn ways[] = {do_clear, do_close};

    for (int i = 0; i < 4; i++) {
        struct caller c;
        struct host h;

        (void)state;
        host_open(&h, NULL);
        if (i < 2)
            assert_int_equal(kahu_post(h.s, ways[i], NULL, NULL), KAHU_OK);
        caller_start(&c, &h, "never");
        if (i < 2)
            assert_int_equal(kahu_step(h.s), 0);
        else
            assert_int_equal(kahu_call(h.s, ways[i - 2], NULL), KAHU_OK);
        assert_int_equal(caller_end(&c), KAHU_ECLOSED);
        assert_int_equal(c.runs, 0);
        assert_int_equal(kahu_count_all(h.s), 0);
        host_close(&h);
    }
}

/* S9.7 */
static void a_call_from_afar_when_closed(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    kahu_close(h.s);
    assert_int_equal(call_now(&h), KAHU_ECLOSED);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_at_home_runs_at_once),
        cmocka_unit_test(a_call_at_home_uses_the_api),
        cmocka_unit_test(an_error_of_a_call_at_home),
        cmocka_unit_test(a_call_at_home_when_closed),
        cmocka_unit_test(a_call_at_home_that_frees),
        cmocka_unit_test(two_schedulers_at_home),
        cmocka_unit_test(a_call_from_afar),
        cmocka_unit_test(an_error_of_a_call_from_afar),
        cmocka_unit_test(many_calls_from_afar),
        cmocka_unit_test(posts_of_other_os_threads),
        cmocka_unit_test(a_close_while_others_post),
        cmocka_unit_test(a_call_when_stopped),
        cmocka_unit_test(a_stop_answers_who_waits),
        cmocka_unit_test(a_stop_ahead_of_who_waits),
        cmocka_unit_test(posts_from_afar_wake_once),
        cmocka_unit_test(a_stop_loses_no_wake_up),
        cmocka_unit_test(stops_while_others_call),
        cmocka_unit_test(a_close_or_clear_answers_who_waits),
        cmocka_unit_test(a_call_from_afar_when_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
