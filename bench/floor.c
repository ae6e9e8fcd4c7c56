/* SPDX-License-Identifier: MIT */
/*
 * floor.c - the least a scheduler can cost: the same scripts on bare VM calls.
 *
 * spawn resumes; defer, delay and wait put a thread in a queue, and the main
 * loop resumes what is in the queues in the order in which it came, after one
 * sleep as long as the longest asked for. cancel closes. No deadlines, no order
 * but the queue's, no errors, no removal, no arguments or results of threads:
 * not a scheduler, only a measure for one.
 */
#define _POSIX_C_SOURCE 200809L
#include <lua.h>
#include <luacode.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LEAST_SLEEP 0.001 /* what the program takes for task.wait(0), too */
#define LINE 256          /* threads in a line */

/* Threads stand in lines. A line is the stack of a hidden thread, which keeps
 * them alive: nothing else of the VM's is as cheap to add to. It is short, as
 * the collector looks at all of it again when something was added. The thread
 * data of a line is the next one. */
struct queue {
    lua_State *first;
    lua_State *last;
    int taken;      /* from the first line */
    int added;      /* to the last one */
    int count;      /* of all that are waiting */
    int closed;     /* how many of them were cancelled */
    double seconds; /* the longest that one of them asked for */
};

static struct queue deferred, delayed, sleeping;
static lua_State *spare; /* lines */

static void die(const char *what) {
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

/* ------------------------------------------------------------------------ */
/* Queues                                                                   */
/* ------------------------------------------------------------------------ */

static lua_State *line_new(lua_State *L) {
    lua_State *line = spare;

    if (line != NULL) {
        spare = lua_getthreaddata(line);
        return line;
    }
    line = lua_newthread(L);
    if (!lua_checkstack(line, LINE))
        die("not enough memory");
    (void)lua_ref(L, -1);
    lua_pop(L, 1);
    return line;
}

static void queue_init(struct queue *q, lua_State *L) {
    *q = (struct queue){.seconds = LEAST_SLEEP};
    q->first = q->last = line_new(L);
}

static void queue_extend(struct queue *q, lua_State *L) {
    lua_State *line = line_new(L);

    lua_setthreaddata(line, NULL);
    lua_setthreaddata(q->last, line);
    q->last = line;
    q->added = 0;
}

/* The stack that the next thread is to be pushed on; L is who calls. */
static lua_State *queue_end(struct queue *q, lua_State *L) {
    if (q->added == LINE)
        queue_extend(q, L);
    q->added++;
    q->count++;
    return q->last;
}

/* A line is let go as a whole, and not before the last of it has run: it is
 * what keeps that one alive. */
static void queue_drop_line(struct queue *q) {
    lua_State *line = q->first;

    q->first = lua_getthreaddata(line);
    q->taken = 0;
    lua_settop(line, 0);
    lua_setthreaddata(line, spare);
    spare = line;
}

static lua_State *queue_take(struct queue *q) {
    if (q->taken == LINE)
        queue_drop_line(q);
    return lua_tothread(q->first, ++q->taken);
}

/* ------------------------------------------------------------------------ */
/* Functions for scripts                                                    */
/* ------------------------------------------------------------------------ */

static void resume(lua_State *co, lua_State *from, int nargs) {
    int status = lua_resume(co, from, nargs);

    if (status != LUA_OK && status != LUA_YIELD)
        die(lua_tostring(co, -1));
}

/* On top of L: the thread that an argument is, or is to be. */
static lua_State *push_thread(lua_State *L, int argument) {
    lua_State *co = lua_tothread(L, argument);

    if (co != NULL) {
        lua_settop(L, argument);
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
    lua_xpush(L, queue_end(&deferred, L), -1);
    return 1;
}

static void ask(struct queue *q, double seconds) {
    if (seconds > q->seconds)
        q->seconds = seconds;
}

static int floor_delay(lua_State *L) {
    ask(&delayed, lua_tonumber(L, 1));
    push_thread(L, 2);
    lua_xpush(L, queue_end(&delayed, L), -1);
    return 1;
}

static int floor_wait(lua_State *L) {
    ask(&sleeping, lua_tonumber(L, 1));
    lua_pushthread(L);
    lua_xmove(L, queue_end(&sleeping, L), 1);
    return lua_yield(L, 0);
}

/* Only of threads that are asleep. */
static int floor_cancel(lua_State *L) {
    lua_State *co = lua_tothread(L, 1);

    if (co == NULL)
        die("cancel: not a thread");
    lua_resetthread(co);
    sleeping.closed++;
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

/* Resumes what is in the queue; what comes meanwhile is for the next round. */
static void queue_run(lua_State *L, struct queue *q, int nargs) {
    double seconds = q->seconds;
    int count = q->count;
    int closed = q->closed;

    q->count = 0;
    q->closed = 0;
    q->seconds = LEAST_SLEEP;
    for (; count > 0; count--) {
        lua_State *co = queue_take(q);

        if (closed > 0 && lua_costatus(L, co) == LUA_COFIN)
            continue;
        if (nargs > 0)
            lua_pushnumber(co, seconds);
        resume(co, NULL, nargs);
    }
}

static int is_empty(const struct queue *q) {
    return q->count == q->closed;
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
            ask(&sleeping, delayed.seconds);
            sleep_for(sleeping.seconds);
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
    return 0;
}
