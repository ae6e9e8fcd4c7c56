/* SPDX-License-Identifier: MIT */
/*
 * trace_tracks.h - which track of a trace a thread is shown on.
 *
 * A thread has one from its first resume to its end; then the next thread that
 * runs the same function takes it over. So there are as many tracks as threads
 * that were alive at one time, and each shows one function.
 */
#ifndef KAHU_CLI_TRACE_TRACKS_H
#define KAHU_CLI_TRACE_TRACKS_H

#include <lua.h>

#include "trace_map.h"
#include "trace_names.h"

struct trace_track;

/* All zero is one without tracks. */
struct trace_tracks {
    struct trace_map threads;     /* lua_State * -> number and track */
    struct trace_names functions; /* their titles */
    uint32_t *free; /* of each, a track that nobody is on; 0: none */
    struct trace_track *tracks; /* [0] is none */
    uint32_t ntracks;
    uint32_t capacity;
    uint64_t nthreads;
};

/* A thread, as a trace names it. */
struct trace_who {
    uint64_t thread; /* in order of first resumes */
    uint32_t track;  /* 0: not known */
};

/* Who co is, which is about to be resumed: a fresh thread is met here. False
 * when memory is out. */
bool trace_tracks_meet(struct trace_tracks *t, lua_State *co,
                       struct trace_who *out);

/* Who co is, if it was met. */
struct trace_who trace_tracks_find(const struct trace_tracks *t,
                                   const lua_State *co);

/* co has ended: its track is free. */
void trace_tracks_leave(struct trace_tracks *t, const lua_State *co);

/* What stands on a track: "name (source:line)". */
const char *trace_tracks_title(const struct trace_tracks *t, uint32_t track);

void trace_tracks_free(struct trace_tracks *t);

#endif
