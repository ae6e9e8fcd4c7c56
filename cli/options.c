/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <lua.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static const char options_help[] =
    "Usage: kahu [run] [options] SCRIPT [arguments]\n"
    "       kahu [run] [options] -e CODE [arguments]\n"
    "\n"
    "Runs a Luau script under a task scheduler until all its threads are "
    "done.\n"
    "SCRIPT is a file, a directory with an init.luau, or - for standard "
    "input.\n"
    "\n"
    "  -e CODE                run CODE\n"
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
    "      --gc-pace GOAL[,SPEED[,STEP]]\n"
    "                         pace of the garbage collector (200,400,64)\n"
    "      --explain          say at the end which threads nothing would "
    "resume, and\n"
    "                         on SIGQUIT (Ctrl-\\) or SIGUSR1 all that is "
    "known\n"
    "      --stats            say at the end what was done, on stderr\n"
    "      --version          versions of kahu, Luau and libuv\n"
    "  -h, --help             this text\n"
    "\n"
    "Exit status: 0; 1 after an error nobody caught; 2 when there was nothing "
    "to\n"
    "run; 130 or 143 when interrupted.\n";

static void options_print_version(void) {
    int v = kahu_version();

    printf("kahu %d.%d.%d\nLuau %s\nlibuv %s\n", v / 1000000, v / 100 % 10000,
           v % 100, KAHU_LUAU_VERSION, uv_version_string());
}

/* A mistake was told; how to go on. */
static bool options_refuse(int *code) {
    fputs("Try 'kahu --help'.\n", stderr);
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

static bool options_depth(const char *text, uint32_t *out) {
    char *end;
    unsigned long n;

    errno = 0;
    n = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
        n == 0 || n > INT32_MAX) {
        fprintf(stderr,
                "kahu: --max-defer-depth takes a number from 1, "
                "not '%s'\n",
                text);
        return false;
    }
    *out = (uint32_t)n;
    return true;
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
    fprintf(stderr, "kahu: --gc-pace takes GOAL[,SPEED[,STEP]], not '%s'\n",
            text);
    return false;
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
    OPT_GC_PACE,
    OPT_EXPLAIN,
    OPT_STATS,
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
    {"gc-pace", required_argument, NULL, OPT_GC_PACE},
    {"explain", no_argument, NULL, OPT_EXPLAIN},
    {"stats", no_argument, NULL, OPT_STATS},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

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
        return options_depth(optarg, &o->max_defer_depth);
    case OPT_STRICT_DEFER_DEPTH:
        return o->strict_defer_depth = true;
    case OPT_GC_PACE:
        return options_pace(optarg, &o->gc_pace);
    case OPT_EXPLAIN:
        return o->explain = true;
    case OPT_STATS:
        return o->stats = true;
    default: /* getopt has told the mistake */
        return false;
    }
}

/* What is left after the options: the script, unless -e gave it, and what is
 * the script's. */
static bool options_rest(struct options *o, int argc, char **argv, int *code) {
    if (o->code == NULL) {
        if (optind >= argc) {
            fputs("kahu: no script given\n", stderr);
            return options_refuse(code);
        }
        o->script = argv[optind++];
    }
    o->argc = argc - optind;
    o->argv = argv + optind;
    if (o->argc <= OPTIONS_ARGUMENTS)
        return true;
    fprintf(stderr, "kahu: %d arguments for the script, at most %d are taken\n",
            o->argc, OPTIONS_ARGUMENTS);
    return options_refuse(code);
}

bool options_parse(struct options *out, int argc, char **argv, int *code) {
    static char name[] = "kahu"; /* what getopt's messages begin with */
    int option;

    *out = (struct options){.optimization = 1, .debug = 1};
    out->gc_pace = (struct gc_pace){.goal = 200, .speed = 400, .step = 64};
    argv[0] = name;
    /* "+": what follows the script is the script's. */
    while ((option = getopt_long(argc, argv, "+e:O:g:h", options_long, NULL)) !=
           -1) {
        *code = EXIT_SUCCESS;
        if (option == 'h') {
            fputs(options_help, stdout);
            return false;
        }
        if (option == OPT_VERSION) {
            options_print_version();
            return false;
        }
        if (!options_set(out, option))
            return options_refuse(code);
        if (option == 'e')
            break; /* the rest is the code's */
    }
    return options_rest(out, argc, argv, code);
}
