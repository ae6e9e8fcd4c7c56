/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* for what uv.h uses of pthread.h */
#include "fault.h"

#include <limits.h>
#include <luacode.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tight.h"

struct fault_host a;
struct fault_setup fault_setup = {.options = KAHU_OPTIONS_INIT};

/* ------------------------------------------------------------------------ */
/* Allocations that fail                                                    */
/* ------------------------------------------------------------------------ */

/* What is to fail in one run. */
struct plan {
    long until;    /* allocations before the first that fails */
    long failures; /* how many fail then */
    int spare;     /* see tight.h */
    size_t limit;  /* of the VM, beyond what it holds; 0: none */
};

static struct {
    pthread_mutex_t lock; /* other OS threads may post */
    bool armed;
    struct plan plan;
    long failed;
    long calls;
    size_t bytes; /* the VM's, held */
} fault = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool fails(void) {
    bool failing = false;

    pthread_mutex_lock(&fault.lock);
    if (fault.armed && fault.plan.until > 0) {
        fault.plan.until--;
    } else if (fault.armed && fault.failed < fault.plan.failures) {
        failing = true;
        fault.failed++;
    }
    pthread_mutex_unlock(&fault.lock);
    return failing;
}

/* What the library takes from the C library: drivers, posts, jobs. */
void *__real_realloc(void *ptr, size_t size);
void *__wrap_realloc(void *ptr, size_t size);

void *__wrap_realloc(void *ptr, size_t size) {
    return fails() ? NULL : __real_realloc(ptr, size);
}

static void *fault_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    void *moved;

    (void)ud;
    if (nsize == 0) {
        free(ptr);
        fault.bytes -= osize;
        return NULL;
    }
    if (nsize > osize && fails())
        return NULL;
    moved = __real_realloc(ptr, nsize);
    assert_non_null(moved);
    fault.calls++;
    fault.bytes += nsize - (ptr == NULL ? 0 : osize);
    return moved;
}

/* Notes what the limit refuses. */
static void *limited_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
    long failed = fault.failed;
    void *moved = kahu_memory_alloc(ud, ptr, osize, nsize);

    if (moved == NULL && nsize > 0 && failed == fault.failed)
        fault.failed++;
    return moved;
}

/* ------------------------------------------------------------------------ */
/* What scenarios use                                                       */
/* ------------------------------------------------------------------------ */

bool ok(kahu_status status) {
    if (status != KAHU_OK) {
        assert_int_equal(status, KAHU_ENOMEM);
        a.told++;
    }
    return status == KAHU_OK;
}

bool took(kahu_status status) {
    a.taken += status == KAHU_OK;
    return ok(status);
}

void on_drop(void *ud) {
    assert_ptr_equal(ud, &a);
    a.taken--;
}

static int make_thread(lua_State *L) {
    lua_State *co = lua_newthread(L);

    (void)lua_ref(L, -1);
    if (luau_load(L, "=test", a.bytecode, a.size, 0) != 0)
        lua_error(L);
    lua_xmove(L, co, 1);
    a.co = co;
    return 0;
}

lua_State *new_thread(void) {
    a.co = NULL;
    if (lua_cpcall(a.L, make_thread, NULL) != LUA_OK) {
        lua_pop(a.L, 1);
        a.told++;
    }
    return a.co;
}

lua_State *spawned(void) {
    lua_State *co = new_thread();

    if (co != NULL)
        assert_int_equal(kahu_spawn(a.s, co, NULL, 0), KAHU_OK);
    return co;
}

bool ended(lua_State *co) {
    int status = co == NULL ? LUA_COFIN : lua_costatus(a.L, co);

    return status == LUA_COFIN || status == LUA_COERR;
}

/* ------------------------------------------------------------------------ */
/* For scripts                                                              */
/* ------------------------------------------------------------------------ */

static void on_cancel(void *ud, kahu_op op) {
    (void)op;
    assert_ptr_equal(ud, &a);
    a.cancelled++;
}

static int op_begin(lua_State *L) {
    kahu_status status = kahu_op_begin(L, on_cancel, &a, &a.ops[a.begun]);

    if (status != KAHU_OK)
        return kahu_raise(L, status);
    a.begun++;
    assert_true(a.begun < (int)(sizeof(a.ops) / sizeof(*a.ops)));
    return kahu_op_yield(L);
}

struct job {
    double value;
    char *owned;
};

static void job_read(lua_State *L, void *ud) {
    struct job *job = ud;

    job->owned = strdup("released by drop");
    job->value = luaL_optnumber(L, 2, 42);
    lua_newtable(L);
}

static void job_run(void *ud) {
    struct job *job = ud;

    job->value *= 2;
}

static int job_push(lua_State *L, void *ud) {
    struct job *job = ud;

    lua_pushnumber(L, job->value);
    lua_pushstring(L, job->owned);
    return 2;
}

static void job_drop(void *ud) {
    free(((struct job *)ud)->owned);
}

#define ACCOUNT_TAG 3

static int new_account(lua_State *L) {
    lua_newuserdatatagged(L, 8, ACCOUNT_TAG);
    return 1;
}

static void open_jobs(lua_State *L) {
    kahu_uv_async async = KAHU_UV_ASYNC_INIT;

    async.name = "work";
    async.job_size = sizeof(struct job);
    async.params = 2;
    async.read = job_read;
    async.run = job_run;
    async.push = job_push;
    async.drop = job_drop;
    (void)kahu_uv_push_async(L, &a.loop, &async);
    lua_setglobal(L, "work");
    async.self_tag = ACCOUNT_TAG;
    async.self_type = "Account";
    (void)kahu_uv_push_async(L, &a.loop, &async);
    lua_setglobal(L, "method");
    lua_pushcfunction(L, new_account, "account");
    lua_setglobal(L, "account");
}

/* ------------------------------------------------------------------------ */
/* One host                                                                 */
/* ------------------------------------------------------------------------ */

static void on_error(void *ud, lua_State *L, lua_State *co, const char *message,
                     const char *traceback) {
    (void)ud;
    (void)L;
    assert_non_null(co);
    assert_non_null(message);
    assert_non_null(traceback);
    a.told++;
}

static void on_resume(void *ud, lua_State *L, const kahu_feedback *f) {
    (void)ud;
    assert_int_equal(lua_gettop(L), f->nvalues);
    lua_newtable(L);
}

static bool on_loop(void) {
    return a.driver == UV || a.driver == PRECISE;
}

static int open_libraries(lua_State *L) {
    (void)kahu_open_task(L);
    (void)kahu_open_coroutine(L);
    (void)kahu_open_scheduler(L);
    lua_pushcfunction(L, op_begin, "op");
    lua_setglobal(L, "op");
    if (on_loop())
        open_jobs(L);
    return 0;
}

static kahu_status make_driver(kahu_driver *driver) {
    switch (a.driver) {
    case UV:
        return kahu_uv_driver(driver, &a.loop);
    case PRECISE:
        return kahu_uv_precise_driver(driver, &a.loop);
    case BLOCKING:
        return kahu_blocking_driver(driver);
    case STEPPED:
        break;
    }
    return kahu_stepped_new(&a.m, driver);
}

static void open_vm(void) {
    a.memory.alloc = fault_alloc;
    a.L = lua_newstate(limited_alloc, &a.memory);
    assert_non_null(a.L);
    luaL_openlibs(a.L);
    assert_true(tighten(a.L, &fault.calls, fault.plan.spare));
    if (fault.plan.limit != 0)
        a.memory.limit = a.memory.used + fault.plan.limit;
    fault.armed = true;
}

/* False when there was no memory for one of these. */
static bool open_scheduler(void) {
    kahu_options options = fault_setup.options;
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    kahu_driver driver;

    if (!ok(make_driver(&driver)))
        return false;
    options.driver = &driver;
    if (fault_setup.real_ns != NULL)
        driver.real_ns = fault_setup.real_ns;
    if (!ok(kahu_new(&a.s, a.L, &options))) {
        driver.release(driver.ud);
        return false;
    }
    hooks.on_error = on_error;
    hooks.on_resume = on_resume;
    hooks.user_resumes = true;
    return ok(kahu_add_hooks(a.s, &hooks)) &&
           lua_cpcall(a.L, open_libraries, NULL) == LUA_OK &&
           (fault_setup.open == NULL ||
            lua_cpcall(a.L, fault_setup.open, NULL) == LUA_OK);
}

static void close_all(void) {
    fault.armed = false;
    a.memory.limit = 0;
    if (a.s != NULL)
        kahu__verify(a.s);
    kahu_free(a.s);
    if (on_loop()) {
        uv_run(&a.loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&a.loop), 0);
    }
    lua_close(a.L);
    assert_int_equal(a.taken, 0);
    assert_int_equal(a.memory.used, 0);
    assert_int_equal(fault.bytes, 0);
}

/* ------------------------------------------------------------------------ */
/* Again and again                                                          */
/* ------------------------------------------------------------------------ */

/* True when nothing was left to fail. */
static bool run_once(void (*scenario)(void), struct fault_host blank,
                     struct plan plan) {
    a = blank;
    fault.armed = false;
    fault.plan = plan;
    fault.failed = 0;
    fault.bytes = 0;
    if (on_loop())
        assert_int_equal(uv_loop_init(&a.loop), 0);
    open_vm();
    if (open_scheduler()) {
        scenario();
        if (a.s != NULL)
            kahu__verify(a.s);
    }
    close_all();
    return fault.failed == 0;
}

static void fail_each(void (*scenario)(void), struct fault_host blank,
                      struct plan plan) {
    while (!run_once(scenario, blank, plan))
        plan.until++;
    assert_true(plan.until > 5); /* some did fail */
}

/* The VM may hold a little more each time, until it is enough. */
static void limit_each(void (*scenario)(void), struct fault_host blank) {
    struct plan plan = {.limit = 1};
    int n = 0;

    for (; !run_once(scenario, blank, plan); n++)
        plan.limit += 1000;
    assert_true(n > 5);
}

void fault_everywhere(void (*scenario)(void), enum driver driver,
                      const char *script) {
    static const long failures[] = {1, 7, LONG_MAX};
    static const int spares[] = {0, 3, 1000};
    struct fault_host blank = {.driver = driver};
    char *bytecode = luau_compile(script, strlen(script), NULL, &blank.size);

    blank.bytecode = bytecode;
    for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
        for (size_t j = 0; j < sizeof(spares) / sizeof(*spares); j++)
            fail_each(
                scenario, blank,
                (struct plan){.failures = failures[i], .spare = spares[j]});
    limit_each(scenario, blank);
    free(bytecode);
}

/* So many places are tried one by one, and of more the fewer the more: who
 * allocates a million times does so in a loop. About 400 of any number. */
#define FAULT_EACH 100L

static long fault_step(long until) {
    long seldom = until / (5 * FAULT_EACH);

    return 1 + until / FAULT_EACH + seldom * seldom;
}

long fault_each(void (*scenario)(void), enum driver driver, const char *script,
                struct fault_plan plan) {
    struct fault_host blank = {.driver = driver};
    char *bytecode = luau_compile(script, strlen(script), NULL, &blank.size);
    struct plan next = {.until = plan.first, .failures = plan.failures};
    long runs = 1;

    blank.bytecode = bytecode;
    for (; !run_once(scenario, blank, next); runs++)
        next.until += plan.stride * fault_step(next.until);
    free(bytecode);
    return runs;
}
