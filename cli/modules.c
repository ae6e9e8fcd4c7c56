/* SPDX-License-Identifier: MIT */
/*
 * modules.c - modules that may wait while they load.
 *
 * A module runs on a thread of its own, under the scheduler. While it has not
 * returned it is in flight, and everyone who requires it waits in an operation
 * that its end ends: by a value, which Luau's library then keeps for those who
 * come later, or by an error, after which it may be tried again.
 */
#include "modules.h"

#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "navigation.h"
#include "vm.h"

/* One requirer that waits. */
struct waiter {
    struct waiter *next;
    struct module *module;
    lua_State *co;
    kahu_op op;
};

/* A module in flight. It is freed when it is done and nobody waits any more;
 * until then the result is kept for those whose operation has ended. */
struct module {
    struct module *next;
    struct modules *owner;
    char *loadname;
    lua_State *thread;
    int thread_ref;
    lua_State *starter;     /* who is starting it, and will wait, or NULL */
    struct waiter *waiters; /* in the order they came */
    bool done;
    bool failed;
    bool cancelled; /* failed, and nobody said with what */
    int result_ref; /* the value or the error, once done */
    int holders;    /* who may still look at this */
};

struct modules {
    struct navigation navigation; /* first: what the library walks */
    const struct options *options;
    kahu_sched *s;
    lua_State *L;         /* the VM's main thread, for references */
    struct module *first; /* in flight */
};

/* ------------------------------------------------------------------------ */
/* Records                                                                  */
/* ------------------------------------------------------------------------ */

static struct module *module_find(struct modules *m, const char *loadname) {
    struct module *module = m->first;

    while (module != NULL && strcmp(module->loadname, loadname) != 0)
        module = module->next;
    return module;
}

static void module_free(struct module *module) {
    free(module->loadname);
    free(module);
}

static void module_release(struct module *module) {
    if (--module->holders > 0)
        return;
    lua_unref(module->owner->L, module->result_ref);
    lua_unref(module->owner->L, module->thread_ref);
    module_free(module);
}

static void module_leave_flight(struct module *module) {
    struct module **at = &module->owner->first;

    while (*at != NULL && *at != module)
        at = &(*at)->next;
    if (*at != NULL)
        *at = module->next;
}

/* NULL when memory is out. */
static struct module *module_new(struct modules *m, const char *loadname) {
    struct module *module = calloc(1, sizeof(*module));

    if (module == NULL)
        return NULL;
    module->loadname = strdup(loadname);
    if (module->loadname == NULL) {
        free(module);
        return NULL;
    }
    module->owner = m;
    module->holders = 1; /* the flight */
    module->next = m->first;
    m->first = module;
    return module;
}

/* ------------------------------------------------------------------------ */
/* Waiting                                                                  */
/* ------------------------------------------------------------------------ */

static void waiter_unlink(struct waiter *w) {
    struct waiter **at = &w->module->waiters;

    while (*at != NULL && *at != w)
        at = &(*at)->next;
    if (*at != NULL)
        *at = w->next;
}

/* kahu_op_cancel_fn: the requirer was cancelled. */
static void waiter_cancelled(void *ud, kahu_op op) {
    struct waiter *w = ud;

    (void)op;
    waiter_unlink(w);
    module_release(w->module);
    free(w);
}

/* Pushes what a module that has ended left. Raises when memory is out. */
static void module_push_result(lua_State *L, const struct module *module) {
    if (module->cancelled)
        lua_pushfstring(L, "%s: module was cancelled", module->loadname);
    else
        lua_getref(L, module->result_ref);
}

/* kahu_push_fn and kahu_drop_fn of an ended wait. */
static int waiter_push(lua_State *L, void *ud) {
    const struct waiter *w = ud;

    module_push_result(L, w->module);
    return 1;
}

static void waiter_drop(void *ud) {
    struct waiter *w = ud;

    module_release(w->module);
    free(w);
}

static void waiter_append(struct module *module, struct waiter *w) {
    struct waiter **at = &module->waiters;

    while (*at != NULL)
        at = &(*at)->next;
    *at = w;
    w->next = NULL;
}

/* L waits for the module; the library yields for us. Raises. */
static int module_wait(lua_State *L, struct module *module) {
    struct waiter *w = calloc(1, sizeof(*w));
    kahu_status status = KAHU_ENOMEM;

    if (w != NULL)
        status = kahu_op_begin(L, waiter_cancelled, w, &w->op);
    if (status != KAHU_OK) {
        free(w);
        kahu_raise(L, status);
    }
    w->module = module;
    w->co = L;
    waiter_append(module, w);
    module->holders++;
    return -1;
}

static void module_wake_waiters(struct module *module) {
    kahu_sched *s = module->owner->s;

    while (module->waiters != NULL) {
        struct waiter *w = module->waiters;
        kahu_status (*end)(kahu_sched *, kahu_op, kahu_push_fn, void *,
                           kahu_drop_fn) =
            module->failed ? kahu_op_fail : kahu_op_finish;

        module->waiters = w->next;
        if (end(s, w->op, waiter_push, w, waiter_drop) != KAHU_OK)
            waiter_drop(w);
    }
}

/* ------------------------------------------------------------------------ */
/* Cycles                                                                   */
/* ------------------------------------------------------------------------ */

/* The module that this very thread waits for, or will when it has started it;
 * or NULL. */
static struct module *cycle_awaited_by(struct modules *m, lua_State *co) {
    for (struct module *at = m->first; at != NULL; at = at->next) {
        if (at->starter == co)
            return at;
        for (struct waiter *w = at->waiters; w != NULL; w = w->next)
            if (w->co == co)
                return at;
    }
    return NULL;
}

/* Would L, waiting for the module, wait for itself? */
static bool cycle_closes(struct modules *m, lua_State *L,
                         struct module *module) {
    while (module != NULL && module->thread != L)
        module = cycle_awaited_by(m, module->thread);
    return module != NULL;
}

/* Raises with the names from L's own module around to it again. */
static void cycle_raise(struct modules *m, lua_State *L,
                        struct module *module) {
    struct module *own = m->first;

    while (own->thread != L)
        own = own->next;
    lua_pushfstring(L, "cyclic require: %s", own->loadname);
    while (module != own) {
        lua_pushfstring(L, "%s -> %s", lua_tostring(L, -1), module->loadname);
        lua_remove(L, -2);
        module = cycle_awaited_by(m, module->thread);
    }
    lua_pushfstring(L, "%s -> %s", lua_tostring(L, -1), own->loadname);
    lua_error(L);
}

/* ------------------------------------------------------------------------ */
/* Running a module                                                         */
/* ------------------------------------------------------------------------ */

static void module_land(struct module *module, bool failed) {
    module->done = true;
    module->failed = failed;
    module_leave_flight(module);
    module_wake_waiters(module);
    module_release(module);
}

/* The module has ended with the value on top of L. */
static void module_end(lua_State *L, struct module *module, bool failed) {
    module->result_ref = lua_ref(L, -1);
    module_land(module, failed);
}

/* After the module's function: its values or its error are on the stack. */
static int module_continue(lua_State *L, int status) {
    struct module *module = lua_tolightuserdata(L, lua_upvalueindex(1));

    if (status == LUA_OK && lua_gettop(L) != 1) {
        lua_settop(L, 0);
        lua_pushfstring(L, "%s: module must return a single value",
                        module->loadname);
        status = LUA_ERRRUN;
    }
    module_end(L, module, status != LUA_OK);
    return 0;
}

/* What a module's thread runs. */
static int module_main(lua_State *L) {
    lua_pushvalue(L, lua_upvalueindex(2));
    return lua_pcallyieldable(L, 0, LUA_MULTRET, 0);
}

/* Pushes a thread that will run the file. Raises. */
static lua_State *module_thread(lua_State *L, struct module *module,
                                const char *chunkname) {
    struct vm_text *text = vm_text_new(L);
    lua_State *co = lua_newthread(L);
    const char *why;

    /* Globals over the VM's own, not over those of whoever requires it. */
    lua_xpush(module->owner->L, co, LUA_GLOBALSINDEX);
    lua_replace(co, LUA_GLOBALSINDEX);
    luaL_sandboxthread(co);
    if (!source_read(&text->source, module->loadname, &why))
        luaL_error(L, "cannot open '%s': %s", module->loadname, why);
    lua_pushlightuserdata(L, module);
    vm_compile(L, co, text, chunkname, module->owner->options);
    lua_pushcclosurek(L, module_main, "module", 2, module_continue);
    lua_xmove(L, co, 1);
    return co;
}

struct module_loading {
    struct module *module;
    const char *chunkname;
};

/* In a protected call, as the module must leave the flight if this fails. */
static int module_prepare(lua_State *L) {
    struct module_loading *loading = lua_tolightuserdata(L, 1);

    loading->module->thread =
        module_thread(L, loading->module, loading->chunkname);
    loading->module->thread_ref = lua_ref(L, -1);
    return 0;
}

/* Starts the module, which is held for the caller. Raises. */
static struct module *module_start(lua_State *L, struct modules *m,
                                   const char *chunkname,
                                   const char *loadname) {
    struct module_loading loading = {module_new(m, loadname), chunkname};

    if (loading.module == NULL)
        luaL_error(L, "not enough memory");
    if (lua_cpcall(L, module_prepare, &loading) != LUA_OK) {
        module_leave_flight(loading.module);
        module_release(loading.module);
        lua_error(L);
    }
    loading.module->holders++;
    loading.module->starter = L;
    (void)kahu_spawn(m->s, loading.module->thread, L, 0);
    loading.module->starter = NULL;
    return loading.module;
}

/* The module has ended already: its value, or its error. */
static int module_result(lua_State *L, struct module *module) {
    bool failed = module->failed;

    module_push_result(L, module);
    module_release(module);
    if (failed)
        lua_error(L);
    return 1;
}

/* luarequire_Configuration.load */
static int modules_load(lua_State *L, void *ctx, const char *path,
                        const char *chunkname, const char *loadname) {
    struct modules *m = ctx;
    struct module *module = module_find(m, loadname);

    (void)path;
    if (module == NULL) {
        module = module_start(L, m, chunkname, loadname);
        if (module->done)
            return module_result(L, module);
        module_release(module); /* the flight holds it */
    } else if (cycle_closes(m, L, module)) {
        cycle_raise(m, L, module);
    }
    return module_wait(L, module);
}

/* kahu_hooks.on_end: who waits for a cancelled module would wait for ever. */
static void modules_thread_ended(void *ud, lua_State *L, lua_State *co,
                                 kahu_outcome outcome, int nresults) {
    struct modules *m = ud;
    struct module *module = m->first;

    (void)L;
    (void)nresults;
    while (module != NULL && module->thread != co)
        module = module->next;
    if (module == NULL || outcome != KAHU_CANCELLED)
        return;
    module->cancelled = true;
    module_land(module, true);
}

/* ------------------------------------------------------------------------ */
/* Library                                                                  */
/* ------------------------------------------------------------------------ */

struct modules *modules_new(kahu_sched *s, const struct options *o) {
    struct modules *m = calloc(1, sizeof(*m));
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    if (m == NULL)
        return NULL;
    m->s = s;
    m->options = o;
    hooks.ud = m;
    hooks.on_end = modules_thread_ended;
    if (kahu_add_hooks(s, &hooks) == KAHU_OK)
        return m;
    free(m);
    return NULL;
}

void modules_free(struct modules *m) {
    if (m == NULL)
        return;
    while (m->first != NULL) {
        struct module *module = m->first;

        m->first = module->next;
        module_free(module);
    }
    free(m);
}

static void modules_configure(luarequire_Configuration *config) {
    navigation_configure(config);
    config->load = modules_load;
}

void modules_open(lua_State *L, struct modules *m) {
    m->L = lua_mainthread(L);
    luaopen_require(L, modules_configure, m);
}
