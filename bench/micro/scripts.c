/* SPDX-License-Identifier: MIT */
/* What scripts ask of the core. An item is one call and all that comes of it;
 * its end is run into, not cut off. */
#include "../async.h"
#include "micro.h"

static struct vm vm;
static lua_State *script;

static void script_open(const struct micro *m) {
    if ((m->flags & MICRO_THREADS) != 0)
        async_remote_start(1);
    vm_open(&vm, micro_clock(m));
    if (m->script.before != NULL)
        vm_spawn(&vm, m->script.before, m->items);
    if (m->script.text != NULL)
        script = vm_load(&vm, m->script.text, m->items);
}

static void script_run(const struct micro *m) {
    if (m->script.text != NULL)
        must(kahu_spawn(vm.host.s, script, NULL, 1) == KAHU_OK, "a spawn");
    vm_run(&vm);
}

static void script_close(const struct micro *m) {
    if ((m->flags & MICRO_THREADS) != 0)
        async_remote_stop();
    vm_close(&vm);
}

/* A thousand threads that share the items, each in its first call when the
 * measuring begins. */
#define BY_A_THOUSAND(call)                                                    \
    "local n = ... / 1000\n"                                                   \
    "for i = 1, 1000 do\n"                                                     \
    "    task.spawn(function() for j = 1, n do " call " end end)\n"            \
    "end\n"

/* Ten thousand threads with five items each. */
#define BY_TEN_THOUSAND(first, rest)                                           \
    "math.randomseed(1)\n"                                                     \
    "for i = 1, ... / 5 do\n"                                                  \
    "    task.spawn(function()\n"                                              \
    "        " first " for j = 2, 5 do " rest " end\n"                         \
    "    end)\n"                                                               \
    "end\n"

#define SCRIPT .open = script_open, .run = script_run, .close = script_close

const struct micro micro_scripts[] = {
    {.name = "spawn",
     .items = 20000,
     SCRIPT,
     .script = {NULL, "local function f() end\n"
                      "for i = 1, ... do task.spawn(f) end"}},
    {.name = "defer",
     .items = 20000,
     SCRIPT,
     .script = {NULL, "local function f() end\n"
                      "for i = 1, ... do task.defer(f) end"}},
    {.name = "delay",
     .items = 20000,
     SCRIPT,
     .script = {NULL, "local function f() end\n"
                      "for i = 1, ... do task.delay(i / 1000, f) end"}},
    /* A step for each deadline. */
    {.name = "wait_in_order",
     .items = 50000,
     SCRIPT,
     .script = {BY_TEN_THOUSAND("task.wait(10 + i / 1000)", "task.wait(10)"),
                NULL}},
    {.name = "wait_random",
     .items = 50000,
     SCRIPT,
     .script = {BY_TEN_THOUSAND("task.wait(10 * math.random())",
                                "task.wait(10 * math.random())"),
                NULL}},
    {.name = "cancel_random",
     .items = 20000,
     SCRIPT,
     .script = {"math.randomseed(1)\n"
                "threads = table.create((...))\n"
                "for i = 1, ... do\n"
                "    local t = task.spawn(task.wait, 10 * math.random())\n"
                "    table.insert(threads, t)\n"
                "end\n"
                "for i = ..., 2, -1 do\n"
                "    local j = math.random(i)\n"
                "    threads[i], threads[j] = threads[j], threads[i]\n"
                "end\n",
                "for i, thread in threads do task.cancel(thread) end"}},
    /* Many in a step, and without a sleep between. */
    {.name = "wait",
     .items = 100000,
     .flags = MICRO_CLOCK,
     SCRIPT,
     .script = {BY_A_THOUSAND("task.wait()"), NULL}},
    {.name = "op",
     .items = 100000,
     .flags = MICRO_CLOCK,
     SCRIPT,
     .script = {BY_A_THOUSAND("op()"), NULL}},
    {.name = "remote",
     .items = 100000,
     .flags = MICRO_CLOCK | MICRO_THREADS | MICRO_RATE,
     SCRIPT,
     .script = {NULL, BY_A_THOUSAND("remote()")}},
    {.name = NULL},
};
