/* SPDX-License-Identifier: MIT */
/*
 * floor.c - the least a scheduler can cost: the same scripts on bare VM calls.
 *
 * spawn makes a thread and resumes it; defer and wait put a thread in an array
 * of the VM's; the main loop resumes the arrays in order and sleeps once a
 * round. No deadlines, no cancel, no errors, no order but the array's: not a
 * scheduler, only a measure for one.
 */
#define _POSIX_C_SOURCE 200809L
#include <lua.h>
#include <luacode.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* An array of threads: a Luau table that keeps them, and their pointers. */
struct array {
    lua_State **threads;
    int count;
    int capacity;
    int table;
};

static struct array deferred, sleeping;

static void die(const char *what) {
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

/* Keeps the thread on top of L, and pops it. */
static void array_add(struct array *a, lua_State *L) {
    if (a->count == a->capacity) {
        a->capacity = a->capacity * 2 + 1024;
        a->threads =
            realloc(a->threads, (size_t)a->capacity * sizeof(*a->threads));
        if (a->threads == NULL)
            die("not enough memory");
    }
    a->threads[a->count++] = lua_tothread(L, -1);
    lua_getref(L, a->table);
    lua_insert(L, -2);
    lua_rawseti(L, -2, a->count);
    lua_pop(L, 1);
}

static void resume(lua_State *co, lua_State *from, int nargs) {
    int status = lua_resume(co, from, nargs);

    if (status != LUA_OK && status != LUA_YIELD)
        die(lua_tostring(co, -1));
    lua_settop(co, 0);
}

static lua_State *thread_of_argument(lua_State *L) {
    lua_State *co = lua_newthread(L);

    lua_xpush(L, co, 1);
    return co;
}

static int floor_spawn(lua_State *L) {
    resume(thread_of_argument(L), L, 0);
    return 1;
}

static int floor_defer(lua_State *L) {
    thread_of_argument(L);
    lua_pushvalue(L, -1);
    array_add(&deferred, L);
    return 1;
}

static int floor_wait(lua_State *L) {
    lua_pushthread(L);
    array_add(&sleeping, L);
    return lua_yield(L, 0);
}

/* Resumes what is in the array; what comes meanwhile is for the next round. */
static void array_run(lua_State *L, struct array *a, int nargs) {
    struct array round = *a;

    *a = (struct array){0};
    lua_newtable(L);
    a->table = lua_ref(L, -1);
    lua_pop(L, 1);
    for (int i = 0; i < round.count; i++) {
        if (nargs > 0)
            lua_pushnumber(round.threads[i], 0.1);
        resume(round.threads[i], NULL, nargs);
    }
    lua_unref(L, round.table);
    free(round.threads);
}

static void run_all(lua_State *L) {
    static const struct timespec tenth = {0, 100000000};

    for (;;) {
        if (deferred.count > 0)
            array_run(L, &deferred, 0);
        else if (sleeping.count > 0) {
            nanosleep(&tenth, NULL);
            array_run(L, &sleeping, 1);
        } else
            return;
    }
}

static void open_task(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"spawn", floor_spawn},
        {"defer", floor_defer},
        {"wait", floor_wait},
        {NULL, NULL},
    };

    luaL_register(L, "task", functions);
    lua_pop(L, 1);
    lua_newtable(L);
    deferred.table = lua_ref(L, -1);
    lua_newtable(L);
    sleeping.table = lua_ref(L, -1);
    lua_pop(L, 2);
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
    open_task(L);
    luaL_sandbox(L);
    resume(load(L, argv[1]), NULL, 0);
    run_all(L);
    lua_close(L);
    return 0;
}
