/* SPDX-License-Identifier: MIT */
/*
 * sched.h - struct kahu_sched and the calls between core files.
 *
 * Private to src/core and src/luau. Nothing declared here raises a Luau error
 * unless it says so; what can fail returns a kahu_status.
 */
#ifndef KAHU_CORE_SCHED_H
#define KAHU_CORE_SCHED_H

#include <lua.h>

#include "../base/alloc.h"
#include "../base/atomic.h"
#include "../base/heap.h"
#include "../base/index.h"
#include "../base/lock.h"
#include "../base/slots.h"
#include "kahu/kahu.h"
#include "kahu/threads.h"
#include "pool.h"

/* Tests begin near the wrap. */
#if defined(KAHU_HOSTILE)
#define KAHU__FIRST_SEQ (UINT64_MAX - 10)
#else
#define KAHU__FIRST_SEQ 1
#endif

/* ------------------------------------------------------------------------ */
/* Wakes                                                                    */
/* ------------------------------------------------------------------------ */

/* One kind more than the public ones: a cancellation asked for while its
 * thread was running (S6.8), or for later. It closes its thread instead of
 * resuming it. */
#define KAHU__CANCEL KAHU_KINDS

/* Where a wake is linked. Exactly one place at a time. */
enum kahu__where {
    KAHU__NOWHERE, /* being made or being delivered */
    KAHU__TIMED,   /* s->timers */
    KAHU__IN_LANE, /* s->lanes[list] */
    KAHU__LISTED   /* s->lists[list] */
};

/*
 * A wake (M1): one promised resume of one thread.
 *
 * Invariants
 *   (W1) Its pool slot holds the thread, which therefore lives (S9.5).
 *   (W2) It is in the ring of its thread's wakes, which is in order of seq;
 *        s->threads names the ring's oldest, which knows how many there are.
 *   (W3) It is linked where `where` says, and counted in s->pending[kind].
 *   (W4) Its values live in s->values or on no stack but a preloaded one (M4).
 */
struct kahu__wake {
    lua_State *co;
    uint64_t seq; /* order of the calls; unique */
    union {
        uint64_t start_ns;  /* WAIT: when it was called */
        struct {            /* DEFER, DELAY */
            uint32_t first; /* in s->values, chained; 0 for none */
            uint32_t count;
        } values;
        struct kahu__op *op; /* OPERATION */
    } u;
    uint64_t deadline_ns; /* TIMED, IN_LANE */
    uint32_t newer;       /* ring of the wakes of co */
    uint32_t older;
    uint32_t next; /* LISTED, IN_LANE: neighbours in the list */
    union {
        uint32_t prev;  /* LISTED, IN_LANE */
        uint32_t place; /* TIMED: in the heap */
    } at;
    uint32_t ring;  /* of the oldest of a thread: how many there are */
    uint8_t kind;   /* kahu_kind, or KAHU__CANCEL */
    uint8_t where;  /* enum kahu__where */
    uint8_t list;   /* LISTED: enum kahu__list_name; IN_LANE: which */
    bool preloaded; /* u.values.count values were pushed on co (M4) */
};

/* A first-in first-out list of wakes. */
struct kahu__list {
    uint32_t first;
    uint32_t last;
};

enum kahu__list_name {
    KAHU__OPERATING, /* of operations, until delivery, in order of beginning */
    KAHU__DEFERRED,  /* waiting for the next flush */
    KAHU__DUE,       /* collected in this phase, not yet delivered */
    KAHU__PARKED,    /* due while their thread was running or normal (M2) */
    KAHU__UNLINKING, /* being ended by kahu_clear() or kahu_close() */
    KAHU__LISTS
};

#define KAHU__LANES 32 /* see lanes.c */

#define KAHU__KEEP_ROOM 4 /* for values on their way into a pool */

/* ------------------------------------------------------------------------ */
/* Operations                                                               */
/* ------------------------------------------------------------------------ */

/* What the push of an ended operation makes. */
enum kahu__ending { KAHU__VALUES, KAHU__ERROR };

/* Where an operation is. It moves down this list, one line at a time. */
enum kahu__op_place {
    KAHU__IN_SLOTS,   /* open: s->ops finds it */
    KAHU__IN_ENDED,   /* ended, in order of completion: in s->ended, or, of
                       * the round before, taken for this cycle's phase 1 */
    KAHU__IN_DELIVERY /* being delivered, or parked with its wake */
};

/*
 * Invariant (O1): an operation is in s->ops exactly while it is open, and then
 * where `in` says until its wake is freed.
 * s->ops, s->ended and the members marked * are guarded by s->op_lock.
 * A call posted from another OS thread (post.c) goes through the same lists,
 * so that they are in one order; it is no operation and has no wake.
 */
struct kahu__op {
    struct kahu__op *next; /* * in a list, or in s->op_spare */
    struct kahu__op *prev; /* * */
    uint64_t id;
    uint32_t wake;            /* 0: a posted call, see post.c */
    enum kahu__ending ending; /* * */
    enum kahu__op_place in;   /* * */
    uint32_t round;           /* * of s->op_round when it ended */
    kahu_push_fn push;        /* * with ud and drop: set when ended */
    void *ud;                 /* * */
    kahu_drop_fn drop;        /* * */
    kahu_op_cancel_fn on_cancel;
    void *cancel_ud;
    lua_CFunction begun_in; /* strict wakes: the function it was begun in */
};

struct kahu__op_list {
    struct kahu__op *first;
    struct kahu__op *last;
};

/* ------------------------------------------------------------------------ */
/* The scheduler                                                            */
/* ------------------------------------------------------------------------ */

/* A collected error. */
struct kahu__error {
    char *message;
    char *traceback;
};

/* What Luau functions hold of the scheduler. It belongs to the VM and stays
 * when the scheduler goes, so that no function is left with a stale pointer. */
struct kahu__box {
    kahu_sched *s; /* NULL when there is none (any more) */
    /* See chain.c: which callbacks of the VM are ours, and the host's below. */
    bool took_postresume;
    void (*host_postresume)(lua_State *L);
};

struct kahu_sched {
    lua_State *main;
    /* Four hidden threads, never resumed. `work` is where a value or two is
     * kept for a while; no code that a script can reach runs on it, so that no
     * script ever gets hold of it. On `told` lie the values of threads whose
     * hooks are being called: as many as they like, so they have no place on
     * `work`, whose room is not to depend on the memory there is. `caller` is
     * where hooks and providers run; between their calls it is empty, and so
     * looks dead to whoever has it. On `keep` stand the tables of the pools,
     * with KAHU__KEEP_ROOM above them; its stack gets larger, never smaller. */
    lua_State *work;
    lua_State *told;
    lua_State *caller;
    lua_State *keep;
    int work_ref;
    int told_ref;
    int caller_ref;
    int keep_ref;
    int keep_free;     /* a place on it that a table has left; 0 for none */
    int protect_ref;   /* the C closure that kahu__protect() calls */
    int no_memory_ref; /* the text kahu__push_no_memory() pushes */
    struct kahu__box *box;
    kahu_driver driver;
    struct kahu__alloc alloc;

    kahu_options options; /* defaults filled in; its driver is not used */

    struct kahu__pool wakes;
    struct kahu__pool values;   /* struct kahu__value, beside a Luau value */
    struct kahu__index threads; /* lua_State * -> its oldest wake */
    struct kahu__heap timers;   /* those that are in no lane */
    struct kahu__list lanes[KAHU__LANES];
    uint32_t lanes_used;  /* a bit for each that is not empty */
    uint32_t first_timer; /* the earliest of all; 0 when nothing is timed */
    struct kahu__list lists[KAHU__LISTS];
    uint64_t next_seq;
    lua_CFunction wait_function; /* strict wakes: what waiting threads are in */
    size_t pending[KAHU_KINDS + 1];
    size_t pending_all;
    size_t delivering; /* wakes begun and not ended: 0 or 1 */

    kahu__lock op_lock;
    uint32_t op_round; /* counts what was taken of `ended`; guarded by it */
    struct kahu__slots ops;
    struct kahu__op_list ended; /* in order of completion */
    kahu__atomic ended_count;   /* of `ended`; read without the lock */
    kahu__atomic posted;        /* posted calls that have not run; the same */
    bool deaf;                  /* takes no more of them; guarded by op_lock */
    struct kahu__op_list finishing; /* taken for this cycle's phase 1 */
    struct kahu__op *op_spare;      /* freed records, for the next ones */
    uint32_t op_spares;

    unsigned phase;         /* of the cycle; 0 between cycles */
    uint64_t cycle_seq;     /* wakes from here on were made in this cycle */
    uint32_t flush_depth;   /* generation being flushed; 0 outside a flush */
    uint64_t flush_end_seq; /* where that generation ends */
    bool flush_carried;     /* too deep: the rest is for the next cycle */
    uint64_t step_start_resumes; /* budget of this step (M7) */
    uint64_t step_end_resumes;
    uint64_t step_end_ns;

    lua_State *running;  /* what we resumed last and is not over, or NULL */
    size_t refs;         /* kahu_ref() less kahu_unref() */
    unsigned runs;       /* kahu_run()s on the C stack */
    const size_t *until; /* kahu_run_until(): how many have not ended */
    kahu__atomic rung;   /* by another OS thread, since the last step began */
    kahu__atomic owner;  /* kahu__thread_self() of the loop thread */

    unsigned depth;    /* kahu__enter() less kahu__leave() */
    bool closing;      /* no new work; see kahu_close() */
    bool closed;       /* nothing pending any more either */
    bool free_at_exit; /* kahu_free() came from inside */
    /* 0, or STOPPED with the exit code in the lower half: see kahu_stop() */
    kahu__atomic stopped;
    kahu__atomic stopping; /* OS threads inside kahu_stop() */

    bool armed;        /* the driver knows the two below */
    uint64_t armed_ns; /* what it was told last */
    bool armed_pending;
    bool woken;  /* wake() was called since the last step */
    bool missed; /* a step of the driver's came while one was under way */

    bool unparked; /* a parked wake's thread has yielded since */

    bool wording; /* an error's __tostring is under way */
    kahu_error_policy error_policy;
    struct kahu__error *errors; /* collected */
    size_t nerrors;
    size_t errors_capacity;
    kahu_hooks *hooks;
    uint32_t nhooks;
    uint32_t hooks_capacity;
    uint32_t hook_walks;   /* under way: removed hooks stay, emptied */
    uint32_t end_hooks;    /* how many of them have an on_end */
    uint32_t resume_hooks; /* an on_resume */
    uint32_t user_hooks;   /* an on_resume that is told of others' resumes */
    uint32_t event_hooks;  /* an on_event */

    struct kahu__pool watches;  /* struct kahu__watch, beside its thread */
    struct kahu__index watched; /* lua_State * -> its oldest watch */
    uint64_t next_watch;        /* order of making */
    uint32_t first_watch;       /* of all, in that order */
    uint32_t last_watch;
    struct kahu__slots scopes;
    struct kahu__scope *all_scopes; /* those without a parent */
    uint64_t scope_seq;             /* order of making, of scopes and members */
    uint64_t scope_walks;           /* kahu_scope_cancel()s so far */
    struct kahu__tracker *tracker;  /* NULL: not tracking */
    bool threads_full; /* the thread made last was refused by the limit */

    kahu_limits limits;
    uint64_t used_ns;          /* of max_total_ns */
    uint64_t run_start_ns;     /* of the outermost resume */
    uint64_t run_end_ns;       /* and when it has to be over */
    bool run_warned;           /* its timeout was raised once */
    kahu_sched *outer_limited; /* whose limited resume this one is inside */
    bool limited;              /* time is being measured */
    unsigned host_interrupts;  /* of those below under way */
    void (*host_interrupt)(lua_State *L, int gc);
    void (*later_interrupt)(lua_State *L, int gc); /* set during a resume */
    void (*below_interrupt)(lua_State *L, int gc); /* what that was set over */
    size_t deadlines; /* timed KAHU__CANCEL wakes */
    kahu_stats stats;
};

/* Does the wake of sequence a come before that of b? Right across a wrap. */
static inline bool kahu__seq_before(uint64_t a, uint64_t b) {
    return b - a - 1 < UINT64_MAX / 2;
}

/* One of this VM's threads that can be scheduled. The main thread is not a
 * coroutine. */
static inline bool kahu__is_ours(const kahu_sched *s, lua_State *co) {
    return co != NULL && co != s->main && lua_mainthread(co) == s->main;
}

/* Has co ended, by itself or otherwise? L is any other thread. */
static inline bool kahu__is_dead(lua_State *L, lua_State *co) {
    int status = lua_costatus(L, co);

    return status == LUA_COFIN || status == LUA_COERR;
}

/* The C function on top of L, which is in one or was suspended by one; or
 * NULL. */
lua_CFunction kahu__top_function(lua_State *L);

/* --- options.c ----------------------------------------------------------- */

/*
 * Reads a public struct that begins with its size, by the rule for all of
 * them: smaller than the first release's is an error, larger is fine as long
 * as what we do not know is zero.
 */
bool kahu__options_read_struct(void *out, size_t size, const void *in);

/* Reads and checks the options and their driver, and fills in the defaults.
 * out->driver is driver. */
bool kahu__options_read(kahu_options *out, kahu_driver *driver,
                        const kahu_options *in);

/* At the top of every public function that is for the loop thread only: with
 * assertions on, the process ends with the name of who broke the rule. */
#if defined(NDEBUG)
#define KAHU__LOOP_ONLY(s) ((void)(s))
#else
#define KAHU__LOOP_ONLY(s) kahu__check_owner(s, __func__)
#endif
void kahu__check_owner(const kahu_sched *s, const char *function);

/* --- sched.c ------------------------------------------------------------- */

/* Time for budgets and limits. */
static inline uint64_t kahu__real_ns(const kahu_sched *s) {
    return s->driver.real_ns != NULL ? s->driver.real_ns(s->driver.ud)
                                     : s->driver.now_ns(s->driver.ud);
}

/* Does the budget (M7), a stop or a close end this step? */
bool kahu__spent(kahu_sched *s);

/* Tells the driver what there is to wait for, unless something is under way
 * whose outermost kahu__leave() will. */
void kahu__changed(kahu_sched *s);

/* Something has come for the next step. Any OS thread but the scheduler's,
 * under op_lock: see kahu__op_put(). */
void kahu__ring(kahu_sched *s);

/* The box of L's VM, which has one: L has room for a value. */
struct kahu__box *kahu__sched_box(lua_State *L);

/* Pushes the box of L's VM, a userdata, or nil when it never had a scheduler.
 * Raises when memory is out. */
void kahu__sched_push_box(lua_State *L);

/* Bracket a step and whatever else may run Luau code or a hook. The outermost
 * leave tells the driver, and carries out a close or free that came from
 * inside: s may be gone after it. */
void kahu__enter(kahu_sched *s);
void kahu__leave(kahu_sched *s);

/* Ends all that is pending now, resuming nothing. What callbacks make on the
 * way stays. */
void kahu__unlink_all(kahu_sched *s);

/* Calls fn on L, one of the hidden threads, protected. LUA_OK with what fn
 * returned on L's stack, or a status with the error value there. An error may
 * come through calls of ours, when memory is out and there are many inside each
 * other: those are over then, but for what they have left on `work` and `told`,
 * which is for whoever called this to clear. */
int kahu__protect(kahu_sched *s, lua_State *L,
                  int (*fn)(lua_State *L, void *ud), void *ud);

/* Pushes "not enough memory" on co, which has room or is about to end: the VM
 * keeps some room for that. Unlike a push of the text it can't raise. */
void kahu__push_no_memory(const kahu_sched *s, lua_State *co);

/* --- wake.c -------------------------------------------------------------- */

static inline struct kahu__wake *kahu__wake_at(const kahu_sched *s,
                                               uint32_t id) {
    return (struct kahu__wake *)kahu__pool_at(&s->wakes, id);
}

/* The oldest wake of co, or 0. */
uint32_t kahu__thread_oldest(const kahu_sched *s, const lua_State *co);

/* How many wakes co has. */
uint32_t kahu__thread_wakes(const kahu_sched *s, const lua_State *co);

/* What co is going to be resumed by: its oldest wake that is no cancellation,
 * or NULL. */
const struct kahu__wake *kahu__thread_reason(const kahu_sched *s,
                                             const lua_State *co);

/* KAHU_OK if co may have one more wake, or KAHU_EWAKES. */
kahu_status kahu__wake_allowed(const kahu_sched *s, const lua_State *co);

/* A new wake of co, in its ring, linked nowhere, without values; 0 when memory
 * is out. L has co at index `at`; for 0, co has to name itself. */
uint32_t kahu__wake_new(kahu_sched *s, lua_State *co, unsigned kind,
                        lua_State *L, int at);

/* A new wake of co with the top nargs values of L, which stay there; linked
 * nowhere; 0 when memory is out. co is of this VM and not dead; unless it is L
 * itself, it stands right below the values. */
uint32_t kahu__wake_make(kahu_sched *s, lua_State *co, kahu_kind kind,
                         lua_State *L, int nargs);

/* Moves the values of a chain of s->values to co, or drops them for NULL. */
void kahu__values_take(kahu_sched *s, uint32_t first, lua_State *co);

/* Unlinks the wake from wherever it is and frees it with all it holds. */
void kahu__wake_free(kahu_sched *s, uint32_t id);

/* For a delivery: its thread has one wake less, but the record, linked nowhere,
 * is the caller's until kahu__wake_end(), and keeps the thread alive. What it
 * holds besides is the caller's too. */
struct kahu__wake *kahu__wake_begin(kahu_sched *s, uint32_t id);
void kahu__wake_end(kahu_sched *s, uint32_t id);

/* Appends a wake to any list, and takes it out; what `where` says is the
 * caller's. */
void kahu__list_link(kahu_sched *s, struct kahu__list *l, uint32_t id);
void kahu__list_unlink(kahu_sched *s, struct kahu__list *l, uint32_t id);

void kahu__list_append(kahu_sched *s, enum kahu__list_name name, uint32_t id);
void kahu__list_remove(kahu_sched *s, uint32_t id);

/* Pushes co on `to`, one of the hidden threads; on the work thread it lives on
 * until popped there, whatever becomes of its wakes and of the host's
 * references. */
void kahu__hold(lua_State *co, lua_State *to);

/* --- deliver.c ----------------------------------------------------------- */

/* Resumes the wake's thread with its values, or drops or parks it (M2). The
 * wake, linked nowhere, is gone afterwards unless it was parked. */
void kahu__deliver(kahu_sched *s, uint32_t id);

/* Ends a wake that nobody can or should get any more, and counts it. */
void kahu__drop(kahu_sched *s, uint32_t id);

/* --- threads.c ----------------------------------------------------------- */

/* A thread that has a wake, and the oldest. It is looked at only if it still
 * has that wake: it may be gone, and another in its place. */
struct kahu__thread_item {
    lua_State *co;
    uint64_t seq;
};

/* All of them, s->threads.count, in the order of their oldest wakes. */
void kahu__threads_list(const kahu_sched *s, struct kahu__thread_item *items);

/* --- park.c -------------------------------------------------------------- */

/* Keeps a wake whose thread was not suspended when it was due (M2). */
void kahu__park(kahu_sched *s, uint32_t id);

/* Makes all parked wakes due again, to be tried once more. */
void kahu__park_retry(kahu_sched *s);

/* A resume of L, whoever did it, is over. */
void kahu__park_notice(kahu_sched *s, lua_State *L);

/* --- chain.c ------------------------------------------------------------- */

/* Takes the callbacks of the VM that are needed now, and gives back the others:
 * to be called whenever that may have changed. */
void kahu__chain_update(kahu_sched *s);

/* Takes the VM's userthread callback, or gives it back; false when memory is
 * out. */
bool kahu__chain_take_userthread(kahu_sched *s);
void kahu__chain_give_userthread(kahu_sched *s);

/* --- resume.c ------------------------------------------------------------ */

/* Resumes co, which is suspended, with its top nargs values, and settles what
 * comes of it: hooks, stack, pending cancellation. Inside enter and leave. */
void kahu__resume(kahu_sched *s, lua_State *co, lua_State *from, int nargs,
                  kahu_cause cause);

/* The same for a wake that is being delivered; nargs < 0 raises the value on
 * top of its thread at its yield. */
void kahu__resume_wake(kahu_sched *s, const struct kahu__wake *w, int nargs);

/* Fails co, which is suspended and could not be closed; nobody is told. */
void kahu__resume_to_fail(kahu_sched *s, lua_State *co);

/* Has the VM collect all garbage; false when it could not. */
bool kahu__collect(kahu_sched *s);

/* Somebody else's resume of co is over. */
void kahu__resumed_by_user(kahu_sched *s, lua_State *co);

/* --- queue.c ------------------------------------------------------------- */

/* Defers co with the top nargs values of L, which stay there. */
kahu_status kahu__defer(kahu_sched *s, lua_State *co, lua_State *L, int nargs);

/* Runs the deferred queue (M6); false when the budget ran out before it did. */
bool kahu__flush(kahu_sched *s);

/* Would a task.defer now go deeper than strict_defer_depth allows? */
bool kahu__too_deep(const kahu_sched *s);

/* --- lanes.c ------------------------------------------------------------- */

static inline bool kahu__is_timed(const struct kahu__wake *w) {
    return w->where == KAHU__TIMED || w->where == KAHU__IN_LANE;
}

/* Adds a wake that is due at deadline_ns, delay_ns from now. Room in the heap
 * is reserved. */
void kahu__timers_add(kahu_sched *s, uint32_t id, uint64_t deadline_ns,
                      uint64_t delay_ns);

/* Takes out a wake that is timed. */
void kahu__timers_remove(kahu_sched *s, uint32_t id);

/* The one that is due first, or 0. */
static inline uint32_t kahu__timers_first(const kahu_sched *s) {
    return s->first_timer;
}

/* The same, looked for. */
uint32_t kahu__timers_find(const kahu_sched *s);

/* --- timer.c ------------------------------------------------------------- */

/* Delays co with the top nargs values of L, which stay there. */
kahu_status kahu__delay(kahu_sched *s, lua_State *co, lua_State *L, int nargs,
                        uint64_t delay_ns);

/* Lets L, which is about to yield from the C function self, sleep. */
kahu_status kahu__wait(kahu_sched *s, lua_State *L, uint64_t duration_ns,
                       lua_CFunction self);

/* Starts a wake; room in the heap is reserved. */
void kahu__timer_start(kahu_sched *s, uint32_t id, uint64_t delay_ns);

/* Moves a timer to a list. */
void kahu__timer_to_list(kahu_sched *s, uint32_t id, enum kahu__list_name name);

/* Moves the timers that are due, and older than this cycle, to KAHU__DUE. */
void kahu__timer_collect(kahu_sched *s);

/* Drops the first timers as long as their threads are dead: nobody is to wait
 * for what will do nothing. */
void kahu__timer_purge(kahu_sched *s);

/* The heap's owner; ud is the scheduler. */
bool kahu__timer_before(void *ud, uint32_t a, uint32_t b);
void kahu__timer_placed(void *ud, uint32_t id, uint32_t place);

/* --- op.c ---------------------------------------------------------------- */

void kahu__op_list_append(struct kahu__op_list *l, struct kahu__op *op);

/* Any OS thread, under op_lock. Puts op behind what has ended. True on the loop
 * thread, which has to call kahu__changed() when it has given the lock back. */
bool kahu__op_put(kahu_sched *s, struct kahu__op *op);
void kahu__op_list_remove(struct kahu__op_list *l, struct kahu__op *op);

/* Takes the operations ended by now for delivery in this cycle. */
void kahu__op_collect(kahu_sched *s);

/* Delivers the first of them; false when there is none. */
bool kahu__op_deliver_next(kahu_sched *s);

/* Pushes the outcome of an ended operation on the caller thread and frees the
 * operation; false for an error value. The host's callbacks have run then, and
 * may have done anything to any thread. */
bool kahu__op_take(kahu_sched *s, struct kahu__op *op);

/* Ends the operation of a wake that goes away undelivered. */
void kahu__op_discard(kahu_sched *s, struct kahu__op *op);

void kahu__op_free_spares(kahu_sched *s);

/* --- cancel.c ------------------------------------------------------------ */

/* Ends one wake, or all wakes of co, undelivered. */
void kahu__cancel_wake(kahu_sched *s, uint32_t id);
void kahu__unlink(kahu_sched *s, lua_State *co);

/* Unlinks the cancellations of a thread that has ended. */
void kahu__cancel_settled(kahu_sched *s, lua_State *co);

/* Does all of a cancellation but to close co: its wakes are unlinked, and who
 * wants to know is told. */
void kahu__cancel_tell(kahu_sched *s, lua_State *co);

/* Unlinks all wakes of co and closes it; co is suspended or dead. */
void kahu__cancel_now(kahu_sched *s, lua_State *co);

/* Closes co, whose wakes are unlinked. */
void kahu__reset(kahu_sched *s, lua_State *co);

/* --- feedback.c ---------------------------------------------------------- */

/* What hooks and watches are told with, and where its values are. */
struct kahu__told {
    kahu_feedback feedback;
    lua_State *values; /* nvalues of them, from this index */
    int first;
};

/* Does anybody want to know of threads that end? */
static inline bool kahu__tells_of_ends(const kahu_sched *s) {
    return s->end_hooks > 0 || s->resume_hooks > 0 || s->watches.live > 0;
}

/* Tells everybody who wants to know. What is on co's stack is moved away
 * meanwhile: with values left there a finished thread looks suspended (V1). It
 * is put back for KAHU_BY_USER, whose resume still wants it, and is gone
 * otherwise but for an error value. */
void kahu__feedback(kahu_sched *s, lua_State *co, kahu_cause cause,
                    kahu_outcome outcome);

/* --- hooks.c ------------------------------------------------------------- */

/* Calls fn on the caller thread, protected, with the told values on it if told
 * is not NULL. An error is written down and forgotten (S9.8). */
void kahu__hooks_call(kahu_sched *s, int (*fn)(lua_State *L, void *ud),
                      void *ud);

/* Pushes what told speaks of on L. Raises when there is no room. */
void kahu__hooks_push(lua_State *L, const struct kahu__told *told);

/* False when nobody listens. */
bool kahu__hooks_error(kahu_sched *s, const struct kahu__told *told);
void kahu__hooks_end(kahu_sched *s, const struct kahu__told *told);
void kahu__hooks_resume(kahu_sched *s, const struct kahu__told *told);

/* Only when s->event_hooks > 0: nobody is to pay for what nobody hears. */
void kahu__hooks_event(const kahu_sched *s, const kahu_event *e);
void kahu__hooks_wake(const kahu_sched *s, kahu_event_type type,
                      const struct kahu__wake *w);

/* --- error.c ------------------------------------------------------------- */

/* Text in a fixed buffer; what does not fit is cut off. */
struct kahu__text {
    size_t length;
    char bytes[8192];
};

/* Leaves the text of the value on top of co on the work thread, and the
 * traceback in out. */
const char *kahu__error_text(kahu_sched *s, lua_State *co,
                             struct kahu__text *out);

/* What becomes of an error nobody took (S9.1), by the policy. */
void kahu__report(kahu_sched *s, const struct kahu__told *told);

/* --- errors.c ------------------------------------------------------------ */

/* Collects the error; false when memory is out. */
bool kahu__errors_keep(kahu_sched *s, const kahu_feedback *f);

/* --- watch.c ------------------------------------------------------------- */

void kahu__watch_init(kahu_sched *s);

/* Does anybody watch co? */
bool kahu__watched(const kahu_sched *s, const lua_State *co);

/* Tells the watches of a thread that has ended; true when one of them takes
 * care of its error. */
bool kahu__watch_ended(kahu_sched *s, const struct kahu__told *told);

/* The same for watches that were made while the others and the hooks were told;
 * what is made even now is let go. */
void kahu__watch_ended_last(kahu_sched *s, const struct kahu__told *told);

/* Lets go of all watches, at the end of the scheduler. */
void kahu__watch_drop_all(kahu_sched *s);

/* --- scope.c ------------------------------------------------------------- */

void kahu__scope_free_all(kahu_sched *s);

/* --- track.c ------------------------------------------------------------- */

/* co was made by the running thread L: makes its record, or raises. */
void kahu__track_made(kahu_sched *s, lua_State *L, lua_State *co);

/* The VM is about to free co; its API can't be used. */
void kahu__track_gone(kahu_sched *s, const lua_State *co);

/* Makes a record of a thread that was there before tracking; false when memory
 * is out. */
bool kahu__track_meet(kahu_sched *s, lua_State *co);

/* co has yielded. */
void kahu__track_yielded(kahu_sched *s, lua_State *co);

/* Was co, which is tracked, there before tracking? And has it been seen to
 * yield, or to be made, since? */
bool kahu__track_met(const kahu_sched *s, const lua_State *co);
bool kahu__track_saw_yield(const kahu_sched *s, const lua_State *co);

/* Frees all records. */
void kahu__track_end(kahu_sched *s);

/* --- limits.c ------------------------------------------------------------ */

/* Bracket an outermost resume when time is limited. */
void kahu__limits_begin(kahu_sched *s);
void kahu__limits_end(kahu_sched *s);

static inline bool kahu__limits_time(const kahu_sched *s) {
    return s->limits.max_resume_ns != 0 || s->limits.max_total_ns != 0;
}

/* --- post.c -------------------------------------------------------------- */

/* Runs a posted call that was taken out of its list. */
void kahu__post_run(kahu_sched *s, struct kahu__op *op);

/* Drops those there are. */
void kahu__post_drop_all(kahu_sched *s, kahu_status why);

/* Takes no more of them. */
void kahu__post_deafen(kahu_sched *s);

/* Sends away who waits for one in vain, as s is stopped. */
void kahu__post_refuse(kahu_sched *s);

/* --- verify.c ------------------------------------------------------------ */

/* Walks everything and asserts the invariants W1 to W4 and O1. O(n). */
void kahu__verify(const kahu_sched *s);

#endif
