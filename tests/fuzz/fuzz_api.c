/* SPDX-License-Identifier: MIT */
/*
 * fuzz_api.c - bytes as calls of the C API, made from outside, from hooks,
 * from posted calls, from functions that scripts call, and from callbacks.
 */
#include <string.h>

#include "api.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz f;

/* ------------------------------------------------------------------------ */
/* Invariants                                                               */
/* ------------------------------------------------------------------------ */

/* Every wake that was made was delivered, cancelled or dropped, or is pending,
 * but for those that callbacks run in the middle of; and none was made that
 * nobody asked for. */
static void check_kind(const kahu_stats *stats, kahu_kind kind) {
    uint64_t known = stats->delivered[kind] + stats->cancelled[kind] +
                     stats->dropped[kind] + kahu_count(f.s, kind);

    must(stats->made[kind] >= known);
    must(stats->made[kind] <= known + (uint64_t)f.depth);
    must(stats->made[kind] >= f.made[kind]);
}

static void check_wakes(void) {
    kahu_stats stats = {.size = sizeof(stats)};

    kahu_get_stats(f.s, &stats);
    for (int kind = 0; kind < KAHU_KINDS; kind++)
        check_kind(&stats, (kahu_kind)kind);
    must(stats.made[KAHU_OPERATION] == ops_begun());
}

void check(void) {
    if (f.freed)
        return;
    kahu__verify(f.s);
    check_wakes();
    must(kahu_is_done(f.s) == (kahu_count_all(f.s) == 0));
    must(!kahu_is_ready(f.s) || !kahu_is_stopped(f.s));
    must((kahu_get_state(f.s) == KAHU_CLOSED) <= f.closing);
}

/* ------------------------------------------------------------------------ */
/* One scheduler after the other, of one VM                                 */
/* ------------------------------------------------------------------------ */

static uint64_t looks;

/* Time is counted in looks at the clock: it is the same in every run. */
static uint64_t fuzz_real_ns(void *ud) {
    (void)ud;
    return ++looks * 1000;
}

static void set_options(kahu_options *o, uint8_t flavour) {
    o->strict_wakes = (flavour & 1) != 0;
    o->preload = (flavour & 2) != 0;
    o->max_step_resumes = (flavour & 4) != 0 ? 2 : 0;
    o->max_step_ns = (flavour & 8) != 0 ? 5000 : 0;
    o->max_defer_depth = (flavour & 16) != 0 ? 2 : 0;
    o->strict_defer_depth = (flavour & 32) != 0;
    o->min_wait_ns = (flavour & 64) != 0 ? 1 : 0;
}

static kahu_status sched_new(uint8_t flavour) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_driver driver;
    kahu_status status = kahu_stepped_new(&f.m, &driver);

    if (status != KAHU_OK)
        return status;
    driver.real_ns = fuzz_real_ns;
    options.driver = &driver;
    set_options(&options, flavour);
    status = kahu_new(&f.s, f.L, &options);
    if (status != KAHU_OK)
        driver.release(driver.ud);
    return status;
}

/* With a second try where memory was scarce. */
static void sched_open(void) {
    uint8_t flavour = byte();
    kahu_status status;

    memory_scarce(byte() % 64, flavour < 128 ? 0 : 1);
    status = sched_new(flavour);
    memory_scarce(0, 0);
    memory_calm(true);
    if (status == KAHU_ENOMEM)
        status = sched_new(flavour);
    must(status == KAHU_OK);
    must(kahu_add_hooks(f.s, &fuzz_hooks) == KAHU_OK);
    must(lua_cpcall(f.L, scripts_open, NULL) == LUA_OK);
    memory_calm(false);
}

/* Nothing of it is left: in the VM, with the host, in the books. */
static void sched_close(void) {
    if (!f.freed) {
        f.closing = true;
        kahu_close(f.s);
        check();
        f.freed = true;
        kahu_free(f.s);
    }
    must(f.taken == 0 && ops_all_ended());
    must(kahu_get(f.L) == NULL);
    ops_forget();
    memset(f.made, 0, sizeof(f.made));
    f.freed = f.closing = false;
}

/* ------------------------------------------------------------------------ */
/* One input                                                                */
/* ------------------------------------------------------------------------ */

static void fuzz_begin(const uint8_t *data, size_t size) {
    memset(&f, 0, sizeof(f));
    looks = 0;
    f.data = data;
    f.size = size;
    f.owner = pthread_self();
    f.L = lua_newstate(fuzz_alloc, &f.memory);
    must(f.L != NULL);
    luaL_openlibs(f.L);
    sched_open();
}

static void fuzz_end(void) {
    f.memory.limit = 0;
    if (!f.freed)
        (void)kahu_stepped_advance(f.m, UINT64_C(1000000000));
    check();
    sched_close();
    must(lua_gettop(f.L) == 0);
    lua_close(f.L);
    must(f.memory.used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_begin(data, size);
    while (f.size > 0) {
        act();
        if (f.freed || (f.closing && byte() % 4 == 0)) {
            sched_close();
            sched_open();
        }
    }
    fuzz_end();
    return 0;
}
