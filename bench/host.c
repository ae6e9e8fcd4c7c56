/* SPDX-License-Identifier: MIT */
/*
 * host.c - kahu as an embedder has it: kahu-host [--driver NAME] SCRIPT
 *
 * A scheduler on one of three drivers, the libraries of the program, and a
 * table `bench` of asynchronous C functions:
 *   sleep(seconds)  ends by a timer of the host's; returns the seconds slept
 *   op()            has ended before its thread yields
 *   later()         ends in the loop's next turn
 *   remote()        ends by one of four other OS threads
 */
#define _POSIX_C_SOURCE 200809L /* for what uv.h uses of pthread.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../examples/host.h"
#include "async.h"
#include "host_sleep.h"
#include "kahu/uv.h"

/* Operations that end in the next turn. */
struct later {
    uv_idle_t idle; /* on a loop: active while there are any */
    bool on_loop;
    kahu_op *ops;
    size_t count;
    size_t capacity;
};

struct bench {
    struct host host;
    uv_loop_t loop;
    kahu_stepped *stepped; /* or NULL; owned by the scheduler */
    struct sleeps sleeps;
    struct later later;
};

/* ------------------------------------------------------------------------ */
/* bench.later                                                              */
/* ------------------------------------------------------------------------ */

static bool later_reserve(struct later *l) {
    size_t capacity = l->capacity * 2 + 64;
    kahu_op *ops;

    if (l->count < l->capacity)
        return true;
    ops = realloc(l->ops, capacity * sizeof(*ops));
    if (ops == NULL)
        return false;
    l->ops = ops;
    l->capacity = capacity;
    return true;
}

/* One whose thread was cancelled meanwhile is stale, and that is all. */
static void later_end(struct bench *b) {
    for (size_t i = 0; i < b->later.count; i++)
        (void)kahu_op_finish(b->host.s, b->later.ops[i], NULL, NULL, NULL);
    b->later.count = 0;
}

static void later_on_idle(uv_idle_t *idle) {
    (void)uv_idle_stop(idle);
    later_end(idle->data);
}

static int later_call(lua_State *L) {
    struct bench *b = host_data(L);
    struct later *l = &b->later;
    kahu_status status = KAHU_ENOMEM;

    if (later_reserve(l))
        status = kahu_op_begin(L, NULL, NULL, &l->ops[l->count]);
    if (status != KAHU_OK)
        return kahu_raise(L, status);
    if (l->count++ == 0 && l->on_loop)
        (void)uv_idle_start(&l->idle, later_on_idle);
    return kahu_op_yield(L);
}

/* ------------------------------------------------------------------------ */
/* Drivers                                                                  */
/* ------------------------------------------------------------------------ */

static kahu_status bench_driver(struct bench *b, const char *name,
                                kahu_driver *out) {
    if (strcmp(name, "stepped") == 0)
        return kahu_stepped_new(&b->stepped, out);
    b->later.on_loop = true;
    if (strcmp(name, "precise") == 0)
        return kahu_uv_precise_driver(out, &b->loop);
    return strcmp(name, "uv") == 0 ? kahu_uv_driver(out, &b->loop)
                                   : KAHU_EINVAL;
}

/* Sets the clock to what comes next; false when there is nothing. */
static bool bench_jump(struct bench *b) {
    uint64_t next_ns = kahu_next_deadline_ns(b->host.s);
    uint64_t sleep_ns = sleeps_next_ns(&b->sleeps);

    if (sleep_ns < next_ns)
        next_ns = sleep_ns;
    return next_ns != KAHU_NEVER_NS &&
           kahu_stepped_step(b->stepped, next_ns) >= 0;
}

/* What other OS threads are about to end comes before the clock moves: it
 * would not wait for them. */
static bool bench_turn(struct bench *b) {
    later_end(b);
    sleeps_end_due(&b->sleeps);
    if (kahu_is_ready(b->host.s))
        return kahu_stepped_step(b->stepped, 0) >= 0;
    return async_remote_wait() || kahu_is_ready(b->host.s) || bench_jump(b);
}

static void bench_drive(struct bench *b) {
    if (b->stepped == NULL)
        uv_run(&b->loop, UV_RUN_DEFAULT);
    else
        while (!kahu_is_done(b->host.s) && bench_turn(b))
            continue;
}

/* ------------------------------------------------------------------------ */
/* The whole                                                                */
/* ------------------------------------------------------------------------ */

static void bench_set(lua_State *L, const char *name, lua_CFunction f,
                      void *upvalue) {
    lua_pushlightuserdata(L, upvalue);
    lua_pushcclosure(L, f, name, 1);
    lua_setfield(L, -2, name);
}

static int bench_clock(lua_State *L) {
    const kahu_stepped *m = lua_tolightuserdata(L, lua_upvalueindex(1));

    lua_pushnumber(L, (double)kahu_stepped_now_ns(m) / 1e9);
    return 1;
}

/* Where time is stepped, os.clock tells that time, as the program's does. */
static void bench_set_clock(lua_State *L, kahu_stepped *m) {
    lua_getglobal(L, "os");
    bench_set(L, "clock", bench_clock, m);
    lua_pop(L, 1);
}

static int bench_open(lua_State *L) {
    struct bench *b = host_data(L);

    b->sleeps.s = kahu_get(L);
    if (b->stepped != NULL)
        bench_set_clock(L, b->stepped);
    lua_createtable(L, 0, 4);
    bench_set(L, "sleep", sleep_call, &b->sleeps);
    bench_set(L, "op", async_op, NULL);
    bench_set(L, "later", later_call, NULL);
    bench_set(L, "remote", async_remote, NULL);
    lua_setreadonly(L, -1, 1);
    lua_setglobal(L, "bench");
    return 0;
}

static int bench_run(struct bench *b, const kahu_driver *driver,
                     const char *script) {
    kahu_options options = KAHU_OPTIONS_INIT;
    int code;

    options.driver = driver;
    b->sleeps.stepped = b->stepped;
    if (!host_open(&b->host, &options, bench_open, b))
        return EXIT_FAILURE;
    if (host_run(&b->host, script))
        bench_drive(b);
    async_remote_stop();
    code = host_close(&b->host);
    free(b->later.ops);
    return code;
}

static int bench_with_loop(struct bench *b, const char *name,
                           const char *script) {
    kahu_driver driver;
    kahu_status status = bench_driver(b, name, &driver);
    int code = EXIT_FAILURE;

    sleeps_init(&b->sleeps, &b->loop);
    (void)uv_idle_init(&b->loop, &b->later.idle);
    b->later.idle.data = b;
    if (status == KAHU_OK)
        code = bench_run(b, &driver, script);
    else
        fprintf(stderr, "kahu-host: driver %s: %s\n", name,
                kahu_status_text(status));
    sleeps_free(&b->sleeps);
    uv_close((uv_handle_t *)&b->later.idle, NULL);
    (void)uv_run(&b->loop, UV_RUN_DEFAULT); /* what is closed, closes here */
    return uv_loop_close(&b->loop) == 0 ? code : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    bool with_driver = argc == 4 && strcmp(argv[1], "--driver") == 0;
    struct bench b = {.stepped = NULL};

    if (argc != 2 && !with_driver) {
        fprintf(stderr, "usage: %s [--driver uv|precise|stepped] SCRIPT\n",
                argv[0]);
        return 2;
    }
    if (uv_loop_init(&b.loop) != 0)
        return EXIT_FAILURE;
    return bench_with_loop(&b, with_driver ? argv[2] : "uv", argv[argc - 1]);
}
