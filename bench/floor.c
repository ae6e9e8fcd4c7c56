/* SPDX-License-Identifier: MIT */
/*
 * floor.c - the least a scheduler can cost: the same scripts on bare VM calls.
 *
 * spawn resumes; defer, delay and wait put a thread in an array of the VM's,
 * and the main loop resumes the arrays in order, after one sleep as long as the
 * longest asked for. cancel closes. No deadlines, no order but the array's, no
 * errors, no removal: not a scheduler, only a measure for one.
 */
#define _POSIX_C_SOURCE 200809L
#include <lua.h>
#include <luacode.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LEAST_SLEEP 0.001 /* what the program takes for task.wait(0), too */

/* An array of threads: a Luau table that keeps them, and their pointers. */
struct array {
    lua_State **threads;
    int count;
    int capacity;
    int table;
    int closed;     /* how many were cancelled since they came */
    double seconds; /* the longest that one of them asked for */
};

/* While one is run, what comes goes into the other. */
struct queue {
    struct array *filling;
    struct array *running;
    struct array both[2];
};

static struct queue deferred, delayed, sleeping;

static void die(const char *what) {
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

/* ------------------------------------------------------------------------ */
/* Arrays                                                                   */
/* ------------------------------------------------------------------------ */

static void array_init(struct array *a, lua_State *L) {
    lua_newtable(L);
    a->table = lua_ref(L, -1);
    lua_pop(L, 1);
}

static void array_grow(struct array *a) {
    a->capacity = a->capacity * 2 + 1024;
    a->threads = realloc(a->threads, (size_t)a->capacity * sizeof(*a->threads));
    if (a->threads == NULL)
        die("not enough memory");
}

/* Keeps the thread on top of L, and pops it. */
static void array_add(struct array *a, lua_State *L) {
    if (a->count == a->capacity)
        array_grow(a);
    a->threads[a->count++] = lua_tothread(L, -1);
    lua_getref(L, a->table);
    lua_insert(L, -2);
    lua_rawseti(L, -2, a->count);
    lua_pop(L, 1);
}

static void array_reset(struct array *a) {
    a->count = 0;
    a->closed = 0;
    a->seconds = LEAST_SLEEP;
}

static void queue_init(struct queue *q, lua_State *L) {
    q->filling = &q->both[0];
    q->running = &q->both[1];
    array_init(q->filling, L);
    array_init(q->running, L);
    array_reset(q->filling);
    array_reset(q->running);
}

/* ------------------------------------------------------------------------ */
/* Functions for scripts                                                    */
/* ------------------------------------------------------------------------ */

static void resume(lua_State *co, lua_State *from, int nargs) {
    int status = lua_resume(co, from, nargs);

    if (status != LUA_OK && status != LUA_YIELD)
        die(lua_tostring(co, -1));
    lua_settop(co, 0);
}

/* Pushes the thread that an argument is, or is to be. */
static lua_State *push_thread(lua_State *L, int argument) {
    lua_State *co = lua_tothread(L, argument);

    if (co != NULL) {
        lua_pushvalue(L, argument);
        return co;
    }
    co = lua_newthread(L);
    lua_xpush(L, co, argument);
    return co;
}

static int floor_spawn(lua_State *L) {
    resume(push_thread(L, 1), L, 0);
    return 1;
}

static int floor_defer(lua_State *L) {
    push_thread(L, 1);
    lua_pushvalue(L, -1);
    array_add(deferred.filling, L);
    return 1;
}

static void ask(struct array *a, double seconds) {
    if (seconds > a->seconds)
        a->seconds = seconds;
}

static int floor_delay(lua_State *L) {
    ask(delayed.filling, luaL_checknumber(L, 1));
    push_thread(L, 2);
    lua_pushvalue(L, -1);
    array_add(delayed.filling, L);
    return 1;
}

static int floor_wait(lua_State *L) {
    ask(sleeping.filling, luaL_optnumber(L, 1, 0));
    lua_pushthread(L);
    array_add(sleeping.filling, L);
    return lua_yield(L, 0);
}

/* Only of threads that are asleep. */
static int floor_cancel(lua_State *L) {
    lua_State *co = lua_tothread(L, 1);

    if (co == NULL)
        die("cancel: not a thread");
    lua_resetthread(co);
    sleeping.filling->closed++;
    return 0;
}

static void floor_open(lua_State *L) {
    static const luaL_Reg task[] = {
        {"spawn", floor_spawn},   {"defer", floor_defer},
        {"delay", floor_delay},   {"wait", floor_wait},
        {"cancel", floor_cancel}, {NULL, NULL},
    };
    static const luaL_Reg bench[] = {{"sleep", floor_wait}, {NULL, NULL}};

    luaL_register(L, "task", task);
    luaL_register(L, "bench", bench);
    lua_pop(L, 2);
    queue_init(&deferred, L);
    queue_init(&delayed, L);
    queue_init(&sleeping, L);
}

/* ------------------------------------------------------------------------ */
/* The loop                                                                 */
/* ------------------------------------------------------------------------ */

/* Resumes what is in the array; what comes meanwhile is for the next round.
 * Each is let go at once, so that the collector need not wait for the round. */
static void queue_run(lua_State *L, struct queue *q, int nargs) {
    struct array *a = q->filling;

    q->filling = q->running;
    q->running = a;
    lua_getref(L, a->table);
    for (int i = 0; i < a->count; i++) {
        lua_State *co = a->threads[i];

        if (a->closed == 0 || lua_costatus(L, co) != LUA_COFIN) {
            if (nargs > 0)
                lua_pushnumber(co, a->seconds);
            resume(co, NULL, nargs);
        }
        lua_pushnil(L);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pop(L, 1);
    array_reset(a);
}

static int is_empty(const struct queue *q) {
    return q->filling->count == q->filling->closed;
}

static void sleep_for(double seconds) {
    struct timespec t = {.tv_sec = (time_t)seconds};

    t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
    nanosleep(&t, NULL);
}

static void run_all(lua_State *L) {
    for (;;) {
        if (!is_empty(&deferred)) {
            queue_run(L, &deferred, 0);
        } else if (!is_empty(&delayed) || !is_empty(&sleeping)) {
            ask(sleeping.filling, delayed.filling->seconds);
            sleep_for(sleeping.filling->seconds);
            queue_run(L, &delayed, 0);
            queue_run(L, &sleeping, 1);
        } else {
            return;
        }
    }
}

static lua_State *load(lua_State *L, const char *path) {
    static char source[1 << 16];
    FILE *f = fopen(path, "rb");
    lua_State *co = lua_newthread(L);
    size_t size;
    char *bytecode;

    if (f == NULL)
        die("cannot open the script");
    size = fread(source, 1, sizeof(source), f);
    fclose(f);
    bytecode = luau_compile(source, size, NULL, &size);
    luaL_sandboxthread(co);
    if (luau_load(co, path, bytecode, size, 0) != 0)
        die(lua_tostring(co, -1));
    free(bytecode);
    return co;
}

static void queue_free(struct queue *q) {
    free(q->filling->threads);
    free(q->running->threads);
}

int main(int argc, char **argv) {
    lua_State *L = luaL_newstate();

    if (L == NULL || argc != 2)
        die("usage: floor script.luau");
    luaL_openlibs(L);
    floor_open(L);
    luaL_sandbox(L);
    resume(load(L, argv[1]), NULL, 0);
    run_all(L);
    lua_close(L);
    queue_free(&deferred);
    queue_free(&delayed);
    queue_free(&sleeping);
    return 0;
}
