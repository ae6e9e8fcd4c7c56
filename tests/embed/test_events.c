/* SPDX-License-Identifier: MIT */
/*
 * Events: every wake and resume as it happens, to those who ask.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "embed.h"

#define KEPT 64

struct events {
    struct host *h;
    int n;
    kahu_event at[KEPT];
    char text[8192]; /* a word an event */
    int depth;       /* of resumes under way */
    int made;        /* wakes that were promised and have not come */
};

static const char *const causes[] = {"defer", "delay",  "wait", "operation",
                                     "spawn", "cancel", "user"};
static const char *const outcomes[] = {"returned", "failed", "cancelled",
                                       "yielded"};

static void events_word(struct events *e, const char *a, const char *b) {
    size_t length = strlen(e->text);

    (void)snprintf(e->text + length, sizeof(e->text) - length, "%s%s:%s",
                   length > 0 ? " " : "", a, b);
}

static void events_say(struct events *e, const kahu_event *event) {
    switch (event->type) {
    case KAHU_WAKE_MADE:
        events_word(e, "made", causes[event->cause]);
        break;
    case KAHU_WAKE_GONE:
        events_word(e, "gone", causes[event->cause]);
        break;
    case KAHU_RESUME_BEGINS:
        events_word(e, "begins", causes[event->cause]);
        break;
    case KAHU_RESUME_ENDS:
        events_word(e, "ends", outcomes[event->outcome]);
        break;
    case KAHU_THREAD_CANCELLED:
        events_word(e, "closes", outcomes[event->outcome]);
        break;
    }
}

static int events_pending(const kahu_sched *s) {
    size_t n = 0;

    for (int kind = 0; kind < KAHU_KINDS; kind++)
        n += kahu_count(s, (kahu_kind)kind);
    return (int)n;
}

static void on_event(void *ud, const kahu_event *event) {
    struct events *e = ud;

    if (e->n < KEPT)
        e->at[e->n] = *event;
    e->n++;
    events_say(e, event);
    e->depth += event->type == KAHU_RESUME_BEGINS;
    e->depth -= event->type == KAHU_RESUME_ENDS;
    e->made += event->type == KAHU_WAKE_MADE;
    e->made -=
        event->type == KAHU_WAKE_GONE || (event->type == KAHU_RESUME_BEGINS &&
                                          event->cause <= KAHU_BY_OPERATION);
    assert_true(e->depth >= 0);
    /* a wake that is being delivered is not pending any more */
    if (event->type != KAHU_THREAD_CANCELLED)
        assert_int_equal(events_pending(e->h->s), e->made);
}

static kahu_hooks events_hooks(struct events *e) {
    kahu_hooks hooks = KAHU_HOOKS_INIT;

    hooks.ud = e;
    hooks.on_event = on_event;
    return hooks;
}

static void events_open(struct events *e, struct host *h,
                        const kahu_options *options) {
    kahu_hooks hooks = events_hooks(e);

    *e = (struct events){.h = h};
    host_open(h, options);
    assert_int_equal(kahu_add_hooks(h->s, &hooks), KAHU_OK);
}

static void events_close(struct events *e, struct host *h) {
    kahu_hooks hooks = events_hooks(e);

    assert_int_equal(e->depth, 0);
    assert_int_equal(kahu_remove_hooks(h->s, &hooks), KAHU_OK);
    host_close(h);
}

#define assert_events(e, expected) assert_string_equal((e)->text, expected)

/* M1 S3.1: what a thread is promised, then gets, and what comes of it. */
static void wakes_and_resumes(void **state) {
    struct events e;
    struct host h;

    (void)state;
    events_open(&e, &h, NULL);
    host_run(&h, "task.spawn(function() task.wait(1) end)"
                 "task.defer(error, 'no') task.delay(2, function() end)");
    host_finish(&h);
    assert_events(&e, "begins:spawn begins:spawn made:wait ends:yielded "
                      "made:defer made:delay ends:returned "
                      "begins:defer ends:failed begins:wait ends:returned "
                      "begins:delay ends:returned");
    events_close(&e, &h);
}

/* M1 S5.2: a wake has a number of its own, and a timed one its deadline. */
static void promises_are_recognized(void **state) {
    struct events e;
    struct host h;

    (void)state;
    events_open(&e, &h, NULL);
    host_run(&h, "task.delay(2, function() end) task.wait(1)");
    host_finish(&h);
    assert_events(&e, "begins:spawn made:delay made:wait ends:yielded "
                      "begins:wait ends:returned begins:delay ends:returned");
    assert_true(e.at[0].wake == 0 && e.at[0].deadline_ns == KAHU_NEVER_NS);
    assert_true(e.at[2].wake == e.at[1].wake + 1);
    assert_true(e.at[4].wake == e.at[2].wake);
    assert_true(e.at[4].deadline_ns == UINT64_C(1000000000));
    assert_true(e.at[5].wake == 0 && e.at[5].deadline_ns == KAHU_NEVER_NS);
    assert_true(e.at[6].wake == e.at[1].wake);
    assert_true(e.at[6].deadline_ns == UINT64_C(2000000000));
    assert_ptr_equal(e.at[4].co, e.at[0].co);
    assert_ptr_not_equal(e.at[6].co, e.at[0].co);
    events_close(&e, &h);
}

/* S6.1 S6.7 S4.3: a promise that is not kept is taken back. */
static void promises_are_taken_back(void **state) {
    struct events e;
    struct host h;

    (void)state;
    events_open(&e, &h, NULL);
    host_run(&h, "local t = task.delay(1, print) task.defer(t)"
                 "task.cancel(t) coroutine.close(task.delay(1, print))");
    assert_events(&e, "begins:spawn made:delay made:defer gone:delay "
                      "gone:defer closes:cancelled made:delay gone:delay "
                      "closes:cancelled ends:returned");
    e.text[0] = '\0';
    host_run(&h, "local t = coroutine.create(function() end)"
                 "task.defer(t) task.defer(t)");
    host_finish(&h);
    assert_events(&e, "begins:spawn made:defer made:defer ends:returned "
                      "begins:defer ends:returned gone:defer");
    host_run(&h, "task.wait(1)");
    kahu_clear(h.s);
    assert_int_equal(e.made, 0);
    events_close(&e, &h);
}

static kahu_op begun;

static int begin(lua_State *L) {
    kahu_status status = kahu_op_begin(L, NULL, NULL, &begun);

    return status == KAHU_OK ? kahu_op_yield(L) : kahu_raise(L, status);
}

static int push_after_a_cancellation(lua_State *L, void *ud) {
    lua_State *co = ud;
    kahu_status status = kahu_cancel(kahu_get(L), co);

    assert_int_equal(status, KAHU_OK);
    return 0;
}

/* S10.1 S10.2: an operation's promise, kept, failed, and dropped at the last
 * moment. */
static void operations(void **state) {
    struct events e;
    struct host h;
    lua_State *co;

    (void)state;
    events_open(&e, &h, NULL);
    host_global(&h, "begin", begin);
    host_run(&h, "begin() begin()");
    assert_int_equal(kahu_op_finish(h.s, begun, NULL, NULL, NULL), KAHU_OK);
    host_finish(&h);
    assert_int_equal(kahu_op_fail_text(h.s, begun, "no"), KAHU_OK);
    host_finish(&h);
    assert_events(&e, "begins:spawn made:operation ends:yielded "
                      "begins:operation made:operation ends:yielded "
                      "begins:operation ends:failed");
    e.text[0] = '\0';
    co = host_run(&h, "begin()");
    assert_int_equal(
        kahu_op_finish(h.s, begun, push_after_a_cancellation, co, NULL),
        KAHU_OK);
    host_finish(&h);
    assert_events(&e, "begins:spawn made:operation ends:yielded "
                      "closes:cancelled gone:operation");
    events_close(&e, &h);
}

/* M3: nor is one that comes to another yield than its own. */
static void strict_wakes(void **state) {
    kahu_options options = KAHU_OPTIONS_INIT;
    struct events e;
    struct host h;

    (void)state;
    options.strict_wakes = true;
    events_open(&e, &h, &options);
    host_run(&h, "local t = task.spawn(function() task.wait(1)"
                 "coroutine.yield() end) task.spawn(t)");
    host_finish(&h);
    assert_events(&e, "begins:spawn begins:spawn made:wait ends:yielded "
                      "begins:spawn ends:yielded ends:returned gone:wait");
    events_close(&e, &h);
}

/* S3.7: a resume that the VM refused has begun and ended all the same. */
static void refused_resumes(void **state) {
    struct events e;
    struct host h;

    (void)state;
    events_open(&e, &h, NULL);
    host_run(&h, "local function deep() task.spawn(deep) end deep()");
    assert_int_equal(e.depth, 0);
    assert_true(strstr(e.text, "begins:spawn ends:failed") != NULL);
    events_close(&e, &h);
}

/* S6.8: the cancellation of a running thread is no promised resume. */
static void cancellations_are_no_wakes(void **state) {
    struct events e;
    struct host h;
    lua_State *co;

    (void)state;
    events_open(&e, &h, NULL);
    co = host_run(&h, "task.wait(9)");
    assert_int_equal(kahu_cancel_after(h.s, co, 5), KAHU_OK);
    kahu_stepped_advance(h.m, 5);
    assert_events(&e, "begins:spawn made:wait ends:yielded gone:wait "
                      "closes:cancelled");
    events_close(&e, &h);
}

/* Nobody who has left is told, and others still are. */
static void hooks_come_and_go(void **state) {
    struct events first;
    struct events second;
    struct host h;
    kahu_hooks hooks;

    (void)state;
    events_open(&first, &h, NULL);
    second = (struct events){.h = &h};
    hooks = events_hooks(&second);
    assert_int_equal(kahu_add_hooks(h.s, &hooks), KAHU_OK);
    host_run(&h, "");
    assert_int_equal(kahu_remove_hooks(h.s, &hooks), KAHU_OK);
    assert_int_equal(kahu_remove_hooks(h.s, &hooks), KAHU_ESTALE);
    host_run(&h, "");
    assert_events(&second, "begins:spawn ends:returned");
    assert_int_equal(first.n, 4);
    events_close(&first, &h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wakes_and_resumes),
        cmocka_unit_test(promises_are_recognized),
        cmocka_unit_test(promises_are_taken_back),
        cmocka_unit_test(operations),
        cmocka_unit_test(strict_wakes),
        cmocka_unit_test(refused_resumes),
        cmocka_unit_test(cancellations_are_no_wakes),
        cmocka_unit_test(hooks_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
