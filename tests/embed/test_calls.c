/* SPDX-License-Identifier: MIT */
/*
 * Calls from other OS threads, and schedulers that change hands.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/sched.h"
#include "host.h"

static pthread_t start(void *(*fn)(void *ud), void *ud) {
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, fn, ud), 0);
    return thread;
}

static void join(pthread_t thread) {
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* On the blocking driver, which waits for other OS threads. */
static void open_blocking(struct host *h) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    kahu_driver driver;

    host_open(h, NULL);
    kahu_free(h->s);
    h->m = NULL;
    assert_int_equal(kahu_blocking_driver(&driver), KAHU_OK);
    options.driver = &driver;
    assert_int_equal(kahu_new(&h->s, h->L, &options), KAHU_OK);
    hooks.ud = NULL;
    assert_int_equal(kahu_add_hooks(h->s, &hooks), KAHU_OK);
}

/* ------------------------------------------------------------------------ */
/* Posts                                                                    */
/* ------------------------------------------------------------------------ */

struct note {
    struct host *h;
    const char *word;
    int dropped;
};

static void say(void *ud, lua_State *L) {
    struct note *n = ud;

    assert_int_equal(lua_gettop(L), 0);
    host_log(n->h, n->word);
}

static void drop(void *ud) {
    struct note *n = ud;

    n->dropped++;
}

static kahu_op latest;

static int begin_op(lua_State *L) {
    kahu_status status = kahu_op_begin(L, NULL, NULL, &latest);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    return kahu_op_yield(L);
}

/* In one order with the operations that end; each pending until it has run. */
static void posts_and_operations_have_one_order(void **state) {
    struct host h;
    struct note a = {&h, "a", 0};
    struct note b = {&h, "b", 0};

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "op", begin_op);
    host_run(&h, "op() log('op')");
    assert_int_equal(kahu_post(h.s, say, &a, drop), KAHU_OK);
    assert_int_equal(kahu_op_finish(h.s, latest, NULL, NULL, NULL), KAHU_OK);
    assert_int_equal(kahu_post(h.s, say, &b, drop), KAHU_OK);
    assert_int_equal(kahu_post(h.s, say, &b, NULL), KAHU_OK);
    assert_int_equal(kahu_count_all(h.s), 4);
    assert_int_equal(kahu_get_state(h.s), KAHU_READY);
    assert_log(&h, "");
    assert_int_equal(kahu_step(h.s), 1);
    assert_log(&h, "a op b b");
    assert_int_equal(a.dropped, 1);
    assert_int_equal(b.dropped, 1);
    assert_true(kahu_is_done(h.s));
    assert_int_equal(kahu_post(h.s, NULL, &b, drop), KAHU_EINVAL);
    host_close(&h);
}

static void post_another(void *ud, lua_State *L) {
    struct note *n = ud;

    say(n, L);
    assert_int_equal(kahu_post(n->h->s, say, n, drop), KAHU_OK);
    assert_int_equal(kahu_step(n->h->s), KAHU_ESTATE);
    assert_int_equal(kahu_defer(n->h->s, host_load(n->h, "log('thread')"), 0),
                     KAHU_OK);
}

static void a_post_may_post_and_schedule(void **state) {
    struct host h;
    struct note a = {&h, "post", 0};

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_post(h.s, post_another, &a, drop), KAHU_OK);
    (void)kahu_step(h.s);
    assert_log(&h, "post thread");
    host_finish(&h);
    assert_log(&h, "post thread post");
    assert_int_equal(a.dropped, 2);
    host_close(&h);
}

static void raise_error(void *ud, lua_State *L) {
    (void)ud;
    luaL_error(L, "raised in a call");
}

static void an_error_in_a_post_is_reported(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_post(h.s, raise_error, NULL, NULL), KAHU_OK);
    host_finish(&h);
    assert_int_equal(h.errors, 1);
    assert_string_equal(h.error, "raised in a call");
    assert_int_equal(kahu_exit_code(h.s), 1);
    assert_int_equal(kahu_call(h.s, raise_error, NULL), KAHU_ERAISED);
    assert_int_equal(h.errors, 2);
    host_close(&h);
}

static void clear_and_close_drop_posts(void **state) {
    struct host h;
    struct note a = {&h, "never", 0};

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_post(h.s, say, &a, drop), KAHU_OK);
    kahu_clear(h.s);
    assert_int_equal(a.dropped, 1);
    assert_true(kahu_is_done(h.s));
    assert_int_equal(kahu_post(h.s, say, &a, drop), KAHU_OK);
    kahu_close(h.s);
    assert_int_equal(a.dropped, 2);
    assert_int_equal(kahu_post(h.s, say, &a, drop), KAHU_ECLOSED);
    assert_int_equal(kahu_call(h.s, say, &a), KAHU_ECLOSED);
    assert_int_equal(a.dropped, 2);
    assert_log(&h, "");
    host_close(&h);
}

/* ------------------------------------------------------------------------ */
/* Calls                                                                    */
/* ------------------------------------------------------------------------ */

static void a_call_on_its_own_thread_runs_at_once(void **state) {
    struct host h;
    struct note a = {&h, "now", 0};

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(kahu_call(h.s, say, &a), KAHU_OK);
    assert_log(&h, "now");
    assert_int_equal(kahu_call(h.s, NULL, &a), KAHU_EINVAL);
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

struct many {
    struct host *h;
    int number;
    int count;
};

static int arrived[4];
static int in_order[4];

static void arrive(void *ud, lua_State *L) {
    const struct many *m = ud;

    (void)L;
    in_order[m->number] += m->count == arrived[m->number];
    arrived[m->number]++;
    free(ud);
}

static void *call_and_post(void *ud) {
    struct many *all = ud;

    for (int i = 0; i < 500; i++) {
        struct many *m = malloc(sizeof(*m));

        *m = (struct many){all->h, all->number, i};
        if (i % 7 == 0)
            assert_int_equal(kahu_call(all->h->s, arrive, m), KAHU_OK);
        else
            assert_int_equal(kahu_post(all->h->s, arrive, m, NULL), KAHU_OK);
    }
    return NULL;
}

static void unref(void *ud, lua_State *L) {
    (void)L;
    assert_int_equal(kahu_unref(ud), KAHU_OK);
}

static void *four_at_once(void *ud) {
    struct host *h = ud;
    struct many all[4];
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        all[i] = (struct many){h, i, 0};
        threads[i] = start(call_and_post, &all[i]);
    }
    for (int i = 0; i < 4; i++)
        join(threads[i]);
    assert_int_equal(kahu_post(h->s, unref, h->s, NULL), KAHU_OK);
    return NULL;
}

/* Order per OS thread; none lost; the run sleeps in between and ends. */
static void from_four_threads_at_once(void **state) {
    struct host h;
    pthread_t thread;

    (void)state;
    open_blocking(&h);
    memset(arrived, 0, sizeof(arrived));
    memset(in_order, 0, sizeof(in_order));
    kahu_ref(h.s);
    thread = start(four_at_once, &h);
    assert_int_equal(kahu_run(h.s), KAHU_OK);
    join(thread);
    for (int i = 0; i < 4; i++)
        assert_int_equal(in_order[i], 500);
    host_close(&h);
}

struct asked {
    struct host *h;
    kahu_status answer;
};

static void *ask(void *ud) {
    struct asked *a = ud;
    struct note n = {a->h, "never", 0};

    a->answer = kahu_call(a->h->s, say, &n);
    return NULL;
}

/* Until somebody asks: from then on nobody steps, and nobody may hang. */
static void wait_for_a_call(struct host *h) {
    while (kahu_count_all(h->s) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void who_waits_is_answered_when_it_ends(void **state) {
    struct host h;
    struct asked a = {&h, KAHU_OK};
    pthread_t thread;

    (void)state;
    host_open(&h, NULL);
    thread = start(ask, &a);
    wait_for_a_call(&h);
    kahu_clear(h.s);
    join(thread);
    assert_int_equal(a.answer, KAHU_ECLOSED);

    thread = start(ask, &a);
    wait_for_a_call(&h);
    kahu_stop(h.s, 0);
    assert_int_equal(kahu_step(h.s), KAHU_ESTATE);
    join(thread);
    assert_int_equal(a.answer, KAHU_ESTOPPED);
    thread = start(ask, &a);
    join(thread);
    assert_int_equal(a.answer, KAHU_ESTOPPED);

    kahu_unstop(h.s);
    thread = start(ask, &a);
    wait_for_a_call(&h);
    kahu_close(h.s);
    join(thread);
    assert_int_equal(a.answer, KAHU_ECLOSED);
    assert_log(&h, "");
    host_close(&h);
}

/* S9.6: a stop sends away who waits, also behind an operation that has ended,
 * which is delivered when the stop is taken back. */
static void who_waits_behind_an_operation(void **state) {
    struct host h;
    struct asked a = {&h, KAHU_OK};
    pthread_t thread;

    (void)state;
    host_open(&h, NULL);
    host_global(&h, "op", begin_op);
    host_run(&h, "op() log('on')");
    assert_int_equal(kahu_op_finish(h.s, latest, NULL, NULL, NULL), KAHU_OK);
    thread = start(ask, &a);
    while (kahu_count_all(h.s) == kahu_count(h.s, KAHU_OPERATION))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    kahu_stop(h.s, 0);
    assert_int_equal(kahu_step(h.s), KAHU_ESTATE);
    join(thread);
    assert_int_equal(a.answer, KAHU_ESTOPPED);
    assert_log(&h, "");
    kahu_unstop(h.s);
    host_finish(&h);
    assert_log(&h, "on");
    host_close(&h);
}

/* Three OS threads, a scheduler each. Each asks the next one from inside of a
 * call; the last to ask would close the circle. */
#define RING 3

static struct place {
    struct host h;
    pthread_t thread;
    kahu_status answer;
    struct place *next;
} places[RING];

static pthread_barrier_t all_open;
static sem_t answered;

static void nothing(void *ud, lua_State *L) {
    (void)ud;
    (void)L;
}

/* Once all are here each is inside of a call of its own scheduler, and none of
 * them steps until its question is answered. */
static void ask_the_next(void *ud, lua_State *L) {
    struct place *p = ud;

    (void)L;
    pthread_barrier_wait(&all_open);
    p->answer = kahu_call(p->next->h.s, nothing, NULL);
    assert_int_equal(sem_post(&answered), 0);
}

static void *live(void *ud) {
    struct place *p = ud;

    open_blocking(&p->h);
    kahu_ref(p->h.s);
    assert_int_equal(kahu_post(p->h.s, ask_the_next, p, NULL), KAHU_OK);
    pthread_barrier_wait(&all_open);
    assert_int_equal(kahu_run(p->h.s), KAHU_OK);
    pthread_barrier_wait(&all_open);
    host_close(&p->h);
    return NULL;
}

/* At least one is told instead of hanging; the others get through. */
static void a_circle_of_calls_is_an_error(void **state) {
    int dead = 0;

    (void)state;
    assert_int_equal(pthread_barrier_init(&all_open, NULL, RING + 1), 0);
    assert_int_equal(sem_init(&answered, 0, 0), 0);
    for (int i = 0; i < RING; i++) {
        places[i].next = &places[(i + 1) % RING];
        places[i].thread = start(live, &places[i]);
    }
    pthread_barrier_wait(&all_open); /* all are open */
    pthread_barrier_wait(&all_open); /* all are inside of their call */
    for (int i = 0; i < RING; i++) /* who is through serves the others still */
        assert_int_equal(sem_wait(&answered), 0);
    for (int i = 0; i < RING; i++)
        assert_int_equal(kahu_post(places[i].h.s, unref, places[i].h.s, NULL),
                         KAHU_OK);
    pthread_barrier_wait(&all_open); /* all have ended */
    for (int i = 0; i < RING; i++) {
        join(places[i].thread);
        dead += places[i].answer == KAHU_EDEADLOCK;
        assert_true(places[i].answer == KAHU_OK ||
                    places[i].answer == KAHU_EDEADLOCK);
    }
    assert_int_equal(dead, 1);
    pthread_barrier_destroy(&all_open);
    sem_destroy(&answered);
}

/* ------------------------------------------------------------------------ */
/* Changing hands                                                           */
/* ------------------------------------------------------------------------ */

static void *step_elsewhere(void *ud) {
    struct host *h = ud;

    kahu_adopt(h->s);
    (void)kahu_stepped_advance(h->m, UINT64_C(1000000000));
    return NULL;
}

static void one_os_thread_after_another(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "for i = 1, 5 do log(i, task.wait(1)) end");
    for (int i = 0; i < 5; i++)
        join(start(step_elsewhere, &h));
    kahu_adopt(h.s);
    assert_log(&h, "1 1 2 1 3 1 4 1 5 1");
    assert_true(kahu_is_done(h.s));
    host_close(&h);
}

static void *step_without_asking(void *ud) {
    struct host *h = ud;

    (void)kahu_step(h->s);
    return NULL;
}

#if KAHU_COVERAGE
void __gcov_dump(void);
#endif

/* Where it is counted what of the library is run, a process that dies has to
 * write that down itself. */
static void die(int number) {
#if KAHU_COVERAGE
    __gcov_dump();
#endif
    signal(number, SIG_DFL);
    raise(number);
}

/* A process of its own dies of it, and says of what. */
static void who_breaks_the_rule_is_named(void **state) {
    struct host h;
    char said[512] = "";
    int fds[2];
    int status;
    pid_t child;

    (void)state;
    host_open(&h, NULL);
    assert_int_equal(pipe(fds), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, die);
        dup2(fds[1], STDERR_FILENO);
        join(start(step_without_asking, &h));
        _exit(0);
    }
    close(fds[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(read(fds[0], said, sizeof(said) - 1) > 0);
    close(fds[0]);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(said, "kahu_step() was called on an OS thread that "
                                 "does not own the scheduler"));
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_and_operations_have_one_order),
        cmocka_unit_test(a_post_may_post_and_schedule),
        cmocka_unit_test(an_error_in_a_post_is_reported),
        cmocka_unit_test(clear_and_close_drop_posts),
        cmocka_unit_test(a_call_on_its_own_thread_runs_at_once),
        cmocka_unit_test(from_four_threads_at_once),
        cmocka_unit_test(who_waits_is_answered_when_it_ends),
        cmocka_unit_test(who_waits_behind_an_operation),
        cmocka_unit_test(a_circle_of_calls_is_an_error),
        cmocka_unit_test(one_os_thread_after_another),
        cmocka_unit_test(who_breaks_the_rule_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
