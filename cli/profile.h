/* SPDX-License-Identifier: MIT */
/*
 * profile.h - where the time of a script goes (--profile).
 */
#ifndef KAHU_CLI_PROFILE_H
#define KAHU_CLI_PROFILE_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#define PROFILE_RATE_HZ 1000
#define PROFILE_RATE_MAX_HZ 10000

enum profile_format { PROFILE_FOLDED, PROFILE_SPEEDSCOPE, PROFILE_FLAME };

/* By the ending of the file; false when it has none of ours. */
bool profile_format(const char *path, enum profile_format *out);

struct profile_setup {
    const char *path;
    enum profile_format format;
    uint32_t rate_hz;
    const char *script; /* what the picture is called */
    lua_State *L;       /* the VM */
};

struct profile;

/* Makes the file, and takes samples from now on; before the scheduler takes a
 * callback of the VM's. safepoint_open() and resumes_open() were called. NULL
 * when something failed, which is said, with what to exit with in *code. */
struct profile *profile_open(const struct profile_setup *setup, int *code);

/* Writes the file; false when that failed, which is said. The VM is there
 * still. */
bool profile_close(struct profile *p);

#endif
