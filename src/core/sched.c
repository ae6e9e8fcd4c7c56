/* SPDX-License-Identifier: MIT */
/*
 * sched.c - the life of a scheduler and the order of a cycle.
 *
 * States of a thread, as the scheduler sees it. It keeps no record of a thread
 * but the ring of its wakes: everything else is the VM's to know.
 *
 *              +--------------------------------------------------+
 *              v                                                  |
 *   fresh -> waiting -> due -> running -> yielded, with wakes ----+
 *     |        |  ^      |       |   \--> yielded, without: somebody else's
 *     |        |  |      v       v
 *     |        |  +--- parked   dead
 *     |        +--------------> dead (cancelled)
 *     +--> running (spawned)
 *
 *   -> waiting   [kahu__defer, kahu__delay, kahu__wait, kahu_op_begin]
 *   -> due       [kahu__flush, kahu__timer_collect, kahu__op_collect]
 *   -> running   [kahu__resume, kahu__resume_wake]
 *   -> parked    [kahu__park]      -> due again [kahu__park_retry]
 *   -> dead      [the VM, kahu__cancel_now]
 *
 * Invariants
 *   (1) pending_all is the sum of pending[], and the number of live records in
 *       `wakes` but for one that is being delivered: all is done exactly when
 *       it is 0 (S9.4), nothing is posted and nobody holds a kahu_ref().
 *   (2) A wake is delivered only by a phase of a cycle, and phases run only
 *       with depth 1: never inside a resume or a hook (M8).
 *   (3) Between calls of the API, depth is 0 and the driver knows the first
 *       deadline, whether anything is pending, and that a step is needed if
 *       one is.
 *   (4) Once `closed`, nothing is pending and nothing can be made pending.
 */
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/common.h"
#include "sched.h"

/* Room on the hidden threads: for what one resume or hook moves values with,
 * and for a good number of them inside each other. */
#define WORK_ROOM 32
#define WORK_DEPTH 32 /* inside each other, with room from the start */

/* Its address is the key of the box in the VM's registry. */
static char box_key;

/* ------------------------------------------------------------------------ */
/* Protected calls                                                          */
/* ------------------------------------------------------------------------ */

struct protected_call {
    int (*fn)(lua_State *L, void *ud);
    void *ud;
};

static int sched_protected(lua_State *L) {
    struct protected_call *call = lua_tolightuserdata(L, 1);

    lua_settop(L, 0);
    return call->fn(L, call->ud);
}

int kahu__protect(kahu_sched *s, lua_State *L,
                  int (*fn)(lua_State *L, void *ud), void *ud) {
    struct protected_call call = {fn, ud};
    unsigned depth = s->depth;
    uint32_t walks = s->hook_walks;
    int status;

    lua_getref(L, s->protect_ref);
    lua_pushlightuserdata(L, &call);
    status = lua_pcall(L, 1, LUA_MULTRET, 0);
    if (status != LUA_OK) {
        s->depth = depth;
        s->hook_walks = walks;
    }
    return status;
}

void kahu__push_no_memory(const kahu_sched *s, lua_State *co) {
    lua_getref(co, s->no_memory_ref);
}

/* ------------------------------------------------------------------------ */
/* OS threads                                                               */
/* ------------------------------------------------------------------------ */

void kahu__check_owner(const kahu_sched *s, const char *function) {
    if (kahu__atomic_get(&s->owner) == kahu__thread_self())
        return;
    fprintf(stderr,
            "kahu: %s() was called on an OS thread that does not own the "
            "scheduler; hand it over with kahu_adopt(), or use kahu_post() or "
            "kahu_call()\n",
            function);
    abort();
}

/* ------------------------------------------------------------------------ */
/* The driver                                                               */
/* ------------------------------------------------------------------------ */

/* Something that a step would deliver whatever the clock says. What a budget
 * has cut off may have been cancelled since. */
static bool sched_has_queued(const kahu_sched *s) {
    if (s->pending_all == 0 && kahu__atomic_get(&s->posted) == 0)
        return false;
    return s->phase != 0 || s->lists[KAHU__DEFERRED].first != 0 ||
           s->unparked || kahu__atomic_get(&s->ended_count) > 0;
}

static bool sched_has_due(const kahu_sched *s) {
    uint64_t deadline_ns = kahu_next_deadline_ns(s);

    return deadline_ns != KAHU_NEVER_NS &&
           deadline_ns <= s->driver.now_ns(s->driver.ud);
}

bool kahu_is_ready(const kahu_sched *s) {
    KAHU__LOOP_ONLY(s);
    return !s->closing && !kahu_is_stopped(s) &&
           (sched_has_queued(s) || sched_has_due(s));
}

bool kahu_is_running(const kahu_sched *s) {
    KAHU__LOOP_ONLY(s);
    return s->depth > 0;
}

/* A stopped scheduler waits for nothing. */
static void sched_arm(kahu_sched *s) {
    bool live = !kahu_is_stopped(s);
    uint64_t deadline_ns;
    bool pending;

    kahu__timer_purge(s);
    deadline_ns = live ? kahu_next_deadline_ns(s) : KAHU_NEVER_NS;
    pending = live && !kahu_is_done(s);

    if (live && !s->woken && (s->missed || sched_has_queued(s))) {
        s->woken = true;
        s->driver.again(s->driver.ud);
    }
    if (s->armed && deadline_ns == s->armed_ns && pending == s->armed_pending)
        return;
    s->armed = true;
    s->armed_ns = deadline_ns;
    s->armed_pending = pending;
    s->driver.arm(s->driver.ud, deadline_ns, pending);
}

void kahu__changed(kahu_sched *s) {
    if (s->depth == 0)
        sched_arm(s);
}

/* Once is enough until the next step, which takes the ring back before it looks
 * at what has come. */
void kahu__ring(kahu_sched *s) {
    if (kahu__atomic_claim(&s->rung, 1)) {
        kahu__thread_dawdle();
        s->driver.wake(s->driver.ud);
    }
}

/* ------------------------------------------------------------------------ */
/* Making                                                                   */
/* ------------------------------------------------------------------------ */

static lua_State *sched_new_thread(lua_State *L, int *ref) {
    lua_State *co = lua_newthread(L);

    *ref = lua_ref(L, -1);
    if (!lua_checkstack(co, WORK_ROOM * WORK_DEPTH))
        luaL_error(L, "not enough memory");
    return co;
}

/* The part of kahu_new() that may raise. */
static int sched_open(lua_State *L) {
    kahu_sched *s = lua_tolightuserdata(L, 1);

    s->work = sched_new_thread(L, &s->work_ref);
    s->told = sched_new_thread(L, &s->told_ref);
    s->caller = sched_new_thread(L, &s->caller_ref);
    s->keep = sched_new_thread(L, &s->keep_ref);
    lua_pushcfunction(L, sched_protected, "protect");
    s->protect_ref = lua_ref(L, -1);
    lua_pushliteral(L, "not enough memory");
    s->no_memory_ref = lua_ref(L, -1);

    kahu__sched_push_box(L);
    s->box = lua_touserdata(L, -1);
    if (s->box == NULL) {
        struct kahu__box *box = lua_newuserdata(L, sizeof(*box));

        *box = (struct kahu__box){.s = NULL};
        lua_rawsetp(L, LUA_REGISTRYINDEX, &box_key);
        s->box = box;
    }
    return 0;
}

/* False when memory is out; the VM is as it was. */
static bool sched_enter_vm(kahu_sched *s, lua_State *L) {
    if (!lua_checkstack(L, 4))
        return false;
    if (lua_cpcall(L, sched_open, s) == LUA_OK)
        return true;
    lua_pop(L, 1); /* the error */
    lua_unref(L, s->no_memory_ref);
    lua_unref(L, s->protect_ref);
    lua_unref(L, s->keep_ref);
    lua_unref(L, s->caller_ref);
    lua_unref(L, s->told_ref);
    lua_unref(L, s->work_ref);
    return false;
}

static void sched_init(kahu_sched *s) {
    struct kahu__heap_owner owner = {s, kahu__timer_before, kahu__timer_placed};

    kahu__pool_init(&s->wakes, s, sizeof(struct kahu__wake));
    kahu__pool_init(&s->values, s, sizeof(uint64_t));
    kahu__watch_init(s);
    kahu__index_init(&s->threads, &s->alloc);
    kahu__heap_init(&s->timers, &s->alloc, owner);
    kahu__slots_init(&s->ops, &s->alloc);
    kahu__slots_init(&s->scopes, &s->alloc);
    kahu__lock_init(&s->op_lock);
    s->next_seq = KAHU__FIRST_SEQ;
    kahu__atomic_set(&s->owner, kahu__thread_self());
}

/* Frees the memory; the VM's share is given back already, or never was had. */
static void sched_free_memory(kahu_sched *s) {
    struct kahu__alloc alloc = s->alloc;

    kahu__index_deinit(&s->threads);
    kahu__heap_deinit(&s->timers);
    kahu__slots_deinit(&s->ops);
    kahu__slots_deinit(&s->scopes);
    kahu__index_deinit(&s->watched);
    kahu__lock_deinit(&s->op_lock);
    kahu__op_free_spares(s);
    kahu__free(&s->alloc, s->hooks, s->hooks_capacity * sizeof(*s->hooks));
    kahu__free(&alloc, s, sizeof(*s));
}

/* With the embedder's allocator, or else the VM's. */
static kahu_sched *sched_alloc(lua_State *L, const kahu_options *o) {
    struct kahu__alloc alloc;
    void *ud = o->alloc_ud;
    kahu__alloc_fn fn = o->alloc != NULL ? o->alloc : lua_getallocf(L, &ud);
    kahu_sched *s;

    kahu__alloc_init(&alloc, fn, ud);
    s = kahu__calloc(&alloc, sizeof(*s));
    if (s != NULL)
        s->alloc = alloc;
    return s;
}

/* The options are whole and valid. */
static kahu_status sched_make(kahu_sched **out, lua_State *L,
                              const kahu_options *o) {
    kahu_sched *s = sched_alloc(L, o);

    if (s == NULL)
        return KAHU_ENOMEM;
    s->main = lua_mainthread(L);
    s->options = *o;
    s->driver = *o->driver;
    sched_init(s);
    if (!sched_enter_vm(s, L)) {
        sched_free_memory(s);
        return KAHU_ENOMEM;
    }
    s->box->s = s;
    *out = s;
    if (s->driver.attach != NULL)
        s->driver.attach(s->driver.ud, s);
    return KAHU_OK;
}

kahu_status kahu_new(kahu_sched **out, lua_State *L, const kahu_options *opts) {
    kahu_options o;
    kahu_driver driver;

    if (out == NULL)
        return KAHU_EINVAL;
    *out = NULL;
    if (L == NULL || !kahu__options_read(&o, &driver, opts))
        return KAHU_EINVAL;
    if (kahu_get(L) != NULL)
        return KAHU_ESTATE;
    return sched_make(out, L, &o);
}

void kahu__sched_push_box(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &box_key);
}

struct kahu__box *kahu__sched_box(lua_State *L) {
    struct kahu__box *box;

    kahu__sched_push_box(L);
    box = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return box;
}

kahu_sched *kahu_get(lua_State *L) {
    const struct kahu__box *box;

    if (!lua_checkstack(L, 1))
        return NULL;
    box = kahu__sched_box(L);
    return box == NULL ? NULL : box->s;
}

/* ------------------------------------------------------------------------ */
/* Closing                                                                  */
/* ------------------------------------------------------------------------ */

static void sched_unlink_list(kahu_sched *s, enum kahu__list_name name) {
    while (s->lists[name].first != 0) {
        uint32_t id = s->lists[name].first;

        kahu__list_remove(s, id);
        kahu__list_append(s, KAHU__UNLINKING, id);
    }
}

/* In a fixed order: operations as they were begun, then the queues, then the
 * timers. All are put together first, so that what callbacks make meanwhile is
 * not among them. */
void kahu__unlink_all(kahu_sched *s) {
    uint32_t first;

    for (int name = 0; name < KAHU__UNLINKING; name++)
        sched_unlink_list(s, (enum kahu__list_name)name);
    while ((first = kahu__timers_first(s)) != 0)
        kahu__timer_to_list(s, first, KAHU__UNLINKING);
    while (s->lists[KAHU__UNLINKING].first != 0)
        kahu__cancel_wake(s, s->lists[KAHU__UNLINKING].first);
}

/* Depth keeps what the callbacks do from telling the driver. */
static void sched_finish_close(kahu_sched *s) {
    if (s->closed)
        return;
    s->depth++;
    kahu__unlink_all(s);
    kahu__post_drop_all(s, KAHU_ECLOSED);
    kahu__watch_drop_all(s);
    kahu__scope_free_all(s);
    assert(s->pending_all == 0);
    s->depth--;
    s->closed = true;
    s->phase = 0;
    s->refs = 0;
    kahu__track_end(s);
    kahu__chain_update(s);
    sched_arm(s);
}

/* An OS thread whose stop is why we are here may be waking the driver still.
 * It is no place for a lock: it may be in a signal handler. */
static void sched_await_stops(const kahu_sched *s) {
    while (kahu__atomic_get(&s->stopping) != 0)
        kahu__thread_give_way();
}

/* Also cuts the scheduler out of the VM. */
static void sched_destroy(kahu_sched *s) {
    kahu_driver driver = s->driver;

    sched_await_stops(s);
    kahu_clear_errors(s);
    s->box->s = NULL;
    kahu__pool_deinit(&s->wakes);
    kahu__pool_deinit(&s->values);
    kahu__pool_deinit(&s->watches);
    lua_unref(s->main, s->no_memory_ref);
    lua_unref(s->main, s->protect_ref);
    lua_unref(s->main, s->keep_ref);
    lua_unref(s->main, s->caller_ref);
    lua_unref(s->main, s->told_ref);
    lua_unref(s->main, s->work_ref);
    sched_free_memory(s);
    if (driver.release != NULL)
        driver.release(driver.ud);
}

/* Where even more are inside each other, room is made while it can be. */
void kahu__enter(kahu_sched *s) {
    if (kahu__unlikely(++s->depth > WORK_DEPTH))
        (void)lua_checkstack(s->work, WORK_ROOM);
}

void kahu__leave(kahu_sched *s) {
    if (--s->depth > 0)
        return;
    if (s->closing)
        sched_finish_close(s);
    else if (kahu_is_stopped(s))
        kahu__post_refuse(s);
    if (s->box->took_postresume)
        kahu__chain_update(s);
    if (s->free_at_exit && s->runs == 0)
        sched_destroy(s);
    else
        sched_arm(s);
}

void kahu_close(kahu_sched *s) {
    KAHU__LOOP_ONLY(s);
    kahu__enter(s);
    s->closing = true;
    kahu__post_deafen(s);
    kahu__leave(s);
}

void kahu_clear(kahu_sched *s) {
    KAHU__LOOP_ONLY(s);
    kahu__enter(s);
    kahu__unlink_all(s);
    kahu__post_drop_all(s, KAHU_ECLOSED);
    kahu__leave(s);
}

void kahu_free(kahu_sched *s) {
    if (s == NULL)
        return;
    KAHU__LOOP_ONLY(s);
    s->free_at_exit = true;
    kahu_close(s);
}

/* ------------------------------------------------------------------------ */
/* Stopping                                                                 */
/* ------------------------------------------------------------------------ */

#define STOPPED (UINT64_C(1) << 32)

void kahu_stop(kahu_sched *s, int exit_code) {
    kahu__atomic_add(&s->stopping, 1);
    if (kahu__atomic_claim(&s->stopped, STOPPED | (uint32_t)exit_code)) {
        kahu__thread_dawdle();
        s->driver.wake(s->driver.ud);
    }
    kahu__atomic_sub(&s->stopping, 1);
}

bool kahu_is_stopped(const kahu_sched *s) {
    return kahu__atomic_get(&s->stopped) != 0;
}

/* What a stop has kept from being armed and woken for is made up for. */
void kahu_unstop(kahu_sched *s) {
    KAHU__LOOP_ONLY(s);
    kahu__atomic_set(&s->stopped, 0);
    kahu__atomic_set(&s->rung, 0);
    s->armed = s->woken = false;
    kahu__changed(s);
}

int kahu_exit_code(const kahu_sched *s) {
    uint64_t stopped = kahu__atomic_get(&s->stopped);

    KAHU__LOOP_ONLY(s);
    if (stopped != 0)
        return (int)(uint32_t)stopped;
    return s->stats.errors > 0 ? 1 : 0;
}

/* ------------------------------------------------------------------------ */
/* The cycle (M5)                                                           */
/* ------------------------------------------------------------------------ */

/* A step that has time for nothing does one resume all the same, or the rest
 * would never be done. */
bool kahu__spent(kahu_sched *s) {
    if (kahu_is_stopped(s) || s->closing)
        return true;
    if (s->until != NULL && *s->until == 0)
        return true;
    if (s->stats.resumes >= s->step_end_resumes)
        return true;
    return s->options.max_step_ns != 0 &&
           s->stats.resumes > s->step_start_resumes &&
           kahu__real_ns(s) >= s->step_end_ns;
}

static bool cycle_begin(kahu_sched *s) {
    s->cycle_seq = s->next_seq;
    s->flush_carried = false;
    kahu__park_retry(s);
    return true;
}

static bool cycle_due(kahu_sched *s) {
    uint32_t id;

    while ((id = s->lists[KAHU__DUE].first) != 0) {
        if (kahu__spent(s))
            return false;
        kahu__list_remove(s, id);
        kahu__deliver(s, id);
    }
    return true;
}

static bool cycle_collect_ops(kahu_sched *s) {
    kahu__op_collect(s);
    return true;
}

static bool cycle_ops(kahu_sched *s) {
    do {
        if (s->finishing.first != NULL && kahu__spent(s))
            return false;
    } while (kahu__op_deliver_next(s));
    return true;
}

static bool cycle_collect_timers(kahu_sched *s) {
    kahu__timer_collect(s);
    return true;
}

/* Each returns false when the step ended before it did; the next step goes on
 * with it. */
static bool (*const cycle_phases[])(kahu_sched *s) = {
    cycle_begin,          cycle_due, kahu__flush, /* left from before */
    cycle_collect_ops,    cycle_ops, kahu__flush, /* phase 1 */
    cycle_collect_timers, cycle_due, kahu__flush, /* phase 2 */
};

static void cycle_run(kahu_sched *s) {
    while (s->phase < sizeof(cycle_phases) / sizeof(cycle_phases[0])) {
        if (!cycle_phases[s->phase](s))
            return;
        s->phase++;
    }
    s->phase = 0;
}

static void step_set_budget(kahu_sched *s) {
    const kahu_options *o = &s->options;

    s->step_start_resumes = s->stats.resumes;
    s->step_end_resumes = o->max_step_resumes == 0
                              ? UINT64_MAX
                              : s->stats.resumes + o->max_step_resumes;
    if (o->max_step_ns != 0)
        s->step_end_ns = kahu__real_ns(s) + o->max_step_ns;
}

/* A loop is run from inside a resume, and the timer or wake-up that brought us
 * here is used up: when the resume is over, the driver is told again. */
static int step_refuse(kahu_sched *s) {
    s->woken = s->armed = false;
    s->missed = true;
    return KAHU_ESTATE;
}

int kahu_step(kahu_sched *s) {
    uint64_t count;

    KAHU__LOOP_ONLY(s);
    if (s->depth > 0)
        return step_refuse(s);
    if (s->closing)
        return KAHU_ECLOSED;
    if (kahu_is_stopped(s)) {
        kahu__atomic_set(&s->rung, 0);
        kahu__post_refuse(s);
        sched_arm(s);
        return KAHU_ESTATE;
    }

    kahu__enter(s);
    s->woken = s->missed = false;
    kahu__atomic_set(&s->rung, 0);
    s->armed = false; /* a timer of the driver's that fired is gone */
    s->stats.cycles++;
    step_set_budget(s);
    cycle_run(s);
    count = s->stats.resumes - s->step_start_resumes;
    kahu__leave(s);
    return count > INT32_MAX ? INT32_MAX : (int)count;
}

/* ------------------------------------------------------------------------ */
/* State                                                                    */
/* ------------------------------------------------------------------------ */

bool kahu_is_done(const kahu_sched *s) {
    KAHU__LOOP_ONLY(s);
    return kahu_count_all(s) == 0;
}

size_t kahu_count_all(const kahu_sched *s) {
    KAHU__LOOP_ONLY(s);
    return s->pending_all + s->refs + (size_t)kahu__atomic_get(&s->posted);
}

kahu_state kahu_get_state(const kahu_sched *s) {
    KAHU__LOOP_ONLY(s);
    if (s->closing)
        return KAHU_CLOSED;
    if (kahu_is_stopped(s))
        return KAHU_STOPPED;
    if (kahu_is_running(s))
        return KAHU_RUNNING;
    if (kahu_is_ready(s))
        return KAHU_READY;
    return kahu_is_done(s) ? KAHU_IDLE : KAHU_WAITING;
}

void kahu_ref(kahu_sched *s) {
    KAHU__LOOP_ONLY(s);
    if (s->closing)
        return;
    s->refs++;
    kahu__changed(s);
}

kahu_status kahu_unref(kahu_sched *s) {
    KAHU__LOOP_ONLY(s);
    if (s->refs == 0)
        return KAHU_ESTATE;
    s->refs--;
    kahu__changed(s);
    return KAHU_OK;
}

size_t kahu_count(const kahu_sched *s, kahu_kind kind) {
    KAHU__LOOP_ONLY(s);
    return (unsigned)kind < KAHU_KINDS ? s->pending[kind] : 0;
}

void kahu_get_stats(const kahu_sched *s, kahu_stats *out) {
    kahu_stats stats = s->stats;
    size_t size = out->size < sizeof(stats) ? out->size : sizeof(stats);

    KAHU__LOOP_ONLY(s);
    stats.size = out->size;
    stats.bytes = s->alloc.bytes;
    stats.bytes_peak = s->alloc.peak;
    memcpy(out, &stats, size);
}
