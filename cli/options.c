/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <lua.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#include "kahu/kahu.h"

/* What a function of Luau can be given, and some room for those below it. */
#define OPTIONS_ARGUMENTS (LUAI_MAXCSTACK - 100)

#ifndef KAHU_LUAU_VERSION
#define KAHU_LUAU_VERSION "(unknown)"
#endif

/* ------------------------------------------------------------------------ */
/* Texts                                                                    */
/* ------------------------------------------------------------------------ */

static const char options_run_help[] =
    "Usage: kahu [run] [options] SCRIPT [arguments]\n"
    "       kahu [run] [options] -e CODE [arguments]\n"
    "       kahu trace summary [--top N] FILE\n"
    "       kahu profile flame FILE\n"
    "       kahu compile SCRIPT [-o PROGRAM]   (kahu compile --help)\n"
    "       kahu setup [--editor EDITOR] [DIR] (kahu setup --help)\n"
    "       kahu test [options] [paths]   (kahu test --help)\n"
    "       kahu repl [options]           (kahu repl --help)\n"
    "\n"
    "Runs a Luau script under a task scheduler until all its threads are "
    "done.\n"
    "SCRIPT is a file, a directory with an init.luau, or - for standard "
    "input.\n"
    "repl, or nothing at all on a terminal, begins a session.\n"
    "\n"
    "  -e CODE                run CODE\n";

static const char options_session_help[] =
    "Usage: kahu repl [options]\n"
    "       kahu                      (without arguments, on a terminal)\n"
    "\n"
    "Begins a session: each line runs on a thread of its own, and threads go "
    "on\n"
    "while one types. Values of expressions are shown, the first is kept as "
    "_.\n"
    "Ctrl-C ends what runs, Ctrl-D the session; Tab completes names.\n"
    "\n";

/* Of a script and of a session. */
static const char options_list[] =
    "  -O0 -O1 -O2            optimization of the compiler (1)\n"
    "  -g0 -g1 -g2            debug information (1)\n"
    "      --codegen          compile to native code where supported\n"
    "      --virtual-time     do not wait: jump from deadline to deadline\n"
    "      --precise          deadlines to the microsecond, not the "
    "millisecond\n"
    "      --min-wait SECONDS least time of task.wait and task.delay (0.001)\n"
    "      --strict-wakes     drop a wait that was resumed early\n"
    "      --preload          put values on a thread when it is scheduled\n"
    "      --max-defer-depth N\n"
    "                         generations of task.defer in a row (80)\n"
    "      --strict-defer-depth\n"
    "                         a task.defer beyond them is an error\n"
    "      --timeout SECONDS  stop the script after so long, and say where it "
    "is\n"
    "      --max-resume MS    longest time a thread runs without a yield\n"
    "      --max-threads N    live threads\n"
    "      --max-memory MIB   memory of scripts\n"
    "      --profile FILE     sample what runs; to a .folded, .json "
    "(speedscope)\n"
    "                         or .svg (flame graph) file\n"
    "      --profile-rate HZ  samples per second (1000)\n"
    "      --gc-pace GOAL[,SPEED[,STEP]]\n"
    "                         pace of the garbage collector (300,400,64)\n"
    "      --origins          errors say where their thread was started\n"
    "      --color WHEN       always, never, or auto: on a terminal (auto)\n"
    "      --explain          say at the end which threads nothing would "
    "resume, and\n"
    "                         on SIGQUIT (Ctrl-\\) or SIGUSR1 all that is "
    "known\n"
    "      --stats            say at the end what was done, on stderr\n"
    "      --trace FILE       record what runs when, for Perfetto\n"
    "      --version          versions of kahu, Luau and libuv\n"
    "  -h, --help             this text\n";

static const char options_run_codes[] =
    "\n"
    "Exit status: 0; 1 after an error nobody caught; 2 when there was nothing "
    "to\n"
    "run; 124 after a timeout; 130 or 143 when interrupted.\n";

static const char options_session_codes[] =
    "\n"
    "Exit status: 0, or what scheduler.stop() was given; 2 when there is no "
    "terminal;\n"
    "143 when terminated.\n";

static void options_print_help(bool session) {
    fputs(session ? options_session_help : options_run_help, stdout);
    fputs(options_list, stdout);
    fputs(session ? options_session_codes : options_run_codes, stdout);
}

static void options_print_version(void) {
    int v = kahu_version();

    printf("kahu %d.%d.%d\nLuau %s\nlibuv %s\n", v / 1000000, v / 100 % 10000,
           v % 100, KAHU_LUAU_VERSION, uv_version_string());
}

/* A mistake was told; how to go on. */
static bool options_refuse(const struct options *o, int *code) {
    fprintf(stderr, "Try 'kahu %s--help'.\n", o->command);
    *code = EXIT_USAGE;
    return false;
}

/* ------------------------------------------------------------------------ */
/* Numbers                                                                  */
/* ------------------------------------------------------------------------ */

/* -O and -g take one digit, at once. */
static bool options_level(const char *name, const char *text, int *out) {
    if (text[0] < '0' || text[0] > '2' || text[1] != '\0') {
        fprintf(stderr, "kahu: %s takes 0, 1 or 2, not '%s'\n", name, text);
        return false;
    }
    *out = text[0] - '0';
    return true;
}

/* The library knows zero as "the default", so no least wait is 1 ns. */
static bool options_min_wait(const char *text, uint64_t *out) {
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !(seconds >= 0) || seconds > 1e9) {
        fprintf(stderr, "kahu: --min-wait takes seconds, not '%s'\n", text);
        return false;
    }
    *out = seconds == 0 ? 1 : (uint64_t)ceil(seconds * 1e9);
    return true;
}

static bool options_number(const char *name, const char *text, uint32_t most,
                           uint32_t *out) {
    char *end;
    unsigned long n;

    errno = 0;
    n = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
        n == 0 || n > most) {
        fprintf(stderr, "kahu: %s takes a number from 1", name);
        if (most < INT32_MAX)
            fprintf(stderr, " to %" PRIu32, most);
        fprintf(stderr, ", not '%s'\n", text);
        return false;
    }
    *out = (uint32_t)n;
    return true;
}

/* A time that is a limit: there is no use in none at all. */
static bool options_limit(const char *name, const char *unit, double unit_ns,
                          const char *text, uint64_t *out) {
    char *end;
    double n = strtod(text, &end);

    if (end == text || *end != '\0' || !(n > 0) || n * unit_ns > 1e18) {
        fprintf(stderr, "kahu: %s takes %s above 0, not '%s'\n", name, unit,
                text);
        return false;
    }
    *out = (uint64_t)ceil(n * unit_ns);
    return true;
}

static bool options_profile(struct options *o, const char *path) {
    o->profile = path;
    if (profile_format(path, &o->profile_format))
        return true;
    fprintf(stderr,
            "kahu: --profile takes a file that ends in .folded, .json or "
            ".svg, not '%s'\n",
            path);
    return false;
}

/* One of the numbers of a pace, up to the comma or the end; false if it is
 * none. Those that are not given stay as they are. */
static bool options_pace_number(const char **text, long least, long most,
                                int *out) {
    char *end;
    long n;

    if (**text == '\0')
        return true;
    n = strtol(*text, &end, 10);
    if (**text < '0' || **text > '9' || n < least || n > most ||
        (*end != '\0' && (*end != ',' || end[1] == '\0')))
        return false;
    *out = (int)n;
    *text = *end == ',' ? end + 1 : end;
    return true;
}

/* The VM multiplies them with each other as ints: hence how much they may be
 * at most. */
static bool options_pace(const char *text, struct gc_pace *out) {
    const char *rest = text;

    if (*text != '\0' && options_pace_number(&rest, 101, 10000, &out->goal) &&
        options_pace_number(&rest, 101, 2000, &out->speed) &&
        options_pace_number(&rest, 1, 1000, &out->step) && *rest == '\0')
        return true;
    fprintf(stderr,
            "kahu: --gc-pace takes GOAL[,SPEED[,STEP]], at least 101,101,1 and "
            "at most 10000,2000,1000, not '%s'\n",
            text);
    return false;
}

bool options_color(const char *text, enum message_color *out) {
    if (strcmp(text, "auto") == 0)
        *out = MESSAGE_AUTO;
    else if (strcmp(text, "always") == 0)
        *out = MESSAGE_ALWAYS;
    else if (strcmp(text, "never") == 0)
        *out = MESSAGE_NEVER;
    else {
        fprintf(stderr, "kahu: --color takes always, never or auto, not '%s'\n",
                text);
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------------ */
/* Options                                                                  */
/* ------------------------------------------------------------------------ */

enum {
    OPT_CODEGEN = 256,
    OPT_VIRTUAL_TIME,
    OPT_PRECISE,
    OPT_MIN_WAIT,
    OPT_STRICT_WAKES,
    OPT_PRELOAD,
    OPT_MAX_DEFER_DEPTH,
    OPT_STRICT_DEFER_DEPTH,
    OPT_TIMEOUT,
    OPT_MAX_RESUME,
    OPT_MAX_THREADS,
    OPT_MAX_MEMORY,
    OPT_PROFILE,
    OPT_PROFILE_RATE,
    OPT_GC_PACE,
    OPT_EXPLAIN,
    OPT_STATS,
    OPT_TRACE,
    OPT_ORIGINS,
    OPT_COLOR,
    OPT_VERSION
};

static const struct option options_long[] = {
    {"codegen", no_argument, NULL, OPT_CODEGEN},
    {"virtual-time", no_argument, NULL, OPT_VIRTUAL_TIME},
    {"precise", no_argument, NULL, OPT_PRECISE},
    {"min-wait", required_argument, NULL, OPT_MIN_WAIT},
    {"strict-wakes", no_argument, NULL, OPT_STRICT_WAKES},
    {"preload", no_argument, NULL, OPT_PRELOAD},
    {"max-defer-depth", required_argument, NULL, OPT_MAX_DEFER_DEPTH},
    {"strict-defer-depth", no_argument, NULL, OPT_STRICT_DEFER_DEPTH},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"max-resume", required_argument, NULL, OPT_MAX_RESUME},
    {"max-threads", required_argument, NULL, OPT_MAX_THREADS},
    {"max-memory", required_argument, NULL, OPT_MAX_MEMORY},
    {"profile", required_argument, NULL, OPT_PROFILE},
    {"profile-rate", required_argument, NULL, OPT_PROFILE_RATE},
    {"gc-pace", required_argument, NULL, OPT_GC_PACE},
    {"origins", no_argument, NULL, OPT_ORIGINS},
    {"color", required_argument, NULL, OPT_COLOR},
    {"explain", no_argument, NULL, OPT_EXPLAIN},
    {"stats", no_argument, NULL, OPT_STATS},
    {"trace", required_argument, NULL, OPT_TRACE},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* What watches the script; false after a mistake. */
static bool options_set_watch(struct options *o, int option) {
    switch (option) {
    case OPT_TIMEOUT:
        return options_limit("--timeout", "seconds", 1e9, optarg,
                             &o->timeout_ns);
    case OPT_MAX_RESUME:
        return options_limit("--max-resume", "milliseconds", 1e6, optarg,
                             &o->max_resume_ns);
    case OPT_MAX_THREADS:
        return options_number("--max-threads", optarg, INT32_MAX,
                              &o->max_threads);
    case OPT_MAX_MEMORY:
        return options_number("--max-memory", optarg, INT32_MAX,
                              &o->max_memory_mib);
    case OPT_PROFILE:
        return options_profile(o, optarg);
    case OPT_PROFILE_RATE:
        return options_number("--profile-rate", optarg, PROFILE_RATE_MAX_HZ,
                              &o->profile_rate_hz);
    default: /* getopt has told the mistake */
        return false;
    }
}

/* One option that only sets something; false after a mistake. */
static bool options_set(struct options *o, int option) {
    switch (option) {
    case 'e':
        o->code = optarg;
        return true;
    case 'O':
        return options_level("-O", optarg, &o->optimization);
    case 'g':
        return options_level("-g", optarg, &o->debug);
    case OPT_CODEGEN:
        return o->codegen = true;
    case OPT_VIRTUAL_TIME:
        return o->virtual_time = true;
    case OPT_PRECISE:
        return o->precise = true;
    case OPT_MIN_WAIT:
        return options_min_wait(optarg, &o->min_wait_ns);
    case OPT_STRICT_WAKES:
        return o->strict_wakes = true;
    case OPT_PRELOAD:
        return o->preload = true;
    case OPT_MAX_DEFER_DEPTH:
        return options_number("--max-defer-depth", optarg, INT32_MAX,
                              &o->max_defer_depth);
    case OPT_STRICT_DEFER_DEPTH:
        return o->strict_defer_depth = true;
    case OPT_GC_PACE:
        return options_pace(optarg, &o->gc_pace);
    case OPT_EXPLAIN:
        return o->explain = true;
    case OPT_STATS:
        return o->stats = true;
    case OPT_TRACE:
        o->trace = optarg;
        return true;
    case OPT_ORIGINS:
        return o->origins = true;
    case OPT_COLOR:
        return options_color(optarg, &o->color);
    default:
        return options_set_watch(o, option);
    }
}

/* What is left after the options: the script, unless -e gave it, and what is
 * the script's. */
static bool options_rest(struct options *o, int argc, char **argv, int *code) {
    if (o->code == NULL) {
        if (optind >= argc) {
            fputs("kahu: no script given\n", stderr);
            return options_refuse(o, code);
        }
        o->script = argv[optind++];
    }
    o->argc = argc - optind;
    o->argv = argv + optind;
    if (o->argc <= OPTIONS_ARGUMENTS)
        return true;
    fprintf(stderr, "kahu: %d arguments for the script, at most %d are taken\n",
            o->argc, OPTIONS_ARGUMENTS);
    return options_refuse(o, code);
}

/* ------------------------------------------------------------------------ */
/* Files that are written                                                   */
/* ------------------------------------------------------------------------ */

static bool options_is_same_file(const char *a, const char *b) {
    struct stat one;
    struct stat other;

    return strcmp(a, b) == 0 ||
           (stat(a, &one) == 0 && stat(b, &other) == 0 &&
            S_ISREG(one.st_mode) && one.st_dev == other.st_dev &&
            one.st_ino == other.st_ino);
}

/* The name of the file was forgotten, as likely as not. */
static bool options_is_source(const struct options *o, const char *path) {
    const char *ending = strrchr(path, '.');

    return (ending != NULL &&
            (strcmp(ending, ".luau") == 0 || strcmp(ending, ".lua") == 0)) ||
           (o->script != NULL && options_is_same_file(path, o->script));
}

static bool options_may_write(const struct options *o) {
    const char *outputs[] = {o->trace, o->profile};

    for (size_t i = 0; i < 2; i++)
        if (outputs[i] != NULL && options_is_source(o, outputs[i])) {
            fprintf(stderr, "kahu: will not write over '%s', a script\n",
                    outputs[i]);
            return false;
        }
    if (o->trace == NULL || o->profile == NULL ||
        !options_is_same_file(o->trace, o->profile))
        return true;
    fprintf(stderr, "kahu: --trace and --profile both write to '%s'\n",
            o->profile);
    return false;
}

void options_default(struct options *out) {
    *out = (struct options){.command = "", .optimization = 1, .debug = 1};
    out->gc_pace = (struct gc_pace){.goal = 300, .speed = 400, .step = 64};
    out->profile_rate_hz = PROFILE_RATE_HZ;
}

/* What stands before the script, and in a session, which has none, anywhere. */
static bool options_read(struct options *o, int argc, char **argv, int *code) {
    static char name[] = "kahu"; /* what getopt's messages begin with */
    const char *letters = o->interactive ? "e:O:g:h" : "+e:O:g:h";
    int option;

    argv[0] = name;
    while ((option = getopt_long(argc, argv, letters, options_long, NULL)) !=
           -1) {
        *code = EXIT_SUCCESS;
        if (option == 'h') {
            options_print_help(o->interactive);
            return false;
        }
        if (option == OPT_VERSION) {
            options_print_version();
            return false;
        }
        if (!options_set(o, option))
            return options_refuse(o, code);
        if (option == 'e')
            break; /* the rest is the code's */
    }
    return true;
}

static bool options_parse_run(struct options *out, int argc, char **argv,
                              int *code) {
    if (!options_read(out, argc, argv, code) ||
        !options_rest(out, argc, argv, code))
        return false;
    return options_may_write(out) || options_refuse(out, code);
}

bool options_parse(struct options *out, int argc, char **argv, int *code) {
    options_default(out);
    return options_parse_run(out, argc, argv, code);
}

bool options_parse_compile(struct options *out, int argc, char **argv,
                           int *code) {
    options_default(out);
    out->command = "compile ";
    return options_parse_run(out, argc, argv, code);
}

bool options_parse_session(struct options *out, int argc, char **argv,
                           int *code) {
    options_default(out);
    out->command = "repl ";
    out->interactive = true;
    if (!options_read(out, argc, argv, code))
        return false;
    if (out->code != NULL || optind < argc)
        fputs("kahu: a session takes options only\n", stderr);
    else if (options_may_write(out))
        return true;
    return options_refuse(out, code);
}
