/* SPDX-License-Identifier: MIT */
/*
 * Which OS thread a scheduler belongs to: it is handed over, and others may
 * not use it.
 */
#define _POSIX_C_SOURCE 200809L
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "embed.h"
#include "kahu/threads.h"

/* ------------------------------------------------------------------------ */
/* One after another                                                        */
/* ------------------------------------------------------------------------ */

#define OWNERS 5

static void *own_for_a_step(void *ud) {
    struct host *h = ud;

    kahu_adopt(h->s);
    must(kahu_stepped_advance(h->m, 1000000000) == 1);
    host_run(h, "log('n') task.defer(log, 'd')");
    must(kahu_step(h->s) == 1);
    return NULL;
}

/* Each goes on where the one before stopped. */
static void owners_one_after_another(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    host_run(&h, "for i = 1, 7 do task.wait(1) log(i) end");
    for (int i = 0; i < OWNERS; i++)
        join(start(own_for_a_step, &h));
    kahu_adopt(h.s);
    host_finish(&h);
    assert_log(&h, "1 n d 2 n d 3 n d 4 n d 5 n d 6 7");
    host_close(&h);
}

static void *open_away(void *ud) {
    struct host *h = ud;

    embed_open(h, BLOCKING);
    host_run(h, "task.wait() log('a') task.delay(3600, log)");
    return NULL;
}

static void *close_away(void *ud) {
    struct host *h = ud;

    kahu_adopt(h->s);
    host_close(h);
    return NULL;
}

/* Made, run and freed by three. */
static void a_life_on_three_os_threads(void **state) {
    struct host h;
    lua_State *co;

    (void)state;
    join(start(open_away, &h));
    kahu_adopt(h.s);
    kahu_adopt(h.s); /* again is nothing */
    co = host_run(&h, "task.wait(0.002) log('b')");
    assert_int_equal(kahu_run_until(h.s, &co, 1), KAHU_OK);
    assert_log(&h, "a b");
    join(start(close_away, &h));
}

static void *run_away(void *ud) {
    struct host *h = ud;

    kahu_adopt(h->s);
    must(kahu_run(h->s) == KAHU_OK);
    return NULL;
}

/* With a driver that sleeps; what was armed before is armed still. */
static void a_loop_that_is_handed_over(void **state) {
    for (int d = 0; d < DRIVERS; d++) {
        struct host h;

        (void)state;
        embed_open(&h, d);
        host_run(&h, "task.delay(0.002, log, 'a') task.defer(log, 'd')");
        join(start(run_away, &h));
        kahu_adopt(h.s);
        assert_log(&h, "d a");
        host_run(&h, "task.wait() log('b')");
        assert_int_equal(kahu_run(h.s), KAHU_OK);
        assert_log(&h, "d a b");
        host_close(&h);
    }
}

/* ------------------------------------------------------------------------ */
/* Calls find the owner                                                     */
/* ------------------------------------------------------------------------ */

static void tell_where(void *ud, lua_State *L) {
    (void)L;
    *(pthread_t *)ud = pthread_self();
}

static void *call_where(void *ud) {
    static pthread_t where;

    must(kahu_call(((struct host *)ud)->s, tell_where, &where) == KAHU_OK);
    return &where;
}

static void *adopt_and_call(void *ud) {
    struct host *h = ud;
    pthread_t *where;

    kahu_adopt(h->s);
    where = call_where(h);
    must(pthread_equal(*where, pthread_self()));
    return NULL;
}

static void *own_for_a_call(void *ud) {
    struct host *h = ud;

    kahu_adopt(h->s);
    must(kahu_step(h->s) == 0);
    must(kahu_is_done(h->s));
    return NULL;
}

static pthread_t where_ran(pthread_t thread) {
    void *where;

    must(pthread_join(thread, &where) == 0);
    return *(pthread_t *)where;
}

/* At once for the new owner; those who waited for the old one are answered. */
static void calls_and_a_new_owner(void **state) {
    pthread_t thread;
    struct host h;

    (void)state;
    host_open(&h, NULL);
    thread = start(call_where, &h);
    while (kahu_is_done(h.s))
        sched_yield();
    join(start(own_for_a_call, &h));
    assert_false(pthread_equal(where_ran(thread), pthread_self()));
    kahu_adopt(h.s);
    join(start(adopt_and_call, &h));
    kahu_adopt(h.s);
    host_close(&h);
}

/* Who waits for one scheduler is not the affair of another's new owner: it is
 * answered by the owner of the one it waits for. */
static void calls_and_the_owner_of_another(void **state) {
    pthread_t thread;
    struct host h;
    struct host g;

    (void)state;
    host_open(&h, NULL);
    host_open(&g, NULL);
    thread = start(call_where, &h);
    while (kahu_is_done(h.s))
        sched_yield();
    join(start(adopt_and_call, &g));
    assert_false(kahu_is_done(h.s));
    assert_int_equal(kahu_step(h.s), 0);
    assert_true(pthread_equal(where_ran(thread), pthread_self()));
    kahu_adopt(g.s);
    host_close(&g);
    host_close(&h);
}

#define POSTS 300

struct relay {
    struct host h;
    int posted;
    int ran;
    pthread_t owner;
};

static void relay_run(void *ud, lua_State *L) {
    struct relay *r = ud;

    (void)L;
    must(pthread_equal(r->owner, pthread_self()));
    r->ran++;
}

static void *relay_post(void *ud) {
    struct relay *r = ud;

    for (; r->posted < POSTS; r->posted++)
        must(kahu_post(r->h.s, relay_run, r, NULL) == KAHU_OK);
    return NULL;
}

static void *relay_own(void *ud) {
    struct relay *r = ud;
    int end = r->ran + POSTS / 4;

    kahu_adopt(r->h.s);
    r->owner = pthread_self();
    while (r->ran < end)
        must(kahu_step(r->h.s) == 0);
    return NULL;
}

/* Posts come while it is handed on; none is lost, and none runs elsewhere. */
static void posts_while_it_is_handed_over(void **state) {
    struct relay r = {.posted = 0};
    pthread_t poster;

    (void)state;
    host_open(&r.h, NULL);
    poster = start(relay_post, &r);
    while (r.ran < POSTS / 2)
        join(start(relay_own, &r));
    join(poster);
    kahu_adopt(r.h.s);
    r.owner = pthread_self();
    host_finish(&r.h);
    assert_int_equal(r.ran, POSTS);
    host_close(&r.h);
}

/* ------------------------------------------------------------------------ */
/* Schedulers of other OS threads                                           */
/* ------------------------------------------------------------------------ */

struct worker {
    struct host h;
    atomic_bool ready;
    pthread_t thread;
};

static void *worker_main(void *ud) {
    struct worker *w = ud;

    embed_open(&w->h, BLOCKING);
    kahu_ref(w->h.s);
    w->ready = true;
    must(kahu_run(w->h.s) == KAHU_OK);
    host_close(&w->h);
    return NULL;
}

static void workers_start(struct worker *w, int n) {
    for (int i = 0; i < n; i++) {
        w[i].ready = false;
        w[i].thread = start(worker_main, &w[i]);
        while (!w[i].ready)
            sched_yield();
    }
}

static void worker_unref(void *ud, lua_State *L) {
    (void)ud;
    must(kahu_unref(host_of(L)->s) == KAHU_OK);
}

static void workers_end(struct worker *w, int n) {
    for (int i = 0; i < n; i++) {
        must(kahu_call(w[i].h.s, worker_unref, NULL) == KAHU_OK);
        join(w[i].thread);
    }
}

/* A call whose function calls the next scheduler, and so on. */
struct hop {
    kahu_sched *s;
    struct hop *next;
    kahu_status status; /* of the call to the next */
    int runs;
};

static void hop_run(void *ud, lua_State *L) {
    struct hop *hop = ud;

    (void)L;
    hop->runs++;
    if (hop->next != NULL)
        hop->status = kahu_call(hop->next->s, hop_run, hop->next);
}

/* The hops lead from one to the next; the last to nothing. */
static void hops_init(struct hop *hops, kahu_sched *const *s, int n) {
    for (int i = 0; i < n; i++)
        hops[i] = (struct hop){.s = s[i],
                               .next = i + 1 < n ? &hops[i + 1] : NULL,
                               .status = KAHU_EUSER};
}

static kahu_status hops_go(struct hop *hops) {
    return kahu_call(hops[0].s, hop_run, &hops[0]);
}

/* Refused, not run, nothing left of it; and each can call again. */
static void two_that_call_each_other(void **state) {
    struct worker w;
    struct hop hops[2];
    struct host h;

    (void)state;
    host_open(&h, NULL);
    workers_start(&w, 1);
    for (int i = 0; i < 2; i++) {
        hops_init(hops, (kahu_sched *[]){w.h.s, h.s}, 2);
        assert_int_equal(hops_go(hops), KAHU_OK);
        assert_int_equal(hops[0].status, KAHU_EDEADLOCK);
        assert_int_equal(hops[1].runs, 0);
        assert_true(kahu_is_done(h.s));
    }
    workers_end(&w, 1);
    host_close(&h);
}

/* By others: also where the ring does not come back to who began it. */
static void three_in_a_ring(void **state) {
    struct worker w[2];
    struct hop hops[3];
    struct host h;

    (void)state;
    host_open(&h, NULL);
    workers_start(w, 2);
    hops_init(hops, (kahu_sched *[]){w[0].h.s, w[1].h.s, h.s}, 3);
    assert_int_equal(hops_go(hops), KAHU_OK);
    assert_int_equal(hops[0].status, KAHU_OK);
    assert_int_equal(hops[1].status, KAHU_EDEADLOCK);
    assert_int_equal(hops[2].runs, 0);

    hops_init(hops, (kahu_sched *[]){w[0].h.s, w[1].h.s, w[0].h.s}, 3);
    assert_int_equal(hops_go(hops), KAHU_OK);
    assert_int_equal(hops[0].status, KAHU_OK);
    assert_int_equal(hops[1].status, KAHU_EDEADLOCK);
    workers_end(w, 2);
    host_close(&h);
}

/* A line of them is none, nor are two calls of one that is at home. */
static void what_is_no_deadlock(void **state) {
    struct worker w[3];
    struct hop hops[4];

    (void)state;
    workers_start(w, 3);
    hops_init(hops, (kahu_sched *[]){w[0].h.s, w[1].h.s, w[1].h.s, w[2].h.s},
              4);
    assert_int_equal(hops_go(hops), KAHU_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hops[i].status, KAHU_OK);
    assert_int_equal(hops[3].runs, 1);
    workers_end(w, 3);
}

static void nothing(void *ud, lua_State *L) {
    (void)ud;
    (void)L;
}

/* All begin at once: at least one is refused or all have their turns, nobody
 * hangs, and not all are refused. */
static void all_call_the_next_at_once(void **state) {
    for (int n = 2; n <= 3; n++) {
        struct worker w[3];
        struct hop hops[3][2];

        (void)state;
        workers_start(w, n);
        for (int round = 0; round < 100; round++) {
            int good = 0;

            for (int i = 0; i < n; i++)
                hops_init(hops[i],
                          (kahu_sched *[]){w[i].h.s, w[(i + 1) % n].h.s}, 2);
            for (int i = 0; i < n; i++)
                must(kahu_post(w[i].h.s, hop_run, hops[i], NULL) == KAHU_OK);
            for (int i = 0; i < n; i++)
                must(kahu_call(w[i].h.s, nothing, NULL) == KAHU_OK);
            for (int i = 0; i < n; i++) {
                assert_true(hops[i][0].status == KAHU_OK ||
                            hops[i][0].status == KAHU_EDEADLOCK);
                assert_int_equal(hops[i][1].runs, hops[i][0].status == KAHU_OK);
                good += hops[i][0].status == KAHU_OK;
            }
            assert_true(good > 0);
        }
        workers_end(w, n);
    }
}

struct turns {
    struct host h;
    struct worker w;
    int pings;
    kahu_status answered;
};

static void turns_ping(void *ud, lua_State *L) {
    (void)L;
    ((struct turns *)ud)->pings++;
}

static void turns_call_back(void *ud, lua_State *L) {
    struct turns *t = ud;

    (void)L;
    t->answered = kahu_call(t->h.s, turns_ping, t);
}

static void turns_serve(void *ud, lua_State *L) {
    struct turns *t = ud;

    (void)L;
    must(kahu_post(t->w.h.s, turns_call_back, t, NULL) == KAHU_OK);
}

/* Who has been answered waits no more, even if it has not woken yet. */
static void two_that_take_turns(void **state) {
    struct turns t = {.pings = 0};

    (void)state;
    host_open(&t.h, NULL);
    workers_start(&t.w, 1);
    for (int i = 1; i <= 500; i++) {
        assert_int_equal(kahu_call(t.w.h.s, turns_serve, &t), KAHU_OK);
        while (t.pings < i)
            assert_int_equal(kahu_step(t.h.s), 0);
    }
    assert_int_equal(kahu_call(t.w.h.s, nothing, NULL), KAHU_OK);
    assert_int_equal(t.answered, KAHU_OK);
    workers_end(&t.w, 1);
    host_close(&t.h);
}

struct heir {
    struct host h;
    struct worker w[2];
    kahu_status refused;
    atomic_bool done;
};

static void heir_adopt(void *ud, lua_State *L) {
    struct heir *p = ud;

    (void)L;
    kahu_adopt(p->h.s);
    p->refused = kahu_call(p->w[0].h.s, nothing, NULL);
    must(kahu_step(p->h.s) == 0);
    p->done = true;
}

/* Who waits for a scheduler waits for whoever owns it now. */
static void a_deadlock_with_the_new_owner(void **state) {
    struct heir p = {.done = false};
    struct hop hops[2];

    (void)state;
    host_open(&p.h, NULL);
    workers_start(p.w, 2);
    hops_init(hops, (kahu_sched *[]){p.w[0].h.s, p.h.s}, 2);
    must(kahu_post(hops[0].s, hop_run, &hops[0], NULL) == KAHU_OK);
    while (kahu_is_done(p.h.s))
        sched_yield();
    must(kahu_post(p.w[1].h.s, heir_adopt, &p, NULL) == KAHU_OK);
    while (!p.done)
        sched_yield();
    kahu_adopt(p.h.s);
    assert_int_equal(p.refused, KAHU_EDEADLOCK);
    workers_end(p.w, 2);
    assert_int_equal(hops[0].status, KAHU_OK);
    host_close(&p.h);
}

/* ------------------------------------------------------------------------ */
/* What another OS thread may not do                                        */
/* ------------------------------------------------------------------------ */

static struct host away; /* of the process that is to end */
static lua_State *away_co;
static kahu_op away_op;
static kahu_scope away_scope;
static kahu_hooks away_hooks = KAHU_HOOKS_INIT;
static const kahu_limits away_limits = KAHU_LIMITS_INIT;
static kahu_stats away_stats = {.size = sizeof(kahu_stats)};
static kahu_thread_info away_info = {.size = sizeof(kahu_thread_info)};

static bool away_watch(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    (void)L;
    (void)f;
    return false;
}

static bool away_each(void *ud, const kahu_thread_info *info) {
    (void)ud;
    (void)info;
    return true;
}

static void away_line(void *ud, const char *line) {
    (void)ud;
    (void)line;
}

/* What they say is of no interest. */
#define AWAY(XX)                                                               \
    XX(kahu_step, (away.s))                                                    \
    XX(kahu_run, (away.s))                                                     \
    XX(kahu_run_until, (away.s, &away_co, 1))                                  \
    XX(kahu_unref, (away.s))                                                   \
    XX(kahu_get_state, (away.s))                                               \
    XX(kahu_exit_code, (away.s))                                               \
    XX(kahu_next_deadline_ns, (away.s))                                        \
    XX(kahu_is_running, (away.s))                                              \
    XX(kahu_is_ready, (away.s))                                                \
    XX(kahu_is_done, (away.s))                                                 \
    XX(kahu_count, (away.s, KAHU_WAIT))                                        \
    XX(kahu_count_all, (away.s))                                               \
    XX(kahu_spawn, (away.s, away_co, NULL, 0))                                 \
    XX(kahu_defer, (away.s, away_co, 0))                                       \
    XX(kahu_delay, (away.s, away_co, 0, 1))                                    \
    XX(kahu_cancel, (away.s, away_co))                                         \
    XX(kahu_cancel_after, (away.s, away_co, 1))                                \
    XX(kahu_cancel_all, (away.s))                                              \
    XX(kahu_op_begin, (away_co, NULL, NULL, &away_op))                         \
    XX(kahu_add_hooks, (away.s, &away_hooks))                                  \
    XX(kahu_remove_hooks, (away.s, &away_hooks))                               \
    XX(kahu_set_error_policy, (away.s, KAHU_ERRORS_REPORT))                    \
    XX(kahu_count_errors, (away.s))                                            \
    XX(kahu_watch, (away.s, away_co, away_watch, NULL, NULL))                  \
    XX(kahu_unwatch, (away.s, away_co, away_watch, NULL))                      \
    XX(kahu_start, (away.s, away.L, 0, away_watch, NULL, NULL, NULL))          \
    XX(kahu_scope_new, (away.s, away_scope, &away_scope))                      \
    XX(kahu_scope_add, (away.s, away_scope, away_co))                          \
    XX(kahu_scope_cancel, (away.s, away_scope))                                \
    XX(kahu_scope_count, (away.s, away_scope))                                 \
    XX(kahu_scope_free, (away.s, away_scope))                                  \
    XX(kahu_track, (away.s))                                                   \
    XX(kahu_get_thread_info, (away.s, away_co, &away_info))                    \
    XX(kahu_each_thread, (away.s, NULL, away_each, NULL))                      \
    XX(kahu_dump, (away.s, KAHU_DUMP_ALL, away_line, NULL))                    \
    XX(kahu_set_thread_label, (away.s, away_co, "label"))                      \
    XX(kahu_set_thread_data, (away.s, away_co, NULL))                          \
    XX(kahu_set_limits, (away.s, &away_limits))                                \
    XX(kahu_stepped_step, (away.m, 1))                                         \
    XX(kahu_stepped_advance, (away.m, 1))                                      \
    XX(kahu_stepped_run, (away.m))

/* Those that say nothing. */
#define AWAY_MUTE(XX)                                                          \
    XX(kahu_close, (away.s))                                                   \
    XX(kahu_free, (away.s))                                                    \
    XX(kahu_unstop, (away.s))                                                  \
    XX(kahu_clear, (away.s))                                                   \
    XX(kahu_ref, (away.s))                                                     \
    XX(kahu_get_stats, (away.s, &away_stats))                                  \
    XX(kahu_get_error, (away.s, 0))                                            \
    XX(kahu_clear_errors, (away.s))

#define XX(name, arguments)                                                    \
    static void *do_##name(void *ud) {                                         \
        (void)!name arguments;                                                 \
        return ud;                                                             \
    }
AWAY(XX)
#undef XX
#define XX(name, arguments)                                                    \
    static void *do_##name(void *ud) {                                         \
        name arguments;                                                        \
        return ud;                                                             \
    }
AWAY_MUTE(XX)
#undef XX

static const struct {
    const char *name;
    void *(*call)(void *ud);
} away_calls[] = {
#define XX(name, arguments) {#name, do_##name},
    AWAY(XX) AWAY_MUTE(XX)
#undef XX
};

/* In a process of its own, whose stderr is fd. */
static void away_die(void *(*call)(void *ud), int fd) {
    const struct rlimit no_core = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)dup2(fd, STDERR_FILENO);
    join(start(call, NULL));
    _exit(0);
}

/* How that process ended; what it wrote, in text. */
static int away_run(void *(*call)(void *ud), char *text, size_t size) {
    int status;
    int fds[2];
    ssize_t n;
    pid_t child;

    assert_int_equal(pipe(fds), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        away_die(call, fds[1]);
    (void)close(fds[1]);
    while (size > 1 && (n = read(fds[0], text, size - 1)) > 0) {
        text += n;
        size -= (size_t)n;
    }
    *text = '\0';
    (void)close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Does it say who was called, and what to do instead? A stepped driver asks
 * the scheduler, which names what it was asked. */
static bool away_says(const char *text, const char *name) {
    char said[128];

    if (strncmp(name, "kahu_stepped", 12) == 0)
        name = "kahu_is_running";
    (void)snprintf(said, sizeof(said),
                   "kahu: %s() was called on an OS thread that does not own",
                   name);
    return strstr(text, said) != NULL && strstr(text, "kahu_adopt()") != NULL;
}

/* With assertions on, that is the end of the process. */
static void a_call_on_the_wrong_os_thread(void **state) {
    size_t wrong = 0;

    (void)state;
    host_open(&away, NULL);
    away_co = host_run(&away, "task.wait(1)");
    for (size_t i = 0; i < sizeof(away_calls) / sizeof(away_calls[0]); i++) {
        char text[4096];
        int status = away_run(away_calls[i].call, text, sizeof(text));

        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
            away_says(text, away_calls[i].name))
            continue;
        print_error("%s: %s\n", away_calls[i].name,
                    text[0] != '\0' ? text : "went unseen");
        wrong++;
    }
    assert_int_equal(wrong, 0);
    host_close(&away);
}

static void *own_away(void *ud) {
    kahu_adopt(away.s);
    return ud;
}

static void *inherit(void *ud) {
    join(start(own_away, ud));
    join(start(do_kahu_step, ud));
    return ud;
}

/* An OS thread that begins when the owner has ended is not the owner, though
 * the system may well give it the same place. */
static void the_heir_of_an_owner_that_ended(void **state) {
    char text[4096];
    int status;

    (void)state;
    host_open(&away, NULL);
    status = away_run(inherit, text, sizeof(text));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_true(away_says(text, "kahu_step"));
    host_close(&away);
}

static void *call_what_may_be_called(void *ud) {
    struct host *h = ud;
    kahu_op op = {0};

    must(kahu_version() == KAHU_VERSION_NUMBER);
    must(!kahu_is_stopped(h->s));
    must(kahu_op_finish(h->s, op, NULL, NULL, NULL) == KAHU_ESTALE);
    must(kahu_op_fail(h->s, op, NULL, NULL, NULL) == KAHU_ESTALE);
    must(kahu_op_abandon(h->s, op) == KAHU_ESTALE);
    must(kahu_post(h->s, nothing, NULL, NULL) == KAHU_OK);
    kahu_stop(h->s, 1);
    must(kahu_is_stopped(h->s));
    must(kahu_call(h->s, nothing, NULL) == KAHU_ESTOPPED);
    return NULL;
}

/* "Thread: any" is any. */
static void what_any_os_thread_may_call(void **state) {
    struct host h;

    (void)state;
    host_open(&h, NULL);
    join(start(call_what_may_be_called, &h));
    assert_int_equal(kahu_exit_code(h.s), 1);
    host_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owners_one_after_another),
        cmocka_unit_test(a_life_on_three_os_threads),
        cmocka_unit_test(a_loop_that_is_handed_over),
        cmocka_unit_test(calls_and_a_new_owner),
        cmocka_unit_test(calls_and_the_owner_of_another),
        cmocka_unit_test(posts_while_it_is_handed_over),
        cmocka_unit_test(two_that_call_each_other),
        cmocka_unit_test(three_in_a_ring),
        cmocka_unit_test(what_is_no_deadlock),
        cmocka_unit_test(all_call_the_next_at_once),
        cmocka_unit_test(two_that_take_turns),
        cmocka_unit_test(a_deadlock_with_the_new_owner),
        cmocka_unit_test(a_call_on_the_wrong_os_thread),
        cmocka_unit_test(the_heir_of_an_owner_that_ended),
        cmocka_unit_test(what_any_os_thread_may_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
