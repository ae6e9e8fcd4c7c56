/* SPDX-License-Identifier: MIT */
/*
 * guest.h - for tests of limits: a host whose scripts are not trusted. Time is
 * the driver's own: it goes by when it is looked at, so a run is the same every
 * time, and a script that is not stopped comes to the end of it.
 */
#ifndef KAHU_TESTS_GUEST_H
#define KAHU_TESTS_GUEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "kahu/luau.h"
#include "kahu/threads.h"

#define TIMEOUT "script timeout: exhausted allowed execution time"

/* A look costs one; when the clock has gone so far, a limit does not hold. */
#define END_OF_TIME 3000000

static struct {
    uint64_t now;
    bool stands; /* it does not go by itself */
} clock_of;

static inline uint64_t real_ns(void *ud) {
    (void)ud;
    if (!clock_of.stands)
        clock_of.now++;
    assert_true(clock_of.now < END_OF_TIME);
    return clock_of.now;
}

static inline void guest_attach_to(struct host *h, const kahu_driver *driver) {
    kahu_options options = KAHU_OPTIONS_INIT;

    options.driver = driver;
    assert_int_equal(kahu_new(&h->s, h->L, &options), KAHU_OK);
    assert_int_equal(kahu_set_error_policy(h->s, KAHU_ERRORS_COLLECT), KAHU_OK);
    kahu_open_task(h->L);
    kahu_open_coroutine(h->L);
    lua_settop(h->L, 0);
}

/* A host whose scheduler has that sense of time. */
static inline void guest_attach(struct host *h) {
    kahu_driver driver;

    assert_int_equal(kahu_stepped_new(&h->m, &driver), KAHU_OK);
    driver.real_ns = real_ns;
    guest_attach_to(h, &driver);
}

static inline void set_limits(struct host *h, const kahu_limits *limits) {
    assert_int_equal(kahu_set_limits(h->s, limits), KAHU_OK);
}

static inline void guest_open(struct host *h, const kahu_limits *limits) {
    host_open(h, NULL);
    kahu_free(h->s);
    guest_attach(h);
    set_limits(h, limits);
    clock_of.now = 0;
    clock_of.stands = false;
}

static inline kahu_limits time_limit(uint64_t ns) {
    kahu_limits limits = KAHU_LIMITS_INIT;

    limits.max_resume_ns = ns;
    return limits;
}

static inline const char *last_error(struct host *h) {
    size_t n = kahu_count_errors(h->s);

    return n == 0 ? "none" : kahu_get_error(h->s, n - 1).message;
}

static inline void assert_timeout(struct host *h) {
    assert_non_null(strstr(last_error(h), TIMEOUT));
    kahu_clear_errors(h->s);
}

/* The script is stopped in its first resume, soon after its time is over. */
static inline void assert_stopped(struct host *h, const char *text,
                                  uint64_t most) {
    uint64_t before = clock_of.now;

    host_run(h, text);
    assert_timeout(h);
    if (clock_of.now - before > most)
        fail_msg("%u: %s", (unsigned)(clock_of.now - before), text);
}

/* spend(n) lets n nanoseconds go by; no others do. */
static inline int spend(lua_State *L) {
    clock_of.now += (uint64_t)luaL_checknumber(L, 1);
    return 0;
}

static inline void exact_open(struct host *h, const kahu_limits *limits) {
    guest_open(h, limits);
    host_global(h, "spend", spend);
    clock_of.stands = true;
}

static inline void assert_runs(struct host *h, const char *text) {
    h->log[0] = '\0';
    host_run(h, text);
    assert_string_equal(last_error(h), "none");
    assert_log(h, "ok");
}

#endif
