/* SPDX-License-Identifier: MIT */
#include "test_step.h"

#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "modules.h"

/* Steps for what a test has left ready at its end: a thread that defers itself
 * for ever is not waited for. */
#define STEP_SETTLE 1000

static const char step_timed_out[] = "timed out";
static const char step_busy[] = "";
static const char step_interrupted[] = "interrupted";

/* ------------------------------------------------------------------------ */
/* Words                                                                    */
/* ------------------------------------------------------------------------ */

static bool step_is_shown(const char *line) {
    return strncmp(line, TEST_LIBRARY ":", sizeof(TEST_LIBRARY)) != 0 &&
           strncmp(line, "[C]", 3) != 0;
}

static const char *step_line_end(const char *line) {
    return line + strcspn(line, "\n");
}

/* Bytes of the "file:line" that a line of a traceback begins with. */
static size_t step_place_length(const char *line) {
    const char *end = step_line_end(line);
    const char *name = strstr(line, " function ");

    return (size_t)((name != NULL && name < end ? name : end) - line);
}

/* That is what the message begins with. */
static bool step_is_named(const char *line, const char *message) {
    size_t length = step_place_length(line);

    return strncmp(line, message, length) == 0 && message[length] == ':';
}

/* The frames of the file's own code, unless there is but one and the message
 * names it. */
static void step_add_traceback(struct text *out, const char *message,
                               const char *traceback) {
    struct text lines = {NULL, 0, 0};
    bool more = false;

    while (*traceback != '\0') {
        const char *end = step_line_end(traceback);

        if (step_is_shown(traceback)) {
            more = more || lines.size > 0 || !step_is_named(traceback, message);
            text_addf(&lines, "\n  %.*s", (int)(end - traceback), traceback);
        }
        traceback = *end == '\n' ? end + 1 : end;
    }
    if (more)
        text_add(out, lines.bytes, lines.size);
    text_free(&lines);
}

static void step_add_busy(struct text *out, const struct test_vm *v) {
    text_addf(out, "busy for more than %g s of real time",
              (double)v->options->stall_ns / 1e9);
}

/* The scheduler's limit is --stall, and called so. */
static void step_add_message(struct text *out, const struct test_vm *v,
                             const char *message) {
    static const char limit[] =
        ": script timeout: exhausted allowed execution time";
    size_t size = strlen(message);
    size_t end = sizeof(limit) - 1;

    if (size < end || strcmp(message + size - end, limit) != 0) {
        text_add_string(out, message);
        return;
    }
    text_addf(out, "%.*s: ", (int)(size - end), message);
    step_add_busy(out, v);
}

/* The first frame of the file's own code, behind the C function that it called,
 * if that is what raised the error. */
static void step_add_frames(struct text *out, const char *traceback) {
    const char *line = traceback;
    const char *end = step_line_end(line);

    while (*line != '\0' && !step_is_shown(line)) {
        line = *end == '\n' ? end + 1 : end;
        end = step_line_end(line);
    }
    if (*line == '\0')
        return;
    if (strncmp(traceback, MESSAGE_C_FUNCTION,
                sizeof(MESSAGE_C_FUNCTION) - 1) == 0 &&
        step_line_end(traceback) + 1 == line)
        text_add(out, traceback, (size_t)(line - traceback));
    text_addf(out, "%.*s:", (int)step_place_length(line), line);
}

/* The frames are those of the first error. */
static void step_add_error(struct text *out, struct text *frames,
                           const struct test_vm *v, const char *prefix,
                           const char *message, const char *traceback) {
    if (out->size > 0)
        text_add_string(out, "\n");
    else if (frames->size == 0)
        step_add_frames(frames, traceback);
    text_add_string(out, prefix);
    step_add_message(out, v, message);
    step_add_traceback(out, message, traceback);
}

void test_step_error(void *ud, lua_State *L, lua_State *co, const char *message,
                     const char *traceback) {
    struct test_vm *v = ud;

    (void)L;
    (void)co;
    step_add_error(&v->elsewhere, &v->frames_elsewhere, v, TEST_ELSEWHERE,
                   message, traceback);
}

/* The Luau code that co is in, as the traceback of an error has it. */
static void step_trace(struct text *out, lua_State *co) {
    lua_Debug ar;

    for (int level = 0; lua_getinfo(co, level, "sln", &ar); level++) {
        if (ar.what[0] == 'C' || strcmp(ar.short_src, TEST_LIBRARY) == 0)
            continue;
        text_addf(out, "%s:%d%s%s\n", ar.short_src, ar.currentline,
                  ar.name != NULL ? " function " : "",
                  ar.name != NULL ? ar.name : "");
    }
}

/* What the thread did not live to say. */
static void step_add_cancelled(struct test_vm *v, lua_State *co,
                               const char *why) {
    struct text trace = {NULL, 0, 0};
    const char *frames;

    step_trace(&trace, co);
    frames = text_string(&trace);
    if (*frames != '\0')
        text_addf(&v->message, "%.*s: ", (int)step_place_length(frames),
                  frames);
    text_add_string(&v->message, why);
    step_add_traceback(&v->message, text_string(&v->message), frames);
    text_free(&trace);
}

/* ------------------------------------------------------------------------ */
/* Signals                                                                  */
/* ------------------------------------------------------------------------ */

/* The step that runs is to end: only the hooks after it run undisturbed. */
static bool step_is_interrupted(const struct test_vm *v) {
    return v->stepping && test_pool_signal(v->file) != 0 && !v->interrupted;
}

static void step_add_line(void *ud, const char *line) {
    text_addf(ud, "  %s\n", line);
}

/* In one piece: other files write there, too. */
static void step_explain(struct test_vm *v) {
    struct text out = {NULL, 0, 0};

    if (!atomic_load_explicit(&v->file->asked, memory_order_relaxed) ||
        !atomic_exchange(&v->file->asked, false))
        return;
    text_addf(&out, "kahu: live threads of %s:\n", v->file->path);
    if (kahu_dump(v->s, KAHU_DUMP_ALL, step_add_line, &out) >= 0)
        fputs(text_string(&out), stderr);
    text_free(&out);
}

/* As the scheduler's limits raise: of the function that runs, at every
 * safepoint, so that no pcall outlives it. */
static void step_raise_interrupted(struct test_vm *v, lua_State *L) {
    if (!lua_checkstack(L, LUA_MINSTACK))
        return;
    luaL_where(L, 0);
    lua_pushfstring(L, "interrupted by %s",
                    test_signal_name(test_pool_signal(v->file)));
    lua_concat(L, 2);
    lua_error(L);
}

/* At a safepoint; inside the collector nothing can be done. */
static void step_interrupt(lua_State *L, int gc) {
    struct test_vm *v = lua_callbacks(L)->userdata;

    if (gc >= 0 || !v->stepping)
        return;
    step_explain(v);
    if (step_is_interrupted(v))
        step_raise_interrupted(v, L);
}

void test_step_open(struct test_vm *v) {
    lua_callbacks(v->L)->userdata = v;
    lua_callbacks(v->L)->interrupt = step_interrupt;
}

/* ------------------------------------------------------------------------ */
/* The end                                                                  */
/* ------------------------------------------------------------------------ */

/* kahu_watch_fn of the step's thread. */
static bool step_ended(void *ud, lua_State *L, const kahu_feedback *f) {
    struct test_vm *v = ud;

    (void)L;
    v->ended = true;
    v->failed = f->outcome != KAHU_RETURNED;
    if (f->outcome == KAHU_FAILED)
        step_add_error(&v->message, &v->frames, v, "", f->message,
                       f->traceback);
    else if (f->outcome == KAHU_CANCELLED && v->message.size == 0)
        step_add_cancelled(v, f->co, "the thread was cancelled here");
    return true;
}

/* Threads that are ready without end would keep the other tests from going on,
 * too. */
static void step_cancel_all(struct test_vm *v) {
    if (kahu_cancel_all(v->s) != KAHU_OK)
        text_add_string(&v->elsewhere, "some threads could not be cancelled");
}

/* Ends the thread, for a reason it is told. */
static void step_give_up(struct test_vm *v, lua_State *co, const char *why,
                         uint64_t timeout_ns) {
    struct text reason = {NULL, 0, 0};

    text_add_string(&reason, why);
    if (why == step_timed_out)
        text_addf(&reason, " after %g s", (double)timeout_ns / 1e9);
    else if (why == step_busy)
        step_add_busy(&reason, v);
    else if (why == step_interrupted)
        text_addf(&reason, " by %s",
                  test_signal_name(test_pool_signal(v->file)));
    step_add_cancelled(v, co, text_string(&reason));
    text_free(&reason);
    v->failed = true;
    if (kahu_cancel(v->s, co) != KAHU_OK)
        text_add_string(&v->message, " (and could not be cancelled)");
    (void)kahu_unwatch(v->s, co, step_ended, v);
    if (why == step_busy)
        step_cancel_all(v);
}

/* ------------------------------------------------------------------------ */
/* Driving                                                                  */
/* ------------------------------------------------------------------------ */

static uint64_t step_now_ns(const struct test_vm *v) {
    return v->stepped != NULL ? kahu_stepped_now_ns(v->stepped) : uv_hrtime();
}

/* Nothing will ever resume anyone, but for the end of the time. */
static bool step_is_stuck(const struct test_vm *v) {
    size_t pending = 0;

    for (int kind = 0; kind < KAHU_KINDS; kind++)
        pending += kahu_count(v->s, (kahu_kind)kind);
    return pending == 0 && !kahu_is_ready(v->s);
}

/* One turn of the clock, up to the limit; false when that is all. */
static bool step_turn(struct test_vm *v, uint64_t limit_ns) {
    uint64_t now_ns = step_now_ns(v);
    uint64_t next_ns = now_ns;

    if (v->stepped == NULL) {
        uv_run(&v->loop, UV_RUN_ONCE);
        return true;
    }
    if (!kahu_is_ready(v->s))
        next_ns = kahu_next_deadline_ns(v->s);
    if (next_ns < now_ns)
        next_ns = now_ns;
    (void)kahu_stepped_step(v->stepped,
                            next_ns < limit_ns ? next_ns : limit_ns);
    return next_ns <= limit_ns;
}

static void step_time_is_up(uv_timer_t *timer) {
    struct test_vm *v = timer->data;

    v->timed_out = true;
}

/* Until the thread has ended; NULL, or why it is not to go on. */
static const char *step_drive(struct test_vm *v, uint64_t limit_ns) {
    uint64_t stalled_ns = uv_hrtime() + v->options->stall_ns;

    while (!v->ended) {
        step_explain(v);
        if (step_is_interrupted(v))
            return step_interrupted;
        if (kahu_is_stopped(v->s))
            return "scheduler.stop() was called";
        if (v->timed_out)
            return step_timed_out;
        if (v->stepped != NULL && uv_hrtime() >= stalled_ns)
            return step_busy;
        if (!kahu_is_ready(v->s) && modules_unblock(v->modules))
            continue;
        if (step_is_stuck(v))
            return "yielded here, and nothing is left that would resume it";
        if (!step_turn(v, limit_ns))
            v->timed_out = true;
    }
    return NULL;
}

/* What is ready at the end is the test's, too. By a real clock there may always
 * be something. */
static void step_settle(struct test_vm *v) {
    int steps = 0;

    kahu_unstop(v->s);
    while (steps++ < STEP_SETTLE && kahu_is_ready(v->s))
        (void)kahu_step(v->s);
    if (steps > STEP_SETTLE && v->stepped != NULL && kahu_is_ready(v->s)) {
        step_add_error(&v->elsewhere, &v->frames_elsewhere, v, "",
                       "threads defer each other without an end", "");
        step_cancel_all(v);
    }
}

/* ------------------------------------------------------------------------ */
/* A step                                                                   */
/* ------------------------------------------------------------------------ */

static void step_close_timer(struct test_vm *v, uv_timer_t *timer) {
    uv_close((uv_handle_t *)timer, NULL);
    uv_run(&v->loop, UV_RUN_NOWAIT);
}

/* On a real clock a timer of the loop's tells the end of the time. */
static const char *step_drive_timed(struct test_vm *v, uint64_t timeout_ns) {
    uv_timer_t timer;
    const char *why;

    if (v->stepped != NULL)
        return step_drive(v, step_now_ns(v) + timeout_ns);
    uv_timer_init(&v->loop, &timer);
    uv_update_time(&v->loop);
    timer.data = v;
    uv_timer_start(&timer, step_time_is_up, (timeout_ns + 999999) / 1000000, 0);
    why = step_drive(v, KAHU_NEVER_NS);
    step_close_timer(v, &timer);
    return why;
}

static void step_run_thread(struct test_vm *v, uint64_t timeout_ns) {
    lua_State *co;
    kahu_status status = kahu_start(v->s, v->L, 0, step_ended, v, NULL, &co);
    const char *why;

    if (status != KAHU_OK) {
        v->failed = true;
        text_add_string(&v->message, kahu_status_text(status));
    } else if ((why = step_drive_timed(v, timeout_ns)) != NULL) {
        step_give_up(v, co, why, timeout_ns);
    }
    lua_pop(v->L, 1);
}

static void step_add_elsewhere(struct test_vm *v) {
    if (v->elsewhere.size > 0) {
        if (v->message.size > 0)
            text_add_string(&v->message, "\n");
        else if (v->frames.size == 0)
            text_add_string(&v->frames, text_string(&v->frames_elsewhere));
        text_add(&v->message, v->elsewhere.bytes, v->elsewhere.size);
    }
    text_free(&v->elsewhere);
    text_free(&v->frames_elsewhere);
}

char *test_step_frames(struct test_vm *v) {
    return v->frames.size > 0 ? text_take(&v->frames) : NULL;
}

char *test_step_run(struct test_vm *v, uint64_t timeout_ns,
                    uint64_t *duration_ns) {
    uint64_t start_ns = step_now_ns(v);

    v->ended = v->failed = v->timed_out = false;
    v->stepping = true;
    step_run_thread(v, timeout_ns);
    if (step_is_interrupted(v))
        step_cancel_all(v);
    *duration_ns = step_now_ns(v) - start_ns;
    step_settle(v);
    v->stepping = false;
    v->interrupted = test_pool_signal(v->file) != 0;
    step_add_elsewhere(v);
    if (v->message.size > 0)
        return text_take(&v->message);
    return v->failed ? text_take(&v->message) : NULL;
}
