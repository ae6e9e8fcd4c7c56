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

void test_file_add_whole(struct test_file *f, enum test_status status,
                         const char *name, char *message) {
    test_file_add(f, (struct test_result){.status = status,
                                          .name = text_copy(name),
                                          .message = message});
}

void test_file_free(struct test_file *f) {
    for (size_t i = 0; i < f->nresults; i++) {
        free(f->results[i].name);
        free(f->results[i].message);
        free(f->results[i].frames);
    }
    free(f->results);
    free(f->running);
    text_free(&f->output);
    test_list_free(&f->required);
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

void test_file_add_error(struct test_vm *v) {
    const char *message = lua_tostring(v->L, -1);

    if (message == NULL)
        message = "not enough memory";
    test_file_add_whole(v->file, TEST_FAILED, "loading", text_copy(message));
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
        test_file_add_whole(v->file, TEST_FAILED, "loading", text_take(&why));
        return false;
    }
    text_addf(&chunkname, "@%s", v->file->path);
    script.chunkname = text_string(&chunkname);
    status = vm_load(v->L, &script);
    source_free(&script.source);
    text_free(&chunkname);
    if (status != LUA_OK) {
        test_file_add_error(v);
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
    test_pool_set_running(v->file, "loading");
    message = test_step_run(v, v->options->timeout_ns, &duration_ns);
    test_pool_set_running(v->file, NULL);
    if (message != NULL)
        test_file_add(v->file,
                      (struct test_result){.status = TEST_FAILED,
                                           .name = text_copy("loading"),
                                           .message = message,
                                           .frames = test_step_frames(v)});
    return message == NULL;
}

/* ------------------------------------------------------------------------ */
/* Leaks                                                                    */
/* ------------------------------------------------------------------------ */

static const char *const file_waits[KAHU_KINDS] = {
    "deferred", "delayed", "sleeps", "waits for an operation"};

static bool file_waits_for_ever(const kahu_thread_info *info) {
    return (info->waits_for == KAHU_WAIT || info->waits_for == KAHU_DELAY) &&
           info->deadline_ns == KAHU_NEVER_NS;
}

/* kahu_thread_fn: a thread that somebody was going to resume. */
static bool file_add_leak(void *ud, const kahu_thread_info *info) {
    struct text *leaks = ud;

    if (info->wakes == 0)
        return true;
    text_addf(leaks, "%sthread started at %s, %s%s",
              leaks->size > 0 ? "\n" : "",
              info->started[0] != '\0' ? info->started : "?",
              file_waits[info->waits_for],
              file_waits_for_ever(info) ? " for ever" : "");
    if (info->where[0] != '\0')
        text_addf(leaks, " at %s", info->where);
    return true;
}

/* What an interrupted file leaves behind is not its fault. */
static void file_find_leaks(struct test_vm *v) {
    struct text leaks = {NULL, 0, 0};
    int64_t listed;

    if (test_pool_signal(v->file) != 0)
        return;
    listed = kahu_each_thread(v->s, NULL, file_add_leak, &leaks);
    if (listed < 0)
        test_file_add_whole(v->file, TEST_FAILED, "leaks",
                            text_copy(kahu_status_text((int)listed)));
    if (leaks.size > 0)
        test_file_add_whole(v->file,
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
        test_file_add_error(v);
        return;
    }
    if (file_load(v)) {
        test_plan_run(v);
        file_find_leaks(v);
    }
}

/* What keeps it from running at all. */
static void file_add_status(struct test_vm *v, kahu_status status) {
    test_file_add_whole(v->file, TEST_FAILED, "loading",
                        text_copy(kahu_status_text(status)));
}

static void file_add_required(void *ud, const char *path) {
    struct test_file *f = ud;

    test_list_add(&f->required, path);
}

static void file_run_with_scheduler(struct test_vm *v) {
    kahu_status status = file_watch_vm(v);

    v->modules = modules_new(v->s, &v->options->vm);
    if (status == KAHU_OK && v->modules == NULL)
        status = KAHU_ENOMEM;
    test_pool_set_scheduler(v->file, v->s);
    if (status == KAHU_OK)
        file_run_in(v);
    else
        file_add_status(v, status);
    if (v->modules != NULL)
        modules_each(v->modules, file_add_required, v->file);
    test_pool_set_scheduler(v->file, NULL);
    kahu_free(v->s);
    modules_free(v->modules);
}

static void file_run_with_vm(struct test_vm *v) {
    kahu_status status = KAHU_ENOMEM;

    v->L = luaL_newstate();
    if (v->L != NULL) {
        test_step_open(v);
        status = file_make_scheduler(v);
    }
    if (status == KAHU_OK)
        file_run_with_scheduler(v);
    else
        file_add_status(v, status);
    if (v->L != NULL)
        lua_close(v->L);
    text_free(&v->elsewhere);
    text_free(&v->message);
    text_free(&v->frames);
    text_free(&v->frames_elsewhere);
}

static void file_run_with_loop(struct test_vm *v) {
    int error = uv_loop_init(&v->loop);

    if (error != 0) {
        test_file_add_whole(v->file, TEST_FAILED, "loading",
                            text_copy(uv_strerror(error)));
        return;
    }
    file_run_with_vm(v);
    uv_run(&v->loop, UV_RUN_DEFAULT);
    uv_loop_close(&v->loop);
}

void test_file_run(struct test_file *f, const struct test_options *o) {
    struct test_vm v = {.options = o, .file = f};

    if (test_pool_signal(f) != 0)
        return;
    if (o->vm.virtual_time)
        file_run_with_vm(&v);
    else
        file_run_with_loop(&v);
}
