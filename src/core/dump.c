/* SPDX-License-Identifier: MIT */
/*
 * dump.c - why it is still running, in words: the live threads, and what keeps
 * the scheduler from being done.
 *
 * Nothing is allocated: memory being out may be why somebody asks. Seconds are
 * made of integers, as a host may have a locale with another decimal point.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "../base/common.h"
#include "sched.h"

#define DUMP_LINE 600 /* two places, a label and all that is said of one */
#define DUMP_LABEL 64

struct dump {
    kahu_sched *s;
    kahu_dump_what what;
    kahu_line_fn write;
    void *ud;
    uint64_t now_ns;
    int64_t told;
    int64_t running; /* of the live threads */
    int64_t lost;
    size_t length; /* of the line that is being made */
    char line[DUMP_LINE];
};

/* ------------------------------------------------------------------------ */
/* Lines                                                                    */
/* ------------------------------------------------------------------------ */

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
dump_add(struct dump *d, const char *format, ...) {
    size_t room = sizeof(d->line) - d->length;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(d->line + d->length, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        d->length += (size_t)length < room ? (size_t)length : room - 1;
}

static void dump_add_seconds(struct dump *d, uint64_t ns) {
    uint64_t ms = ns / 1000000;

    dump_add(d, "%" PRIu64 ".%03" PRIu64 " s", ms / 1000, ms % 1000);
}

/* Labels and names of chunks are anybody's; terminals obey what is in them. */
static void dump_end_line(struct dump *d) {
    for (size_t i = 0; i < d->length; i++)
        if ((unsigned char)d->line[i] < ' ' || d->line[i] == '\x7f')
            d->line[i] = '?';
    d->write(d->ud, d->line);
    d->length = 0;
}

/* ------------------------------------------------------------------------ */
/* One thread                                                               */
/* ------------------------------------------------------------------------ */

static bool dump_is_lost(const kahu_thread_info *t) {
    return t->state == KAHU_THREAD_YIELDED && t->wakes == 0;
}

static const char *dump_state(const kahu_thread_info *t) {
    static const char *const reasons[] = {
        [KAHU_DEFER] = "deferred",
        [KAHU_DELAY] = "delayed",
        [KAHU_WAIT] = "sleeping",
        [KAHU_OPERATION] = "in an operation",
    };

    if (t->state == KAHU_THREAD_RUNNING)
        return "running";
    if (t->waits_for != KAHU_KINDS)
        return reasons[t->waits_for];
    return t->state == KAHU_THREAD_FRESH ? "not started" : "yielded";
}

/* How long it has been so. Of a thread that was there before tracking only a
 * wait knows when it began. */
static void dump_age(struct dump *d, const kahu_thread_info *t,
                     const struct kahu__wake *reason) {
    bool seen = kahu__track_saw_yield(d->s, t->co);
    uint64_t since_ns = t->since_ns;

    if (t->state == KAHU_THREAD_RUNNING)
        return;
    if (!seen && reason != NULL && reason->kind == KAHU_WAIT) {
        since_ns = reason->u.start_ns;
        seen = true;
    }
    dump_add(d, ", for ");
    dump_add_seconds(d, d->now_ns - since_ns);
    if (!seen)
        dump_add(d, " or more");
}

/* When a wait or a delay is over. */
static void dump_deadline(struct dump *d, const struct kahu__wake *w) {
    if (!kahu__is_timed(w) || w->deadline_ns <= d->now_ns) {
        dump_add(d, ", due");
    } else if (w->deadline_ns == KAHU_NEVER_NS) {
        dump_add(d, ", without end");
    } else {
        dump_add(d, ", ");
        dump_add_seconds(d, w->deadline_ns - d->now_ns);
        dump_add(d, " to go");
    }
}

/* What is going to come of it. */
static void dump_prospect(struct dump *d, const kahu_thread_info *t,
                          const struct kahu__wake *reason) {
    if (t->state == KAHU_THREAD_RUNNING) {
        if (t->wakes > 0)
            dump_add(d, ", %zu pending", t->wakes);
    } else if (t->wakes == 0) {
        dump_add(d, ", nothing pending would resume it");
    } else if (reason == NULL) {
        dump_add(d, ", to be cancelled");
    } else {
        if (reason->kind == KAHU_WAIT || reason->kind == KAHU_DELAY)
            dump_deadline(d, reason);
        if (t->wakes > 1)
            dump_add(d, ", %zu more pending", t->wakes - 1);
    }
}

static void dump_origin(struct dump *d, const kahu_thread_info *t) {
    if (kahu__track_met(d->s, t->co)) {
        dump_add(d, "; made before tracking");
        return;
    }
    dump_add(d, "; made");
    if (t->started[0] != '\0')
        dump_add(d, " at %s", t->started);
    if (t->parent_id != 0)
        dump_add(d, " by #%" PRIu64, t->parent_id);
    else
        dump_add(d, " by the host");
}

static bool dump_thread(void *ud, const kahu_thread_info *t) {
    struct dump *d = ud;
    const struct kahu__wake *reason = kahu__thread_reason(d->s, t->co);

    d->running += t->state == KAHU_THREAD_RUNNING;
    d->lost += dump_is_lost(t);
    if (d->what == KAHU_DUMP_LOST && !dump_is_lost(t))
        return true;
    d->told++;
    dump_add(d, "#%" PRIu64, t->id);
    if (t->label[0] != '\0')
        dump_add(d, " %.*s", DUMP_LABEL, t->label);
    dump_add(d, ": %s", dump_state(t));
    if (t->where[0] != '\0')
        dump_add(d,
                 t->state == KAHU_THREAD_FRESH ? ", to begin at %s" : " at %s",
                 t->where);
    dump_age(d, t, reason);
    dump_prospect(d, t, reason);
    dump_origin(d, t);
    dump_end_line(d);
    return true;
}

/* ------------------------------------------------------------------------ */
/* All of them                                                              */
/* ------------------------------------------------------------------------ */

/* "2 sleeping", with what goes before it; nothing for none. */
static void dump_add_part(struct dump *d, size_t n, const char *what,
                          const char **before) {
    if (n == 0)
        return;
    dump_add(d, "%s%zu %s", *before, n, what);
    *before = ", ";
}

/* What is pending waits for nothing but deadlines that never come. */
static bool dump_is_endless(const struct dump *d) {
    const kahu_sched *s = d->s;

    return d->running == 0 && !kahu_is_ready(s) &&
           kahu_next_deadline_ns(s) == KAHU_NEVER_NS &&
           s->pending[KAHU_OPERATION] == 0 && s->refs == 0;
}

static void dump_next(struct dump *d) {
    uint64_t next_ns = kahu_next_deadline_ns(d->s);

    if (kahu_is_stopped(d->s)) {
        dump_add(d, "; stopped");
    } else if (dump_is_endless(d)) {
        dump_add(d, "; it can never finish by itself");
    } else if (next_ns != KAHU_NEVER_NS) {
        dump_add(d, "; next deadline in ");
        dump_add_seconds(d, next_ns > d->now_ns ? next_ns - d->now_ns : 0);
    }
}

static void dump_sum(struct dump *d) {
    const kahu_sched *s = d->s;
    const size_t *pending = s->pending;
    const char *none = "; kept alive by ";
    const char *before = none;

    dump_add(d, "%" PRId64 " thread%s", d->told, d->told == 1 ? "" : "s");
    dump_add_part(d, (size_t)d->running, "running", &before);
    dump_add_part(d, pending[KAHU_WAIT] + pending[KAHU_DELAY], "sleeping",
                  &before);
    dump_add_part(d, pending[KAHU_DEFER], "deferred", &before);
    dump_add_part(d, pending[KAHU_OPERATION], "in operations", &before);
    dump_add_part(d, pending[KAHU__CANCEL], "to be cancelled", &before);
    dump_add_part(d, (size_t)kahu__atomic_get(&s->posted), "to be called",
                  &before);
    dump_add_part(d, s->refs, "kahu_ref()", &before);
    if (before != none)
        dump_next(d);
    else
        dump_add(d, "; nothing is pending");
    if (d->lost > 0)
        dump_add(d, "; nothing pending would resume %" PRId64 " of them",
                 d->lost);
    dump_end_line(d);
}

/* write may close s, or free it. */
int64_t kahu_dump(kahu_sched *s, kahu_dump_what what, kahu_line_fn write,
                  void *ud) {
    struct dump d = {.s = s, .what = what, .write = write, .ud = ud};
    int64_t status;

    KAHU__LOOP_ONLY(s);
    if (write == NULL || (what != KAHU_DUMP_ALL && what != KAHU_DUMP_LOST))
        return KAHU_EINVAL;
    kahu__enter(s);
    d.now_ns = s->driver.now_ns(s->driver.ud);
    status = kahu_each_thread(s, NULL, dump_thread, &d);
    if (status >= 0 && what == KAHU_DUMP_ALL)
        dump_sum(&d);
    kahu__leave(s);
    return status >= 0 ? d.told : status;
}
