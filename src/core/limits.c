/* SPDX-License-Identifier: MIT */
/*
 * limits.c - what a script that is not trusted may use up.
 *
 * Of these the wakes are counted where they are made (wake.c), the threads
 * where they are recorded (track.c), the memory in the allocator (memory.c).
 * Here is the time: during an outermost resume the VM's interrupt is ours, and
 * calls the host's too. The VM gives it no pointer of ours, and it must not
 * use the VM's stack, so whose resume it is, is kept for the OS thread.
 */
#include <lualib.h>

#include "sched.h"

#if KAHU_THREADS
static _Thread_local kahu_sched *limits_current;
#else
static kahu_sched *limits_current;
#endif

kahu_status kahu_set_limits(kahu_sched *s, const kahu_limits *limits) {
    kahu_limits copy;
    kahu_status status;

    KAHU__LOOP_ONLY(s);
    if (!kahu__options_read_struct(&copy, sizeof(copy), limits))
        return KAHU_EINVAL;
    if (s->closing)
        return KAHU_ECLOSED;
    if (copy.max_threads != 0) {
        status = kahu_track(s);
        if (status != KAHU_OK)
            return status;
    }
    s->limits = copy;
    return KAHU_OK;
}

/* ------------------------------------------------------------------------ */
/* Time                                                                     */
/* ------------------------------------------------------------------------ */

static uint64_t limits_sum(uint64_t a, uint64_t b) {
    return b < UINT64_MAX - a ? a + b : UINT64_MAX;
}

/* How long a resume that begins, or is warned, now may last. */
static uint64_t limits_allowance(const kahu_sched *s, uint64_t used_ns) {
    const kahu_limits *l = &s->limits;
    uint64_t left = UINT64_MAX;

    if (l->max_total_ns != 0)
        left = used_ns < l->max_total_ns ? l->max_total_ns - used_ns : 0;
    return l->max_resume_ns != 0 && l->max_resume_ns < left ? l->max_resume_ns
                                                            : left;
}

/* Once, where so chosen, the script is given time to end in order. */
static void limits_warn(kahu_sched *s, uint64_t now) {
    if (!s->limits.catch_timeout_once || s->run_warned)
        return;
    s->run_warned = true;
    s->run_end_ns = limits_sum(
        now, limits_allowance(s, s->used_ns + (now - s->run_start_ns)));
}

/* An interrupt comes from the function that runs: level 0. luaL_error() would
 * name its caller's line. */
static void limits_raise(lua_State *L) {
    if (!lua_checkstack(L, LUA_MINSTACK))
        luaL_error(L, "stack overflow");
    luaL_where(L, 0);
    lua_pushliteral(L, "script timeout: exhausted allowed execution time");
    lua_concat(L, 2);
    lua_error(L);
}

static void limits_check(kahu_sched *s, lua_State *L) {
    uint64_t now;

    if (!kahu__limits_time(s))
        return;
    now = kahu__real_ns(s);
    if (now < s->run_end_ns)
        return;
    limits_warn(s, now);
    limits_raise(L);
}

/*
 * One that was there before ours knows nothing of it. One that the host has set
 * during an earlier resume may call ours in turn; then it is the turn of the
 * one it was set over, and then of none. Where such a one raises, the count
 * stays until the resume is over: it is not called any more, and the time is
 * measured all the same.
 */
static void limits_call_host(kahu_sched *s, lua_State *L, int gc) {
    void (*fn)(lua_State * L, int gc) = s->host_interrupt;

    if (fn != s->later_interrupt) {
        fn(L, gc);
        return;
    }
    if (s->host_interrupts > 0)
        fn = s->host_interrupts == 1 ? s->below_interrupt : NULL;
    if (fn == NULL)
        return;
    s->host_interrupts++;
    fn(L, gc);
    s->host_interrupts--;
}

/* gc is not below 0 inside the collector, where nothing may be raised. */
static void limits_interrupt(lua_State *L, int gc) {
    kahu_sched *s = limits_current;

    while (s != NULL && s->main != lua_mainthread(L))
        s = s->outer_limited;
    if (s == NULL)
        return; /* the host chains to us, and none of our resumes is on */
    if (gc < 0)
        limits_check(s, L);
    if (s->host_interrupt != NULL)
        limits_call_host(s, L, gc);
}

void kahu__limits_begin(kahu_sched *s) {
    lua_Callbacks *callbacks = lua_callbacks(s->main);

    s->outer_limited = limits_current;
    limits_current = s;
    s->limited = true;
    s->host_interrupts = 0;
    s->host_interrupt = callbacks->interrupt;
    if (s->host_interrupt == limits_interrupt) /* it took its later one out */
        s->host_interrupt = s->below_interrupt;
    if (s->host_interrupt != s->later_interrupt)
        s->later_interrupt = NULL;
    callbacks->interrupt = limits_interrupt;
    s->run_warned = false;
    s->run_start_ns = kahu__real_ns(s);
    s->run_end_ns =
        limits_sum(s->run_start_ns, limits_allowance(s, s->used_ns));
}

static void limits_note_later(kahu_sched *s, void (*fn)(lua_State *L, int gc)) {
    if (fn != s->later_interrupt)
        s->below_interrupt = s->host_interrupt;
    s->later_interrupt = fn;
}

/* One that the host has set meanwhile stays. */
void kahu__limits_end(kahu_sched *s) {
    lua_Callbacks *callbacks = lua_callbacks(s->main);

    s->limited = false;
    s->host_interrupts = 0;
    if (callbacks->interrupt == limits_interrupt)
        callbacks->interrupt = s->host_interrupt;
    else
        limits_note_later(s, callbacks->interrupt);
    limits_current = s->outer_limited;
    s->used_ns += kahu__real_ns(s) - s->run_start_ns;
}
