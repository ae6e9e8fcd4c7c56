/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "message.h"
#include "resumes.h"
#include "vm.h"

/* ------------------------------------------------------------------------ */
/* Output                                                                   */
/* ------------------------------------------------------------------------ */

/* The errno of the first flush that failed: by the end it would be lost. */
static int report_flush_error;

void report_flush(void) {
    if (fflush(stdout) != 0 && report_flush_error == 0)
        report_flush_error = errno;
}

/* print() ignores what its writes say, but stdout remembers that much. */
bool report_flushed(void) {
    report_flush();
    if (report_flush_error == 0 && ferror(stdout))
        report_flush_error = EIO;
    if (report_flush_error != 0)
        report_failure("cannot write to standard output",
                       strerror(report_flush_error));
    return report_flush_error == 0;
}

/* ------------------------------------------------------------------------ */
/* Errors and warnings                                                      */
/* ------------------------------------------------------------------------ */

/* What scripts printed before comes out before. */
void report_error(void *ud, lua_State *L, lua_State *co, const char *message,
                  const char *traceback) {
    const struct report *r = ud;

    (void)L;
    if (kahu_is_stopped(r->s))
        return;
    report_flush();
    if (lua_status(co) == LUA_ERRMEM)
        message = "kahu: not enough memory";
    message_error(r->s, co, message, traceback);
}

void report_failure(const char *what, const char *why) {
    fprintf(stderr, "kahu: %s: %s\n", what, why);
}

void report_no_memory(void) {
    fputs("kahu: not enough memory\n", stderr);
}

void report_yielded(lua_State *script) {
    lua_Debug ar;

    vm_where(script, &ar);
    report_flush();
    fputs(ar.short_src, stderr);
    if (ar.currentline > 0)
        fprintf(stderr, ":%d", ar.currentline);
    fputs(": warning: the script yielded here and nothing is left that would "
          "resume it\n",
          stderr);
}

/* The end of a line. */
static void report_waiting(const kahu_sched *s) {
    size_t sleeping = kahu_count(s, KAHU_WAIT) + kahu_count(s, KAHU_DELAY);
    size_t deferred = kahu_count(s, KAHU_DEFER);
    size_t operating = kahu_count(s, KAHU_OPERATION);

    fprintf(stderr,
            "%zu waiting (%zu sleeping, %zu deferred, %zu in operations)\n",
            sleeping + deferred + operating, sleeping, deferred, operating);
}

void report_endless(const kahu_sched *s) {
    report_flush();
    fputs("kahu: warning: this can never finish by itself: ", stderr);
    report_waiting(s);
}

void report_interrupted(const kahu_sched *s) {
    report_flush();
    fputs("kahu: interrupted: ", stderr);
    report_waiting(s);
}

/* ------------------------------------------------------------------------ */
/* Timeout                                                                  */
/* ------------------------------------------------------------------------ */

/* Of a deep stack the ends are shown, as the library does. */
#define REPORT_FRAMES 10

static void report_frame(const lua_Debug *ar) {
    fprintf(stderr, "  %s", ar->short_src);
    if (ar->currentline > 0)
        fprintf(stderr, ":%d", ar->currentline);
    if (ar->name != NULL)
        fprintf(stderr, " function %s", ar->name);
    fputc('\n', stderr);
}

static void report_stack(lua_State *L) {
    int skipped = lua_stackdepth(L) - 2 * REPORT_FRAMES;
    lua_Debug ar;

    for (int level = 0; lua_getinfo(L, level, "sln", &ar); level++) {
        if (skipped > 0 && level == REPORT_FRAMES) {
            fprintf(stderr, "  ... (+%d frames)\n", skipped);
            level += skipped - 1;
            continue;
        }
        report_frame(&ar);
    }
}

void report_timeout_at(double seconds, lua_State *L) {
    lua_State *threads[RESUMES_MAX];
    size_t n = resumes_list(L, threads);

    report_flush();
    fprintf(stderr,
            "kahu: timeout: %g s are over, and the script runs\n"
            "stack traceback:\n",
            seconds);
    for (size_t i = 0; i < n; i++)
        report_stack(threads[i]);
}

void report_timeout(double seconds, const kahu_sched *s) {
    report_flush();
    fprintf(stderr, "kahu: timeout: %g s are over: ", seconds);
    report_waiting(s);
}

/* ------------------------------------------------------------------------ */
/* Statistics                                                               */
/* ------------------------------------------------------------------------ */

static double report_seconds(uv_timeval_t t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void report_kinds(const kahu_stats *stats) {
    static const char *const names[KAHU_KINDS] = {"defer", "delay", "wait",
                                                  "operation"};

    fprintf(stderr, "%-10s %12s %12s %12s %12s\n", "wakes", "made", "delivered",
            "cancelled", "dropped");
    for (int kind = 0; kind < KAHU_KINDS; kind++)
        fprintf(stderr,
                "%-10s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64
                "\n",
                names[kind], stats->made[kind], stats->delivered[kind],
                stats->cancelled[kind], stats->dropped[kind]);
}

static void report_time(uint64_t start_ns) {
    uv_rusage_t usage;

    fprintf(stderr, "wall       %12.3f s\n",
            (double)(uv_hrtime() - start_ns) / 1e9);
    if (uv_getrusage(&usage) != 0)
        return;
    fprintf(stderr, "CPU        %12.3f s\n",
            report_seconds(usage.ru_utime) + report_seconds(usage.ru_stime));
    fprintf(stderr, "peak       %12" PRIu64 " KiB of the process\n",
            usage.ru_maxrss);
}

void report_stats(const kahu_sched *s, uint64_t start_ns) {
    kahu_stats stats = {.size = sizeof(stats)};

    kahu_get_stats(s, &stats);
    report_flush();
    report_kinds(&stats);
    fprintf(stderr,
            "cycles     %12" PRIu64 "\nresumes    %12" PRIu64
            "\nerrors     %12" PRIu64 "\npending    %12" PRIu64
            " at most\nmemory     %12" PRIu64
            " bytes of the scheduler at most\n",
            stats.cycles, stats.resumes, stats.errors, stats.pending_peak,
            stats.bytes_peak);
    report_time(start_ns);
}
