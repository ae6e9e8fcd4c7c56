/* SPDX-License-Identifier: MIT */
/*
 * profile.c - a sampling profiler.
 *
 * An OS thread asks for a sample at every tick, and the script's next safepoint
 * takes it: the stack, and how many ticks' worth of time have passed since the
 * one before. A function of C has no safepoints, so its time comes to whoever
 * called it. The clock is a real one that stands still while no thread runs,
 * and while a sample is taken.
 *
 * A stack is that of the thread that runs, then those of whoever waits for it
 * inside of a resume; each begins with a frame that tells where the thread was
 * started.
 */
#include "profile.h"

#include <errno.h>
#include <lua.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "births.h"
#include "flame.h"
#include "folded.h"
#include "options.h"
#include "report.h"
#include "resumes.h"
#include "safepoint.h"
#include "speedscope.h"
#include "stacks.h"
#include "ticker.h"

#define PROFILE_SECOND_NS UINT64_C(1000000000)

/* So many ticks in a row when nothing ran, and the OS thread sleeps until
 * something does. */
#define PROFILE_IDLE_TICKS 10

/* So many ticks' worth of time without a sample, and none is waited for: an OS
 * whose timers are coarse, or that is busy, wakes no one in time for what runs
 * for less than a tick at a time. */
#define PROFILE_OVERDUE_TICKS 2

/* Of a deeper stack both ends are kept, this much of each. */
#define PROFILE_FRAMES 100

struct profile {
    struct profile_setup setup;
    uint64_t period_ns;
    FILE *file;
    struct stacks stacks;
    struct births births;
    uint64_t lost; /* ticks for which there was no memory */

    uint64_t mark_ns; /* while one runs: the time since is not in owed_ns */
    uint64_t owed_ns; /* time of threads that is in no sample yet */

    struct ticker ticker;
    atomic_bool running; /* some thread is */
    atomic_bool parked;  /* the ticker has to be woken when one does */
    uint64_t first_ns;   /* to its next tick then */
    atomic_bool ticked;  /* since the last sample, while one ran */
    uint64_t due_ns;     /* when to take one if it has not */
};

bool profile_format(const char *path, enum profile_format *out) {
    const char *ending = strrchr(path, '.');

    if (ending == NULL)
        return false;
    if (strcmp(ending, ".folded") == 0)
        *out = PROFILE_FOLDED;
    else if (strcmp(ending, ".json") == 0)
        *out = PROFILE_SPEEDSCOPE;
    else if (strcmp(ending, ".svg") == 0)
        *out = PROFILE_FLAME;
    else
        return false;
    return true;
}

/* ------------------------------------------------------------------------ */
/* Ticks                                                                    */
/* ------------------------------------------------------------------------ */

/* To be woken is asked for first, and then looked whether that is too late. How
 * long to wait for the next tick: for what runs for less than a tick at a time,
 * the time before it was woken counts. False at the end. */
static bool profile_park(struct profile *p, uint64_t *wait_ns) {
    atomic_store(&p->parked, true);
    if (atomic_load(&p->running) && atomic_exchange(&p->parked, false))
        return true;
    if (!ticker_wait(&p->ticker, TICKER_FOREVER_NS))
        return false;
    *wait_ns = p->first_ns;
    return true;
}

static void profile_tick(void *ud) {
    struct profile *p = ud;
    uint64_t wait_ns = p->period_ns;
    int idle = 0;

    while (ticker_wait(&p->ticker, wait_ns)) {
        wait_ns = p->period_ns;
        idle = atomic_load(&p->running) ? 0 : idle + 1;
        if (idle == 0) {
            atomic_store(&p->ticked, true);
            safepoint_ask(SAFEPOINT_SAMPLE);
        }
        if (idle < PROFILE_IDLE_TICKS)
            continue;
        idle = 0;
        if (!profile_park(p, &wait_ns))
            return;
    }
}

/* Not at its first safepoint, or whatever comes first would get all the time of
 * what comes after: somewhere within a tick from now. */
static void profile_overdue(struct profile *p) {
    p->due_ns = p->mark_ns + p->owed_ns % p->period_ns;
    safepoint_ask(SAFEPOINT_SAMPLE);
}

static void profile_begins(void *ud) {
    struct profile *p = ud;

    p->mark_ns = uv_hrtime();
    atomic_store(&p->running, true);
    if (p->owed_ns >= PROFILE_OVERDUE_TICKS * p->period_ns)
        profile_overdue(p);
    if (atomic_load(&p->parked) && atomic_exchange(&p->parked, false)) {
        p->first_ns = p->period_ns - p->owed_ns % p->period_ns;
        ticker_wake(&p->ticker);
    }
}

static void profile_ends(void *ud) {
    struct profile *p = ud;

    p->owed_ns += uv_hrtime() - p->mark_ns;
    atomic_store(&p->running, false);
}

/* How many have passed since the last sample. */
static uint64_t profile_take_ticks(struct profile *p) {
    uint64_t now_ns = uv_hrtime();
    uint64_t ticks;

    p->owed_ns += now_ns - p->mark_ns;
    p->mark_ns = now_ns;
    ticks = p->owed_ns / p->period_ns;
    p->owed_ns %= p->period_ns;
    return ticks;
}

/* ------------------------------------------------------------------------ */
/* Stacks                                                                   */
/* ------------------------------------------------------------------------ */

static uint32_t profile_text(struct profile *p, uint32_t parent,
                             const char *name) {
    struct stacks_frame frame = {.name = name, .file = ""};

    return stacks_child(&p->stacks, parent, stacks_frame(&p->stacks, &frame));
}

static uint32_t profile_frame(struct profile *p, uint32_t parent, lua_State *co,
                              int level) {
    struct stacks_frame frame = {.line = 0};
    lua_Debug ar;

    if (!lua_getinfo(co, level, "sn", &ar))
        return STACKS_NONE;
    frame.name = ar.name != NULL ? ar.name : "function";
    frame.file = ar.short_src;
    frame.line = ar.linedefined > 0 ? ar.linedefined : 0;
    return stacks_child(&p->stacks, parent, stacks_frame(&p->stacks, &frame));
}

/* From the outermost frame, which has the highest level. */
static uint32_t profile_stack(struct profile *p, uint32_t node, lua_State *co) {
    int depth = lua_stackdepth(co);

    for (int level = depth - 1; level >= 0; level--) {
        if (depth > 2 * PROFILE_FRAMES && level == depth - 1 - PROFILE_FRAMES) {
            node = profile_text(p, node, "...");
            level = PROFILE_FRAMES;
            continue;
        }
        node = profile_frame(p, node, co, level);
    }
    return node;
}

static bool profile_count(struct profile *p, uint64_t thread, uint32_t node,
                          uint64_t ticks) {
    struct stacks_sample sample = {thread, node, (uint32_t)ticks};

    if (node == STACKS_NONE)
        return false;
    if (p->setup.format == PROFILE_SPEEDSCOPE &&
        !stacks_add_sample(&p->stacks, &sample))
        return false;
    p->stacks.nodes[node].self += ticks;
    return true;
}

/* The next safepoint is asked when this one was too early. */
static bool profile_is_due(struct profile *p) {
    if (atomic_exchange(&p->ticked, false) || uv_hrtime() >= p->due_ns)
        return true;
    safepoint_ask(SAFEPOINT_SAMPLE);
    return false;
}

/* safepoint_fn */
static void profile_sample(void *ud, lua_State *L, int gc) {
    struct profile *p = ud;
    lua_State *threads[RESUMES_MAX];
    uint32_t node = STACKS_ROOT;
    uint64_t id = 0;
    uint64_t ticks;

    if (!atomic_load(&p->running)) /* Luau that the scheduler calls itself */
        return;
    if (!profile_is_due(p))
        return;
    ticks = profile_take_ticks(p);
    if (ticks == 0)
        return;
    for (size_t i = resumes_list(L, threads); i-- > 0;) {
        const struct birth *birth = births_find(&p->births, threads[i]);

        node = stacks_child(&p->stacks, node, birth->frame);
        node = profile_stack(p, node, threads[i]);
        id = birth->id;
    }
    if (gc >= 0)
        node = profile_text(p, node, "garbage collector");
    if (!profile_count(p, id, node, ticks))
        p->lost += ticks;
    p->mark_ns = uv_hrtime();
}

/* ------------------------------------------------------------------------ */
/* Beginning                                                                */
/* ------------------------------------------------------------------------ */

static bool profile_start(struct profile *p) {
    int error;

    atomic_init(&p->running, false);
    atomic_init(&p->parked, false);
    atomic_init(&p->ticked, false);
    safepoint_serve(SAFEPOINT_SAMPLE, profile_sample, p);
    resumes_watch(profile_begins, profile_ends, p);
    error = ticker_start(&p->ticker, profile_tick, p);
    if (error == 0)
        return true;
    resumes_watch(NULL, NULL, NULL);
    report_failure("cannot take samples", uv_strerror(error));
    return false;
}

static void profile_free(struct profile *p) {
    births_close(&p->births);
    stacks_deinit(&p->stacks);
    free(p);
}

static void profile_cannot_write(const struct profile *p, int error) {
    fprintf(stderr, "kahu: cannot write '%s': %s\n", p->setup.path,
            strerror(error != 0 ? error : EIO));
}

/* The file is made before the script runs: not to know of a mistake in its name
 * until then would be a pity. */
static bool profile_begin(struct profile *p, int *code) {
    *code = EXIT_USAGE;
    p->file = fopen(p->setup.path, "w");
    if (p->file == NULL) {
        profile_cannot_write(p, errno);
        return false;
    }
    *code = EXIT_SCRIPT;
    if (profile_start(p))
        return true;
    fclose(p->file);
    return false;
}

struct profile *profile_open(const struct profile_setup *setup, int *code) {
    struct profile *p = calloc(1, sizeof(*p));

    *code = EXIT_SCRIPT;
    if (p == NULL || !stacks_init(&p->stacks) ||
        !births_open(&p->births, &p->stacks, setup->L)) {
        report_no_memory();
    } else {
        p->setup = *setup;
        p->period_ns = PROFILE_SECOND_NS / setup->rate_hz;
        if (profile_begin(p, code))
            return p;
    }
    if (p != NULL)
        profile_free(p);
    return NULL;
}

/* ------------------------------------------------------------------------ */
/* End                                                                      */
/* ------------------------------------------------------------------------ */

static bool profile_write_format(const struct profile *p) {
    switch (p->setup.format) {
    case PROFILE_FOLDED:
        return folded_write(&p->stacks, p->file);
    case PROFILE_SPEEDSCOPE:
        return speedscope_write(&p->stacks, p->setup.script, p->setup.rate_hz,
                                p->file);
    case PROFILE_FLAME:
        break;
    }
    return flame_write(&p->stacks, p->setup.script, p->file);
}

static bool profile_write(struct profile *p) {
    bool memory = profile_write_format(p);
    bool written = fflush(p->file) == 0 && !ferror(p->file);
    int error = errno;

    if (fclose(p->file) != 0 && written) {
        written = false;
        error = errno;
    }
    if (!written)
        profile_cannot_write(p, error);
    if (p->lost > 0 || !memory)
        report_failure("the profile is not whole", "not enough memory");
    return written && memory && p->lost == 0;
}

bool profile_close(struct profile *p) {
    bool good;

    ticker_end(&p->ticker);
    resumes_watch(NULL, NULL, NULL);
    safepoint_serve(SAFEPOINT_SAMPLE, NULL, NULL);
    good = profile_write(p);
    profile_free(p);
    return good;
}
