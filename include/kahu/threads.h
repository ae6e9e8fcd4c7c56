/* SPDX-License-Identifier: MIT */
/*
 * kahu/threads.h - what a host may want to know of, and forbid to, the threads
 * of a scheduler: their results, groups of them, a record of each, limits.
 *
 * All of it is built on kahu.h's wakes and hooks, and costs nothing unused.
 */
#ifndef KAHU_THREADS_H
#define KAHU_THREADS_H

#include "kahu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ======================================================================== */
/* 1. Results: the end of one thread                                        */
/* ======================================================================== */

/**
 * The thread that was watched has ended: f->outcome is anything but YIELDED.
 *
 * Runs as a hook does. @return true when an error is taken care of: it is then
 * not reported, collected, or counted for the exit code. Elsewhere without
 * meaning.
 */
typedef bool (*kahu_watch_fn)(void *ud, lua_State *L, const kahu_feedback *f);

/**
 * Calls fn once when co ends, whoever resumes or cancels it. Until then co is
 * kept alive. A watch is nothing pending: it does not keep s from being done.
 * A lua_resetthread() of the host's goes by unseen. While there is a watch, the
 * VM's postresume callback is taken (see kahu_track()).
 *
 * @param drop  may be NULL
 * @return KAHU_OK, or
 *         KAHU_EINVAL  fn is NULL, or co is of another VM
 *         KAHU_ESTATE  co has ended
 *         KAHU_ECLOSED, KAHU_ENOMEM
 *
 * Owns: takes ud on KAHU_OK only; drop(ud) then runs exactly once: after fn,
 * or instead of it, by kahu_unwatch() or when s closes.
 * Thread: loop. Stack of co: [-0, +0, -]. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_watch(kahu_sched *s, lua_State *co,
                                               kahu_watch_fn fn, void *ud,
                                               kahu_drop_fn drop);

/**
 * Takes back the oldest watch of co with this fn and ud.
 *
 * @return KAHU_OK or KAHU_ESTALE
 *
 * Thread: loop. Stack of co: [-0, +0, -]. Since 0.1.
 */
KAHU_API kahu_status kahu_unwatch(kahu_sched *s, lua_State *co,
                                  kahu_watch_fn fn, void *ud);

/**
 * Starts a function, or a thread, and watches it: lua_pcall() for something
 * that takes its time. It runs at once, to its first yield.
 *
 * @param L      the function or suspended thread, then nargs arguments, on top
 * @param fn     told of its end, perhaps before this returns; see kahu_watch()
 * @param co     receives the thread, on top of L to keep it alive; may be NULL
 * @return KAHU_OK, or
 *         KAHU_EINVAL  no function or thread there, or fn is NULL
 *         KAHU_ESTATE  the thread is not suspended; or s is stopped, and this
 *                      is not inside of a resume
 *         KAHU_ECLOSED, KAHU_ENOMEM, KAHU_ETHREADS
 *
 * Owns: as kahu_watch().
 * Thread: loop. Stack: [-(1 + nargs), +1, -]; unchanged on failure. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_start(kahu_sched *s, lua_State *L,
                                               int nargs, kahu_watch_fn fn,
                                               void *ud, kahu_drop_fn drop,
                                               lua_State **co);

/* ======================================================================== */
/* 2. Scopes: groups of threads that are cancelled together                 */
/* ======================================================================== */

/**
 * Names a scope: a value like kahu_op, answered KAHU_ESTALE once it is freed.
 */
typedef struct kahu_scope {
    uint64_t id; /**< 0 names nothing */
} kahu_scope;

/**
 * Makes a scope, as a child of parent unless that is {0}.
 *
 * @return KAHU_OK, KAHU_EINVAL (out is NULL), KAHU_ESTALE (parent),
 *         KAHU_ECLOSED, KAHU_ENOMEM
 *
 * Thread: loop. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_scope_new(kahu_sched *s,
                                                   kahu_scope parent,
                                                   kahu_scope *out);

/**
 * Makes co a member until it ends; of any number of scopes. A member is kept
 * alive like a watched thread.
 *
 * @return KAHU_OK, KAHU_ESTALE (scope), and as kahu_watch()
 *
 * Thread: loop. Stack of co: [-0, +0, -]. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_scope_add(kahu_sched *s,
                                                   kahu_scope scope,
                                                   lua_State *co);

/**
 * Cancels the scope's threads in the order they were added, then those of its
 * children in the order these were made. Running ones end when they next
 * yield (S6.8). The scope stays, empty, and may be used again.
 *
 * @return KAHU_OK, KAHU_ESTALE, or
 *         KAHU_ENOMEM  a running one could not be noted; the others are
 *                      cancelled
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API kahu_status kahu_scope_cancel(kahu_sched *s, kahu_scope scope);

/** Threads in the scope and its children that have not ended. Thread: loop.
 * Since 0.1. */
KAHU_API size_t kahu_scope_count(const kahu_sched *s, kahu_scope scope);

/**
 * Frees the scope and its children; their threads go on. Closing s frees all.
 *
 * @return KAHU_OK or KAHU_ESTALE. Thread: loop. Since 0.1.
 */
KAHU_API kahu_status kahu_scope_free(kahu_sched *s, kahu_scope scope);

/* ======================================================================== */
/* 3. Tracking: which threads there are                                     */
/* ======================================================================== */

/**
 * Keeps a record of every thread of the VM from now on, of those that have a
 * wake already too, and of the one that runs: who started it, where, what it
 * waits for. Stays on.
 *
 * Takes the VM's userthread and postresume callbacks and calls the host's, if
 * there are any, first. One set later calls ours and is taken out again before
 * kahu_free(). A thread whose record finds no memory is not made: the maker
 * gets a Luau error.
 *
 * @return KAHU_OK, KAHU_ECLOSED, KAHU_ENOMEM
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_track(kahu_sched *s);

/** What a live thread is doing. */
typedef enum kahu_thread_state {
    KAHU_THREAD_FRESH,   /**< not resumed yet */
    KAHU_THREAD_YIELDED, /**< suspended in a yield */
    KAHU_THREAD_RUNNING, /**< runs now, or has resumed another that does */
    KAHU_THREAD_DEAD     /**< ended */
} kahu_thread_state;

/** Room for a file and a line, cut when they are longer. */
#define KAHU_WHERE_SIZE 128

/** So many makers of a thread, itself included, are kept in mind. */
#define KAHU_ORIGIN_LEVELS 16

/** A tracked thread; append-only. The pointers are lent for the call. */
typedef struct kahu_thread_info {
    size_t size;             /**< sizeof(kahu_thread_info), set by the caller */
    lua_State *co;           /**< the thread */
    uint64_t id;             /**< in order of making, never used again */
    uint64_t parent_id;      /**< of the thread that made it; 0: the host did */
    void *ud;                /**< kahu_set_thread_data() */
    const char *label;       /**< kahu_set_thread_label(); "" without */
    kahu_thread_state state; /**< what it is doing */
    size_t wakes;            /**< pending of it */
    kahu_kind waits_for;     /**< of its oldest wake, if it has one */
    uint64_t deadline_ns;    /**< of that wake; KAHU_NEVER_NS without one */
    uint64_t since_ns;       /**< when it last yielded, or was made */
    char where[KAHU_WHERE_SIZE];   /**< "source:line" it stands at; "" */
    char started[KAHU_WHERE_SIZE]; /**< "source:line" that made it; "" */
} kahu_thread_info;

/**
 * Tells what is known of co. out->size is read first.
 *
 * @return KAHU_OK, KAHU_EINVAL, or KAHU_ESTALE: co is not tracked
 *
 * Thread: loop. Stack of co: [-0, +0, -]. Since 0.1.
 */
KAHU_API kahu_status kahu_get_thread_info(kahu_sched *s, lua_State *co,
                                          kahu_thread_info *out);

/**
 * Tells where co was made (level 0), where the thread that made it was (level
 * 1), and so on: "source:line", or "" where the host did. That those threads
 * have ended, or were collected, makes no difference.
 *
 * @param level  below KAHU_ORIGIN_LEVELS: so many are kept
 * @param out    receives it
 * @return KAHU_OK, KAHU_EINVAL (out is NULL), or
 *         KAHU_ESTALE  co is not tracked, or level is beyond the last
 *
 * Thread: loop. Stack of co: [-0, +0, -]. Since 0.1.
 */
KAHU_API kahu_status kahu_get_thread_origin(kahu_sched *s, lua_State *co,
                                            unsigned level,
                                            char out[KAHU_WHERE_SIZE]);

/**
 * Return false to end the walk. Must not resume or cancel a thread, nor have
 * the collector do a part of its work (LUA_GCSTEP); all of it is fine.
 */
typedef bool (*kahu_thread_fn)(void *ud, const kahu_thread_info *info);

/**
 * Calls fn for each live thread that is tracked, in the order of making; only
 * for what ancestor made, and what those made, and so on, unless it is NULL.
 * A thread whose maker was collected counts as made by the maker's maker. All
 * garbage is collected first, and none during the walk, so that what is listed
 * is alive.
 *
 * @return how many fn was called for, or
 *         KAHU_EINVAL  fn is NULL, or ancestor is not tracked
 *         KAHU_ESTATE  not tracking, or inside of another walk
 *         KAHU_ENOMEM  the collector had no memory to give back some
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API int64_t kahu_each_thread(kahu_sched *s, lua_State *ancestor,
                                  kahu_thread_fn fn, void *ud);

/** What a dump is to tell of. */
typedef enum kahu_dump_what {
    KAHU_DUMP_ALL, /**< every live thread; then what keeps s from being done */
    KAHU_DUMP_LOST /**< the yielded ones that nothing pending would resume */
} kahu_dump_what;

/**
 * Takes one line of a dump: without a newline or another control character, at
 * most 600 bytes. May do what kahu_thread_fn may. line is lent for the call.
 */
typedef void (*kahu_line_fn)(void *ud, const char *line);

/**
 * Tells, for people to read, why s is still running: a line for each live
 * thread that is tracked, in the order of making, and one that adds up.
 *
 *     #1 script: sleeping at main:9, for 0.500 s, 1.500 s to go; made by ...
 *     #4: yielded at main:3, for 2.000 s, nothing pending would resume it; ...
 *     2 threads; kept alive by 1 sleeping; next deadline in 1.500 s; ...
 *
 * Times are the driver's. The wording may change; programs should use
 * kahu_each_thread(). A thread nobody refers to is garbage and not told of: to
 * have it told, hold it (kahu_watch() does). May be called wherever
 * kahu_each_thread() may: at a safepoint of the VM's interrupt as well, but not
 * while the collector is at work.
 *
 * @return how many threads were told of, or
 *         KAHU_EINVAL  write is NULL, or what is none of the above
 *         KAHU_ESTATE  not tracking, or inside of another walk
 *         KAHU_ENOMEM  the collector had no memory to give back some
 *
 * Thread: loop. Stack: [-0, +0, -]. Since 0.1.
 */
KAHU_API int64_t kahu_dump(kahu_sched *s, kahu_dump_what what,
                           kahu_line_fn write, void *ud);

/** Names a tracked thread; label is copied. KAHU_OK, KAHU_ESTALE (not
 * tracked), KAHU_ENOMEM. Thread: loop. Stack of co: [-0, +0, -]. Since 0.1. */
KAHU_API kahu_status kahu_set_thread_label(kahu_sched *s, lua_State *co,
                                           const char *label);

/** Keeps ud with a tracked thread; nothing is done with it. KAHU_OK or
 * KAHU_ESTALE. Thread: loop. Stack of co: [-0, +0, -]. Since 0.1. */
KAHU_API kahu_status kahu_set_thread_data(kahu_sched *s, lua_State *co,
                                          void *ud);

/* ======================================================================== */
/* 4. Limits: scripts that are not trusted                                  */
/* ======================================================================== */

/** Every field: zero means no limit. */
typedef struct kahu_limits {
    size_t size; /**< sizeof(kahu_limits); KAHU_LIMITS_INIT */
    /**
     * Live threads of the VM, scheduled or not. Making one more raises
     * `thread limit reached`. Turns tracking on (section 3).
     */
    uint32_t max_threads;
    /**
     * Pending wakes of one thread, a kahu_cancel_after() among them. One more
     * raises `wake limit reached`.
     */
    uint32_t max_wakes;
    /**
     * Time of one resume by the scheduler, with all that is resumed inside
     * it. Beyond it `script timeout: exhausted allowed execution time` is
     * raised at every loop, call and return of Luau code until that is over.
     */
    uint64_t max_resume_ns;
    /** Time of all resumes together. Beyond it each ends so at once. */
    uint64_t max_total_ns;
    /**
     * The timeout of a resume may be caught once: the script gets the time of
     * one more resume to end in order. Without, and the second time, catching
     * it is of no use.
     */
    bool catch_timeout_once;
} kahu_limits;

/* clang-format off */
#define KAHU_LIMITS_INIT                                                       \
    { sizeof(kahu_limits), 0, 0, 0, 0, false }
/* clang-format on */

/**
 * Replaces the limits; the time used up so far stays. Time limits take the
 * VM's interrupt callback during a resume, and call the host's too.
 *
 * @return KAHU_OK, KAHU_EINVAL (limits or its size), KAHU_ECLOSED, KAHU_ENOMEM
 *
 * Thread: loop. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_set_limits(kahu_sched *s,
                                                    const kahu_limits *limits);

/** An allocator with a limit, to be given to lua_newstate(). */
typedef struct kahu_memory {
    size_t limit;        /**< bytes; 0: none. May be changed at any time */
    size_t used;         /**< held now */
    size_t peak;         /**< most ever held */
    kahu_alloc_fn alloc; /**< where it comes from; NULL: the C library */
    void *alloc_ud;      /**< used with alloc only */
} kahu_memory;

/**
 * lua_Alloc for a VM that may hold memory->limit bytes: beyond it what is
 * asked for is refused, and Luau raises `not enough memory`.
 *
 * @param memory  a kahu_memory that outlives the VM
 *
 * Thread: that of the VM. Since 0.1.
 */
KAHU_API void *kahu_memory_alloc(void *memory, void *ptr, size_t osize,
                                 size_t nsize);

#ifdef __cplusplus
}
#endif

#endif /* KAHU_THREADS_H */
