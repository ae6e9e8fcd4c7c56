/* SPDX-License-Identifier: MIT */
/*
 * async.c - a C function whose body runs on libuv's thread pool, as an
 * operation like any host could make.
 *
 * Design notes
 *   A job is C memory: the pool may be at it when the thread, the scheduler or
 *   the VM's interest in it is gone. It ends once, on the loop thread, in
 *   job_after(), which libuv calls for cancelled requests as well.
 *   While read is at work a userdata owns the job, so that one that raises
 *   leaves nothing behind.
 */
#define _POSIX_C_SOURCE 200809L /* for what uv.h uses of pthread.h */
#include <lua.h>
#include <lualib.h>
#include <uv.h>

#include "../base/alloc.h"
#include "../base/common.h"
#include "kahu/uv.h"

struct job {
    uv_work_t request;
    kahu_uv_async async;
    struct kahu__alloc alloc; /* the C library's */
    kahu_sched *s;            /* NULL once the operation is cancelled */
    kahu_op op;
    lua_State *main;
    int self_ref; /* LUA_NOREF for a function */
    _Alignas(
        max_align_t) unsigned char user[]; /* what the host's functions see */
};

/* The upvalue of a function that was pushed. */
struct async_function {
    kahu_uv_async async;
    uv_loop_t *loop;
};

/* ------------------------------------------------------------------------ */
/* Jobs                                                                     */
/* ------------------------------------------------------------------------ */

static size_t job_size(const kahu_uv_async *async) {
    return sizeof(struct job) + async->job_size;
}

static void job_free(void *ud) {
    struct job *j = ud;
    struct kahu__alloc alloc = j->alloc;

    if (j->async.drop != NULL)
        j->async.drop(j->user);
    kahu__free(&alloc, j, job_size(&j->async));
}

/* Also of one that ran: its self was of use until its results were made. */
static void job_over(void *ud) {
    struct job *j = ud;

    if (j->self_ref != LUA_NOREF)
        lua_unref(j->main, j->self_ref);
    job_free(j);
}

static void job_run(uv_work_t *request) {
    struct job *j = request->data;

    j->async.run(j->user);
}

static int job_push(lua_State *L, void *ud) {
    struct job *j = ud;

    return j->async.push == NULL ? 0 : j->async.push(L, j->user);
}

/* On the loop thread; status tells only whether it ran, and one that did not
 * was cancelled. Nobody else ends the operation, so that it takes the job if it
 * is still there. */
static void job_after(uv_work_t *request, int status) {
    struct job *j = request->data;
    kahu_status taken;

    (void)status;
    if (j->s == NULL) {
        job_over(j);
        return;
    }
    taken = kahu_op_finish(j->s, j->op, job_push, j, job_over);
    assert(taken == KAHU_OK);
    (void)taken;
}

/* What runs already can't be stopped, and says EBUSY. */
static void job_cancel(void *ud, kahu_op op) {
    struct job *j = ud;

    (void)op;
    j->s = NULL;
    (void)uv_cancel((uv_req_t *)&j->request);
}

/* ------------------------------------------------------------------------ */
/* Calling                                                                  */
/* ------------------------------------------------------------------------ */

static void async_guard_free(lua_State *L, void *ud) {
    struct job **guard = ud;

    (void)L;
    if (*guard != NULL)
        job_free(*guard);
}

static void async_check_self(lua_State *L, const kahu_uv_async *async) {
    if (async->self_tag != 0 &&
        lua_touserdatatagged(L, 1, async->self_tag) == NULL)
        luaL_typeerror(
            L, 1, async->self_type != NULL ? async->self_type : "userdata");
}

/* A new job, owned by the userdata this leaves above the arguments. */
static struct job **async_new_job(lua_State *L, const kahu_uv_async *async) {
    struct kahu__alloc alloc;
    struct job **guard;

    lua_settop(L, async->params);
    guard = lua_newuserdatadtor(L, sizeof(struct job *), async_guard_free);
    *guard = NULL;
    kahu__alloc_init(&alloc, kahu__alloc_libc, NULL);
    *guard = kahu__calloc(&alloc, job_size(async));
    if (*guard == NULL)
        kahu_raise(L, KAHU_ENOMEM);
    (*guard)->async = *async;
    (*guard)->alloc = alloc;
    (*guard)->main = lua_mainthread(L);
    (*guard)->self_ref = LUA_NOREF;
    return guard;
}

/* Nothing raises from the beginning of the operation on. */
static void async_begin(lua_State *L, struct job *j) {
    kahu_status status;

    if (j->async.self_tag != 0)
        j->self_ref = lua_ref(L, 1);
    j->s = kahu_get(L);
    status = kahu_op_begin(L, job_cancel, j, &j->op);
    if (status == KAHU_OK)
        return;
    if (j->self_ref != LUA_NOREF)
        lua_unref(L, j->self_ref);
    kahu_raise(L, status);
}

/* Putting a request into the pool can't fail once its function is given. */
static int async_call(lua_State *L) {
    const struct async_function *f = lua_touserdata(L, lua_upvalueindex(1));
    struct job **guard;
    struct job *j;

    async_check_self(L, &f->async);
    guard = async_new_job(L, &f->async);
    j = *guard;
    if (j->async.read != NULL)
        j->async.read(L, j->user);
    async_begin(L, j);
    *guard = NULL;
    j->request.data = j;
    (void)uv_queue_work(f->loop, &j->request, job_run, job_after);
    return kahu_op_yield(L);
}

/* ------------------------------------------------------------------------ */
/* Making                                                                   */
/* ------------------------------------------------------------------------ */

int kahu_uv_push_async(lua_State *L, struct uv_loop_s *loop,
                       const kahu_uv_async *async) {
    struct async_function *f;

    if (loop == NULL || async == NULL || async->size != sizeof(*async) ||
        async->name == NULL || async->run == NULL ||
        async->params < (async->self_tag != 0 ? 1 : 0) ||
        async->job_size > SIZE_MAX / 2)
        kahu_raise(L, KAHU_EINVAL);
    f = lua_newuserdata(L, sizeof(*f));
    f->async = *async;
    f->loop = loop;
    lua_pushcclosure(L, async_call, async->name, 1);
    return 1;
}
