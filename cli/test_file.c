/* SPDX-License-Identifier: MIT */
/*
 * test_file.c - one test file: it is loaded, its tests run one after the other,
 * and then nothing of it should be left.
 *
 * All of it on one OS thread; other files run on others at the same time, and
 * nothing is shared but what is only read.
 */
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "kahu/threads.h"
#include "kahu/uv.h"
#include "modules.h"
#include "report.h"
#include "test.h"
#include "test_step.h"
#include "vm.h"

/* testing.luau; compiled in. */
extern const char testing_library[];
extern const size_t testing_library_size;

/* ------------------------------------------------------------------------ */
/* Results                                                                  */
/* ------------------------------------------------------------------------ */

void test_file_add(struct test_file *f, struct test_result result) {
    f->results = text_memory(f->results, f->nresults + 1, sizeof(*f->results));
    f->results[f->nresults++] = result;
    f->counts[result.status]++;
}

static char *file_copy(const char *string) {
    struct text t = {NULL, 0, 0};

    text_add_string(&t, string);
    return text_take(&t);
}

/* Of the file as a whole; the message is taken. */
static void file_add_whole(struct test_file *f, enum test_status status,
                           const char *name, char *message) {
    struct test_result result = {status, file_copy(name), message, 0, 0};

    test_file_add(f, result);
}

void test_file_free(struct test_file *f) {
    for (size_t i = 0; i < f->nresults; i++) {
        free(f->results[i].name);
        free(f->results[i].message);
    }
    free(f->results);
    text_free(&f->output);
}

/* ------------------------------------------------------------------------ */
/* What the file sees                                                       */
/* ------------------------------------------------------------------------ */

/* Reports are made of strings that end at a zero byte. */
static void file_add_output(struct text *output, const char *s, size_t size) {
    const char *zero;

    while ((zero = memchr(s, '\0', size)) != NULL) {
        text_add(output, s, (size_t)(zero - s));
        text_add_string(output, "\\0");
        size -= (size_t)(zero - s) + 1;
        s = zero + 1;
    }
    text_add(output, s, size);
}

/* print, into what is shown with the file. */
static int file_print(lua_State *L) {
    struct test_file *f = lua_tolightuserdata(L, lua_upvalueindex(1));
    int n = lua_gettop(L);

    for (int i = 1; i <= n; i++) {
        size_t size;
        const char *string = luaL_tolstring(L, i, &size);

        if (i > 1)
            text_add(&f->output, "\t", 1);
        file_add_output(&f->output, string, size);
        lua_pop(L, 1);
    }
    text_add(&f->output, "\n", 1);
    return 0;
}

/* Pushes what the library returns. Raises. */
static void file_push_library(lua_State *L, const struct options *o) {
    lua_State *co = vm_thread_new(L);
    struct vm_text *text = vm_text_new(L);

    text->source.text = malloc(testing_library_size);
    if (text->source.text == NULL)
        luaL_error(L, "not enough memory");
    memcpy(text->source.text, testing_library, testing_library_size);
    text->source.size = testing_library_size;
    vm_compile(L, co, text, "=" TEST_LIBRARY, o);
    lua_call(L, 0, 1);
    lua_replace(L, -3); /* the thread */
    lua_pop(L, 1);      /* the text */
}

/* The library's functions, at index 1, become globals and a module. Raises. */
static void file_set_globals(lua_State *L) {
    lua_getfield(L, 1, "globals");
    lua_pushnil(L);
    while (lua_next(L, -2) != 0)
        lua_setglobal(L, lua_tostring(L, -2));
    modules_provide(L, "@kahu/test");
}

/* vm_setup.open_more */
static void file_open_more(lua_State *L, void *ud) {
    struct test_vm *v = ud;

    lua_settop(L, 0);
    file_push_library(L, &v->options->vm);
    file_set_globals(L);
    lua_getfield(L, 1, "plan");
    v->plan = lua_ref(L, -1);
    lua_pushlightuserdata(L, v->file);
    lua_pushcclosure(L, file_print, "print", 1);
    lua_setglobal(L, "print");
    lua_settop(L, 0);
}

/* ------------------------------------------------------------------------ */
/* Loading                                                                  */
/* ------------------------------------------------------------------------ */

/* Pops Luau's error from L. */
static void file_add_error(struct test_vm *v) {
    const char *message = lua_tostring(v->L, -1);

    if (message == NULL)
        message = "not enough memory";
    file_add_whole(v->file, TEST_FAILED, "loading", file_copy(message));
    lua_pop(v->L, 1);
}

/* Pushes the thread with the file's function; false when that failed. */
static bool file_push_script(struct test_vm *v) {
    struct text chunkname = {NULL, 0, 0};
    struct vm_script script = {.options = &v->options->vm};
    struct source_failure failure;
    int status;

    if (!source_read(&script.source, v->file->path, &failure)) {
        struct text why = {NULL, 0, 0};

        text_addf(&why, "%s: cannot be read: %s", v->file->path, failure.why);
        file_add_whole(v->file, TEST_FAILED, "loading", text_take(&why));
        return false;
    }
    text_addf(&chunkname, "@%s", v->file->path);
    script.chunkname = text_string(&chunkname);
    status = vm_load(v->L, &script);
    source_free(&script.source);
    text_free(&chunkname);
    if (status != LUA_OK) {
        file_add_error(v);
        return false;
    }
    lua_getref(v->L, script.ref);
    lua_unref(v->L, script.ref);
    return true;
}

static bool file_load(struct test_vm *v) {
    uint64_t duration_ns;
    char *message;

    if (!file_push_script(v))
        return false;
    message = test_step_run(v, v->options->timeout_ns, &duration_ns);
    if (message != NULL)
        file_add_whole(v->file, TEST_FAILED, "loading", message);
    return message == NULL;
}

/* ------------------------------------------------------------------------ */
/* Steps                                                                    */
/* ------------------------------------------------------------------------ */

/* What the library says of one step. */
struct file_step {
    int number;
    char kind; /* of "test", "before", "after": the first letter */
    bool skip;
    int line;
    uint64_t timeout_ns; /* 0: the usual one */
    char *name;
};

/* Pushes the list of steps. Raises. */
static int file_plan_protected(lua_State *L) {
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

struct file_reading {
    struct test_vm *v;
    struct file_step step;
};

static int file_read_protected(lua_State *L) {
    struct file_reading *r = lua_tolightuserdata(L, 1);
    double timeout;

    lua_getref(L, r->v->steps);
    lua_rawgeti(L, -1, r->step.number);
    lua_rawgetfield(L, -1, "kind");
    r->step.kind = *lua_tostring(L, -1);
    lua_rawgetfield(L, -2, "skip");
    r->step.skip = lua_toboolean(L, -1);
    lua_rawgetfield(L, -3, "line");
    r->step.line = lua_tointeger(L, -1);
    lua_rawgetfield(L, -4, "timeout");
    timeout = lua_tonumber(L, -1);
    if (timeout > 0)
        r->step.timeout_ns = test_seconds_ns(timeout);
    lua_rawgetfield(L, -5, "name");
    r->step.name = file_copy(lua_tostring(L, -1));
    return 0;
}

struct file_function {
    struct test_vm *v;
    int number;
    const char *field;
    const char *argument; /* of a call; NULL for none */
    int ref;              /* the function */
};

static int file_find_protected(lua_State *L) {
    struct file_function *f = lua_tolightuserdata(L, 1);

    lua_getref(L, f->v->steps);
    lua_rawgeti(L, -1, f->number);
    lua_rawgetfield(L, -1, f->field);
    f->ref = lua_ref(L, -1);
    return 0;
}

static int file_call_protected(lua_State *L) {
    struct file_function *f = lua_tolightuserdata(L, 1);

    lua_getref(L, f->ref);
    lua_pushstring(L, f->argument);
    lua_call(L, 1, 0);
    return 0;
}

/* Runs the step's function of that name; NULL, or what is wrong. */
static char *file_step_run(struct test_vm *v, const struct file_step *step,
                           const char *field, uint64_t *duration_ns) {
    struct file_function f = {v, step->number, field, NULL, LUA_NOREF};
    uint64_t timeout_ns = step->timeout_ns;

    if (lua_cpcall(v->L, file_find_protected, &f) != LUA_OK) {
        lua_pop(v->L, 1);
        return file_copy("not enough memory");
    }
    lua_getref(v->L, f.ref);
    lua_unref(v->L, f.ref);
    if (timeout_ns == 0)
        timeout_ns = v->options->timeout_ns;
    return test_step_run(v, timeout_ns, duration_ns);
}

/* Joins what went wrong after a test to what did in it. */
static char *file_join(char *first, char *second) {
    struct text t = {NULL, 0, 0};

    if (first == NULL || second == NULL)
        return first != NULL ? first : second;
    text_addf(&t, "%s\nafterEach: %s", first, second);
    free(first);
    free(second);
    return text_take(&t);
}

static void file_run_test(struct test_vm *v, struct file_step *step) {
    struct test_result result = {TEST_SKIPPED, step->name, NULL, step->line, 0};
    uint64_t after_ns;

    if (!step->skip) {
        result.message = file_step_run(v, step, "run", &result.duration_ns);
        result.message = file_join(result.message,
                                   file_step_run(v, step, "after", &after_ns));
        result.status = result.message == NULL ? TEST_PASSED : TEST_FAILED;
    }
    test_file_add(v->file, result);
}

/* beforeAll: the tests it is for say that it failed. */
static void file_run_before(struct test_vm *v, struct file_step *step) {
    struct file_function f = {v, step->number, "fail", NULL, LUA_NOREF};
    uint64_t duration_ns;
    char *message = file_step_run(v, step, "run", &duration_ns);

    free(step->name);
    if (message == NULL)
        return;
    f.argument = message;
    if (lua_cpcall(v->L, file_find_protected, &f) != LUA_OK ||
        lua_cpcall(v->L, file_call_protected, &f) != LUA_OK)
        file_add_error(v);
    lua_unref(v->L, f.ref);
    free(message);
}

static void file_run_after(struct test_vm *v, struct file_step *step) {
    struct test_result result = {TEST_FAILED, step->name, NULL, step->line, 0};

    result.message = file_step_run(v, step, "run", &result.duration_ns);
    if (result.message != NULL)
        test_file_add(v->file, result);
    else
        free(step->name);
}

/* --bail: only what cleans up goes on. */
static bool file_is_cut(const struct test_vm *v) {
    return v->options->bail &&
           (v->file->counts[TEST_FAILED] > 0 || test_pool_is_cut(v->file));
}

static bool file_run_step(struct test_vm *v, int number) {
    struct file_reading reading = {v, {.number = number}};
    struct file_step *step = &reading.step;

    if (lua_cpcall(v->L, file_read_protected, &reading) != LUA_OK) {
        file_add_error(v);
        free(step->name);
        return false;
    }
    if (step->kind == 'a')
        file_run_after(v, step);
    else if (file_is_cut(v))
        free(step->name);
    else if (step->kind == 'b')
        file_run_before(v, step);
    else
        file_run_test(v, step);
    return true;
}

static void file_run_steps(struct test_vm *v) {
    if (lua_cpcall(v->L, file_plan_protected, v) != LUA_OK) {
        file_add_error(v);
        return;
    }
    for (int i = 1; i <= v->nsteps && file_run_step(v, i); i++)
        ;
}

/* ------------------------------------------------------------------------ */
/* Leaks                                                                    */
/* ------------------------------------------------------------------------ */

static const char *file_waits_for(const kahu_thread_info *info) {
    static const char *const words[KAHU_KINDS] = {
        "deferred", "delayed", "sleeps", "waits for an operation"};

    if (info->waits_for == KAHU_WAIT || info->waits_for == KAHU_DELAY)
        return info->deadline_ns == KAHU_NEVER_NS ? "sleeps for ever"
                                                  : words[info->waits_for];
    return words[info->waits_for];
}

/* kahu_thread_fn: a thread that somebody was going to resume. */
static bool file_add_leak(void *ud, const kahu_thread_info *info) {
    struct text *leaks = ud;

    if (info->wakes == 0)
        return true;
    text_addf(leaks, "%sthread started at %s, %s", leaks->size > 0 ? "\n" : "",
              info->started[0] != '\0' ? info->started : "?",
              file_waits_for(info));
    if (info->where[0] != '\0')
        text_addf(leaks, " at %s", info->where);
    return true;
}

static void file_find_leaks(struct test_vm *v) {
    struct text leaks = {NULL, 0, 0};
    int64_t listed = kahu_each_thread(v->s, NULL, file_add_leak, &leaks);

    if (listed < 0)
        file_add_whole(v->file, TEST_FAILED, "leaks",
                       file_copy(kahu_status_text((int)listed)));
    if (leaks.size > 0)
        file_add_whole(v->file,
                       v->options->allow_leaks ? TEST_NOTED : TEST_FAILED,
                       "leaks", text_take(&leaks));
}

/* ------------------------------------------------------------------------ */
/* The VM                                                                   */
/* ------------------------------------------------------------------------ */

static kahu_status file_make_scheduler(struct test_vm *v) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_driver driver;
    kahu_status status = v->options->vm.virtual_time
                             ? kahu_stepped_new(&v->stepped, &driver)
                             : kahu_uv_driver(&driver, &v->loop);

    if (status != KAHU_OK)
        return status;
    options.driver = &driver;
    status = kahu_new(&v->s, v->L, &options);
    if (status != KAHU_OK)
        driver.release(driver.ud);
    return status;
}

static kahu_status file_watch_vm(struct test_vm *v) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    kahu_limits limits = KAHU_LIMITS_INIT;
    kahu_status status;

    hooks.ud = v;
    hooks.on_error = test_step_error;
    limits.max_resume_ns = v->options->stall_ns;
    status = kahu_add_hooks(v->s, &hooks);
    if (status == KAHU_OK)
        status = kahu_set_limits(v->s, &limits);
    return status == KAHU_OK ? kahu_track(v->s) : status;
}

static void file_run_in(struct test_vm *v) {
    struct vm_setup setup = {.options = &v->options->vm,
                             .stepped = v->stepped,
                             .modules = v->modules,
                             .open_more = file_open_more,
                             .ud = v};

    if (vm_open(v->L, &setup) != LUA_OK) {
        file_add_error(v);
        return;
    }
    if (file_load(v)) {
        file_run_steps(v);
        file_find_leaks(v);
    }
}

/* What keeps it from running at all. */
static void file_add_status(struct test_vm *v, kahu_status status) {
    file_add_whole(v->file, TEST_FAILED, "loading",
                   file_copy(kahu_status_text(status)));
}

static void file_run_with_scheduler(struct test_vm *v) {
    kahu_status status = file_watch_vm(v);

    v->modules = modules_new(v->s, &v->options->vm);
    if (status == KAHU_OK && v->modules == NULL)
        status = KAHU_ENOMEM;
    if (status == KAHU_OK)
        file_run_in(v);
    else
        file_add_status(v, status);
    kahu_free(v->s);
    modules_free(v->modules);
}

static void file_run_with_vm(struct test_vm *v) {
    kahu_status status = KAHU_ENOMEM;

    v->L = luaL_newstate();
    if (v->L != NULL)
        status = file_make_scheduler(v);
    if (status == KAHU_OK)
        file_run_with_scheduler(v);
    else
        file_add_status(v, status);
    if (v->L != NULL)
        lua_close(v->L);
    text_free(&v->elsewhere);
    text_free(&v->message);
}

void test_file_run(struct test_file *f, const struct test_options *o) {
    struct test_vm v = {.options = o, .file = f};
    int error = uv_loop_init(&v.loop);

    if (error != 0) {
        file_add_whole(f, TEST_FAILED, "loading",
                       file_copy(uv_strerror(error)));
        return;
    }
    file_run_with_vm(&v);
    uv_run(&v.loop, UV_RUN_DEFAULT);
    uv_loop_close(&v.loop);
}
