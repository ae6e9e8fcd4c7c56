/* SPDX-License-Identifier: MIT */
/*
 * modules.c - modules that may wait while they load.
 *
 * Luau's library finds the module that a path names and keeps one value for
 * each. What we give it is not the module's value but a record of ours, at
 * once; so waiting, errors and values are dealt with here, in `require` itself,
 * and the library is never asked to yield. That matters because its own
 * continuation takes whatever its thread is resumed with for the module's
 * value: a thread resumed early by its friends would leave a false value for
 * everyone.
 *
 * A module runs on a thread of its own, under the scheduler:
 *
 *   NEW -> LOADING    [module_load] its thread runs, or waits for something
 *   LOADING -> READY  [module_land] it returned its one value
 *   LOADING -> FAILED [module_land] error, or its thread was cancelled
 *
 * Who requires a module that is loading waits in an operation that landing
 * ends. A failed record is forgotten by the next require, which begins anew.
 */
#include "modules.h"

#include <assert.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "kahu/threads.h"
#include "navigation.h"
#include "vm.h"

enum module_state { MODULE_NEW, MODULE_LOADING, MODULE_READY, MODULE_FAILED };

/* One thread that waits for a module. */
struct waiter {
    struct waiter *prev;
    struct waiter *next;
    struct module *module;
    struct module *own; /* the module whose thread waits here; may be NULL */
    kahu_op op;
};

/* One attempt to load one module. */
struct module {
    struct module *next; /* in one of its owner's lists */
    struct modules *owner;
    char *name; /* path of its file, as messages show it */
    char *key;  /* what the library knows it by */
    enum module_state state;
    int holders; /* the library, and whoever still wants the outcome */

    /* While it is loading: */
    lua_State *thread;
    bool starting;          /* in the first resume, its requirer below it */
    struct module *awaits;  /* what its own thread waits for, if a module */
    struct waiter *waiting; /* how, unless that one is only just starting */
    struct waiter *first;   /* who waits for it, in the order they came */
    struct waiter *last;

    int ref;         /* its thread; once landed, its value or its error */
    bool is_nil;     /* which is nil: that no reference can hold */
    const char *why; /* failed by no error of its own */
};

struct modules {
    struct navigation navigation; /* first: what the library walks */
    const struct options *options;
    kahu_sched *s;
    lua_State *L;           /* the VM's main thread, for references */
    struct module *loading; /* few, and searched by thread */
    struct module *others;
    size_t waiters;
    bool watching; /* the hook is there: it costs every thread's end a call */
};

/* ------------------------------------------------------------------------ */
/* Records                                                                  */
/* ------------------------------------------------------------------------ */

static void module_link(struct module **list, struct module *module) {
    module->next = *list;
    *list = module;
}

static void module_unlink(struct module **list, const struct module *module) {
    while (*list != module)
        list = &(*list)->next;
    *list = module->next;
}

static void module_free(struct module *module) {
    free(module->name);
    free(module->key);
    free(module);
}

/* NULL when memory is out. */
static struct module *module_new(struct modules *m, const char *name,
                                 const char *key) {
    struct module *module = calloc(1, sizeof(*module));

    if (module == NULL)
        return NULL;
    module->name = strdup(name);
    module->key = strdup(key);
    if (module->name == NULL || module->key == NULL) {
        module_free(module);
        return NULL;
    }
    module->owner = m;
    module->holders = 1; /* the library */
    module_link(&m->others, module);
    return module;
}

/* A module that is loading is known to the library. */
static void module_release(struct module *module) {
    assert(module->holders > 1 || module->state != MODULE_LOADING);
    if (--module->holders > 0)
        return;
    module_unlink(&module->owner->others, module);
    lua_unref(module->owner->L, module->ref);
    module_free(module);
}

/* The module that is loading on this very thread, or NULL. */
static struct module *modules_on_thread(const struct modules *m,
                                        const lua_State *co) {
    struct module *module = m->loading;

    while (module != NULL && module->thread != co)
        module = module->next;
    return module;
}

/* ------------------------------------------------------------------------ */
/* Waiting                                                                  */
/* ------------------------------------------------------------------------ */

/* The thread of `own` goes on, whatever made it. */
static void module_awaits_none(struct module *own) {
    if (own->waiting != NULL)
        own->waiting->own = NULL;
    own->waiting = NULL;
    own->awaits = NULL;
}

static void waiter_link(struct module *module, struct waiter *w) {
    w->module = module;
    w->prev = module->last;
    if (module->last != NULL)
        module->last->next = w;
    else
        module->first = w;
    module->last = w;
    module->holders++;
    module->owner->waiters++;
}

static void waiter_unlink(struct waiter *w) {
    struct module *module = w->module;

    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        module->first = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    else
        module->last = w->prev;
    module->owner->waiters--;
    if (w->own != NULL)
        module_awaits_none(w->own);
}

static void waiter_free(struct waiter *w) {
    module_release(w->module);
    free(w);
}

/* kahu_op_cancel_fn: the thread was cancelled, or the scheduler closes. */
static void waiter_cancelled(void *ud, kahu_op op) {
    (void)op;
    waiter_unlink(ud);
    waiter_free(ud);
}

/* Begins the operation in which L waits. Raises. */
static void waiter_begin(lua_State *L, struct module *module,
                         struct module *own) {
    struct waiter *w = calloc(1, sizeof(*w));
    kahu_status status = KAHU_ENOMEM;

    if (w != NULL)
        status = kahu_op_begin(L, waiter_cancelled, w, &w->op);
    if (status != KAHU_OK) {
        free(w);
        kahu_raise(L, status);
    }
    waiter_link(module, w);
    w->own = own;
    if (own != NULL) {
        own->awaits = module;
        own->waiting = w;
    }
}

/* ------------------------------------------------------------------------ */
/* Outcome                                                                  */
/* ------------------------------------------------------------------------ */

/* Pushes the value or the error of a module that has landed. Raises. */
static void module_push_outcome(lua_State *L, const struct module *module) {
    if (module->why != NULL)
        lua_pushfstring(L, "%s: %s", module->name, module->why);
    else if (module->is_nil)
        lua_pushnil(L);
    else
        lua_getref(L, module->ref);
}

/* Pops the value from L. The slot of the reference is there already, so that
 * this can not fail. */
static void module_set_outcome(lua_State *L, struct module *module) {
    module->is_nil = lua_isnil(L, -1);
    if (module->is_nil) {
        lua_pop(L, 1);
        lua_pushboolean(L, false);
    }
    lua_rawseti(L, LUA_REGISTRYINDEX, module->ref);
}

/* kahu_push_fn and kahu_drop_fn of a wait that has ended. */
static int waiter_push(lua_State *L, void *ud) {
    const struct waiter *w = ud;

    module_push_outcome(L, w->module);
    return 1;
}

static void waiter_drop(void *ud) {
    waiter_free(ud);
}

/* Lets the first of those who wait go on. Nobody else ends its operation, and
 * a cancelled one is not in the list any more. */
static void module_end_wait(struct module *module) {
    kahu_sched *s = module->owner->s;
    struct waiter *w = module->first;
    kahu_status status;

    waiter_unlink(w);
    if (module->state == MODULE_FAILED)
        status = kahu_op_fail(s, w->op, waiter_push, w, waiter_drop);
    else
        status = kahu_op_finish(s, w->op, waiter_push, w, waiter_drop);
    assert(status == KAHU_OK);
    (void)status;
}

/* The outcome is known. False when nobody was there to hear it. */
static bool module_land(struct module *module, enum module_state state) {
    bool heard = module->starting || module->first != NULL;

    module->state = state;
    module->thread = NULL;
    module_awaits_none(module);
    module_unlink(&module->owner->loading, module);
    module_link(&module->owner->others, module);
    while (module->first != NULL)
        module_end_wait(module);
    return heard;
}

/* ------------------------------------------------------------------------ */
/* A module's thread                                                        */
/* ------------------------------------------------------------------------ */

/* After the module's function: its values or its error are on the stack. An
 * error that nobody waits for is one that nobody caught. */
static int module_continue(lua_State *L, int status) {
    const struct modules *m = lua_tolightuserdata(L, lua_upvalueindex(1));
    struct module *module = modules_on_thread(m, L);

    if (module == NULL && status != LUA_OK)
        lua_error(L);
    if (module == NULL)
        return 0; /* landed without us */
    if (status == LUA_OK && lua_gettop(L) != 1) {
        lua_settop(L, 0);
        lua_pushfstring(L, "%s: module must return a single value",
                        module->name);
        status = LUA_ERRRUN;
    }
    module_set_outcome(L, module);
    if (status == LUA_OK)
        module_land(module, MODULE_READY);
    else if (!module_land(module, MODULE_FAILED)) {
        module_push_outcome(L, module);
        lua_error(L);
    }
    return 0;
}

/* What a module's thread runs. Scripts can get hold of it, by debug.info. */
static int module_main(lua_State *L) {
    const struct modules *m = lua_tolightuserdata(L, lua_upvalueindex(1));

    if (modules_on_thread(m, L) == NULL)
        luaL_error(L, "a module runs on its own thread only");
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(2));
    return lua_pcallyieldable(L, 0, LUA_MULTRET, 0);
}

/* Text of the module, from its file, or bytecode of it, from the bundle.
 * Raises. */
static void module_read(lua_State *L, const struct module *module,
                        struct vm_text *text) {
    const struct bundle *bundle = module->owner->options->bundle;
    const struct bundle_file *file =
        bundle == NULL ? NULL : bundle_find(bundle, module->name);
    struct source_failure failure = {NULL, true};

    if (file != NULL)
        text->bytecode = bundle_read(bundle, file->unit, &text->size);
    if (text->bytecode != NULL ||
        (file == NULL && source_read(&text->source, module->name, &failure)))
        return;
    if (failure.memory)
        luaL_error(L, "not enough memory");
    luaL_error(L, "cannot read '%s': %s", module->name, failure.why);
}

/* Pushes the thread, with the module's function on it. Raises. */
static lua_State *module_push_thread(lua_State *L,
                                     const struct module *module) {
    lua_State *co = vm_thread_new(L);
    struct vm_text *text = vm_text_new(L);

    module_read(L, module, text);
    lua_pushlightuserdata(L, module->owner);
    lua_pushfstring(L, "@%s", module->name);
    vm_compile(L, co, text, lua_tostring(L, -1), module->owner->options);
    lua_remove(L, -2); /* the chunk's name */
    lua_pushcclosurek(L, module_main, "module", 2, module_continue);
    lua_xmove(L, co, 1);
    lua_pop(L, 1); /* the text */
    return co;
}

/* kahu_hooks.on_end: whoever waits must not wait for a thread that is gone. */
static void modules_thread_ended(void *ud, lua_State *L, lua_State *co,
                                 kahu_outcome outcome, int nresults) {
    struct module *module = modules_on_thread(ud, co);

    (void)L;
    (void)nresults;
    if (module == NULL)
        return;
    module->why = outcome == KAHU_CANCELLED ? "module was cancelled"
                                            : "module could not be run";
    module_land(module, MODULE_FAILED);
}

/* Scripts without modules do without the hook. Raises. */
static void modules_watch(lua_State *L, struct modules *m) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    kahu_status status;

    if (m->watching)
        return;
    hooks.ud = m;
    hooks.on_end = modules_thread_ended;
    status = kahu_add_hooks(m->s, &hooks);
    if (status != KAHU_OK)
        kahu_raise(L, status);
    m->watching = true;
}

/* Runs the module up to where it waits or ends. Leaves its thread on L's stack,
 * and a hold on it with the caller. Raises what keeps it from running. */
static void module_start(lua_State *L, struct module *module,
                         struct module *own) {
    struct modules *m = module->owner;

    modules_watch(L, m);
    module->thread = module_push_thread(L, module);
    module->ref = lua_ref(L, -1);
    /* Only for those who look: it is no loss where there is no memory. */
    (void)kahu_set_thread_label(m->s, module->thread, module->name);
    module->state = MODULE_LOADING;
    module_unlink(&m->others, module);
    module_link(&m->loading, module);
    module->holders++;
    if (own != NULL)
        own->awaits = module;
    module->starting = true;
    (void)kahu_spawn(m->s, module->thread, L, 0);
    module->starting = false;
    if (own != NULL)
        own->awaits = NULL;
}

/* ------------------------------------------------------------------------ */
/* Cycles and deadlocks                                                     */
/* ------------------------------------------------------------------------ */

/* Would the thread of `own`, waiting for the module, wait for itself? */
static bool cycle_closes(const struct module *own,
                         const struct module *module) {
    while (module != NULL && module != own)
        module = module->awaits;
    return module != NULL;
}

/* Raises with the names from `own` around to it again, and the place of the
 * call in front. */
static void cycle_raise(lua_State *L, const struct module *own,
                        const struct module *module) {
    luaL_where(L, 1);
    lua_pushfstring(L, "%scyclic require: %s", lua_tostring(L, -1), own->name);
    for (; module != own; module = module->awaits) {
        lua_pushfstring(L, "%s -> %s", lua_tostring(L, -1), module->name);
        lua_remove(L, -2);
    }
    lua_pushfstring(L, "%s -> %s", lua_tostring(L, -1), own->name);
    lua_error(L);
}

/* One that is waited for and itself waits for no module, or NULL. */
static struct module *modules_stuck(const struct modules *m) {
    struct module *module = m->loading;

    while (module != NULL && (module->first == NULL || module->awaits != NULL))
        module = module->next;
    return module;
}

bool modules_unblock(struct modules *m) {
    struct module *module = NULL;

    if (kahu_count(m->s, KAHU_OPERATION) == m->waiters &&
        kahu_next_deadline_ns(m->s) == KAHU_NEVER_NS && !kahu_is_ready(m->s))
        module = modules_stuck(m);
    if (module == NULL)
        return false;
    module->why = "module yielded and nothing is left that would resume it";
    module_land(module, MODULE_FAILED);
    return true;
}

/* ------------------------------------------------------------------------ */
/* require                                                                  */
/* ------------------------------------------------------------------------ */

/* luarequire_Configuration.load: the library, which has found a module it has
 * no record of, still stands at it. */
static int modules_make_record(lua_State *L, void *ctx, const char *path,
                               const char *chunkname, const char *loadname) {
    struct modules *m = ctx;
    char key[NAVIGATION_PATH];
    struct module *module = NULL;

    (void)path;
    (void)chunkname;
    if (navigation_key(&m->navigation, key))
        module = module_new(m, loadname, key);
    if (module == NULL)
        luaL_error(L, "not enough memory");
    lua_pushlightuserdata(L, module);
    return 1;
}

/* Raises the error on top with the place of the call in front, as error() does;
 * what is no text stays what it is. */
static void modules_raise(lua_State *L) {
    const char *text = lua_tostring(L, -1);

    if (text != NULL && !vm_is_no_memory(text)) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    vm_raise(L);
}

/* The record of what the path at index 1 names, or NULL with the value on top
 * if that is in no file. Raises the library's errors, as ours: tracebacks show
 * one `require`. */
static struct module *modules_find(lua_State *L) {
    struct module *module;

    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushvalue(L, 1);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK)
        modules_raise(L);
    module = lua_tolightuserdata(L, -1);
    if (module != NULL)
        lua_pop(L, 1);
    return module;
}

/* Raises before anything is changed. */
static void modules_forget(lua_State *L, struct module *module) {
    lua_pushcfunction(L, luarequire_clearcacheentry, "clearcacheentry");
    lua_pushstring(L, module->key);
    lua_call(L, 1, 0);
    module_release(module);
}

/* The value of a module that has landed, or its error. */
static int module_answer(lua_State *L, const struct module *module) {
    module_push_outcome(L, module);
    if (module->state == MODULE_FAILED)
        lua_error(L);
    return 1;
}

static int module_wait(lua_State *L, struct module *module,
                       struct module *own) {
    if (own != NULL && cycle_closes(own, module))
        cycle_raise(L, own, module);
    waiter_begin(L, module, own);
    lua_settop(L, 0);
    return kahu_op_yield(L);
}

static int module_load(lua_State *L, struct module *module,
                       struct module *own) {
    bool failed;

    module_start(L, module, own);
    if (module->state == MODULE_LOADING) {
        module_release(module);
        return module_wait(L, module, own);
    }
    failed = module->state == MODULE_FAILED;
    module_push_outcome(L, module);
    module_release(module);
    if (failed)
        lua_error(L);
    return 1;
}

/* A file's name ends at a zero byte, and another file would be found. */
static void modules_check_path(lua_State *L) {
    size_t length;
    const char *path = luaL_checklstring(L, 1, &length);

    if (strlen(path) != length)
        luaL_argerror(L, 1, "path contains a zero byte");
}

static int modules_require(lua_State *L) {
    const struct modules *m = lua_tolightuserdata(L, lua_upvalueindex(1));
    struct module *own = modules_on_thread(m, L);
    struct module *module;

    modules_check_path(L);
    module = modules_find(L);
    if (module != NULL && module->state == MODULE_FAILED) {
        modules_forget(L, module);
        module = modules_find(L);
    }
    if (module == NULL)
        return 1;
    if (module->state == MODULE_NEW)
        return module_load(L, module, own);
    if (module->state == MODULE_LOADING)
        return module_wait(L, module, own);
    return module_answer(L, module);
}

/* With the module's value, or with what somebody else resumed the thread with:
 * that is its answer then, as for every early resume, and nobody else's. */
static int modules_require_continue(lua_State *L, int status) {
    const struct modules *m = lua_tolightuserdata(L, lua_upvalueindex(1));
    struct module *own = modules_on_thread(m, L);

    (void)status;
    if (own != NULL)
        module_awaits_none(own);
    return lua_gettop(L);
}

/* ------------------------------------------------------------------------ */
/* Library                                                                  */
/* ------------------------------------------------------------------------ */

struct modules *modules_new(kahu_sched *s, const struct options *o) {
    struct modules *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return NULL;
    m->s = s;
    m->options = o;
    m->navigation.bundle = o->bundle;
    return m;
}

static void modules_free_list(struct module *module) {
    while (module != NULL) {
        struct module *next = module->next;

        module_free(module);
        module = next;
    }
}

void modules_free(struct modules *m) {
    if (m == NULL)
        return;
    modules_free_list(m->loading);
    modules_free_list(m->others);
    free(m);
}

static void modules_each_of(const struct module *module,
                            void (*fn)(void *ud, const char *path), void *ud) {
    for (; module != NULL; module = module->next)
        fn(ud, module->name);
}

void modules_each(const struct modules *m,
                  void (*fn)(void *ud, const char *path), void *ud) {
    modules_each_of(m->loading, fn, ud);
    modules_each_of(m->others, fn, ud);
}

static void modules_configure(luarequire_Configuration *config) {
    navigation_configure(config);
    config->load = modules_make_record;
}

void modules_open(lua_State *L, struct modules *m) {
    m->L = lua_mainthread(L);
    lua_pushlightuserdata(L, m);
    luarequire_pushrequire(L, modules_configure, m);
    lua_pushcclosurek(L, modules_require, "require", 2,
                      modules_require_continue);
    lua_setglobal(L, "require");
}

void modules_provide(lua_State *L, const char *path) {
    lua_pushcfunction(L, luarequire_registermodule, "registermodule");
    lua_insert(L, -2);
    lua_pushstring(L, path);
    lua_insert(L, -2);
    lua_call(L, 2, 0);
}
