/* SPDX-License-Identifier: MIT */
#include "test.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "message.h"
#include "report.h"

#define TEST_SECOND_NS UINT64_C(1000000000)

/* ------------------------------------------------------------------------ */
/* Texts                                                                    */
/* ------------------------------------------------------------------------ */

static const char test_help[] =
    "Usage: kahu test [options] [paths]\n"
    "\n"
    "Runs the tests in *.test.luau and *.spec.luau below the paths, by default "
    "the\n"
    "current directory, in virtual time.\n"
    "\n"
    "      --filter TEXT      only tests with TEXT in their full names\n"
    "      --bail             end at the first failure\n"
    "      --jobs N           files at once (one for each core)\n"
    "      --timeout SECONDS  time of a test that says nothing else (10)\n"
    "      --stall SECONDS    real time of a test that does not wait (30)\n"
    "      --real-time        wait for deadlines instead of jumping to them\n"
    "      --virtual-time     the default\n"
    "      --allow-leaks      threads still waiting at the end are no failure\n"
    "      --reporter NAME    pretty, tap or junit (pretty)\n"
    "      --output FILE      where to report to; stdout gets the sum\n"
    "      --color WHEN       always, never, or auto: on a terminal (auto)\n"
    "      --watch            run again when a file changes\n"
    "  -O0 -O1 -O2            optimization of the compiler (1)\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit status: 0; 1 when a test failed; 2 when there was none to run; 128 "
    "and its\n"
    "number after SIGINT or SIGTERM. SIGQUIT and SIGUSR1 list what runs.\n";

static bool test_refuse(int *code) {
    fputs("Try 'kahu test --help'.\n", stderr);
    *code = EXIT_USAGE;
    return false;
}

/* ------------------------------------------------------------------------ */
/* Values                                                                   */
/* ------------------------------------------------------------------------ */

uint64_t test_seconds_ns(double seconds) {
    if (seconds >= 1e9)
        seconds = 1e9;
    return (uint64_t)(seconds * (double)TEST_SECOND_NS);
}

static bool test_set_seconds(const char *name, uint64_t *out) {
    char *end;
    double seconds = strtod(optarg, &end);

    if (end != optarg && *end == '\0' && seconds > 0) {
        *out = test_seconds_ns(seconds);
        return true;
    }
    fprintf(stderr, "kahu: --%s takes seconds, not '%s'\n", name, optarg);
    return false;
}

static bool test_set_jobs(unsigned *out) {
    char *end;
    unsigned long n = strtoul(optarg, &end, 10);

    if (*optarg >= '0' && *optarg <= '9' && *end == '\0' && n >= 1 &&
        n <= 1024) {
        *out = (unsigned)n;
        return true;
    }
    fprintf(stderr, "kahu: --jobs takes a number from 1 to 1024, not '%s'\n",
            optarg);
    return false;
}

static bool test_set_reporter(const struct test_reporter **out) {
    static const struct test_reporter *const all[] = {&test_pretty, &test_tap,
                                                      &test_junit};

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (strcmp(all[i]->name, optarg) == 0) {
            *out = all[i];
            return true;
        }
    fprintf(stderr, "kahu: --reporter takes pretty, tap or junit, not '%s'\n",
            optarg);
    return false;
}

/* What is meant for a path, and would be emptied, is refused. */
static bool test_set_output(const char **out) {
    const char *dot = strrchr(optarg, '.');

    if (dot == NULL ||
        (strcmp(dot, ".luau") != 0 && strcmp(dot, ".lua") != 0)) {
        *out = optarg;
        return true;
    }
    fprintf(stderr, "kahu: --output takes a file for the report, not '%s'\n",
            optarg);
    return false;
}

static bool test_set_optimization(int *out) {
    if (optarg[0] >= '0' && optarg[0] <= '2' && optarg[1] == '\0') {
        *out = optarg[0] - '0';
        return true;
    }
    fprintf(stderr, "kahu: -O takes 0, 1 or 2, not '%s'\n", optarg);
    return false;
}

/* ------------------------------------------------------------------------ */
/* Options                                                                  */
/* ------------------------------------------------------------------------ */

enum {
    TEST_FILTER = 256,
    TEST_BAIL,
    TEST_JOBS,
    TEST_TIMEOUT,
    TEST_STALL,
    TEST_REAL_TIME,
    TEST_VIRTUAL_TIME,
    TEST_ALLOW_LEAKS,
    TEST_REPORTER,
    TEST_OUTPUT,
    TEST_COLOR,
    TEST_WATCH
};

static const struct option test_long[] = {
    {"filter", required_argument, NULL, TEST_FILTER},
    {"bail", no_argument, NULL, TEST_BAIL},
    {"jobs", required_argument, NULL, TEST_JOBS},
    {"timeout", required_argument, NULL, TEST_TIMEOUT},
    {"stall", required_argument, NULL, TEST_STALL},
    {"real-time", no_argument, NULL, TEST_REAL_TIME},
    {"virtual-time", no_argument, NULL, TEST_VIRTUAL_TIME},
    {"allow-leaks", no_argument, NULL, TEST_ALLOW_LEAKS},
    {"reporter", required_argument, NULL, TEST_REPORTER},
    {"output", required_argument, NULL, TEST_OUTPUT},
    {"color", required_argument, NULL, TEST_COLOR},
    {"watch", no_argument, NULL, TEST_WATCH},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* False after a mistake, which was told. */
static bool test_set(struct test_options *o, int option) {
    switch (option) {
    case 'O':
        return test_set_optimization(&o->vm.optimization);
    case TEST_FILTER:
        o->filter = optarg;
        return true;
    case TEST_BAIL:
        return o->bail = true;
    case TEST_JOBS:
        return test_set_jobs(&o->jobs);
    case TEST_TIMEOUT:
        return test_set_seconds("timeout", &o->timeout_ns);
    case TEST_STALL:
        return test_set_seconds("stall", &o->stall_ns);
    case TEST_REAL_TIME:
        o->vm.virtual_time = false;
        return true;
    case TEST_VIRTUAL_TIME:
        return o->vm.virtual_time = true;
    case TEST_ALLOW_LEAKS:
        return o->allow_leaks = true;
    case TEST_REPORTER:
        return test_set_reporter(&o->reporter);
    case TEST_OUTPUT:
        return test_set_output(&o->output);
    case TEST_COLOR:
        return options_color(optarg, &o->vm.color);
    case TEST_WATCH:
        return o->watch = true;
    default: /* getopt has told the mistake */
        return false;
    }
}

static void test_default(struct test_options *o) {
    *o = (struct test_options){.reporter = &test_pretty};
    options_default(&o->vm);
    o->vm.virtual_time = true;
    o->jobs = uv_available_parallelism();
    o->timeout_ns = 10 * TEST_SECOND_NS;
    o->stall_ns = 30 * TEST_SECOND_NS;
}

static bool test_parse(struct test_options *o, int argc, char **argv,
                       int *code) {
    static char name[] = "kahu"; /* what getopt's messages begin with */
    static char here[] = ".";
    static char *everything[] = {here};
    int option;

    test_default(o);
    argv[0] = name;
    while ((option = getopt_long(argc, argv, "O:h", test_long, NULL)) != -1) {
        if (option == 'h') {
            fputs(test_help, stdout);
            *code = EXIT_SUCCESS;
            return false;
        }
        if (!test_set(o, option))
            return test_refuse(code);
    }
    o->paths = optind < argc ? argv + optind : everything;
    o->npaths = optind < argc ? (size_t)(argc - optind) : 1;
    return true;
}

/* ------------------------------------------------------------------------ */
/* A run                                                                    */
/* ------------------------------------------------------------------------ */

struct test_run {
    const struct test_reporter *reporter;
    struct test_report report;
    struct test_list *required; /* or NULL */
};

/* test_turn_fn */
static void test_tell(void *ud, const struct test_file *f) {
    struct test_run *r = ud;

    r->report.files++;
    for (int status = 0; status <= TEST_NOTED; status++)
        r->report.counts[status] += f->counts[status];
    r->reporter->file(&r->report, f);
    fflush(r->report.out);
    for (size_t i = 0; r->required != NULL && i < f->required.count; i++)
        test_list_add_once(r->required, f->required.paths[i]);
}

/* What tells of the failure of a test that nobody wrote: there was none. */
static int test_code(const struct test_options *o, const struct test_run *r) {
    const size_t *counts = r->report.counts;

    if (r->report.ended > 0)
        return EXIT_SIGNAL + r->report.ended;
    if (counts[TEST_FAILED] > 0)
        return EXIT_SCRIPT;
    if (counts[TEST_PASSED] + counts[TEST_SKIPPED] > 0)
        return EXIT_SUCCESS;
    if (o->filter != NULL)
        fprintf(stderr, "kahu: no test has '%s' in its name\n", o->filter);
    else
        fputs("kahu: no test found\n", stderr);
    return EXIT_USAGE;
}

static bool test_open(const struct test_options *o, struct test_run *r) {
    r->report.out = o->output != NULL ? fopen(o->output, "w") : stdout;
    if (r->report.out == NULL) {
        fprintf(stderr, "kahu: cannot write '%s': %s\n", o->output,
                strerror(errno));
        return false;
    }
    r->report.color = message_is_colored(r->report.out);
    return true;
}

/* What is standard output is looked after by main. */
static bool test_close(const struct test_options *o, struct test_run *r) {
    int error = 0;

    if (o->output == NULL)
        return true;
    test_report_summary(&r->report, stdout);
    if (fflush(r->report.out) != 0)
        error = errno;
    else if (ferror(r->report.out)) /* of an earlier write */
        error = EIO;
    if (fclose(r->report.out) != 0 && error == 0)
        error = errno;
    if (error != 0)
        fprintf(stderr, "kahu: cannot write '%s': %s\n", o->output,
                strerror(error));
    return error == 0;
}

static int test_run_files(const struct test_options *o,
                          const struct test_list *files,
                          struct test_list *required) {
    struct test_run r = {.reporter = o->reporter, .required = required};
    int code;

    if (!test_open(o, &r))
        return EXIT_USAGE;
    r.reporter->begin(&r.report);
    r.report.ended = test_pool_run(o, files, test_tell, &r);
    r.reporter->end(&r.report);
    code = test_code(o, &r);
    if (!test_close(o, &r) && code == EXIT_SUCCESS)
        code = EXIT_SCRIPT;
    return code;
}

int test_once(const struct test_options *o, struct test_list *required) {
    struct test_list files = {NULL, 0};
    struct test_list directories = {NULL, 0};
    int code = EXIT_USAGE;

    if (test_find(o, &files, &directories)) {
        if (files.count > 0)
            code = test_run_files(o, &files, required);
        else
            fputs("kahu: no test file (*.test.luau, *.spec.luau) found\n",
                  stderr);
    }
    test_list_free(&files);
    test_list_free(&directories);
    return code;
}

int test_main(int argc, char **argv) {
    struct test_options o;
    int code;

    if (!test_parse(&o, argc, argv, &code))
        return code;
    message_set_color(o.vm.color);
    return o.watch ? test_watch(&o) : test_once(&o, NULL);
}
