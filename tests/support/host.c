/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* for what uv.h uses of pthread.h */
#include "host.h"

#include <luacode.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "core/sched.h"
#include "kahu/luau.h"
#include "kahu/uv.h"

/* ------------------------------------------------------------------------ */
/* What scripts say                                                         */
/* ------------------------------------------------------------------------ */

struct host *host_of(lua_State *L) {
    return lua_callbacks(L)->userdata;
}

void host_log(struct host *h, const char *word) {
    size_t length = strlen(h->log);

    assert_true(length + strlen(word) + 2 < sizeof(h->log));
    if (length > 0)
        h->log[length++] = ' ';
    memcpy(h->log + length, word, strlen(word) + 1);
}

static int host_lua_log(lua_State *L) {
    int n = lua_gettop(L);

    for (int i = 1; i <= n; i++) {
        host_log(host_of(L), luaL_tolstring(L, i, NULL));
        lua_pop(L, 1);
    }
    return 0;
}

static void host_on_error(void *ud, lua_State *L, lua_State *co,
                          const char *message, const char *traceback) {
    struct host *h = ud;

    (void)L;
    (void)co;
    assert_non_null(traceback);
    h->errors++;
    strncpy(h->error, message, sizeof(h->error) - 1);
}

/* ------------------------------------------------------------------------ */
/* Life                                                                     */
/* ------------------------------------------------------------------------ */

static kahu_status host_make_driver(struct host *h, kahu_driver *driver) {
    if (h->loop == NULL)
        return kahu_stepped_new(&h->m, driver);
    return h->precise ? kahu_uv_precise_driver(driver, h->loop)
                      : kahu_uv_driver(driver, h->loop);
}

void host_attach(struct host *h, const kahu_options *options) {
    kahu_options o = KAHU_OPTIONS_INIT;
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    kahu_driver driver;

    if (options != NULL)
        o = *options;
    assert_int_equal(host_make_driver(h, &driver), KAHU_OK);
    o.driver = &driver;
    assert_int_equal(kahu_new(&h->s, h->L, &o), KAHU_OK);
    hooks.ud = h;
    hooks.on_error = host_on_error;
    assert_int_equal(kahu_add_hooks(h->s, &hooks), KAHU_OK);
    kahu_open_task(h->L);
    kahu_open_coroutine(h->L);
    lua_settop(h->L, 0);
}

static void host_open_vm(struct host *h, const kahu_options *options) {
    h->L = luaL_newstate();
    assert_non_null(h->L);
    luaL_openlibs(h->L);
    lua_callbacks(h->L)->userdata = h;
    host_global(h, "log", host_lua_log);
    host_attach(h, options);
}

void host_open(struct host *h, const kahu_options *options) {
    *h = (struct host){0};
    host_open_vm(h, options);
}

static void host_open_loop(struct host *h, const kahu_options *options,
                           bool precise) {
    *h = (struct host){.precise = precise};
    h->loop = malloc(sizeof(*h->loop));
    assert_non_null(h->loop);
    assert_int_equal(uv_loop_init(h->loop), 0);
    host_open_vm(h, options);
}

void host_open_uv(struct host *h, const kahu_options *options) {
    host_open_loop(h, options, false);
}

void host_open_precise(struct host *h, const kahu_options *options) {
    host_open_loop(h, options, true);
}

static void host_check_stats(struct host *h) {
    kahu_stats stats = {.size = sizeof(stats)};

    kahu_get_stats(h->s, &stats);
    for (int k = 0; k < KAHU_KINDS; k++)
        assert_int_equal(stats.made[k],
                         stats.delivered[k] + stats.cancelled[k] +
                             stats.dropped[k] + kahu_count(h->s, (kahu_kind)k));
}

void host_close(struct host *h) {
    if (h->s != NULL) {
        kahu__verify(h->s);
        host_check_stats(h);
        kahu_close(h->s);
        assert_true(kahu_is_done(h->s));
        host_check_stats(h);
        kahu_free(h->s);
    }
    lua_close(h->L);
    if (h->loop == NULL)
        return;
    uv_run(h->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(h->loop), 0);
    free(h->loop);
}

/* ------------------------------------------------------------------------ */
/* Scripts                                                                  */
/* ------------------------------------------------------------------------ */

void host_global(struct host *h, const char *name, lua_CFunction fn) {
    lua_pushcfunction(h->L, fn, name);
    lua_setglobal(h->L, name);
}

lua_State *host_load(struct host *h, const char *text) {
    lua_State *co = lua_newthread(h->L);
    size_t size;
    char *bytecode = luau_compile(text, strlen(text), NULL, &size);

    (void)lua_ref(h->L, -1);
    lua_pop(h->L, 1);
    if (luau_load(co, "=test", bytecode, size, 0) != 0)
        fail_msg("%s", lua_tostring(co, -1));
    free(bytecode);
    return co;
}

lua_State *host_run(struct host *h, const char *text) {
    lua_State *co = host_load(h, text);

    assert_int_equal(kahu_spawn(h->s, co, NULL, 0), KAHU_OK);
    if (h->s != NULL)
        kahu__verify(h->s);
    return co;
}

void host_finish(struct host *h) {
    if (h->loop != NULL)
        uv_run(h->loop, UV_RUN_DEFAULT);
    else
        assert_true(kahu_stepped_run(h->m) >= 0);
}
