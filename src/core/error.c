/* SPDX-License-Identifier: MIT */
/*
 * error.c - the text of an error that nobody caught (S9.1).
 */
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "sched.h"

/* ------------------------------------------------------------------------ */
/* Traceback                                                                */
/* ------------------------------------------------------------------------ */

/* Of a deep stack the ends are shown: where it failed and how it began. */
#define ERROR_FRAMES_TOP 10
#define ERROR_FRAMES_BOTTOM 10

static void text_add(struct kahu__text *t, const char *s) {
    size_t room = sizeof(t->bytes) - 1 - t->length;
    size_t length = strlen(s);

    if (length > room)
        length = room;
    memcpy(t->bytes + t->length, s, length);
    t->length += length;
    t->bytes[t->length] = '\0';
}

static void text_add_frame(struct kahu__text *t, const lua_Debug *ar) {
    char line[32];

    text_add(t, ar->short_src);
    if (ar->currentline > 0) {
        snprintf(line, sizeof(line), ":%d", ar->currentline);
        text_add(t, line);
    }
    if (ar->name != NULL) {
        text_add(t, " function ");
        text_add(t, ar->name);
    }
    text_add(t, "\n");
}

/* lua_debugtrace() would do, but for its buffer that all VMs share. */
static void error_traceback(struct kahu__text *t, lua_State *co) {
    int depth = lua_stackdepth(co);
    int skipped = depth - ERROR_FRAMES_TOP - ERROR_FRAMES_BOTTOM;
    char line[48];
    lua_Debug ar;

    t->length = 0;
    t->bytes[0] = '\0';
    for (int level = 0; lua_getinfo(co, level, "sln", &ar); level++) {
        if (skipped > 0 && level == ERROR_FRAMES_TOP) {
            snprintf(line, sizeof(line), "... (+%d frames)\n", skipped);
            text_add(t, line);
            level += skipped - 1;
            continue;
        }
        text_add_frame(t, &ar);
    }
}

/* ------------------------------------------------------------------------ */
/* Message                                                                  */
/* ------------------------------------------------------------------------ */

/* The text of its argument, or nil for a value that has none. */
static int error_text_of(lua_State *L) {
    if (!lua_isstring(L, 1) && !luaL_getmetafield(L, 1, "__tostring"))
        return 0;
    luaL_tolstring(L, 1, NULL);
    return 1;
}

/* A __tostring is the script's code: it runs on a thread of its own, which the
 * script may keep and do with as it likes. */
static int error_tostring(lua_State *L, void *ud) {
    lua_State *co = lua_newthread(L);

    /* Made on L: an error is to be raised on the thread that is protected. */
    lua_pushcfunction(L, error_text_of, "tostring");
    lua_xmove(L, co, 1);
    lua_xpush(ud, co, -1);
    if (lua_pcall(co, 1, 1, 0) != LUA_OK)
        lua_pushnil(L);
    else
        lua_xmove(co, L, 1);
    lua_settop(co, 0);
    return 1;
}

static int error_typename(lua_State *L, void *ud) {
    lua_xpush(ud, L, -1);
    if (lua_isstring(L, -1))
        return 1;
    lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, -1));
    return 1;
}

/* After an outermost resume its time is over, but a script's code is not: it
 * gets as much once more. */
static int error_call_tostring(kahu_sched *s, lua_State *co) {
    bool limited = !s->limited && kahu__limits_time(s);
    int status;

    s->wording = true;
    if (limited)
        kahu__limits_begin(s);
    status = kahu__protect(s, s->work, error_tostring, co);
    if (limited)
        kahu__limits_end(s);
    s->wording = false;
    return status;
}

/* Leaves the text of the value on top of co on the work thread. An error while
 * one is being put into words gets the name of its type: the thread of its own
 * begins the VM's count of nested calls anew, and the C stack has an end. */
static const char *error_message(kahu_sched *s, lua_State *co) {
    int top = lua_gettop(s->work);

    if (!s->wording) {
        int status = error_call_tostring(s, co);

        if (status == LUA_OK && lua_isstring(s->work, -1))
            return lua_tostring(s->work, -1);
        lua_settop(s->work, top);
    }
    if (kahu__protect(s, s->work, error_typename, co) == LUA_OK)
        return lua_tostring(s->work, -1);
    return "not enough memory";
}

/* ------------------------------------------------------------------------ */
/* Report                                                                   */
/* ------------------------------------------------------------------------ */

const char *kahu__error_text(kahu_sched *s, lua_State *co,
                             struct kahu__text *out) {
    const char *message = error_message(s, co);

    error_traceback(out, co);
    return message;
}

static void error_report(kahu_sched *s, const struct kahu__told *told) {
    const kahu_feedback *f = &told->feedback;

    if (!kahu__hooks_error(s, told))
        fprintf(stderr, "%s\nstack traceback:\n%s", f->message, f->traceback);
}

void kahu__report(kahu_sched *s, const struct kahu__told *told) {
    s->stats.errors++;
    if (s->error_policy != KAHU_ERRORS_COLLECT ||
        !kahu__errors_keep(s, &told->feedback))
        error_report(s, told);
    if (s->error_policy == KAHU_ERRORS_STOP)
        kahu_stop(s, 1);
}
