/* SPDX-License-Identifier: MIT */
/*
 * kahu/uv.h - the libuv driver, and functions that run on libuv's threads. The
 * only public header that knows of libuv, and it needs no <uv.h>: the loop is
 * named by libuv's own struct tag.
 */
#ifndef KAHU_UV_H
#define KAHU_UV_H

#include "kahu.h"

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;

/**
 * Makes a driver on a loop the caller owns.
 *
 * It uses a timer, an async and an idle handle, unreferenced while nothing is
 * pending, so that uv_run() ends when all is done. The time to a deadline is
 * rounded up to libuv's milliseconds: nothing fires early, and on an idle
 * machine about one millisecond late at most; on Linux also by a thousandth of
 * a long wait, up to 100 ms, which is how its epoll_wait() saves wake-ups.
 * After kahu_free() run the loop once more: its handles close there. Until then
 * the loop must not be closed.
 *
 * What is queued outside a step, by a call between two turns of the loop, keeps
 * the loop from sleeping but does not make uv_backend_fd() readable. A host
 * that polls that descriptor in a loop of its own asks uv_backend_timeout()
 * each time before it sleeps: 0 says that a turn is due.
 *
 * @return KAHU_OK, KAHU_EINVAL (an argument is NULL), KAHU_ENOMEM, or
 *         KAHU_EDRIVER  libuv could not make its async handle
 *
 * Owns: the port belongs to the scheduler that takes it; if none does, call
 * its release. Thread: loop. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_uv_driver(kahu_driver *out,
                                                   struct uv_loop_s *loop);

/**
 * The same without the rounding: a timer of the system (timerfd) keeps the
 * deadlines to the nanosecond, and on an idle machine a wait is about a tenth
 * of a millisecond late at most. It takes a descriptor, and one or two system
 * calls more for each step with timers.
 *
 * @return as kahu_uv_driver(); KAHU_EDRIVER also where the system is not Linux
 *
 * Owns: as kahu_uv_driver(). Thread: loop. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status
kahu_uv_precise_driver(kahu_driver *out, struct uv_loop_s *loop);

/**
 * A plain C function as an asynchronous function for Luau: `run` is called on
 * libuv's thread pool while the thread that called it sleeps.
 *
 * What goes in and comes out is in a job, a piece of memory of the host's own
 * layout. Members may be NULL but for run and name.
 */
typedef struct kahu_uv_async {
    size_t size;      /**< sizeof(kahu_uv_async) */
    const char *name; /**< for error messages; lent until the VM is closed */
    size_t job_size;  /**< bytes of a job; zeroed before read */
    int params;       /**< arguments it takes, self included */
    /**
     * For methods: argument 1 must be a userdata with this tag, named type in
     * the error; it is kept alive until the job is over. 0: a function.
     */
    int self_tag;
    const char *self_type; /**< for the error; used with self_tag only */
    /**
     * Takes the arguments, 1 to params, from L's stack into job; those that
     * were not given are nil. Stack: [-0, +0, e]
     */
    void (*read)(lua_State *L, void *job);
    /** Does the work. Thread: libuv's pool. */
    void (*run)(void *job);
    /** Pushes what comes of it, or raises: see kahu_push_fn. */
    int (*push)(lua_State *L, void *job);
    /** Releases what job owns, once per read, also of one that raised. */
    void (*drop)(void *job);
} kahu_uv_async;

/* clang-format off */
#define KAHU_UV_ASYNC_INIT                                                     \
    { sizeof(kahu_uv_async), NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL }
/* clang-format on */

/**
 * Pushes the Luau function that calls async.
 *
 * A thread that is cancelled goes at once; its job is taken back if it has not
 * begun, and otherwise ends by itself, its results dropped. The loop is alive
 * until then: run it to its end before lua_close(), above all with methods.
 *
 * @param loop   the one the scheduler of L's VM is driven by
 * @param async  copied
 * @return 1: the function is left on the stack. Raises when a required member
 *         is missing, and when memory is out.
 *
 * Thread: loop. Stack: [-0, +1, e]. Since 0.1.
 */
KAHU_API int kahu_uv_push_async(lua_State *L, struct uv_loop_s *loop,
                                const kahu_uv_async *async);

#ifdef __cplusplus
}
#endif

#endif /* KAHU_UV_H */
