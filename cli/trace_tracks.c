/* SPDX-License-Identifier: MIT */
#include "trace_tracks.h"

#include <stdlib.h>
#include <string.h>

/* A title is no longer: the VM's names of sources are not, and the name of a
 * function is cut off. */
#define TRACKS_NAME 250
#define TRACKS_TITLE (TRACKS_NAME + LUA_IDSIZE + 32)

struct trace_track {
    uint32_t function;
    uint32_t next_free;
};

/* ------------------------------------------------------------------------ */
/* Functions                                                                */
/* ------------------------------------------------------------------------ */

static char *tracks_put(char *at, const char *text, size_t most) {
    size_t length = strnlen(text, most);

    memcpy(at, text, length);
    return at + length;
}

static char *tracks_put_line(char *at, int line) {
    char digits[12];
    char *first = digits + sizeof(digits) - 1;

    for (*first = '\0'; line > 0; line /= 10)
        *--first = (char)('0' + line % 10);
    *at++ = ':';
    return tracks_put(at, first, sizeof(digits));
}

/* "name (source:line)"; what has no name is only a place, and a C function has
 * no line. Each thread that is met has one made: hence not by printf. */
static void tracks_make_title(const lua_Debug *ar, bool script,
                              char title[TRACKS_TITLE]) {
    const char *name = script ? "main" : ar->name;
    bool named = name != NULL && name[0] != '\0';
    char *at = title;

    if (named) {
        at = tracks_put(at, name, TRACKS_NAME);
        at = tracks_put(at, " (", 2);
    }
    at = tracks_put(at, ar->short_src, LUA_IDSIZE);
    if (ar->linedefined > 0 && !script)
        at = tracks_put_line(at, ar->linedefined);
    if (named)
        at = tracks_put(at, ")", 1);
    *at = '\0';
}

/* A new one has no track yet. */
static bool tracks_function(struct trace_tracks *t, const char *title,
                            uint32_t *out) {
    uint32_t known = t->functions.count;
    uint32_t *room;

    if (!trace_names_put(&t->functions, title, out))
        return false;
    if (*out < known)
        return true;
    room = trace_names_room(t->free, known, sizeof(*room));
    if (room == NULL)
        return false;
    t->free = room;
    t->free[known] = 0;
    return true;
}

/* The function of a fresh thread is the first value on its stack. The first
 * thread is the script. */
static bool tracks_function_of(struct trace_tracks *t, lua_State *co,
                               uint32_t *out) {
    char title[TRACKS_TITLE] = "?";
    lua_Debug ar;

    if (lua_status(co) == LUA_OK && lua_getinfo(co, -lua_gettop(co), "sn", &ar))
        tracks_make_title(&ar, t->nthreads == 0, title);
    return tracks_function(t, title, out);
}

/* ------------------------------------------------------------------------ */
/* Tracks                                                                   */
/* ------------------------------------------------------------------------ */

static bool tracks_reserve(struct trace_tracks *t) {
    uint32_t capacity = t->capacity == 0 ? 64 : 2 * t->capacity;
    struct trace_track *tracks;

    if (t->ntracks + 1 < t->capacity)
        return true;
    tracks = realloc(t->tracks, capacity * sizeof(*tracks));
    if (tracks == NULL)
        return false;
    t->tracks = tracks;
    t->capacity = capacity;
    return true;
}

/* A track for the function; 0 when memory is out. */
static uint32_t tracks_take(struct trace_tracks *t, uint32_t function) {
    uint32_t track = t->free[function];

    if (track != 0) {
        t->free[function] = t->tracks[track].next_free;
        return track;
    }
    if (!tracks_reserve(t))
        return 0;
    track = ++t->ntracks;
    t->tracks[track] = (struct trace_track){function, 0};
    return track;
}

static void tracks_give(struct trace_tracks *t, uint32_t track) {
    uint32_t function = t->tracks[track].function;

    t->tracks[track].next_free = t->free[function];
    t->free[function] = track;
}

const char *trace_tracks_title(const struct trace_tracks *t, uint32_t track) {
    return t->functions.list[t->tracks[track].function];
}

/* ------------------------------------------------------------------------ */
/* Threads                                                                  */
/* ------------------------------------------------------------------------ */

static bool tracks_add(struct trace_tracks *t, lua_State *co,
                       struct trace_who *out) {
    struct trace_entry entry = {(uintptr_t)co, t->nthreads + 1, 0};
    uint32_t function;

    if (!tracks_function_of(t, co, &function))
        return false;
    entry.track = tracks_take(t, function);
    if (entry.track == 0)
        return false;
    if (!trace_map_put(&t->threads, entry)) {
        tracks_give(t, entry.track);
        return false;
    }
    t->nthreads++;
    *out = (struct trace_who){entry.number, entry.track};
    return true;
}

/* A fresh thread where another was known: that one was collected. */
bool trace_tracks_meet(struct trace_tracks *t, lua_State *co,
                       struct trace_who *out) {
    const struct trace_entry *entry = trace_map_get(&t->threads, (uintptr_t)co);

    if (entry == NULL)
        return tracks_add(t, co, out);
    if (lua_status(co) == LUA_OK) {
        trace_tracks_leave(t, co);
        return tracks_add(t, co, out);
    }
    *out = (struct trace_who){entry->number, entry->track};
    return true;
}

struct trace_who trace_tracks_find(const struct trace_tracks *t,
                                   const lua_State *co) {
    const struct trace_entry *entry = trace_map_get(&t->threads, (uintptr_t)co);

    if (entry == NULL)
        return (struct trace_who){0, 0};
    return (struct trace_who){entry->number, entry->track};
}

void trace_tracks_leave(struct trace_tracks *t, const lua_State *co) {
    struct trace_entry *entry = trace_map_get(&t->threads, (uintptr_t)co);

    if (entry == NULL)
        return;
    tracks_give(t, entry->track);
    trace_map_remove(&t->threads, entry);
}

void trace_tracks_free(struct trace_tracks *t) {
    free(t->free);
    free(t->tracks);
    trace_map_free(&t->threads);
    trace_names_free(&t->functions);
}
