/* SPDX-License-Identifier: MIT */
/*
 * post.c - calls that other OS threads want run on the scheduler's.
 *
 * Design notes
 *   A posted call stands in the same list as the operations that have ended,
 *   so all of them have one order. Its record is the C library's memory: the
 *   VM's allocator belongs to the loop thread. That of a kahu_call() is on the
 *   caller's stack, who waits until somebody has answered.
 *   Who waits in a kahu_call() is in a list of the process's, as two
 *   schedulers of different OS threads can wait for each other. It holds
 *   nothing but blocked OS threads.
 */
#include "../base/common.h"
#include "sched.h"

/* An OS thread in kahu_call(). */
struct post_waiter {
    uint64_t self;  /* the OS thread */
    uint64_t owner; /* the one it waits for */
    const kahu_sched *s;
    struct post_waiter *next;
    kahu_status answer; /* guarded by lock, with answered */
    bool answered;
#if KAHU_THREADS
    kahu__lock lock;
    kahu__signal signal;
#endif
};

struct post {
    struct kahu__op op; /* first: see post_of() */
    kahu_call_fn fn;
    struct kahu__alloc alloc;   /* the C library's */
    struct post_waiter *waiter; /* NULL: this record is its own */
};

static struct post *post_of(struct kahu__op *op) {
    assert(op->wake == 0);
    return (struct post *)op;
}

/* ------------------------------------------------------------------------ */
/* Any OS thread: putting a call into the list                              */
/* ------------------------------------------------------------------------ */

/* Nobody may begin to wait when those who wait have been sent away already. */
static kahu_status post_check(const kahu_sched *s, const struct post *p) {
    if (s->deaf)
        return KAHU_ECLOSED;
    return p->waiter != NULL && kahu_is_stopped(s) ? KAHU_ESTOPPED : KAHU_OK;
}

static kahu_status post_put(kahu_sched *s, struct post *p) {
    bool here = false;
    kahu_status status;

    kahu__lock_take(&s->op_lock);
    status = post_check(s, p);
    if (status == KAHU_OK) {
        kahu__atomic_add(&s->posted, 1);
        here = kahu__op_put(s, &p->op);
    }
    kahu__lock_give(&s->op_lock);

    if (here)
        kahu__changed(s);
    return status;
}

kahu_status kahu_post(kahu_sched *s, kahu_call_fn fn, void *ud,
                      kahu_drop_fn drop) {
    struct kahu__alloc alloc;
    kahu_status status;
    struct post *p;

    if (fn == NULL)
        return KAHU_EINVAL;
    kahu__alloc_init(&alloc, kahu__alloc_libc, NULL);
    p = kahu__calloc(&alloc, sizeof(*p));
    if (p == NULL)
        return KAHU_ENOMEM;
    p->op.ud = ud;
    p->op.drop = drop;
    p->fn = fn;
    p->alloc = alloc;
    status = post_put(s, p);
    if (status != KAHU_OK)
        kahu__free(&alloc, p, sizeof(*p));
    return status;
}

/* ------------------------------------------------------------------------ */
/* The loop thread: running it, or not                                      */
/* ------------------------------------------------------------------------ */

struct post_run {
    const struct post *post;
    bool done;
};

static int post_call(lua_State *L, void *ud) {
    struct post_run *run = ud;

    run->post->fn(run->post->op.ud, L);
    run->done = true;
    return 0;
}

/* The error a call raised is told like that of a thread; leaves its text on the
 * work thread. */
static void post_report(kahu_sched *s, lua_State *L) {
    struct kahu__text traceback;
    struct kahu__told told = {
        .feedback = {.co = L,
                     .cause = KAHU_BY_SPAWN,
                     .outcome = KAHU_FAILED,
                     .message = kahu__error_text(s, L, &traceback),
                     .traceback = traceback.bytes},
    };

    kahu__report(s, &told);
}

/* On the caller thread; false when it raised an error. told and work: how much
 * is on these threads now. */
static bool post_protected(kahu_sched *s, const struct post *p, int told,
                           int work) {
    struct post_run run = {p, false};
    int top = lua_gettop(s->caller);

    if (kahu__protect(s, s->caller, post_call, &run) != LUA_OK) {
        lua_settop(s->told, told);
        lua_settop(s->work, work);
        post_report(s, s->caller);
        lua_settop(s->work, work);
    }
    lua_settop(s->caller, top);
    return run.done;
}

#if KAHU_THREADS

static kahu__lock waiters_lock = KAHU__LOCK_INIT;
static struct post_waiter *waiters;

static void waiters_leave(const struct post_waiter *w) {
    struct post_waiter **at = &waiters;

    kahu__lock_take(&waiters_lock);
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    kahu__lock_give(&waiters_lock);
}

/* From here on it waits for nobody, whenever it comes to run. */
static void post_answer(struct post_waiter *w, kahu_status answer) {
    waiters_leave(w);
    kahu__lock_take(&w->lock);
    w->answer = answer;
    w->answered = true;
    kahu__signal_give(&w->signal);
    kahu__lock_give(&w->lock);
}

#endif

/* The record goes, by whoever's it is. */
static void post_end(kahu_sched *s, struct post *p, kahu_status answer) {
    struct kahu__alloc alloc = p->alloc;
    kahu_drop_fn drop = p->op.drop;
    void *ud = p->op.ud;

    kahu__atomic_sub(&s->posted, 1);
#if KAHU_THREADS
    if (p->waiter != NULL) {
        post_answer(p->waiter, answer);
        return;
    }
#endif
    (void)answer;
    kahu__free(&alloc, p, sizeof(*p));
    if (drop != NULL)
        drop(ud);
}

void kahu__post_run(kahu_sched *s, struct kahu__op *op) {
    struct post *p = post_of(op);
    bool good = post_protected(s, p, 0, 0);

    post_end(s, p, good ? KAHU_OK : KAHU_ERAISED);
}

/* ------------------------------------------------------------------------ */
/* Dropping                                                                 */
/* ------------------------------------------------------------------------ */

/* The first posted call from at on; only those that wait if so asked. */
static struct kahu__op *post_next(struct kahu__op *at, bool waiting) {
    while (at != NULL &&
           (at->wake != 0 || (waiting && post_of(at)->waiter == NULL)))
        at = at->next;
    return at;
}

/* Takes the first such call out of both lists; NULL when there is none. */
static struct post *post_take(kahu_sched *s, bool waiting) {
    struct kahu__op_list *list = &s->finishing;
    struct kahu__op *op;

    kahu__lock_take(&s->op_lock);
    op = post_next(list->first, waiting);
    if (op == NULL) {
        list = &s->ended;
        op = post_next(list->first, waiting);
        if (op != NULL)
            kahu__atomic_sub(&s->ended_count, 1);
    }
    if (op != NULL)
        kahu__op_list_remove(list, op);
    kahu__lock_give(&s->op_lock);
    return op == NULL ? NULL : post_of(op);
}

static size_t post_count(kahu_sched *s) {
    size_t n = 0;

    kahu__lock_take(&s->op_lock);
    for (struct kahu__op *op = post_next(s->finishing.first, false); op != NULL;
         op = post_next(op->next, false))
        n++;
    for (struct kahu__op *op = post_next(s->ended.first, false); op != NULL;
         op = post_next(op->next, false))
        n++;
    kahu__lock_give(&s->op_lock);
    return n;
}

/* Only as many as there were: the callbacks may post more. */
void kahu__post_drop_all(kahu_sched *s, kahu_status why) {
    struct post *p;

    for (size_t n = post_count(s); n > 0 && (p = post_take(s, false)) != NULL;
         n--)
        post_end(s, p, why);
}

void kahu__post_refuse(kahu_sched *s) {
    struct post *p;

    while ((p = post_take(s, true)) != NULL)
        post_end(s, p, KAHU_ESTOPPED);
}

void kahu__post_deafen(kahu_sched *s) {
    kahu__lock_take(&s->op_lock);
    s->deaf = true;
    kahu__lock_give(&s->op_lock);
}

/* ------------------------------------------------------------------------ */
/* Waiting for it                                                           */
/* ------------------------------------------------------------------------ */

static kahu_status call_inline(kahu_sched *s, const struct post *p) {
    bool good;

    if (s->closing)
        return KAHU_ECLOSED;
    if (!lua_checkstack(s->caller, LUA_MINSTACK))
        return KAHU_ENOMEM;
    kahu__enter(s);
    good = post_protected(s, p, lua_gettop(s->told), lua_gettop(s->work));
    kahu__leave(s);
    return good ? KAHU_OK : KAHU_ERAISED;
}

#if KAHU_THREADS

/* Does the OS thread named owner wait, itself or by others, for self? One
 * waits for one at most, and none in a circle. */
static bool waiters_lead_to(uint64_t owner, uint64_t self) {
    const struct post_waiter *w;

    while (owner != self) {
        for (w = waiters; w != NULL && w->self != owner;)
            w = w->next;
        if (w == NULL)
            return false;
        owner = w->owner;
    }
    return true;
}

/* False when the wait would be for itself. */
static bool waiters_enter(struct post_waiter *w) {
    bool dead;

    kahu__lock_take(&waiters_lock);
    w->owner = kahu__atomic_get(&w->s->owner);
    dead = waiters_lead_to(w->owner, w->self);
    if (!dead) {
        w->next = waiters;
        waiters = w;
    }
    kahu__lock_give(&waiters_lock);
    return !dead;
}

void kahu_adopt(kahu_sched *s) {
    uint64_t self = kahu__thread_self();

    kahu__lock_take(&waiters_lock);
    for (struct post_waiter *w = waiters; w != NULL; w = w->next)
        if (w->s == s)
            w->owner = self;
    kahu__atomic_set(&s->owner, self);
    kahu__lock_give(&waiters_lock);
}

/* s may be gone when it has answered. */
static kahu_status call_wait(kahu_sched *s, struct post *p) {
    struct post_waiter *w = p->waiter;
    kahu_status status = post_put(s, p);

    if (status != KAHU_OK) {
        waiters_leave(w);
        return status;
    }
    kahu__lock_take(&w->lock);
    while (!w->answered)
        kahu__signal_wait(&w->signal, &w->lock);
    kahu__lock_give(&w->lock);
    return w->answer;
}

static kahu_status call_remote(kahu_sched *s, struct post *p) {
    struct post_waiter w = {.self = kahu__thread_self(), .s = s};
    kahu_status status = KAHU_EDEADLOCK;

    p->waiter = &w;
    kahu__lock_init(&w.lock);
    kahu__signal_init(&w.signal);
    if (waiters_enter(&w))
        status = call_wait(s, p);
    kahu__signal_deinit(&w.signal);
    kahu__lock_deinit(&w.lock);
    p->waiter = NULL;
    return status;
}

kahu_status kahu_call(kahu_sched *s, kahu_call_fn fn, void *ud) {
    struct post p = {.op = {.ud = ud}, .fn = fn};

    if (fn == NULL)
        return KAHU_EINVAL;
    if (kahu__atomic_get(&s->owner) == kahu__thread_self())
        return call_inline(s, &p);
    return call_remote(s, &p);
}

#else

void kahu_adopt(kahu_sched *s) {
    (void)s;
}

kahu_status kahu_call(kahu_sched *s, kahu_call_fn fn, void *ud) {
    struct post p = {.op = {.ud = ud}, .fn = fn};

    return fn == NULL ? KAHU_EINVAL : call_inline(s, &p);
}

#endif
