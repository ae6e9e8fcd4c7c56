/* SPDX-License-Identifier: MIT */
/*
 * options.h - the command line.
 */
#ifndef KAHU_CLI_OPTIONS_H
#define KAHU_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "message.h"
#include "profile.h"

/* Exit codes the program makes by itself. */
enum {
    EXIT_SCRIPT = 1, /* an error nobody caught, or one of compilation */
    EXIT_USAGE = 2,  /* a wrong command line, or a script that can't be read */
    EXIT_TIMEOUT = 124, /* --timeout; as timeout(1) does */
    EXIT_SIGNAL = 128   /* and the number of the signal that ended it */
};

/* The pace of the collector, in Luau's own terms; the default was measured:
 * docs/internals/performance.md. */
struct gc_pace {
    int goal;  /* percent of what lives that the heap grows to in a cycle */
    int speed; /* percent of what is allocated meanwhile that is collected */
    int step;  /* KiB allocated between two steps of a cycle */
};

struct bundle;

struct options {
    const char *command; /* whose help a mistake leads to, and a blank; or "" */
    const char *code;    /* -e CODE, or NULL */
    const char *script;  /* path, "-" for standard input; NULL with -e */
    int argc;            /* the script's own arguments */
    char **argv;

    int optimization; /* -O */
    int debug;        /* -g */
    bool codegen;
    bool virtual_time;
    bool precise;
    bool explain;
    bool stats;
    const char *trace; /* file, or NULL */
    bool origins;      /* errors say where their thread was started */
    enum message_color color;
    bool interactive; /* no script: a session */

    uint64_t min_wait_ns; /* 0: the library's default */
    uint32_t max_defer_depth;
    bool strict_defer_depth;
    bool strict_wakes;
    bool preload;

    struct gc_pace gc_pace;

    const struct bundle *bundle; /* has the script and its modules, or NULL */
    uint64_t timeout_ns;         /* of these, 0: none */
    uint64_t max_resume_ns;
    uint32_t max_threads;
    uint32_t max_memory_mib;

    const char *profile; /* file to write; NULL: none */
    enum profile_format profile_format;
    uint32_t profile_rate_hz;
};

/* What is not said otherwise. */
void options_default(struct options *out);

/* The value of --color; false after a mistake, which was told. */
bool options_color(const char *text, enum message_color *out);

/* True with *out filled in; false when the program should exit with *code:
 * help or version were shown, or a mistake was. */
bool options_parse(struct options *out, int argc, char **argv, int *code);

/* The same for kahu compile, once its own options are taken out. */
bool options_parse_compile(struct options *out, int argc, char **argv,
                           int *code);

/* The same for a session, which takes no script. */
bool options_parse_session(struct options *out, int argc, char **argv,
                           int *code);

#endif
