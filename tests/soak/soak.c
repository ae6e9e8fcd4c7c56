/* SPDX-License-Identifier: MIT */
/*
 * soak.c - a mixed load for a long time: timers, operations ended by other OS
 * threads, cancels, early resumes, errors, collections.
 *
 * Usage: soak [SECONDS]. Every second of it memory is looked at; at the end it
 * has to be where it was after the first tenth, and every wake ever made has to
 * be delivered, cancelled or dropped: counted by the scheduler, and for the
 * operations by those who ended them.
 */
#define _POSIX_C_SOURCE 200809L
#include <luacode.h>
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kahu/luau.h"
#include "kahu/threads.h"

#define ENDERS 4
#define QUEUE 65536
#if defined(KAHU_HOSTILE) /* pools have chunks of 2 records, and not of 256 */
#define KEPT 64           /* bytes a wake of the peak: places for its chunks */
#else
#define KEPT 0
#endif

static void must(int good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "soak: %s\n", what);
    exit(1);
}

static struct {
    kahu_sched *s;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    kahu_op queue[QUEUE];
    uint64_t first;
    uint64_t last;
    bool over;
    uint64_t begun;
    uint64_t cancelled;         /* told by the library */
    _Atomic(uint64_t) accepted; /* ends that were the first */
    _Atomic(uint64_t) stale;    /* ends that came too late */
    _Atomic(uint64_t) dropped;  /* what was handed over and released */
    uint64_t errors;
} soak = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .filled = PTHREAD_COND_INITIALIZER};

/* ------------------------------------------------------------------------ */
/* Operations                                                               */
/* ------------------------------------------------------------------------ */

static void on_cancel(void *ud, kahu_op op) {
    (void)ud;
    (void)op;
    soak.cancelled++;
}

static int soak_op(lua_State *L) {
    kahu_op op;
    kahu_status status = kahu_op_begin(L, on_cancel, NULL, &op);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    soak.begun++;
    pthread_mutex_lock(&soak.lock);
    must(soak.last - soak.first < QUEUE, "the enders are too slow");
    soak.queue[soak.last++ % QUEUE] = op;
    pthread_cond_signal(&soak.filled);
    pthread_mutex_unlock(&soak.lock);
    return kahu_op_yield(L);
}

static int push_value(lua_State *L, void *ud) {
    lua_pushstring(L, ud);
    lua_newtable(L);
    return 2;
}

static void drop_value(void *ud) {
    free(ud);
    atomic_fetch_add(&soak.dropped, 1);
}

static void end_op(kahu_op op, uint64_t n) {
    char *value = strdup("a value of an operation");
    kahu_status status =
        n % 7 == 0 ? kahu_op_fail(soak.s, op, push_value, value, drop_value)
                   : kahu_op_finish(soak.s, op, push_value, value, drop_value);

    must(status == KAHU_OK || status == KAHU_ESTALE, "an end was refused");
    if (status == KAHU_OK) {
        atomic_fetch_add(&soak.accepted, 1);
        return;
    }
    free(value);
    atomic_fetch_add(&soak.stale, 1);
}

static void *end_them(void *ud) {
    uint64_t n = 0;

    (void)ud;
    pthread_mutex_lock(&soak.lock);
    for (;;) {
        kahu_op op;

        while (soak.first == soak.last && !soak.over)
            pthread_cond_wait(&soak.filled, &soak.lock);
        if (soak.first == soak.last)
            break;
        op = soak.queue[soak.first++ % QUEUE];
        pthread_mutex_unlock(&soak.lock);
        end_op(op, ++n);
        pthread_mutex_lock(&soak.lock);
    }
    pthread_mutex_unlock(&soak.lock);
    return NULL;
}

/* ------------------------------------------------------------------------ */
/* The load                                                                 */
/* ------------------------------------------------------------------------ */

static const char script[] =
    "local random = math.random\n"
    "local function job(depth)\n"
    "  local dice = random(10)\n"
    "  if dice <= 3 then task.wait(random() / 50)\n"
    "  elseif dice <= 6 then pcall(op)\n"
    "  elseif dice == 7 and depth < 3 then task.spawn(job, depth + 1)\n"
    "  elseif dice == 8 then error({'an error'})\n"
    "  elseif dice == 9 then task.defer(job, 3) task.wait(0.01)\n"
    "  else coroutine.yield() end\n"
    "end\n"
    "for i = 1, 200 do task.spawn(function()\n"
    "  while not over() do\n"
    "    local t = task.spawn(job, 0)\n"
    "    task.wait(random() / 100)\n"
    "    if random(3) == 1 and coroutine.status(t) == 'suspended' then\n"
    "      task.spawn(t, 'early') end\n"
    "    if random(4) == 1 then task.cancel(t) end\n"
    "    local d = task.delay(random(), job, 3, {}, 'values')\n"
    "    if random(2) == 1 then task.cancel(d) end\n"
    "  end\n"
    "end) end\n";

static double now_s(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double end_s;

static int soak_over(lua_State *L) {
    lua_pushboolean(L, now_s() >= end_s);
    return 1;
}

static void on_error(void *ud, lua_State *L, lua_State *co, const char *message,
                     const char *traceback) {
    (void)ud;
    (void)L;
    (void)co;
    (void)traceback;
    soak.errors++;
    must(strcmp(message, "(error object is a table value)") == 0, message);
}

static lua_State *open_vm(kahu_memory *memory) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    lua_State *L = lua_newstate(kahu_memory_alloc, memory);
    kahu_driver driver;

    must(kahu_blocking_driver(&driver) == KAHU_OK, "driver");
    options.driver = &driver;
    must(kahu_new(&soak.s, L, &options) == KAHU_OK, "scheduler");
    hooks.on_error = on_error;
    must(kahu_add_hooks(soak.s, &hooks) == KAHU_OK, "hooks");
    luaL_openlibs(L);
    kahu_open_task(L);
    kahu_open_coroutine(L);
    lua_pushcfunction(L, soak_op, "op");
    lua_setglobal(L, "op");
    lua_pushcfunction(L, soak_over, "over");
    lua_setglobal(L, "over");
    lua_settop(L, 0);
    return L;
}

static void run_script(lua_State *L) {
    lua_State *co = lua_newthread(L);
    size_t size;
    char *code = luau_compile(script, strlen(script), NULL, &size);

    must(luau_load(co, "=soak", code, size, 0) == 0, "load");
    free(code);
    must(kahu_spawn(soak.s, co, NULL, 0) == KAHU_OK, "spawn");
    lua_settop(L, 0);
}

/* What is held after everything that can be collected is. */
static size_t held(lua_State *L, const kahu_memory *memory) {
    lua_gc(L, LUA_GCCOLLECT, 0);
    return memory->used;
}

/* Looked at from inside, ten times in all. */
struct look {
    lua_State *L;
    const kahu_memory *memory;
    double interval_s;
    double next_s;
    size_t held[16];
    int count;
};

static void on_resume(void *ud, lua_State *L, const kahu_feedback *f) {
    struct look *k = ud;

    (void)L;
    (void)f;
    if (now_s() < k->next_s || k->count == 16)
        return;
    k->next_s += k->interval_s;
    k->held[k->count++] = held(k->L, k->memory);
}

static void check_books(void) {
    kahu_stats stats = {.size = sizeof(stats)};

    kahu_get_stats(soak.s, &stats);
    for (int kind = 0; kind < KAHU_KINDS; kind++)
        must(stats.made[kind] == stats.delivered[kind] + stats.cancelled[kind] +
                                     stats.dropped[kind],
             "a wake is not accounted for");
    must(stats.made[KAHU_OPERATION] == soak.begun, "an operation too many");
    must(soak.begun == soak.accepted + soak.cancelled, "an end is missing");
    must(soak.stale == soak.cancelled, "a late end was not told so");
    must(soak.dropped == soak.accepted, "a value was not released");
    must(stats.errors == soak.errors, "an error was not told");
    printf("soak: made %llu %llu %llu %llu (defer delay wait operation), all "
           "accounted for; %llu errors\n",
           (unsigned long long)stats.made[0], (unsigned long long)stats.made[1],
           (unsigned long long)stats.made[2], (unsigned long long)stats.made[3],
           (unsigned long long)stats.errors);
}

static size_t kept_of_peak(void) {
    kahu_stats stats = {.size = sizeof(stats)};

    kahu_get_stats(soak.s, &stats);
    return (size_t)stats.pending_peak * KEPT;
}

/* Nothing is pending any more: what is held is what was, but for the room that
 * pools keep: two bytes for each wake of four seconds would be more. */
static void check_rest(size_t before, size_t after) {
    printf("soak: %zu KiB held before, %zu after\n", before / 1024,
           after / 1024);
    must(after < before + (size_t)512 * 1024 + kept_of_peak(),
         "something is left");
}

/* Flat: the load is random, so what is held at a moment is, too. Not told in
 * seconds, of which a busy machine gives too few. */
static void check_memory(const struct look *k) {
    size_t first = 0;
    size_t last = 0;
    int half = k->count / 2;

    must(k->count >= 4, "too short to tell");
    for (int i = 0; i < half; i++) {
        first += k->held[i] / (size_t)half;
        last += k->held[k->count - 1 - i] / (size_t)half;
    }
    printf("soak: %zu KiB held in the first half, %zu in the second\n",
           first / 1024, last / 1024);
    must(k->interval_s < 5 || last < first + first / 4, "memory grows");
}

int main(int argc, char **argv) {
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 5;
    kahu_memory memory = {.limit = 0};
    lua_State *L = open_vm(&memory);
    struct look k = {.L = L, .memory = &memory, .interval_s = seconds / 12};
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    pthread_t enders[ENDERS];
    size_t before;

    hooks.ud = &k;
    hooks.on_resume = on_resume;
    must(kahu_add_hooks(soak.s, &hooks) == KAHU_OK, "hooks");
    end_s = now_s() + seconds;
    k.next_s = now_s() + k.interval_s;
    for (int i = 0; i < ENDERS; i++)
        must(pthread_create(&enders[i], NULL, end_them, NULL) == 0, "thread");
    before = held(L, &memory);
    run_script(L);
    must(kahu_run(soak.s) == KAHU_OK, "run");
    pthread_mutex_lock(&soak.lock);
    soak.over = true;
    pthread_cond_broadcast(&soak.filled);
    pthread_mutex_unlock(&soak.lock);
    for (int i = 0; i < ENDERS; i++)
        pthread_join(enders[i], NULL);
    check_books();
    check_memory(&k);
    check_rest(before, held(L, &memory));
    kahu_free(soak.s);
    lua_close(L);
    must(memory.used == 0, "the VM's memory is not all given back");
    printf("soak: %.0f s, flat, nothing lost\n", seconds);
    return 0;
}
