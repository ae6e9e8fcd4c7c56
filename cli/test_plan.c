/* SPDX-License-Identifier: MIT */
/*
 * test_plan.c - the steps that the library makes of a file: its tests and
 * hooks, in order, and what comes of each.
 */
#include <stdlib.h>
#include <string.h>

#include "test_step.h"

/* What the library says of one step. */
struct plan_step {
    int number;
    char kind; /* of "test", "before", "after": the first letter */
    bool skip;
    int line;
    uint64_t timeout_ns; /* 0: the usual one */
    char *name;
};

/* Pushes the list of steps. Raises. */
static int plan_make_protected(lua_State *L) {
    struct test_vm *v = lua_tolightuserdata(L, 1);

    lua_getref(L, v->plan);
    if (v->options->filter != NULL)
        lua_pushstring(L, v->options->filter);
    else
        lua_pushnil(L);
    lua_call(L, 1, 1);
    v->nsteps = lua_objlen(L, -1);
    v->steps = lua_ref(L, -1);
    return 0;
}

struct plan_reading {
    struct test_vm *v;
    struct plan_step step;
};

static int plan_read_protected(lua_State *L) {
    struct plan_reading *r = lua_tolightuserdata(L, 1);
    double timeout;

    lua_getref(L, r->v->steps);
    lua_rawgeti(L, -1, r->step.number);
    lua_rawgetfield(L, -1, "kind");
    r->step.kind = *lua_tostring(L, -1);
    lua_rawgetfield(L, -2, "skip");
    r->step.skip = lua_toboolean(L, -1);
    lua_rawgetfield(L, -3, "source");
    lua_rawgetfield(L, -4, "line");
    if (strcmp(lua_tostring(L, -2), r->v->file->path) == 0)
        r->step.line = lua_tointeger(L, -1); /* and not one of a module's */
    lua_rawgetfield(L, -5, "timeout");
    timeout = lua_tonumber(L, -1);
    if (timeout > 0)
        r->step.timeout_ns = test_seconds_ns(timeout);
    lua_rawgetfield(L, -6, "name");
    r->step.name = text_copy(lua_tostring(L, -1));
    return 0;
}

struct plan_function {
    struct test_vm *v;
    int number;
    const char *field;
    const char *argument; /* of a call; NULL for none */
    int ref;              /* the function */
};

static int plan_find_protected(lua_State *L) {
    struct plan_function *f = lua_tolightuserdata(L, 1);

    lua_getref(L, f->v->steps);
    lua_rawgeti(L, -1, f->number);
    lua_rawgetfield(L, -1, f->field);
    f->ref = lua_ref(L, -1);
    return 0;
}

static int plan_call_protected(lua_State *L) {
    struct plan_function *f = lua_tolightuserdata(L, 1);

    lua_getref(L, f->ref);
    lua_pushstring(L, f->argument);
    lua_call(L, 1, 0);
    return 0;
}

/* Runs the step's function of that name; NULL, or what is wrong. */
static char *plan_step_run(struct test_vm *v, const struct plan_step *step,
                           const char *field, uint64_t *duration_ns) {
    struct plan_function f = {v, step->number, field, NULL, LUA_NOREF};
    uint64_t timeout_ns = step->timeout_ns;

    if (lua_cpcall(v->L, plan_find_protected, &f) != LUA_OK) {
        lua_pop(v->L, 1);
        return text_copy("not enough memory");
    }
    lua_getref(v->L, f.ref);
    lua_unref(v->L, f.ref);
    if (timeout_ns == 0)
        timeout_ns = v->options->timeout_ns;
    return test_step_run(v, timeout_ns, duration_ns);
}

/* Joins what went wrong after a test to what did in it. */
static char *plan_join(char *first, char *second) {
    struct text t = {NULL, 0, 0};

    if (first == NULL || second == NULL)
        return first != NULL ? first : second;
    text_addf(&t, "%s\nafterEach: %s", first, second);
    free(first);
    free(second);
    return text_take(&t);
}

static void plan_run_test(struct test_vm *v, struct plan_step *step) {
    struct test_result result = {
        .status = TEST_SKIPPED, .name = step->name, .line = step->line};
    uint64_t after_ns;

    if (!step->skip) {
        result.message = plan_step_run(v, step, "run", &result.duration_ns);
        result.message = plan_join(result.message,
                                   plan_step_run(v, step, "after", &after_ns));
        result.status = result.message == NULL ? TEST_PASSED : TEST_FAILED;
        result.frames = test_step_frames(v);
    }
    test_file_add(v->file, result);
}

/* beforeAll: the tests it is for say that it failed, if they still come. */
static void plan_run_before(struct test_vm *v, struct plan_step *step) {
    struct plan_function f = {v, step->number, "fail", NULL, LUA_NOREF};
    uint64_t duration_ns = 0;
    char *message = plan_step_run(v, step, "run", &duration_ns);

    if (message != NULL && test_pool_signal(v->file) != 0) {
        test_file_add(v->file, (struct test_result){
                                   TEST_FAILED, step->name, message, step->line,
                                   duration_ns, test_step_frames(v)});
        return;
    }
    free(step->name);
    free(test_step_frames(v));
    if (message == NULL)
        return;
    f.argument = message;
    if (lua_cpcall(v->L, plan_find_protected, &f) != LUA_OK ||
        lua_cpcall(v->L, plan_call_protected, &f) != LUA_OK)
        test_file_add_error(v);
    lua_unref(v->L, f.ref);
    free(message);
}

static void plan_run_after(struct test_vm *v, struct plan_step *step) {
    struct test_result result = {
        .status = TEST_FAILED, .name = step->name, .line = step->line};

    result.message = plan_step_run(v, step, "run", &result.duration_ns);
    result.frames = test_step_frames(v);
    if (result.message != NULL)
        test_file_add(v->file, result);
    else
        free(step->name);
}

/* --bail, or a signal: only what cleans up goes on. */
static bool plan_is_cut(const struct test_vm *v) {
    return test_pool_signal(v->file) != 0 ||
           (v->options->bail &&
            (v->file->counts[TEST_FAILED] > 0 || test_pool_is_cut(v->file)));
}

static bool plan_run_step(struct test_vm *v, int number) {
    struct plan_reading reading = {v, {.number = number}};
    struct plan_step *step = &reading.step;

    if (lua_cpcall(v->L, plan_read_protected, &reading) != LUA_OK) {
        test_file_add_error(v);
        free(step->name);
        return false;
    }
    test_pool_set_running(v->file, step->name);
    if (step->kind == 'a')
        plan_run_after(v, step);
    else if (plan_is_cut(v))
        free(step->name);
    else if (step->kind == 'b')
        plan_run_before(v, step);
    else
        plan_run_test(v, step);
    test_pool_set_running(v->file, NULL);
    return true;
}

void test_plan_run(struct test_vm *v) {
    if (lua_cpcall(v->L, plan_make_protected, v) != LUA_OK) {
        test_file_add_error(v);
        return;
    }
    for (int i = 1; i <= v->nsteps && plan_run_step(v, i); i++)
        ;
}
