/* SPDX-License-Identifier: MIT */
/*
 * test.h - the command `kahu test`: what its parts share.
 *
 *   test.c          the command line, and one run after the other
 *   test_find.c     which files there are
 *   test_pool.c     OS threads that run them, results in the files' order
 *   test_file.c     one file: a VM, a scheduler, step after step
 *   test_plan.c     its steps: tests and hooks
 *   test_step.c     one function on a thread of its own, with a timeout
 *   test_report.c   what people read; test_tap.c, test_junit.c what machines do
 *   test_signal.c   what interrupts a run, or asks what it is at
 *   test_watch.c    --watch
 *   testing.luau    what the files see
 */
#ifndef KAHU_CLI_TEST_H
#define KAHU_CLI_TEST_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <uv.h>

#include "kahu/kahu.h"
#include "options.h"
#include "text.h"

/* `kahu test`; returns what to exit with. */
int test_main(int argc, char **argv);

/* ------------------------------------------------------------------------ */
/* What was asked for                                                       */
/* ------------------------------------------------------------------------ */

struct test_reporter;

struct test_options {
    struct options vm; /* virtual time, and how scripts are compiled */
    char **paths;
    size_t npaths;
    const struct test_reporter *reporter;
    const char *output; /* NULL: standard output */
    const char *filter; /* part of a name; NULL: all */
    unsigned jobs;
    uint64_t timeout_ns; /* of the scheduler's clock, for a test */
    uint64_t stall_ns;   /* of the real one, for what never waits */
    bool bail;
    bool watch;
    bool allow_leaks;
};

/* Seconds as people write them; what is beyond all clocks is the last of it. */
uint64_t test_seconds_ns(double seconds);

/* ------------------------------------------------------------------------ */
/* Lists of paths                                                           */
/* ------------------------------------------------------------------------ */

struct test_list {
    char **paths;
    size_t count;
};

void test_list_add(struct test_list *l, const char *path);
bool test_list_has(const struct test_list *l, const char *path);
void test_list_add_once(struct test_list *l, const char *path);

void test_list_free(struct test_list *l);

/* The directory that the file is in, to be freed. */
char *test_directory_of(const char *path);

/* ------------------------------------------------------------------------ */
/* What came of it                                                          */
/* ------------------------------------------------------------------------ */

enum test_status { TEST_PASSED, TEST_FAILED, TEST_SKIPPED, TEST_NOTED };

/* What the message of an error begins with that no test's own thread had. */
#define TEST_ELSEWHERE "in another thread: "

/* A test, or something of the file as a whole that went wrong or, NOTED, is
 * only said. All texts are its own. */
struct test_result {
    enum test_status status;
    char *name;
    char *message; /* lines; NULL unless FAILED or NOTED */
    int line;      /* of the test in its file; 0 if it is none */
    uint64_t duration_ns;
    char *frames; /* where the message comes from, as of message_place(); or
                     NULL */
};

struct test_pool;

struct test_file {
    const char *path; /* lent: of the list of files */
    size_t index;
    struct test_pool *pool;
    struct test_result *results;
    size_t nresults;
    size_t counts[TEST_NOTED + 1]; /* by status */
    struct text output;            /* what print printed */
    struct test_list required;     /* files of modules, in any order */
    atomic_bool asked;             /* by a signal, which threads there are */

    /* Under the pool's lock: */
    bool done;
    kahu_sched *s;       /* while it may be called */
    char *running;       /* the name of what runs now; NULL for nothing */
    uint64_t running_ns; /* since when, of the real clock */
};

/* Appends; the texts are taken, message may be NULL. */
void test_file_add(struct test_file *f, struct test_result result);

/* The same for something of the file as a whole; only the message is taken. */
void test_file_add_whole(struct test_file *f, enum test_status status,
                         const char *name, char *message);

/* Runs the file, and fills in what came of it. */
void test_file_run(struct test_file *f, const struct test_options *o);

void test_file_free(struct test_file *f);

/* ------------------------------------------------------------------------ */
/* Files                                                                    */
/* ------------------------------------------------------------------------ */

/* The test files that the paths name or that are below them, in order, and the
 * directories that were looked into. False, and said, when one of the paths
 * can't be read. */
bool test_find(const struct test_options *o, struct test_list *files,
               struct test_list *directories);

/* ------------------------------------------------------------------------ */
/* Runs                                                                     */
/* ------------------------------------------------------------------------ */

/* Called for each file, in order, as soon as it is that one's turn. */
typedef void (*test_turn_fn)(void *ud, const struct test_file *f);

/* What ended a run before its end, unless it was a signal, by its number. */
#define TEST_BAILED (-1)

/* Runs all files. 0, or what ended it. */
int test_pool_run(const struct test_options *o, const struct test_list *files,
                  test_turn_fn turn, void *ud);

/* A file before this one failed, and that was to be the end. Thread: any. */
bool test_pool_is_cut(const struct test_file *f);

/* The signal that is to be the end, or 0. Thread: any. */
int test_pool_signal(const struct test_file *f);

/* The scheduler of the file; NULL before it is freed. */
void test_pool_set_scheduler(struct test_file *f, kahu_sched *s);

/* What of the file runs now; NULL: nothing. */
void test_pool_set_running(struct test_file *f, const char *name);

/* The run is to end: what runs is interrupted, and told of. Thread: any. */
void test_pool_interrupt(struct test_pool *p, int number);

/* Says which tests run, and has their files say which threads they have.
 * Thread: any. */
void test_pool_explain(struct test_pool *p);

/* ------------------------------------------------------------------------ */
/* Signals                                                                  */
/* ------------------------------------------------------------------------ */

struct test_signals {
    struct test_pool *pool;
    sigset_t set;
    sigset_t before;
    int some; /* one that is in the set; 0 if it is empty */
    uv_thread_t thread;
    bool waiting;      /* there is a thread */
    atomic_bool over;  /* it is to end */
    uint64_t ended_ns; /* when the first one came that ends a run; the thread's
                          alone */
};

/* Until the end SIGINT and SIGTERM interrupt the pool, at first, and SIGQUIT
 * and SIGUSR1 explain it. OS threads made in between do not get them. */
void test_signals_begin(struct test_signals *t, struct test_pool *pool);
void test_signals_end(struct test_signals *t);

/* Of one that ends a run. */
const char *test_signal_name(int number);

/* One run of all that is found; what to exit with. The files that it required
 * are added to `required`, unless that is NULL. */
int test_once(const struct test_options *o, struct test_list *required);

/* Runs again whenever something changes, until a signal ends the program. */
int test_watch(const struct test_options *o);

/* ------------------------------------------------------------------------ */
/* Reports                                                                  */
/* ------------------------------------------------------------------------ */

struct test_report {
    FILE *out;
    bool color;
    size_t files;
    size_t number; /* of the last result, where they are numbered */
    size_t counts[TEST_NOTED + 1];
    int ended; /* as of test_pool_run() */
};

struct test_reporter {
    const char *name;
    void (*begin)(struct test_report *r);
    void (*file)(struct test_report *r, const struct test_file *f);
    void (*end)(struct test_report *r);
};

extern const struct test_reporter test_pretty;
extern const struct test_reporter test_tap;
extern const struct test_reporter test_junit;

/* "2 passed, 1 failed in 3 files" and the like. */
void test_report_summary(const struct test_report *r, FILE *out);

/* Writes the lines, each behind the prefix. */
void test_report_lines(FILE *out, const char *prefix, const char *lines);

#endif
