/* SPDX-License-Identifier: MIT */
/*
 * api_acts.c - what a byte stands for: a call of the API.
 */
#include <string.h>

#include "api.h"

/* ------------------------------------------------------------------------ */
/* Threads                                                                  */
/* ------------------------------------------------------------------------ */

/* What was not taken is still on the thread. */
static void thread_undo(lua_State *co, int n, kahu_status status) {
    if (status != KAHU_OK && n > 0)
        lua_pop(co, n);
}

static void act_spawn(uint8_t b) {
    lua_State *co = thread_of(b);
    bool closing = f.closing;
    kahu_status status;
    int n;

    if (co == NULL)
        return;
    n = thread_values(co, byte());
    status = kahu_spawn(f.s, co, f.from, n);
    must(status != KAHU_OK || !closing);
    thread_undo(co, n, status);
}

static void act_defer(uint8_t b) {
    lua_State *co = thread_of(b);
    kahu_status status;
    int n;

    if (co == NULL)
        return;
    n = thread_values(co, byte());
    status = kahu_defer(f.s, co, n);
    f.made[KAHU_DEFER] += accepted(status);
    thread_undo(co, n, status);
}

static void act_delay(uint8_t b) {
    lua_State *co = thread_of(b);
    uint64_t ns = (uint64_t)(byte() % 8) * 250000000;
    kahu_status status;
    int n;

    if (co == NULL)
        return;
    n = thread_values(co, byte());
    status = kahu_delay(f.s, co, n, b > 250 ? KAHU_NEVER_NS : ns);
    f.made[KAHU_DELAY] += accepted(status);
    thread_undo(co, n, status);
}

static void act_cancel(uint8_t b) {
    lua_State *co = thread_of(b);

    if (b % 16 == 0)
        (void)kahu_cancel_all(f.s);
    else if (co != NULL && b % 4 != 1)
        (void)!kahu_cancel(f.s, co);
    else if (co != NULL)
        (void)accepted(kahu_cancel_after(f.s, co, (uint64_t)b * 10000000));
}

static void act_thread(uint8_t b) {
    thread_new(b % FUZZ_THREADS, byte());
}

/* Pushes co onto the main thread, which keeps it alive. */
static void thread_push(lua_State *co) {
    memory_calm(true);
    must(lua_checkstack(f.L, 2) != 0 && lua_checkstack(co, 1) != 0);
    lua_pushthread(co);
    lua_xmove(co, f.L, 1);
    memory_calm(false);
}

static void act_start(uint8_t b) {
    lua_State *co = thread_of(b);
    bool closing = f.closing;
    bool good;

    if (co == NULL)
        return;
    thread_push(co);
    good = taken(kahu_start(f.s, f.L, 0, on_watch, &f, taken_drop, NULL));
    must(!good || !closing);
    lua_pop(f.L, 1);
}

/* A host's own resume, which the scheduler has no part in. */
static void act_resume(uint8_t b) {
    lua_State *co = thread_of(b);
    int n;

    if (co == NULL || f.depth > 0 || lua_costatus(f.L, co) != LUA_COSUS)
        return;
    thread_push(co);
    n = thread_values(co, byte());
    f.depth++;
    n = lua_resume(co, NULL, n);
    f.depth--;
    if (n == LUA_OK || n == LUA_YIELD)
        lua_settop(co, 0);
    lua_pop(f.L, 1);
}

/* ------------------------------------------------------------------------ */
/* Operations and posts                                                     */
/* ------------------------------------------------------------------------ */

static void act_end_op(uint8_t b) {
    ops_end(b, byte());
}

/* Once is enough: the second is told so. */
static void act_end_twice(uint8_t b) {
    uint8_t how = byte();

    ops_end(b, how);
    ops_end(b, (uint8_t)(how + 1));
}

static void act_post(uint8_t b) {
    post(b);
}

/* ------------------------------------------------------------------------ */
/* Time                                                                     */
/* ------------------------------------------------------------------------ */

static int64_t step_some_way(uint8_t b) {
    lua_State *co;

    switch (b % 8) {
    case 0:
    case 1:
        return kahu_step(f.s);
    case 2:
        return kahu_stepped_step(f.m, kahu_stepped_now_ns(f.m) + b);
    case 3:
        return kahu_run(f.s);
    case 4:
        return kahu_stepped_run(f.m);
    case 5:
        co = thread_of(b / 8);
        return co == NULL ? -1 : kahu_run_until(f.s, &co, 1);
    default:
        return kahu_stepped_advance(f.m, (uint64_t)b * 10000000);
    }
}

/* M8: not from inside. */
static void act_step(uint8_t b) {
    bool inside = kahu_is_running(f.s);

    must(step_some_way(b) < 0 || !inside);
}

/* With a new owner, who gives it back. */
static void *step_here(void *b) {
    f.owner = pthread_self();
    kahu_adopt(f.s);
    act_step(*(uint8_t *)b);
    return NULL;
}

static void act_step_elsewhere(uint8_t b) {
    if (f.depth > 0 || kahu_is_running(f.s))
        return;
    elsewhere(step_here, &b);
    f.owner = pthread_self();
    if (!f.freed)
        kahu_adopt(f.s);
}

/* ------------------------------------------------------------------------ */
/* What watches and keeps                                                   */
/* ------------------------------------------------------------------------ */

static void act_watch(uint8_t b) {
    lua_State *co = thread_of(b);

    if (co == NULL)
        return;
    if (b % 3 == 0)
        (void)kahu_unwatch(f.s, co, on_watch, &f);
    else
        must(!taken(kahu_watch(f.s, co, on_watch, &f, taken_drop)) ||
             !f.closing);
}

static void act_scope(uint8_t b) {
    kahu_scope *scope = &f.scopes[b % FUZZ_SCOPES];
    lua_State *co;

    switch ((b / FUZZ_SCOPES) % 4) {
    case 0:
        (void)accepted(
            kahu_scope_new(f.s, f.scopes[(b + 1) % FUZZ_SCOPES], scope));
        break;
    case 1:
        co = thread_of(b / 16);
        if (co != NULL)
            (void)accepted(kahu_scope_add(f.s, *scope, co));
        break;
    case 2:
        (void)kahu_scope_cancel(f.s, *scope);
        break;
    default:
        (void)kahu_scope_count(f.s, *scope);
        (void)kahu_scope_free(f.s, *scope);
    }
}

static bool on_thread(void *ud, const kahu_thread_info *info) {
    (void)ud;
    must(info->co != NULL && info->label != NULL);
    return true;
}

static void on_line(void *ud, const char *line) {
    (void)ud;
    must(line[0] != '\0' && strpbrk(line, "\n\x1b") == NULL);
}

static void act_look(uint8_t b) {
    kahu_thread_info info = {.size = sizeof(info)};
    lua_State *co = thread_of(b);

    (void)!kahu_track(f.s); /* it may be on already */
    (void)kahu_each_thread(f.s, b % 2 == 0 ? NULL : co, on_thread, NULL);
    (void)kahu_dump(f.s, (kahu_dump_what)(b / 2 % 2), on_line, NULL);
    if (co == NULL)
        return;
    (void)kahu_set_thread_label(f.s, co, "a label");
    (void)kahu_set_thread_data(f.s, co, &f);
    (void)kahu_get_thread_info(f.s, co, &info);
}

static void act_collect(uint8_t b) {
    memory_calm(true);
    if (b % 2 == 0)
        lua_gc(f.L, LUA_GCCOLLECT, 0);
    else
        lua_gc(f.L, LUA_GCSTEP, b);
    memory_calm(false);
}

static void act_errors(uint8_t b) {
    kahu_error error;

    switch (b % 4) {
    case 0:
        must(kahu_set_error_policy(
                 f.s, (kahu_error_policy)(b / 4 % (KAHU_ERRORS_STOP + 1))) ==
             KAHU_OK);
        break;
    case 1:
        kahu_clear_errors(f.s);
        break;
    default:
        error = kahu_get_error(f.s, b / 4);
        must((error.message != NULL) == (b / 4 < kahu_count_errors(f.s)));
    }
}

/* ------------------------------------------------------------------------ */
/* Limits                                                                   */
/* ------------------------------------------------------------------------ */

static void act_limits(uint8_t b) {
    kahu_limits limits = KAHU_LIMITS_INIT;

    if (b % 4 != 0) {
        limits.max_threads = byte() % 64;
        limits.max_wakes = b / 4 % 8;
        limits.max_resume_ns = (uint64_t)(byte() % 32) * 1000;
        limits.max_total_ns = (uint64_t)(byte() % 64) * 100000;
        limits.catch_timeout_once = b % 2 == 0;
    }
    (void)accepted(kahu_set_limits(f.s, &limits));
}

static void act_quota(uint8_t b) {
    f.memory.limit = b % 4 == 0 ? 0 : f.memory.used + (size_t)b * 64;
}

/* One act without memory for all of it. */
static void act_scarce(uint8_t b) {
    memory_scarce(b % 64, b < 128 ? 1 : byte());
    act();
    memory_scarce(0, 0);
}

/* ------------------------------------------------------------------------ */
/* The whole                                                                */
/* ------------------------------------------------------------------------ */

static void *stop_here(void *ud) {
    kahu_stop(f.s, *(uint8_t *)ud);
    return NULL;
}

static void act_stop(uint8_t b) {
    if (b % 4 == 0)
        elsewhere(stop_here, &b);
    else if (b % 4 == 1)
        kahu_stop(f.s, b);
    else
        kahu_unstop(f.s);
}

static void act_control(uint8_t b) {
    switch (b % 8) {
    case 0:
    case 1:
        kahu_clear(f.s);
        break;
    case 2:
    case 3:
        kahu_ref(f.s);
        break;
    case 4:
    case 5:
        (void)kahu_unref(f.s);
        break;
    case 6:
        (void)!kahu_add_hooks(f.s, &fuzz_hooks);
        break;
    default:
        (void)kahu_remove_hooks(f.s, &fuzz_hooks);
    }
}

/* Rarely, or there would be nothing more to do. */
static void act_close(uint8_t b) {
    if (b % 16 != 15)
        return;
    f.closing = true;
    if (b < 128) {
        kahu_close(f.s);
    } else {
        f.freed = true;
        kahu_free(f.s);
    }
}

static void (*const acts[])(uint8_t b) = {
    act_spawn,     act_spawn,  act_defer,         act_defer,  act_delay,
    act_cancel,    act_cancel, act_end_op,        act_end_op, act_end_op,
    act_end_twice, act_post,   act_post,          act_step,   act_step,
    act_step,      act_step,   act_watch,         act_scope,  act_stop,
    act_control,   act_thread, act_thread,        act_look,   act_start,
    act_close,     act_scarce, act_collect,       act_errors, act_limits,
    act_quota,     act_resume, act_step_elsewhere};

void act(void) {
    uint8_t what = byte();

    acts[what % (sizeof(acts) / sizeof(*acts))](byte());
    check();
}
