/* SPDX-License-Identifier: MIT */
#include "hints.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------ */
/* The tables                                                               */
/* ------------------------------------------------------------------------ */

/* By what is in the message: the first that fits. */
static const struct {
    const char *message;
    const char *hint;
} hints_messages[] = {
    {"invalid argument #1 to 'delay' (number expected, got function)",
     "task.delay takes the seconds first, and then the function"},
    {"to 'spawn' (function or thread expected",
     "task.spawn takes the function and its arguments, task.spawn(f, x), not "
     "what a call of it returned"},
    {"to 'defer' (function or thread expected",
     "task.defer takes the function and its arguments, task.defer(f, x), not "
     "what a call of it returned"},
    {"to 'delay' (function or thread expected",
     "task.delay takes the function and its arguments, task.delay(1, f, x), "
     "not what a call of it returned"},
    {"cannot spawn non-suspended coroutine",
     "this thread runs, has resumed the one that runs, or has ended; "
     "task.defer takes one that runs"},
    {"cannot resume dead coroutine",
     "a thread ends once; every run needs a thread of its own, and "
     "coroutine.status(thread) tells whether this one can go on"},
    {"cannot defer dead coroutine",
     "a thread ends once; task.defer(f) makes a new one for each call"},
    {"cannot delay dead coroutine",
     "a thread ends once; task.delay(s, f) makes a new one for each call"},
    {"cannot resume non-suspended coroutine",
     "a thread can not resume itself, or one that has resumed it; "
     "task.defer(thread) resumes it when it has yielded"},
    {"cannot cancel thread",
     "a thread can not cancel itself, or one that has resumed it; it ends by "
     "returning"},
    {"C stack overflow",
     "calls through C nest up to 200 deep: task.spawn, coroutine.resume, "
     "pcall, metamethods; task.defer and task.delay do not nest"},
    {"stack overflow", "a function calls itself, in the end, for ever"},
    {".luau\": could not resolve child component",
     "a module is named without its suffix: require(\"./name\")"},
    {"attempt to modify a readonly table",
     "libraries and their tables can not be changed; copy the table first "
     "(table.clone)"},
};

/* By a name that is called or indexed in the line, when the message is that it
 * is nil: what others have and we do not. */
static const struct {
    const char *name;
    const char *hint;
} hints_names[] = {
    {"wait", "there is no global 'wait' here: task.wait(seconds)"},
    {"spawn", "there is no global 'spawn' here: task.spawn(f), or "
              "task.defer(f) for later"},
    {"delay", "there is no global 'delay' here: task.delay(seconds, f)"},
    {"sleep", "there is no 'sleep' in Luau: task.wait(seconds)"},
    {"setTimeout", "there is no 'setTimeout' in Luau: task.delay(seconds, f)"},
    {"tick", "there is no 'tick' here: os.clock() for durations, os.time() "
             "for the date"},
    {"elapsedTime", "there is no 'elapsedTime' here: os.clock()"},
    {"warn", "there is no 'warn' here: print(...)"},
    {"loadstring", "there is no 'loadstring' here: code comes from files, by "
                   "require(\"./name\")"},
    {"load", "there is no 'load' in Luau: code comes from files, by "
             "require(\"./name\")"},
    {"loadfile", "there is no 'loadfile' in Luau: require(\"./name\")"},
    {"dofile", "there is no 'dofile' in Luau: require(\"./name\")"},
    {"io", "there is no 'io' in Luau"},
    {"os.exit", "there is no 'os.exit' here: scheduler.stop(code) ends the "
                "program"},
    {"package", "there is no 'package' in Luau: require(\"./name\") finds "
                "files, and .luaurc names aliases"},
    {"game", "there is no 'game' here: this is Luau without Roblox's objects"},
    {"workspace", "there is no 'workspace' here: this is Luau without "
                  "Roblox's objects"},
    {"script", "there is no 'script' here: require(\"./name\") names files "
               "beside this one"},
    {"Instance", "there is no 'Instance' here: this is Luau without Roblox's "
                 "objects"},
};

/* ------------------------------------------------------------------------ */
/* Names                                                                    */
/* ------------------------------------------------------------------------ */

bool hints_is_word(char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

const char *hints_name_in(const char *line, const char *name, size_t length) {
    for (const char *at = line; *at != '\0'; at++) {
        const char before = *(at == line ? " " : at - 1);

        if (strncmp(at, name, length) == 0 && !hints_is_word(before) &&
            before != '.' && before != ':' && !hints_is_word(at[length]))
            return at;
    }
    return NULL;
}

/* What follows a value that is called, or indexed. */
static bool hints_is_used(const char *after, bool called) {
    while (*after == ' ' || *after == '\t')
        after++;
    return *after != '\0' && strchr(called ? "(\"'{" : ".:[", *after) != NULL;
}

static bool hints_by_name(struct hint *out, const char *line, bool called) {
    for (size_t i = 0; i < sizeof(hints_names) / sizeof(*hints_names); i++) {
        const char *name = hints_names[i].name;
        const char *at = hints_name_in(line, name, strlen(name));

        if (at == NULL || !hints_is_used(at + strlen(name), called))
            continue;
        snprintf(out->text, sizeof(out->text), "%s", hints_names[i].hint);
        out->name = name;
        return true;
    }
    return false;
}

/* ------------------------------------------------------------------------ */
/* Yields                                                                   */
/* ------------------------------------------------------------------------ */

/* Which function the thread is in that nothing may yield in: a C function that
 * called back, or a metamethod that was defined by its name. NULL when the
 * frames do not say. */
static const char *hints_barrier(lua_State *co) {
    static const char *const yieldable[] = {"pcall", "xpcall", "require"};
    lua_Debug ar;

    for (int level = 1; lua_getinfo(co, level, "sn", &ar); level++) {
        bool yields = ar.name == NULL;

        for (size_t i = 0; i < sizeof(yieldable) / sizeof(*yieldable); i++)
            yields = yields || strcmp(ar.name, yieldable[i]) == 0;
        if (!yields && (ar.what[0] == 'C' || strncmp(ar.name, "__", 2) == 0))
            return ar.name;
    }
    return NULL;
}

/* The function that wanted to yield; it is the innermost. */
static const char *hints_yielder(lua_State *co) {
    lua_Debug ar;

    if (!lua_getinfo(co, 0, "sn", &ar) || ar.what[0] != 'C')
        return NULL;
    return ar.name;
}

static bool hints_for_yield(struct hint *out, lua_State *co) {
    const char *yielder = co == NULL ? NULL : hints_yielder(co);
    const char *barrier = yielder == NULL ? NULL : hints_barrier(co);

    if (barrier != NULL)
        snprintf(out->text, sizeof(out->text),
                 "'%s' inside of '%s' can't yield: do it before or after, or "
                 "in a thread of its own (task.spawn)",
                 yielder, barrier);
    else
        snprintf(out->text, sizeof(out->text),
                 "metamethods other than __call, and functions that "
                 "table.sort, string.gsub and the like call, can't yield: do "
                 "it before or after, or in a thread of its own (task.spawn)");
    return true;
}

/* ------------------------------------------------------------------------ */

bool hints_find(struct hint *out, const char *message, const char *line,
                lua_State *co) {
    out->name = NULL;
    if (strstr(message, "attempt to yield across metamethod/C-call boundary"))
        return hints_for_yield(out, co);
    if (line != NULL && strstr(message, ": attempt to call a nil value"))
        return hints_by_name(out, line, true);
    if (line != NULL && strstr(message, ": attempt to index nil with "))
        return hints_by_name(out, line, false);
    for (size_t i = 0; i < sizeof(hints_messages) / sizeof(*hints_messages);
         i++) {
        if (strstr(message, hints_messages[i].message) == NULL)
            continue;
        snprintf(out->text, sizeof(out->text), "%s", hints_messages[i].hint);
        return true;
    }
    return false;
}
