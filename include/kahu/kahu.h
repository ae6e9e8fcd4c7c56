/* SPDX-License-Identifier: MIT */
/*
 * kahu.h - a task scheduler for Luau VMs.
 *
 * What is not declared in this header, or in a header beside it, is not API.
 *
 * Model.  A scheduler drives the threads (coroutines) of ONE Luau VM. Every
 *   promise to resume a thread is a wake: a deferred call, a delay, a wait or
 *   an operation. The scheduler never blocks and never reads a clock: a driver
 *   gives it the time and says when to step. kahu_step() runs one cycle and
 *   delivers the wakes that are ready, in an order that is total: finished
 *   operations in order of completion, then timers by (deadline, order of the
 *   calls), each followed by the deferred queue, first in first out.
 * Time.   uint64_t nanoseconds of the driver's clock; names end in `_ns`. The
 *   Luau libraries speak seconds as a number; conversion happens only there.
 * Errors. A function that can fail returns kahu_status: KAHU_OK or a negative
 *   code; functions that count return >= 0 or that negative code. A call that
 *   fails has changed nothing and no callback comes of it. No function here
 *   raises a Luau error unless its stack note says so. An error inside a
 *   thread is not a failure of the call that resumed it: it goes to the hooks.
 * Stack.  Each function that touches a lua_State carries Lua's own indicator
 *   [-popped, +pushed, raises], raises being `-` never, `m` memory, `e` any.
 * Threads. "Thread: loop" - only the OS thread that owns the scheduler: the
 *   one that called kahu_new(), or kahu_adopt() since. The default; a build
 *   with assertions ends the process, naming function and rule, when it is
 *   broken. "Thread: any" - any OS thread, from kahu_new() to kahu_free().
 * Owning. new/free pair up and the caller owns. get_* lends, until the stated
 *   moment. A struct passed by const pointer is copied during the call.
 *
 * Behaviours are Roblox's where Roblox documents them; docs/semantics.md is
 * the law, and its clauses are cited here as S4.1, M6 and so on.
 */
#ifndef KAHU_KAHU_H
#define KAHU_KAHU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ======================================================================== */
/* 1. Linkage and version                                                   */
/* ======================================================================== */

#ifndef KAHU_API
#if defined(_WIN32) && defined(KAHU_BUILD_SHARED)
#define KAHU_API __declspec(dllexport)
#elif defined(_WIN32) && defined(KAHU_USE_SHARED)
#define KAHU_API __declspec(dllimport)
#elif defined(__GNUC__)
#define KAHU_API __attribute__((visibility("default")))
#else
#define KAHU_API
#endif
#endif

#if defined(__GNUC__)
#define KAHU_NODISCARD __attribute__((warn_unused_result))
#define KAHU_NORETURN __attribute__((noreturn))
#else
#define KAHU_NODISCARD
#define KAHU_NORETURN
#endif

/**
 * KAHU_VERSION_NUMBER of the library linked, for comparing with the header.
 *
 * Thread: any. Since 0.1.
 */
KAHU_API int kahu_version(void);

/* ======================================================================== */
/* 2. Status codes                                                          */
/* ======================================================================== */

/** Numbers are ABI: append only. Two or three expected codes per function. */
#define KAHU_STATUS_MAP(XX)                                                    \
    XX(EINVAL, -1, "invalid argument")                                         \
    XX(ENOMEM, -2, "not enough memory")                                        \
    XX(ESTATE, -3, "not allowed in the present state")                         \
    XX(ESTALE, -4, "handle names nothing alive")                               \
    XX(ECLOSED, -5, "scheduler is closing")                                    \
    XX(EDRIVER, -6, "the driver failed")                                       \
    XX(EYIELD, -7, "attempt to yield across metamethod/C-call boundary")       \
    XX(EIDLE, -8, "nothing is left that could bring it about")                 \
    XX(ESTOPPED, -9, "scheduler is stopped")                                   \
    XX(EDEADLOCK, -10, "the call would wait for itself")                       \
    XX(ERAISED, -11, "the function called raised an error")                    \
    XX(EWAKES, -12, "wake limit reached")                                      \
    XX(ETHREADS, -13, "thread limit reached")                                  \
    XX(EUSER, -100, "never made by kahu; callbacks may return it")

/** What came of a call; KAHU_STATUS_MAP has the words. */
typedef enum kahu_status {
    KAHU_OK = 0,
#define XX(name, value, text) KAHU_##name = (value),
    KAHU_STATUS_MAP(XX)
#undef XX
} kahu_status;

/**
 * "KAHU_ESTALE" for KAHU_ESTALE; "KAHU_UNKNOWN" for a number not in the map.
 *
 * Static storage; never NULL. Thread: any. Since 0.1.
 */
KAHU_API const char *kahu_status_name(int status);

/**
 * The map's text for the code; "unknown status" for a number not in the map.
 *
 * Static storage; never NULL. Thread: any. Since 0.1.
 */
KAHU_API const char *kahu_status_text(int status);

/* ======================================================================== */
/* 3. Types                                                                 */
/* ======================================================================== */

typedef struct lua_State lua_State; /* same typedef as lua.h: C11 allows two */

/** One scheduler: the queues, timers and operations of one Luau VM. */
typedef struct kahu_sched kahu_sched;

/**
 * Names one pending asynchronous operation. A value, not a pointer: it may be
 * kept after the operation ended, and is then answered KAHU_ESTALE, never
 * mistaken for a newer one. Wrapped in a struct so that kinds do not mix.
 */
typedef struct kahu_op {
    uint64_t id; /**< 0 names nothing */
} kahu_op;

/** Why a thread is going to be resumed: the kinds of wakes (M1). */
typedef enum kahu_kind {
    KAHU_DEFER,     /**< task.defer, kahu_defer() */
    KAHU_DELAY,     /**< task.delay, kahu_delay() */
    KAHU_WAIT,      /**< task.wait */
    KAHU_OPERATION, /**< kahu_op_begin() */
    KAHU_KINDS      /**< how many kinds there are */
} kahu_kind;

/** Who resumed a thread: the kind of its wake, or one of the others. */
typedef enum kahu_cause {
    KAHU_BY_DEFER = KAHU_DEFER,
    KAHU_BY_DELAY = KAHU_DELAY,
    KAHU_BY_WAIT = KAHU_WAIT,
    KAHU_BY_OPERATION = KAHU_OPERATION,
    KAHU_BY_SPAWN,  /**< task.spawn, kahu_spawn(), kahu_start() */
    KAHU_BY_CANCEL, /**< nobody did: it was cancelled or closed */
    KAHU_BY_USER /**< coroutine.resume or .wrap, a lua_resume of the host's */
} kahu_cause;

/** What came of a resume. */
typedef enum kahu_outcome {
    KAHU_RETURNED,  /**< its function returned */
    KAHU_FAILED,    /**< an error nobody caught */
    KAHU_CANCELLED, /**< cancelled or closed */
    KAHU_YIELDED    /**< not its end: it waits, or left it to somebody else */
} kahu_outcome;

/**
 * One resume and what came of it. Lent for the call it is passed to; fields
 * may be appended.
 */
typedef struct kahu_feedback {
    lua_State *co;         /**< only to be looked at */
    kahu_cause cause;      /**< who resumed it */
    kahu_outcome outcome;  /**< what came of it */
    int nvalues;           /**< on the L that comes with it, from index 1: what
                                it returned or yielded, or the error value; 0
                                when there is no room for them */
    const char *message;   /**< FAILED: text of the error value; else NULL */
    const char *traceback; /**< FAILED: a line a frame; else NULL */
} kahu_feedback;

/** Allocator with lua_Alloc's contract; nsize == 0 frees and returns NULL. */
typedef void *(*kahu_alloc_fn)(void *ud, void *ptr, size_t osize, size_t nsize);

/**
 * Pushes an operation's results, or its error value, and returns how many.
 *
 * L is a thread of the VM that can not yield, with an empty stack; a Luau error
 * raised on it, or a result below zero, fails the operation instead. It may
 * use Luau's API, not the scheduler's. Thread: loop. Stack: [-0, +n, e]
 */
typedef int (*kahu_push_fn)(lua_State *L, void *ud);

/** Releases ud; called exactly once for every ud taken. Must not raise. */
typedef void (*kahu_drop_fn)(void *ud);

/* ======================================================================== */
/* 4. Driver: where time and wake-ups come from                             */
/* ======================================================================== */

/** "No deadline". */
#define KAHU_NEVER_NS UINT64_MAX

/**
 * The port a driver implements. now_ns, arm and wake are required.
 * Append-only; size tells the library how much of it the caller knows.
 */
typedef struct kahu_driver {
    size_t size; /**< sizeof(kahu_driver); set by KAHU_DRIVER_INIT */
    void *ud;    /**< first argument of every member below */
    /** Current time in ns; never goes back. Thread: loop. */
    uint64_t (*now_ns)(void *ud);
    /**
     * Call kahu_step() at or after deadline_ns, never before; replaces the
     * one before. KAHU_NEVER_NS: there is nothing to wait for by the clock.
     * pending is false when all is done (S9.4): the loop need not stay alive.
     * Thread: loop.
     */
    void (*arm)(void *ud, uint64_t deadline_ns, bool pending);
    /**
     * Call kahu_step() soon; calls may be merged. A lock of kahu's may be
     * held: must not call kahu, nor take a lock under which kahu is called.
     * Thread: any, and safe in a signal handler if kahu_stop() is to be.
     */
    void (*wake)(void *ud);
    /** The scheduler this driver is to step; at the end of kahu_new(). */
    void (*attach)(void *ud, kahu_sched *s);
    /** The scheduler is gone; ud may be freed. May be NULL. */
    void (*release)(void *ud);
    /**
     * Blocks until there is something to step for, and steps; for kahu_run().
     * KAHU_OK, KAHU_EIDLE when that can't come, or another status. May be
     * NULL: the host has its own loop. Thread: loop.
     */
    kahu_status (*turn)(void *ud);
    /**
     * Time that goes by while Luau code runs, in ns; for max_step_ns and for
     * limits. May be NULL: now_ns. Thread: loop.
     */
    uint64_t (*real_ns)(void *ud);
    /** As wake, but never in a signal handler nor under a lock: for a cheaper
     * way, if there is one. May be NULL: wake. Thread: loop. */
    void (*again)(void *ud);
} kahu_driver;

/* clang-format off */
#define KAHU_DRIVER_INIT                                                       \
    { sizeof(kahu_driver), 0, 0, 0, 0, 0, 0, 0, 0, 0 }
/* clang-format on */

/**
 * Makes a driver that needs no loop: the monotonic clock of the system, and a
 * kahu_run() that sleeps until a deadline or until another OS thread wakes it.
 *
 * @return KAHU_OK, KAHU_EINVAL (out is NULL), KAHU_ENOMEM, or
 *         KAHU_EDRIVER  the system has no descriptor for it
 *
 * Owns: the port belongs to the scheduler that takes it; if none does, call
 * its release. Thread: loop. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_blocking_driver(kahu_driver *out);

/** A driver whose clock moves only when told to: tests, games, replays. */
typedef struct kahu_stepped kahu_stepped;

/**
 * Makes a stepped driver whose clock stands at 0.
 *
 * @param out         receives the driver's handle, for the calls below
 * @param driver_out  receives the port, for kahu_options.driver
 * @return KAHU_OK, KAHU_EINVAL (an argument is NULL) or KAHU_ENOMEM
 *
 * Owns: the handle is freed when the scheduler that took the port is; with
 * kahu_stepped_free() if none ever did. Thread: loop. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_stepped_new(kahu_stepped **out,
                                                     kahu_driver *driver_out);

/** Frees a driver that no scheduler took; NULL is a no-op. Thread: loop.
 * Since 0.1. */
KAHU_API void kahu_stepped_free(kahu_stepped *m);

/** The time on its clock. Thread: loop. Since 0.1. */
KAHU_API uint64_t kahu_stepped_now_ns(const kahu_stepped *m);

/**
 * One frame: sets the clock to now_ns (never back) and runs one kahu_step().
 *
 * @return as kahu_step(); KAHU_EINVAL when no scheduler took the driver
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API int kahu_stepped_step(kahu_stepped *m, uint64_t now_ns);

/**
 * Moves the clock on by by_ns, stopping at every deadline on the way and
 * stepping there until nothing is ready, so that a wait that follows a wait
 * falls where it would have fallen by a real clock.
 *
 * Ready work without end (a thread that defers itself for ever) keeps the
 * clock, and this call, where it is; kahu_stop() ends it.
 *
 * @return threads resumed (>= 0), KAHU_ESTATE from inside a step, KAHU_EINVAL
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API int64_t kahu_stepped_advance(kahu_stepped *m, uint64_t by_ns);

/**
 * Runs until nothing is ready and no deadline is left, jumping from deadline
 * to deadline: an hour of timers takes milliseconds, in the same order.
 * Returns early when kahu_stop() was called.
 *
 * @return threads resumed (>= 0), KAHU_ESTATE from inside a step, KAHU_EINVAL
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API int64_t kahu_stepped_run(kahu_stepped *m);

/* ======================================================================== */
/* 5. Life of a scheduler                                                   */
/* ======================================================================== */

/** Every field: zero means the default named beside it. */
typedef struct kahu_options {
    size_t size;               /**< sizeof(kahu_options); KAHU_OPTIONS_INIT */
    const kahu_driver *driver; /**< required */
    kahu_alloc_fn alloc;       /**< default: the VM's own allocator */
    void *alloc_ud;            /**< used with alloc only */
    uint64_t min_wait_ns; /**< least wait and delay; default 1 ms; 1 is none */
    uint64_t max_step_ns; /**< time a step may take; default: no limit (M7) */
    uint32_t max_step_resumes; /**< resumes a step may do; default: no limit */
    uint32_t max_defer_depth;  /**< generations of a flush; default 80 (M6) */
    bool strict_defer_depth;   /**< task.defer beyond it raises instead (M6) */
    bool strict_wakes; /**< drop a wait or operation resumed early (M3) */
    bool preload;      /**< values go onto the thread at the call (M4) */
} kahu_options;

/* clang-format off */
#define KAHU_OPTIONS_INIT                                                      \
    { sizeof(kahu_options), NULL, NULL, NULL, 0, 0, 0, 0, false, false, false }
/* clang-format on */

/**
 * Makes a scheduler for the VM of L and ties the two together.
 *
 * The VM keeps two hidden threads, some tables and a userdata in its registry
 * for it. Nothing of the host's is taken: no thread data, no callback.
 *
 * @param out   receives the scheduler, NULL on failure; free with kahu_free()
 * @param L     any thread of a VM that has no scheduler yet
 * @param opts  read during the call; the driver is copied
 * @return KAHU_OK, or
 *         KAHU_EINVAL  opts, its size, or a required member of the driver
 *         KAHU_ESTATE  this VM already has a scheduler
 *         KAHU_ENOMEM
 *
 * Owns: on KAHU_OK the driver is taken; its release comes with kahu_free().
 * Thread: loop (the calling thread becomes it). Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_new(kahu_sched **out, lua_State *L,
                                             const kahu_options *opts);

/**
 * Ends all that is pending, without resuming any thread (S9.7): unlinks the
 * wakes, cancels the operations, drops every ud still held. From then on new
 * work is refused with KAHU_ECLOSED, in Luau with `scheduler is closing`, and
 * a late completion is released. Idempotent. Called from inside a resume it
 * refuses new work at once and does the rest when the outermost resume ends.
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API void kahu_close(kahu_sched *s);

/**
 * Closes s and frees it. NULL is a no-op. Must come before lua_close(). From
 * inside a resume it is carried out when the outermost resume ends; s may
 * not be used by the caller any more either way.
 *
 * Other OS threads may call nothing on s any more. A call of theirs that has
 * taken effect, as a completion whose thread has been resumed, a posted call
 * that has run, or a stop, may be on its way out still: it is waited for.
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API void kahu_free(kahu_sched *s);

/**
 * The scheduler of L's VM, or NULL. Lent: valid until kahu_free().
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API kahu_sched *kahu_get(lua_State *L);

/* ======================================================================== */
/* 6. Stepping                                                              */
/* ======================================================================== */

/**
 * Runs one cycle (M5): what was deferred since the last one, then finished
 * operations, then due timers, each phase followed by the deferred queue.
 * Then arms the driver. What a budget (M7) cuts off goes on in the next step,
 * at the same place, and the driver is woken for it.
 *
 * @return threads resumed (>= 0), or
 *         KAHU_ESTATE   from inside a step, a resume or a hook of this
 *                       scheduler (M8), or after kahu_stop()
 *         KAHU_ECLOSED
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API int kahu_step(kahu_sched *s);

/**
 * Turns the driver until all is done (S9.4) or kahu_stop() is called.
 *
 * @return KAHU_OK, or
 *         KAHU_ESTATE    from inside a step, a resume or a hook
 *         KAHU_ESTOPPED  stopped, now or before
 *         KAHU_EIDLE     something is pending that this driver can't wait for:
 *                        a stepped clock has no deadline left to jump to
 *         KAHU_EINVAL    the driver has no turn
 *         KAHU_ECLOSED, or what the driver's turn said
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API kahu_status kahu_run(kahu_sched *s);

/**
 * The same until each of n threads has ended, however it did; nothing is
 * resumed after the last of them. Threads that have ended already are fine.
 *
 * @return as kahu_run(), and
 *         KAHU_EIDLE   nothing is pending, and one of them has not ended
 *         KAHU_EINVAL  also: a thread of another VM
 *         KAHU_ENOMEM
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API kahu_status kahu_run_until(kahu_sched *s, lua_State *const *threads,
                                    size_t n);

/**
 * Makes the calling OS thread the one that owns s, to step it from here on.
 * The one before must have finished with s, and the host must have passed it
 * on in a way that orders memory: a lock, a queue, a join. Until this returns
 * the one before calls nothing on s, not even what any OS thread may.
 *
 * Thread: the new owner. Since 0.1.
 */
KAHU_API void kahu_adopt(kahu_sched *s);

/**
 * Ends the run (S9.6): no thread is resumed any more after the current resume
 * yields or ends; what is pending stays. kahu_is_stopped() is true from now.
 *
 * @param exit_code  kept for kahu_exit_code(); the first call's counts
 *
 * Thread: any; safe in a signal handler if the driver's wake is. Since 0.1.
 */
KAHU_API void kahu_stop(kahu_sched *s, int exit_code);

/** True after kahu_stop(). Thread: any. Since 0.1. */
KAHU_API bool kahu_is_stopped(const kahu_sched *s);

/**
 * Takes a stop back: what is pending goes on where it was. The exit code is
 * again what the errors say.
 *
 * Thread: loop. Since 0.1.
 */
KAHU_API void kahu_unstop(kahu_sched *s);

/**
 * Ends all that is pending and goes on: wakes are unlinked, operations
 * cancelled, posted calls dropped. No thread is resumed or closed; the host
 * and scripts may schedule them anew. Watches and kahu_ref()s stay. From
 * inside a resume it takes what is pending at the call.
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API void kahu_clear(kahu_sched *s);

/**
 * Keeps s from being done: "all done" is not reached, kahu_run() waits and a
 * libuv loop stays, for a host that is going to post calls from other OS
 * threads. Counted; kahu_unref() takes one back.
 *
 * Thread: loop. Since 0.1.
 */
KAHU_API void kahu_ref(kahu_sched *s);

/** Takes one kahu_ref() back; KAHU_ESTATE: none. Thread: loop. Since 0.1. */
KAHU_API kahu_status kahu_unref(kahu_sched *s);

/** What a scheduler is doing, or would be if stepped now. */
typedef enum kahu_state {
    KAHU_IDLE,    /**< all is done */
    KAHU_WAITING, /**< for a deadline, an operation, a kahu_ref() */
    KAHU_READY,   /**< a step would deliver something */
    KAHU_RUNNING, /**< inside a step, a resume or a hook */
    KAHU_STOPPED, /**< kahu_stop() */
    KAHU_CLOSED   /**< kahu_close() */
} kahu_state;

/** The first of the above, read from the last, that is true. Thread: loop.
 * Since 0.1. */
KAHU_API kahu_state kahu_get_state(const kahu_sched *s);

/**
 * What a program running s should exit with (S9.2): the code given to
 * kahu_stop(), else 1 if a thread ended with an error nobody caught, else 0.
 *
 * Thread: loop. Since 0.1.
 */
KAHU_API int kahu_exit_code(const kahu_sched *s);

/**
 * Driver time of the next timer, KAHU_NEVER_NS when there is none.
 *
 * Thread: loop. Since 0.1.
 */
KAHU_API uint64_t kahu_next_deadline_ns(const kahu_sched *s);

/**
 * True inside a step, a resume or a hook of s, where it can not be stepped.
 *
 * Thread: loop. Since 0.1.
 */
KAHU_API bool kahu_is_running(const kahu_sched *s);

/**
 * True when a step would deliver something now: deferred calls, ended
 * operations, a due timer, or what a budget cut off. False once stopped.
 *
 * Thread: loop. Since 0.1.
 */
KAHU_API bool kahu_is_ready(const kahu_sched *s);

/**
 * True when "all is done" (S9.4): no wake of any kind, no posted call, no
 * kahu_ref() is left. Exact.
 *
 * Thread: loop. Since 0.1.
 */
KAHU_API bool kahu_is_done(const kahu_sched *s);

/** Wakes pending of one kind; 0 for no kind. Thread: loop. Since 0.1. */
KAHU_API size_t kahu_count(const kahu_sched *s, kahu_kind kind);

/** All that is pending, by what "all done" means. Thread: loop. Since 0.1. */
KAHU_API size_t kahu_count_all(const kahu_sched *s);

/** Counters since kahu_new(); append-only. */
typedef struct kahu_stats {
    size_t size;               /**< sizeof(kahu_stats), set by the caller */
    uint64_t cycles;           /**< calls of kahu_step() */
    uint64_t resumes;          /**< lua_resume by the scheduler */
    uint64_t errors;           /**< errors that nobody caught */
    uint64_t made[KAHU_KINDS]; /**< wakes begun */
    uint64_t delivered[KAHU_KINDS]; /**< wakes that resumed their thread */
    uint64_t cancelled[KAHU_KINDS]; /**< unlinked by cancel or close */
    uint64_t dropped[KAHU_KINDS];   /**< thread dead, or yield over (M2, M3) */
    uint64_t pending_peak;          /**< most wakes pending at one time */
    uint64_t bytes;                 /**< memory held now, without the VM's */
    uint64_t bytes_peak;            /**< most memory held */
} kahu_stats;

/**
 * Copies the counters; made = delivered + cancelled + dropped + pending.
 *
 * @param out  its size is read first: a caller built against an older header
 *             gets the fields it knows
 *
 * Thread: loop. Since 0.1.
 */
KAHU_API void kahu_get_stats(const kahu_sched *s, kahu_stats *out);

/* ======================================================================== */
/* 7. Threads                                                               */
/* ======================================================================== */

/*
 * co is a thread of the scheduler's VM: a fresh one (function pushed, then
 * nargs arguments) or a yielded one (nargs values for its yield on top). A
 * lua_State is borrowed for the call; while a wake is pending the scheduler
 * keeps the thread alive itself. A thread that could not be taken keeps its
 * stack as it was.
 */

/**
 * Resumes co now with its top nargs values (S3).
 *
 * An error inside goes to the hooks; lua_status(co) tells how it went. Results
 * and yielded values are discarded (S8.4).
 *
 * @param from  the thread calling, alive and running; NULL outside of Luau
 * @return KAHU_OK, or
 *         KAHU_EINVAL  co is of another VM, or lacks nargs values
 *         KAHU_ESTATE  co is not suspended; or s is stopped and from is NULL
 *         KAHU_ECLOSED
 *
 * Thread: loop. Stack of co: [-nargs, +0, -]. Since 0.1.
 */
KAHU_API kahu_status kahu_spawn(kahu_sched *s, lua_State *co, lua_State *from,
                                int nargs);

/**
 * Resumes co at the end of the current resume point, or in the next step when
 * there is none, in call order (S4). A running thread is accepted (S4.5).
 *
 * @return KAHU_OK, or
 *         KAHU_EINVAL  co is of another VM
 *         KAHU_ESTATE  co is dead
 *         KAHU_ECLOSED, KAHU_ENOMEM
 *
 * Thread: loop. Stack of co: [-nargs, +0, -]. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_defer(kahu_sched *s, lua_State *co,
                                               int nargs);

/**
 * Resumes co delay_ns from now, or after min_wait_ns if that is longer (S5).
 * KAHU_NEVER_NS never fires, can be cancelled, and counts as pending.
 *
 * @return as kahu_defer()
 *
 * Thread: loop. Stack of co: [-nargs, +0, -]. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_delay(kahu_sched *s, lua_State *co,
                                               int nargs, uint64_t delay_ns);

/**
 * Unlinks all wakes of co and closes it (S6). A dead thread: nothing to do. A
 * running or normal one is closed when it next yields (S6.8), as is one that
 * is cancelled by a hook of a cancellation by a hook, hundreds deep.
 *
 * @return KAHU_OK, or
 *         KAHU_EINVAL  co is of another VM
 *         KAHU_ENOMEM   co is running and its cancellation can't be noted
 *         KAHU_ECLOSED  co is running and s is closing
 *
 * Thread: loop. Stack of co: cleared. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_cancel(kahu_sched *s, lua_State *co);

/**
 * Cancels co delay_ns from now, unless it ends before (S6). Several may be
 * pending, and count as such: "all done" waits for them or for their thread's
 * end. Takes the VM's postresume callback while one is (see kahu_track()).
 *
 * @return KAHU_OK, or
 *         KAHU_EINVAL  co is of another VM
 *         KAHU_ESTATE  co is dead
 *         KAHU_ECLOSED, KAHU_ENOMEM
 *
 * Thread: loop. Stack of co: [-0, +0, -]. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_cancel_after(kahu_sched *s,
                                                      lua_State *co,
                                                      uint64_t delay_ns);

/**
 * Cancels every thread that has a wake, in the order of their oldest wakes.
 *
 * @return KAHU_OK, or
 *         KAHU_ENOMEM  none is cancelled; or some were running, which could
 *                      not be noted, and the others are
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API kahu_status kahu_cancel_all(kahu_sched *s);

/* ======================================================================== */
/* 8. Asynchronous operations                                               */
/* ======================================================================== */

/*
 * An operation is begun by a C function called from Luau and ended exactly
 * once: finished, failed, abandoned or cancelled. When begin fails nothing was
 * begun and no callback will run. Ending an ended operation is KAHU_ESTALE and
 * harmless, so a late completion needs no bookkeeping by the provider.
 *
 *     static int my_async(lua_State *L) {
 *         kahu_op op;
 *         kahu_status status = kahu_op_begin(L, my_cancel, my_ud, &op);
 *         if (status != KAHU_OK)
 *             return kahu_raise(L, status);
 *         start_the_work(op); // ends it some day
 *         return kahu_op_yield(L);
 *     }
 */

/** The operation's thread was cancelled: stop the work. Must not raise. */
typedef void (*kahu_op_cancel_fn)(void *ud, kahu_op op);

/**
 * Begins an operation on the running thread L, which is to yield next.
 *
 * @param on_cancel  called once if the operation is cancelled, on the loop
 *                   thread, and never otherwise; may be NULL
 * @param ud         for on_cancel; lent until the operation has ended
 * @return KAHU_OK, or
 *         KAHU_EYIELD  L can not yield here (V7)
 *         KAHU_ESTATE  the VM has no scheduler
 *         KAHU_ECLOSED, KAHU_ENOMEM, KAHU_EWAKES
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_op_begin(lua_State *L,
                                                  kahu_op_cancel_fn on_cancel,
                                                  void *ud, kahu_op *out);

/**
 * Raises kahu_status_text(status) with the position of the caller, for C
 * functions that Luau calls. Never returns: `return kahu_raise(L, status);`
 *
 * Thread: loop. Stack: [-0, +0, e]. Since 0.1.
 */
KAHU_API KAHU_NORETURN int kahu_raise(lua_State *L, kahu_status status);

/**
 * `return kahu_op_yield(L);` after begin.
 *
 * A function pushed with a continuation (lua_pushcclosurek) goes on in it:
 * with the stack it had, and the operation's values on top. It may call Luau
 * (lua_callyieldable), or begin the next operation and yield again.
 *
 * Thread: loop. Stack: [-0, +?, -]. Since 0.1.
 */
KAHU_API int kahu_op_yield(lua_State *L);

/**
 * Ends op with the values push makes; its thread is resumed with them in the
 * next operation phase, in order of completion.
 *
 * @param push  may be NULL: no values
 * @param drop  may be NULL
 * @return KAHU_OK, or
 *         KAHU_ESTALE  op has ended already, or the scheduler has closed
 *
 * Owns: takes ud on KAHU_OK only; drop(ud) then runs exactly once: after push,
 * or instead of it when the thread dies or s closes first.
 * Thread: any. Since 0.1.
 */
KAHU_API kahu_status kahu_op_finish(kahu_sched *s, kahu_op op,
                                    kahu_push_fn push, void *ud,
                                    kahu_drop_fn drop);

/**
 * Ends op by raising in its thread the one value push makes; catchable there.
 *
 * @return and Owns as kahu_op_finish()
 *
 * Thread: any. Since 0.1.
 */
KAHU_API kahu_status kahu_op_fail(kahu_sched *s, kahu_op op, kahu_push_fn push,
                                  void *ud, kahu_drop_fn drop);

/**
 * Ends op by raising text in its thread.
 *
 * @param text  copied, with the C library's memory; NULL is ""
 * @return KAHU_OK, KAHU_ESTALE, or KAHU_ENOMEM: op is still open
 *
 * Thread: any. Since 0.1.
 */
KAHU_API kahu_status kahu_op_fail_text(kahu_sched *s, kahu_op op,
                                       const char *text);

/**
 * Ends op by raising `operation abandoned` in its thread (S10.3): for a holder
 * that gives up the handle without knowing a result.
 *
 * @return KAHU_OK or KAHU_ESTALE. Thread: any. Since 0.1.
 */
KAHU_API kahu_status kahu_op_abandon(kahu_sched *s, kahu_op op);

/* ======================================================================== */
/* 9. Calls from other OS threads                                           */
/* ======================================================================== */

/**
 * A function that runs on the scheduler's OS thread. L is a thread of the VM
 * with an empty stack, which can not yield; an error raised on it is reported
 * like that of a thread (S9.1). It may use the API, except to step.
 */
typedef void (*kahu_call_fn)(void *ud, lua_State *L);

/**
 * Runs fn in the next operation phase, in one order with the operations that
 * end: first in, first out. It is pending until it has run.
 *
 * Where nothing else is pending a libuv loop may end before it: kahu_ref()
 * keeps it.
 *
 * @param drop  may be NULL
 * @return KAHU_OK, KAHU_EINVAL (fn is NULL), KAHU_ECLOSED, KAHU_ENOMEM
 *
 * Owns: takes ud on KAHU_OK only; drop(ud) then runs exactly once, on the loop
 * thread: after fn, or instead of it when s closes or is cleared first. The
 * record is the C library's memory: the VM's allocator is the loop thread's.
 * Thread: any. Since 0.1.
 */
KAHU_API kahu_status kahu_post(kahu_sched *s, kahu_call_fn fn, void *ud,
                               kahu_drop_fn drop);

/**
 * Runs fn on the scheduler's OS thread and returns when it has run: at once
 * when called there, else in the next operation phase, as kahu_post().
 *
 * @return KAHU_OK, or
 *         KAHU_ERAISED    fn raised an error; it was reported
 *         KAHU_ESTOPPED   s is stopped, and this is another OS thread
 *         KAHU_EDEADLOCK  the owner of s waits, itself or by others, in a
 *                         kahu_call() to a scheduler this OS thread owns
 *         KAHU_ECLOSED    s was closed or cleared before it ran
 *         KAHU_ENOMEM     called in a hook whose stack is full: it did not run
 *         KAHU_EINVAL     fn is NULL
 *
 * Thread: any. Since 0.1.
 */
KAHU_API kahu_status kahu_call(kahu_sched *s, kahu_call_fn fn, void *ud);

/* ======================================================================== */
/* 10. Hooks: what the embedder may watch                                   */
/* ======================================================================== */

/** What an event tells of. */
typedef enum kahu_event_type {
    KAHU_WAKE_MADE,     /**< a resume was promised */
    KAHU_WAKE_GONE,     /**< it will not come: cancelled or dropped */
    KAHU_RESUME_BEGINS, /**< by the scheduler; all it takes is on co's stack */
    KAHU_RESUME_ENDS,   /**< that resume is over; nothing has come of it yet */
    KAHU_THREAD_CANCELLED /**< co was suspended and is about to be closed */
} kahu_event_type;

/** One event. Lent for the call it is passed to; fields may be appended. */
typedef struct kahu_event {
    kahu_event_type type; /**< what happened */
    lua_State *co;        /**< to whom; only to be looked at */
    kahu_cause cause;     /**< of the resume, also of one that is promised */
    kahu_outcome outcome; /**< RESUME_ENDS, THREAD_CANCELLED: what came of it */
    uint64_t wake; /**< rising; of WAKE_*, of the BEGINS that keeps it; or 0 */
    uint64_t deadline_ns; /**< BEGINS of a timed wake; or KAHU_NEVER_NS */
} kahu_event;

/**
 * Members may be NULL. They run on the loop thread and, but for on_event, may
 * call the API back, except to step. L is a thread of the VM for the hook's own
 * use, which can not yield; an error raised on it is caught and written to
 * stderr (S9.8). co is only to be looked at.
 *
 * For one resume: the watches of the thread (kahu/threads.h) in the order they
 * were made; then every on_error, every on_end, every on_resume, each in the
 * order of kahu_add_hooks().
 */
typedef struct kahu_hooks {
    size_t size; /**< sizeof(kahu_hooks) */
    void *ud;    /**< first argument of every member below */
    /**
     * A thread resumed by the scheduler failed (S9.1). message and traceback
     * are lent for the call; co still has its frames and, on top, the error
     * value (but not for a posted call, where co is L). Without any such hook
     * the text is written to stderr.
     */
    void (*on_error)(void *ud, lua_State *L, lua_State *co, const char *message,
                     const char *traceback);
    /**
     * A thread resumed by the scheduler ended, or one was cancelled. What it
     * returned is on L: nresults values, from index 1. A cancelled thread is
     * reported before it is closed.
     */
    void (*on_end)(void *ud, lua_State *L, lua_State *co, kahu_outcome outcome,
                   int nresults);
    /** A resume by the scheduler is over, or a thread was cancelled. */
    void (*on_resume)(void *ud, lua_State *L, const kahu_feedback *f);
    /** on_resume is also told of resumes by others: KAHU_BY_USER. Takes the
     * VM's postresume callback (see kahu_track()). */
    bool user_resumes;
    /**
     * Each wake and each resume of the scheduler's as it happens, for traces
     * and profilers; resumes nest, and one under way when the hook is added or
     * removed has one end only. Called in the midst of things, so that it costs
     * little: it may look, at co too, but not raise or change anything.
     */
    void (*on_event)(void *ud, const kahu_event *e);
} kahu_hooks;

/* clang-format off */
#define KAHU_HOOKS_INIT                                                        \
    { sizeof(kahu_hooks), NULL, NULL, NULL, NULL, false, NULL }
/* clang-format on */

/**
 * Appends to the chain; earlier hooks run first. hooks is copied.
 *
 * @return KAHU_OK, KAHU_EINVAL (hooks or its size), KAHU_ENOMEM
 *
 * Thread: loop. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_add_hooks(kahu_sched *s,
                                                   const kahu_hooks *hooks);

/**
 * Takes the last added hooks with this ud and these members out of the chain;
 * from inside a hook too: from then on none of its members is called.
 *
 * @return KAHU_OK, KAHU_EINVAL (hooks or its size), KAHU_ESTALE (not there)
 *
 * Thread: loop. Since 0.1.
 */
KAHU_API kahu_status kahu_remove_hooks(kahu_sched *s, const kahu_hooks *hooks);

/** What is done with an error that no watch took (S9.1). */
typedef enum kahu_error_policy {
    KAHU_ERRORS_REPORT,  /**< the default: on_error hooks, or stderr */
    KAHU_ERRORS_COLLECT, /**< kept for kahu_get_error() instead */
    KAHU_ERRORS_STOP     /**< reported, and kahu_stop(s, 1) */
} kahu_error_policy;

/** Changes the policy. KAHU_OK or KAHU_EINVAL. Thread: loop. Since 0.1. */
KAHU_API kahu_status kahu_set_error_policy(kahu_sched *s,
                                           kahu_error_policy policy);

/** An error that was collected. */
typedef struct kahu_error {
    const char *message;   /**< the text of the error value */
    const char *traceback; /**< a line a frame */
} kahu_error;

/**
 * The error number i, from 0, in the order they happened; both texts NULL
 * beyond the last. Lent until kahu_clear_errors() or kahu_free(). One that
 * can't be kept, memory being out, is reported instead.
 *
 * Thread: loop. Since 0.1.
 */
KAHU_API kahu_error kahu_get_error(const kahu_sched *s, size_t i);

/** How many errors are collected. Thread: loop. Since 0.1. */
KAHU_API size_t kahu_count_errors(const kahu_sched *s);

/** Forgets the collected errors. Thread: loop. Since 0.1. */
KAHU_API void kahu_clear_errors(kahu_sched *s);

#ifdef __cplusplus
}
#endif

#endif /* KAHU_KAHU_H */
