/* SPDX-License-Identifier: MIT */
/*
 * report.h - what the program says on standard error.
 */
#ifndef KAHU_CLI_REPORT_H
#define KAHU_CLI_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "kahu/kahu.h"

/* kahu_hooks.on_error: message and traceback; silent once s was stopped, when
 * errors are how scripts are made to end. ud is a struct report. */
void report_error(void *ud, lua_State *L, lua_State *co, const char *message,
                  const char *traceback);

struct report {
    kahu_sched *s;
};

/* "kahu: what: why" */
void report_failure(const char *what, const char *why);

/* "kahu: not enough memory" */
void report_no_memory(void);

/* Writes out what scripts have printed, and remembers if that failed. */
void report_flush(void);

/* The same, for the last time: false, and said, if it ever failed. */
bool report_flushed(void);

/* The script ended in a yield that nothing will resume (S9.3). */
void report_yielded(lua_State *script);

/* One line on what was waiting when a signal came. */
/* All that is left are waits without end. */
void report_endless(const kahu_sched *s);

void report_interrupted(const kahu_sched *s);

/* The time of --timeout is over: where the script L is, and who waits for it in
 * a resume. */
void report_timeout_at(double seconds, lua_State *L);

/* The same when none runs: what was waiting. */
void report_timeout(double seconds, const kahu_sched *s);

/* The counters, with the time since start_ns of uv_hrtime(). */
void report_stats(const kahu_sched *s, uint64_t start_ns);

#endif
