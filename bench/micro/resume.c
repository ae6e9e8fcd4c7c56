/* SPDX-License-Identifier: MIT */
/* One thread that yields for ever: resumed by nobody but the VM, which is the
 * floor of all that follows, and by the scheduler. */
#include "micro.h"

static struct vm vm;
static lua_State *co;

static void resume_micro_open(const struct micro *m) {
    vm_open(&vm, micro_clock(m));
    co = vm_load(&vm, "while true do coroutine.yield() end", m->items);
    must(kahu_spawn(vm.host.s, co, NULL, 1) == KAHU_OK, "a spawn");
}

static void resume_micro_bare(const struct micro *m) {
    for (uint32_t i = 0; i < m->items; i++)
        must(lua_resume(co, NULL, 0) == LUA_YIELD, "a yield");
}

static void resume_micro_spawn(const struct micro *m) {
    for (uint32_t i = 0; i < m->items; i++)
        must(kahu_spawn(vm.host.s, co, NULL, 0) == KAHU_OK, "a spawn");
}

static void resume_micro_close(const struct micro *m) {
    (void)m;
    vm_close(&vm);
}

const struct micro micro_resume[] = {
    {.name = "yield",
     .items = 100000,
     .flags = MICRO_CLOCK,
     .open = resume_micro_open,
     .run = resume_micro_bare,
     .close = resume_micro_close},
    {.name = "resume",
     .items = 100000,
     .flags = MICRO_CLOCK,
     .open = resume_micro_open,
     .run = resume_micro_spawn,
     .close = resume_micro_close},
    {.name = NULL},
};
