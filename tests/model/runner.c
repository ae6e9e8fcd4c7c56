/* SPDX-License-Identifier: MIT */
/*
 * runner.c - runs generated programs under the scheduler and prints what they
 * did, for comparison with the reference model (model.py).
 *
 * Standard input is a row of programs, each a line `BYTES STRICT` and then so
 * many bytes of Luau; the answer to each is its trace and a line `.`. A program
 * has, besides task and coroutine:
 *
 *   log(...)          a line of the trace: the clock in ns, then the values
 *   op(name)          an operation, cancelled by a line `cancelled NAME`
 *   finish(name, ...), fail(name, value), abandon(name)   end it: true, or
 *                     false when there is none such any more
 */
#include <luacode.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kahu/kahu.h"
#include "kahu/luau.h"

#define NAMES 8
#define NAME_SIZE 16

struct named_op {
    char name[NAME_SIZE];
    kahu_op op;
};

static struct {
    kahu_sched *s;
    kahu_stepped *m;
    struct named_op ops[NAMES]; /* the latest of each name */
} run;

/* ------------------------------------------------------------------------ */
/* The trace                                                                */
/* ------------------------------------------------------------------------ */

/* Positions are the program's, and the model has none. */
static const char *trace_without_position(const char *text) {
    while (strncmp(text, "p:", 2) == 0) {
        const char *end = text + 2 + strspn(text + 2, "0123456789");

        if (strncmp(end, ": ", 2) != 0)
            break;
        text = end + 2;
    }
    return text;
}

static void trace_value(lua_State *L, int index) {
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        fputs(" nil", stdout);
        break;
    case LUA_TBOOLEAN:
        fputs(lua_toboolean(L, index) ? " true" : " false", stdout);
        break;
    case LUA_TNUMBER:
        printf(" %.9f", lua_tonumber(L, index));
        break;
    case LUA_TSTRING:
        printf(" %s", trace_without_position(lua_tostring(L, index)));
        break;
    default:
        printf(" %s", luaL_typename(L, index));
    }
}

static void trace_begin(void) {
    printf("%llu", (unsigned long long)kahu_stepped_now_ns(run.m));
}

static int trace_log(lua_State *L) {
    trace_begin();
    for (int i = 1; i <= lua_gettop(L); i++)
        trace_value(L, i);
    putchar('\n');
    return 0;
}

static void trace_error(void *ud, lua_State *L, lua_State *co,
                        const char *message, const char *traceback) {
    (void)ud;
    (void)L;
    (void)co;
    (void)traceback;
    trace_begin();
    printf(" error %s\n", trace_without_position(message));
}

/* ------------------------------------------------------------------------ */
/* Operations by name                                                       */
/* ------------------------------------------------------------------------ */

static struct named_op *op_named(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);

    for (int i = 0; i < NAMES; i++) {
        struct named_op *n = &run.ops[i];

        if (n->name[0] == '\0')
            snprintf(n->name, sizeof(n->name), "%s", name);
        if (strcmp(n->name, name) == 0)
            return n;
    }
    luaL_error(L, "too many names");
}

/* ud is the name: names stay. */
static void op_cancelled(void *ud, kahu_op op) {
    (void)op;
    trace_begin();
    printf(" cancelled %s\n", (const char *)ud);
}

static int op_begin(lua_State *L) {
    struct named_op *n = op_named(L);
    kahu_op op;
    kahu_status status = kahu_op_begin(L, op_cancelled, n->name, &op);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    n->op = op;
    return kahu_op_yield(L);
}

/* The values are numbers and strings of at most this many bytes. */
struct values {
    int count;
    double numbers[4];
};

static int op_push(lua_State *L, void *ud) {
    const struct values *v = ud;

    for (int i = 0; i < v->count; i++)
        lua_pushnumber(L, v->numbers[i]);
    return v->count;
}

static struct values *op_values(lua_State *L) {
    struct values *v = calloc(1, sizeof(*v));

    if (v == NULL)
        abort();
    for (int i = 2; i <= lua_gettop(L) && v->count < 4; i++)
        v->numbers[v->count++] = lua_tonumber(L, i);
    return v;
}

static int op_answer(lua_State *L, kahu_status status, struct values *v) {
    if (status != KAHU_OK)
        free(v);
    lua_pushboolean(L, status == KAHU_OK);
    return 1;
}

static int op_finish(lua_State *L) {
    struct named_op *n = op_named(L);
    struct values *v = op_values(L);

    return op_answer(L, kahu_op_finish(run.s, n->op, op_push, v, free), v);
}

static int op_fail(lua_State *L) {
    struct named_op *n = op_named(L);
    struct values *v = op_values(L);

    return op_answer(L, kahu_op_fail(run.s, n->op, op_push, v, free), v);
}

static int op_abandon(lua_State *L) {
    return op_answer(L, kahu_op_abandon(run.s, op_named(L)->op), NULL);
}

/* ------------------------------------------------------------------------ */
/* One program                                                              */
/* ------------------------------------------------------------------------ */

static const luaL_Reg functions[] = {
    {"log", trace_log}, {"op", op_begin},        {"finish", op_finish},
    {"fail", op_fail},  {"abandon", op_abandon}, {NULL, NULL},
};

static void must(bool good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "runner: %s\n", what);
    exit(2);
}

static void program_open(lua_State *L, bool strict) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    kahu_driver driver;

    memset(&run, 0, sizeof(run));
    must(kahu_stepped_new(&run.m, &driver) == KAHU_OK, "no driver");
    options.driver = &driver;
    options.strict_wakes = strict;
    must(kahu_new(&run.s, L, &options) == KAHU_OK, "no scheduler");
    hooks.on_error = trace_error;
    must(kahu_add_hooks(run.s, &hooks) == KAHU_OK, "no hooks");
    luaL_openlibs(L);
    kahu_open_task(L);
    kahu_open_coroutine(L);
    lua_settop(L, 0);
    for (const luaL_Reg *f = functions; f->name != NULL; f++) {
        lua_pushcfunction(L, f->func, f->name);
        lua_setglobal(L, f->name);
    }
}

static lua_State *program_load(lua_State *L, const char *text, size_t length) {
    lua_State *co = lua_newthread(L);
    size_t size;
    char *bytecode = luau_compile(text, length, NULL, &size);

    must(bytecode != NULL, "no bytecode");
    if (luau_load(co, "=p", bytecode, size, 0) != 0)
        must(false, lua_tostring(co, -1));
    free(bytecode);
    return co;
}

static void program_check(const kahu_stats *stats) {
    for (int kind = 0; kind < KAHU_KINDS; kind++)
        must(stats->made[kind] == stats->delivered[kind] +
                                      stats->cancelled[kind] +
                                      stats->dropped[kind],
             "a wake was lost");
}

static void program_run(const char *text, size_t length, bool strict) {
    lua_State *L = luaL_newstate();
    kahu_stats stats = {.size = sizeof(stats)};
    lua_State *co;

    program_open(L, strict);
    co = program_load(L, text, length);
    must(kahu_spawn(run.s, co, NULL, 0) == KAHU_OK, "not spawned");
    must(kahu_stepped_run(run.m) >= 0, "not run");
    trace_begin();
    printf(" end %d %zu\n", kahu_exit_code(run.s), kahu_count_all(run.s));
    kahu_close(run.s);
    kahu_get_stats(run.s, &stats);
    program_check(&stats);
    kahu_free(run.s);
    lua_close(L);
    puts(".");
}

int main(void) {
    size_t length;
    int strict;

    while (scanf("%zu %d", &length, &strict) == 2) {
        char *text = malloc(length + 1);

        must(text != NULL && getchar() == '\n', "not a program");
        must(fread(text, 1, length, stdin) == length, "a program is cut off");
        program_run(text, length, strict != 0);
        fflush(stdout);
        free(text);
    }
    return 0;
}
