/* SPDX-License-Identifier: MIT */
/*
 * trace.c - from the scheduler's events and the VM's resumes to a file in the
 * format of Chrome's trace viewer, which Perfetto opens.
 *
 * A resume is a slice. It is written when it is over, with the arrow (flow)
 * that leads to it: from the slice in which another thread made its wake, or
 * spawned it. So an arrow that begins always ends, and the slices of a track
 * are in order. Of each pending wake a trace remembers when and where it was
 * made, and nothing else is kept.
 *
 * The VM tells of the resumes that are none of the scheduler's.
 */
#include "trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "report.h"
#include "trace_file.h"
#include "trace_tracks.h"
#include "vm.h"

#define TRACE_LONG_NS UINT64_C(1000000)    /* a resume whose place is told */
#define TRACE_COUNT_NS UINT64_C(1000000)   /* between two of the counters */
#define TRACE_SLEEP_NS UINT64_C(10000000)  /* long enough to write before it */
#define TRACE_FLUSH_NS UINT64_C(100000000) /* at most unwritten, idle or not */

/* A resume under way. */
struct trace_slice {
    lua_State *co;
    struct trace_who who;
    kahu_cause cause;
    uint64_t begin_ns;
    uint64_t real_ns;   /* of the real clock, at its beginning */
    uint64_t inside_ns; /* taken by those inside of it, by the real clock */
    uint64_t late_ns;   /* KAHU_NEVER_NS: there is no saying */
    uint64_t from_ns;   /* the arrow's other end */
    uint32_t from;      /* its track; 0: there is no arrow */
};

/* The counters, as last written. */
struct trace_counts {
    size_t sleeping;
    size_t deferred;
    size_t operations;
    size_t bytes;
};

struct trace {
    const char *path;
    struct trace_file *file;
    kahu_sched *s;
    lua_State *L;
    kahu_stepped *stepped;
    uint64_t start_ns; /* by the real clock */
    uint64_t last_ns;  /* of the last event */
    bool no_memory;    /* it ends here */
    struct trace_tracks tracks;
    uint32_t named;         /* tracks whose names are written */
    struct trace_map wakes; /* number of a pending wake -> when, where made */
    uint64_t arrows;
    struct trace_slice *slices; /* under way, each inside the one before */
    size_t depth;
    size_t capacity;
    lua_State *beginning; /* its resume was told, but not by the VM yet */
    lua_State *ended;     /* the last that did, and who that was */
    struct trace_who ended_who;
    struct trace_counts counts;
    uint64_t counted_ns;
    uint64_t flushed_ns;
};

/* What the VM's callbacks reach: there is one run in a process. */
static struct {
    struct trace *t;
    void (*preresume)(lua_State *L); /* those that were there before */
    void (*postresume)(lua_State *L);
} trace_vm;

/* ------------------------------------------------------------------------ */
/* Time                                                                     */
/* ------------------------------------------------------------------------ */

/* Each event has a time of its own, so that a viewer knows their order: on a
 * clock that stands still they are a nanosecond apart. */
static uint64_t trace_now(struct trace *t, uint64_t real_ns) {
    uint64_t ns = t->stepped != NULL ? kahu_stepped_now_ns(t->stepped)
                                     : real_ns - t->start_ns;

    t->last_ns = ns > t->last_ns ? ns : t->last_ns + 1;
    return t->last_ns;
}

static uint64_t trace_late(const struct trace *t, uint64_t deadline_ns,
                           uint64_t real_ns) {
    uint64_t now_ns =
        t->stepped != NULL ? kahu_stepped_now_ns(t->stepped) : real_ns;

    if (deadline_ns == KAHU_NEVER_NS)
        return KAHU_NEVER_NS;
    return now_ns > deadline_ns ? now_ns - deadline_ns : 0;
}

/* ------------------------------------------------------------------------ */
/* Events                                                                   */
/* ------------------------------------------------------------------------ */

#define TRACE_MEMBER(t, literal, ns)                                           \
    do {                                                                       \
        TRACE_PUT((t)->file, literal);                                         \
        trace_file_us((t)->file, ns);                                          \
    } while (0)

static const char *const trace_causes[] = {
    "defer", "delay", "wait", "operation", "spawn", "cancel", "resume"};
static const char *const trace_outcomes[] = {"returned", "failed", "cancelled",
                                             "yielded"};

static void trace_put_text(struct trace *t, const char *text) {
    trace_file_put(t->file, text, strlen(text));
}

/* What every event on a track begins with; literal ends in "tid": */
static void trace_put_head(struct trace *t, const char *head, uint32_t track,
                           uint64_t ns) {
    trace_file_begin(t->file);
    trace_put_text(t, head);
    trace_file_number(t->file, track);
    TRACE_MEMBER(t, ",\"ts\":", ns);
}

static void trace_put_name(struct trace *t, uint32_t track) {
    trace_file_begin(t->file);
    TRACE_PUT(t->file, "\"ph\":\"M\",\"pid\":1,\"tid\":");
    trace_file_number(t->file, track);
    TRACE_PUT(t->file, ",\"name\":\"thread_name\",\"args\":{\"name\":");
    trace_file_string(t->file, trace_tracks_title(&t->tracks, track));
    TRACE_PUT(t->file, "}");
    trace_file_end(t->file);
}

static void trace_put_arrow(struct trace *t, const struct trace_slice *slice) {
    t->arrows++;
    trace_put_head(t, "\"ph\":\"s\",\"pid\":1,\"tid\":", slice->from,
                   slice->from_ns);
    TRACE_PUT(t->file, ",\"cat\":\"wake\",\"name\":\"wake\",\"id\":");
    trace_file_number(t->file, t->arrows);
    trace_file_end(t->file);
    trace_put_head(t, "\"ph\":\"f\",\"bp\":\"e\",\"pid\":1,\"tid\":",
                   slice->who.track, slice->begin_ns);
    TRACE_PUT(t->file, ",\"cat\":\"wake\",\"name\":\"wake\",\"id\":");
    trace_file_number(t->file, t->arrows);
    trace_file_end(t->file);
}

/* Where a thread is that ran for long: there is time to look. */
static void trace_put_place(struct trace *t, lua_State *co) {
    char place[LUA_IDSIZE + 16];
    lua_Debug ar;

    vm_where(co, &ar);
    if (ar.currentline <= 0)
        return;
    snprintf(place, sizeof(place), "%s:%d", ar.short_src, ar.currentline);
    TRACE_PUT(t->file, ",\"at\":");
    trace_file_string(t->file, place);
}

static void trace_put_slice(struct trace *t, const struct trace_slice *slice,
                            kahu_outcome outcome, uint64_t end_ns,
                            uint64_t real_ns) {
    trace_put_head(t, "\"ph\":\"X\",\"pid\":1,\"tid\":", slice->who.track,
                   slice->begin_ns);
    TRACE_MEMBER(t, ",\"dur\":", end_ns - slice->begin_ns);
    TRACE_PUT(t->file, ",\"name\":\"");
    trace_put_text(t, trace_causes[slice->cause]);
    TRACE_PUT(t->file, "\",\"args\":{\"thread\":");
    trace_file_number(t->file, slice->who.thread);
    TRACE_PUT(t->file, ",\"outcome\":\"");
    trace_put_text(t, trace_outcomes[outcome]);
    TRACE_PUT(t->file, "\"");
    if (t->stepped != NULL)
        TRACE_MEMBER(t, ",\"real_us\":", real_ns);
    if (slice->inside_ns > 0)
        TRACE_MEMBER(t, ",\"inside_us\":", slice->inside_ns);
    if (slice->late_ns != KAHU_NEVER_NS)
        TRACE_MEMBER(t, ",\"late_us\":", slice->late_ns);
    if (real_ns >= TRACE_LONG_NS && outcome != KAHU_RETURNED)
        trace_put_place(t, slice->co);
    TRACE_PUT(t->file, "}");
    trace_file_end(t->file);
}

/* ------------------------------------------------------------------------ */
/* Counters                                                                 */
/* ------------------------------------------------------------------------ */

static struct trace_counts trace_count(const struct trace *t) {
    const kahu_sched *s = t->s;

    return (struct trace_counts){
        kahu_count(s, KAHU_WAIT) + kahu_count(s, KAHU_DELAY),
        kahu_count(s, KAHU_DEFER), kahu_count(s, KAHU_OPERATION),
        lua_totalbytes(t->L, -1)};
}

/* What every counter begins with, up to the first number. */
static void trace_put_counter(struct trace *t, const char *rest, uint64_t ns) {
    trace_file_begin(t->file);
    TRACE_MEMBER(t, "\"ph\":\"C\",\"pid\":1,\"ts\":", ns);
    trace_put_text(t, rest);
}

static void trace_put_pending(struct trace *t, const struct trace_counts *c,
                              uint64_t ns) {
    trace_put_counter(t, ",\"name\":\"pending\",\"args\":{\"sleeping\":", ns);
    trace_file_number(t->file, c->sleeping);
    TRACE_PUT(t->file, ",\"deferred\":");
    trace_file_number(t->file, c->deferred);
    TRACE_PUT(t->file, ",\"operations\":");
    trace_file_number(t->file, c->operations);
    TRACE_PUT(t->file, "}");
    trace_file_end(t->file);
}

static void trace_put_memory(struct trace *t, const struct trace_counts *c,
                             uint64_t ns) {
    trace_put_counter(t, ",\"name\":\"memory\",\"args\":{\"bytes\":", ns);
    trace_file_number(t->file, c->bytes);
    TRACE_PUT(t->file, "}");
    trace_file_end(t->file);
}

/* What has not changed is not written again. */
static void trace_put_counts(struct trace *t, struct trace_counts c,
                             uint64_t ns) {
    t->counted_ns = ns;
    if (c.sleeping != t->counts.sleeping || c.deferred != t->counts.deferred ||
        c.operations != t->counts.operations)
        trace_put_pending(t, &c, ns);
    if (c.bytes != t->counts.bytes)
        trace_put_memory(t, &c, ns);
    t->counts = c;
}

static void trace_count_now_and_then(struct trace *t, uint64_t ns) {
    if (ns - t->counted_ns >= TRACE_COUNT_NS)
        trace_put_counts(t, trace_count(t), ns);
}

/* How it was up to now, when e begins: it is not counted any more. */
static void trace_count_before(struct trace *t, const kahu_event *e,
                               uint64_t ns) {
    struct trace_counts c;

    if (ns - t->counted_ns < TRACE_COUNT_NS)
        return;
    c = trace_count(t);
    if (e != NULL) {
        c.sleeping += e->cause == KAHU_BY_WAIT || e->cause == KAHU_BY_DELAY;
        c.deferred += e->cause == KAHU_BY_DEFER;
        c.operations += e->cause == KAHU_BY_OPERATION;
    }
    trace_put_counts(t, c, ns);
}

/* ------------------------------------------------------------------------ */
/* Slices                                                                   */
/* ------------------------------------------------------------------------ */

/* The innermost one, in which what happens now happens; NULL outside. */
static struct trace_slice *trace_top(struct trace *t) {
    return t->depth > 0 ? &t->slices[t->depth - 1] : NULL;
}

/* Room for one more; false when memory is out, with which the recording ends.
 */
static bool trace_reserve(struct trace *t) {
    size_t capacity = t->capacity == 0 ? 16 : 2 * t->capacity;
    struct trace_slice *slices;

    if (t->slices != NULL && t->depth < t->capacity)
        return true;
    slices = realloc(t->slices, capacity * sizeof(*slices));
    t->no_memory = slices == NULL;
    if (slices == NULL)
        return false;
    t->slices = slices;
    t->capacity = capacity;
    return true;
}

/* The same for the thread. */
static bool trace_meet(struct trace *t, lua_State *co, struct trace_who *who) {
    if (!trace_tracks_meet(&t->tracks, co, who)) {
        t->no_memory = true;
        return false;
    }
    while (t->named < t->tracks.ntracks)
        trace_put_name(t, ++t->named);
    return true;
}

static uint64_t trace_wake_key(uint64_t wake) {
    return wake * TRACE_MAP_STEP;
}

/* Where the arrow comes from: the promise, or whoever does it now. */
static void trace_set_arrow(struct trace *t, struct trace_slice *slice,
                            const struct trace_slice *outer,
                            const kahu_event *e) {
    struct trace_entry *entry;

    if (e == NULL || e->cause == KAHU_BY_SPAWN) {
        slice->from = outer != NULL ? outer->who.track : 0;
        slice->from_ns = slice->begin_ns;
        return;
    }
    entry = trace_map_get(&t->wakes, trace_wake_key(e->wake));
    if (entry == NULL)
        return;
    slice->from = entry->track;
    slice->from_ns = entry->number;
    trace_map_remove(&t->wakes, entry);
}

/* e is NULL for a resume that is not the scheduler's. */
static void trace_begin(struct trace *t, lua_State *co, const kahu_event *e) {
    uint64_t real_ns = uv_hrtime();
    uint64_t begin_ns = trace_now(t, real_ns);
    const struct trace_slice *outer;
    struct trace_slice *slice;

    if (!trace_reserve(t))
        return;
    outer = trace_top(t);
    if (outer == NULL)
        trace_count_before(t, e, begin_ns);
    slice = &t->slices[t->depth++];
    *slice = (struct trace_slice){
        .co = co,
        .cause = e != NULL ? e->cause : KAHU_BY_USER,
        .begin_ns = begin_ns,
        .real_ns = real_ns,
        .late_ns = KAHU_NEVER_NS,
    };
    if (!trace_meet(t, co, &slice->who))
        return;
    if (e != NULL)
        slice->late_ns = trace_late(t, e->deadline_ns, real_ns);
    trace_set_arrow(t, slice, outer, e);
}

static void trace_end(struct trace *t, kahu_outcome outcome) {
    const struct trace_slice *slice = &t->slices[--t->depth];
    struct trace_slice *outer;
    uint64_t real_ns = uv_hrtime();
    uint64_t end_ns = trace_now(t, real_ns);

    real_ns -= slice->real_ns;
    outer = trace_top(t);
    if (outer != NULL)
        outer->inside_ns += real_ns;
    else
        trace_count_now_and_then(t, end_ns);
    trace_put_slice(t, slice, outcome, end_ns, real_ns);
    if (slice->from != 0)
        trace_put_arrow(t, slice);
    if (outcome == KAHU_YIELDED)
        return;
    t->ended = slice->co;
    t->ended_who = slice->who;
    trace_tracks_leave(&t->tracks, slice->co);
}

/* ------------------------------------------------------------------------ */
/* What the scheduler tells                                                 */
/* ------------------------------------------------------------------------ */

/* Only a promise made inside of a slice has somewhere for its arrow to begin. A
 * thread that waits needs none to itself: it would lead along its track. */
static void trace_made(struct trace *t, const kahu_event *e) {
    const struct trace_slice *maker = trace_top(t);
    struct trace_entry entry = {.key = trace_wake_key(e->wake)};

    if (maker == NULL || maker->co == e->co)
        return;
    entry.number = trace_now(t, uv_hrtime());
    entry.track = maker->who.track;
    t->no_memory = !trace_map_put(&t->wakes, entry);
}

static void trace_gone(struct trace *t, uint64_t wake) {
    struct trace_entry *entry = trace_map_get(&t->wakes, trace_wake_key(wake));

    if (entry != NULL)
        trace_map_remove(&t->wakes, entry);
}

static void trace_cancelled(struct trace *t, lua_State *co) {
    struct trace_who who = trace_tracks_find(&t->tracks, co);

    if (who.track == 0)
        return; /* it never ran */
    trace_put_head(t, "\"ph\":\"i\",\"s\":\"t\",\"pid\":1,\"tid\":", who.track,
                   trace_now(t, uv_hrtime()));
    TRACE_PUT(t->file, ",\"name\":\"cancelled\",\"args\":{\"thread\":");
    trace_file_number(t->file, who.thread);
    TRACE_PUT(t->file, "}");
    trace_file_end(t->file);
    trace_tracks_leave(&t->tracks, co);
}

static void trace_on_event(void *ud, const kahu_event *e) {
    struct trace *t = ud;

    if (t->no_memory)
        return;
    switch (e->type) {
    case KAHU_WAKE_MADE:
        trace_made(t, e);
        break;
    case KAHU_WAKE_GONE:
        trace_gone(t, e->wake);
        break;
    case KAHU_RESUME_BEGINS:
        t->beginning = e->co;
        trace_begin(t, e->co, e);
        break;
    case KAHU_RESUME_ENDS:
        t->beginning = NULL; /* the VM may have refused to begin it */
        trace_end(t, e->outcome);
        break;
    case KAHU_THREAD_CANCELLED:
        trace_cancelled(t, e->co);
        break;
    }
}

/* An error on no thread (a posted call) is the process's. */
static void trace_on_error(void *ud, lua_State *L, lua_State *co,
                           const char *message, const char *traceback) {
    struct trace *t = ud;
    bool known = co == t->ended;

    (void)L;
    (void)traceback;
    if (t->no_memory || kahu_is_stopped(t->s))
        return;
    trace_put_head(t, "\"ph\":\"i\",\"pid\":1,\"tid\":",
                   known ? t->ended_who.track : 1, trace_now(t, uv_hrtime()));
    if (known)
        TRACE_PUT(t->file, ",\"s\":\"t\"");
    else
        TRACE_PUT(t->file, ",\"s\":\"p\"");
    TRACE_PUT(t->file, ",\"name\":\"error\",\"args\":{\"message\":");
    trace_file_string(t->file, message);
    TRACE_PUT(t->file, "}");
    trace_file_end(t->file);
}

/* ------------------------------------------------------------------------ */
/* What the VM tells                                                        */
/* ------------------------------------------------------------------------ */

/* Resumes of the scheduler's were told by it. */
static void trace_preresume(lua_State *L) {
    struct trace *t = trace_vm.t;

    if (trace_vm.preresume != NULL)
        trace_vm.preresume(L);
    if (t == NULL || t->no_memory)
        return;
    if (L == t->beginning)
        t->beginning = NULL;
    else
        trace_begin(t, L, NULL);
}

static kahu_outcome trace_outcome(lua_State *L) {
    int status = lua_status(L);

    if (status == LUA_YIELD || status == LUA_BREAK)
        return KAHU_YIELDED;
    return status == LUA_OK ? KAHU_RETURNED : KAHU_FAILED;
}

static void trace_postresume(lua_State *L) {
    struct trace *t = trace_vm.t;
    const struct trace_slice *slice;

    if (trace_vm.postresume != NULL)
        trace_vm.postresume(L);
    if (t == NULL || t->no_memory)
        return;
    slice = trace_top(t);
    if (slice != NULL && slice->co == L && slice->cause == KAHU_BY_USER)
        trace_end(t, trace_outcome(L));
}

/* A callback set over ours goes on calling it, and it calls on. */
static void trace_take_callbacks(struct trace *t) {
    lua_Callbacks *callbacks = lua_callbacks(t->L);

    trace_vm.t = t;
    trace_vm.preresume = callbacks->preresume;
    trace_vm.postresume = callbacks->postresume;
    callbacks->preresume = trace_preresume;
    callbacks->postresume = trace_postresume;
}

static void trace_give_callbacks(const struct trace *t) {
    lua_Callbacks *callbacks = lua_callbacks(t->L);

    trace_vm.t = NULL;
    if (callbacks->preresume == trace_preresume)
        callbacks->preresume = trace_vm.preresume;
    if (callbacks->postresume == trace_postresume)
        callbacks->postresume = trace_vm.postresume;
}

/* ------------------------------------------------------------------------ */
/* Life                                                                     */
/* ------------------------------------------------------------------------ */

static void trace_put_titles(struct trace *t, const char *script) {
    char title[1024];

    snprintf(title, sizeof(title), "kahu %s", script);
    trace_file_begin(t->file);
    TRACE_PUT(t->file, "\"ph\":\"M\",\"pid\":1,\"name\":\"kahu_trace\","
                       "\"args\":{\"version\":1,\"clock\":\"");
    trace_put_text(t, t->stepped != NULL ? "virtual" : "real");
    TRACE_PUT(t->file, "\"}");
    trace_file_end(t->file);
    trace_file_begin(t->file);
    TRACE_PUT(t->file, "\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\","
                       "\"args\":{\"name\":");
    trace_file_string(t->file, title);
    TRACE_PUT(t->file, "}");
    trace_file_end(t->file);
}

static kahu_hooks trace_hooks(struct trace *t) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    hooks.ud = t;
    hooks.on_event = trace_on_event;
    hooks.on_error = trace_on_error;
    return hooks;
}

static void trace_free(struct trace *t) {
    trace_tracks_free(&t->tracks);
    trace_map_free(&t->wakes);
    free(t->slices);
    free(t);
}

static void trace_tell_failure(const char *path, int error) {
    fprintf(stderr, "kahu: cannot write '%s': %s\n", path, strerror(error));
}

struct trace *trace_open(const char *path, const char *script, kahu_sched *s,
                         lua_State *L, kahu_stepped *stepped) {
    struct trace *t = calloc(1, sizeof(*t));
    kahu_hooks hooks = trace_hooks(t);

    if (t == NULL) {
        report_no_memory();
        return NULL;
    }
    t->path = path;
    t->s = s;
    t->L = L;
    t->stepped = stepped;
    t->start_ns = t->flushed_ns = uv_hrtime();
    t->file = trace_file_open(path);
    if (t->file == NULL) {
        trace_tell_failure(path, errno);
        free(t);
        return NULL;
    }
    trace_put_titles(t, script);
    if (kahu_add_hooks(s, &hooks) != KAHU_OK) {
        report_no_memory();
        (void)trace_file_close(t->file);
        free(t);
        return NULL;
    }
    trace_take_callbacks(t);
    trace_put_counts(t, trace_count(t), 0);
    return t;
}

/* Not each time when the process sleeps a little, and often. */
void trace_idle(struct trace *t) {
    uint64_t now_ns;
    uint64_t next_ns;

    if (t == NULL || t->no_memory)
        return;
    now_ns = uv_hrtime();
    trace_count_now_and_then(t, trace_now(t, now_ns));
    next_ns = kahu_next_deadline_ns(t->s);
    if (next_ns < now_ns + TRACE_SLEEP_NS &&
        now_ns - t->flushed_ns < TRACE_FLUSH_NS)
        return;
    trace_file_flush(t->file);
    t->flushed_ns = now_ns;
}

bool trace_close(struct trace *t) {
    kahu_hooks hooks = trace_hooks(t);
    bool complete;
    int error;

    if (t == NULL)
        return true;
    trace_give_callbacks(t);
    (void)kahu_remove_hooks(t->s, &hooks);
    if (!t->no_memory)
        trace_put_counts(t, trace_count(t), trace_now(t, uv_hrtime()));
    error = trace_file_close(t->file);
    if (error != 0)
        trace_tell_failure(t->path, error);
    else if (t->no_memory)
        report_failure("the trace is not complete", "not enough memory");
    complete = error == 0 && !t->no_memory;
    trace_free(t);
    return complete;
}
