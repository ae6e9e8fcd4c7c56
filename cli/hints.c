/* SPDX-License-Identifier: MIT */
#include "hints.h"

#include <stdio.h>
#include <string.h>

#include "hints_library.h"
#include "hints_require.h"
#include "texts.h"

/* ------------------------------------------------------------------------ */
/* The tables                                                               */
/* ------------------------------------------------------------------------ */

/* A function that takes another was given something else, or nothing: by what
 * is in the message. */
static const struct {
    const char *message;
    const char *hint;
} hints_arguments[] = {
    {"#1 to 'delay' (number expected, got function)",
     "task.delay takes the seconds first, and then the function"},
    {"#1 to 'spawn' (function or thread expected",
     "task.spawn takes the function and its arguments, task.spawn(f, x), not "
     "what a call of it returned"},
    {"#1 to 'defer' (function or thread expected",
     "task.defer takes the function and its arguments, task.defer(f, x), not "
     "what a call of it returned"},
    {"#2 to 'delay' (function or thread expected",
     "task.delay takes the function and its arguments, task.delay(1, f, x), "
     "not what a call of it returned"},
    /* What the linter of Luau warns of in editors. */
    {"#1 to 'getn' (", "table.getn is deprecated in Luau: #t"},
    {"#1 to 'foreach' (", "table.foreach is deprecated in Luau: for k, v in t"},
    {"#2 to 'foreach' (", "table.foreach is deprecated in Luau: for k, v in t"},
    {"#1 to 'foreachi' (",
     "table.foreachi is deprecated in Luau: for i, v in ipairs(t)"},
    {"#2 to 'foreachi' (",
     "table.foreachi is deprecated in Luau: for i, v in ipairs(t)"},
};

/* By what the message begins with: the first that fits. */
static const struct {
    const char *message;
    const char *hint;
} hints_messages[] = {
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
    {"attempt to modify a readonly table",
     "libraries, and what table.freeze was given, can not be changed; copy the "
     "table first (table.clone)"},
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
    {"setInterval", "there is no 'setInterval' in Luau: a loop with "
                    "task.wait(seconds) in it"},
    {"warn", "there is no 'warn' here: print(...)"},
    {"printf", "there is no 'printf' in Luau: print(string.format(...)), or "
               "print(`{x}`)"},
    {"collectgarbage", "there is no 'collectgarbage' here: memory is collected "
                       "as the script runs, and gcinfo() tells how much there "
                       "is, in KiB"},
    {"bit", "there is no 'bit' in Luau: bit32"},
    {"jit", "there is no 'jit' in Luau"},
    {"ffi", "there is no 'ffi' in Luau"},
    {"os.getenv", "there is no 'os.getenv' here: what the script is to know "
                  "goes into its arguments, kahu script.luau arg"},
    {"os.execute", "there is no 'os.execute' here: scripts start no programs"},
    {"os.remove", "there is no 'os.remove' here: scripts touch no files"},
    {"os.rename", "there is no 'os.rename' here: scripts touch no files"},
    {"os.tmpname", "there is no 'os.tmpname' here: scripts touch no files"},
    {"string.gfind", "there is no 'string.gfind' in Luau: string.gmatch"},
    {"string.dump", "there is no 'string.dump' in Luau"},
    {"math.mod", "there is no 'math.mod' in Luau: a % b, or math.fmod"},
    {"math.type", "there is no 'math.type' in Luau: all numbers are floats; "
                  "x % 1 == 0 tells whether it is a whole one"},
    {"math.tointeger", "there is no 'math.tointeger' in Luau: all numbers are "
                       "floats; math.floor(x), or math.round(x)"},
    {"table.setn", "there is no 'table.setn' in Luau: #t counts"},
    {"debug.getinfo", "there is no 'debug.getinfo' in Luau: debug.info"},
    {"task.sleep", "there is no 'task.sleep' here: task.wait(seconds)"},
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
    {"Enum", "there is no 'Enum' here: this is Luau without Roblox's objects"},
    {"Vector3", "there is no 'Vector3' here: vector.create(x, y, z)"},
    {"CFrame", "there is no 'CFrame' here: this is Luau without Roblox's "
               "objects"},
    {"Color3", "there is no 'Color3' here: this is Luau without Roblox's "
               "objects"},
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

static bool hints_begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static const char *hints_skip_blanks(const char *at) {
    return at + strspn(at, " \t\r\n");
}

/* The next place of the name in the code, as a whole word that is no field, at
 * `from` or after it; NULL when there is none. */
static const char *hints_name_in(const char *code, const char *from,
                                 const char *name) {
    size_t length = strlen(name);
    const char *at = from;

    while ((at = strstr(at, name)) != NULL) {
        const char before = *(at == code ? " " : at - 1);

        /* Two dots join strings. */
        if (!hints_is_word(before) && !hints_is_word(at[length]) &&
            before != ':' &&
            (before != '.' || (at > code + 1 && at[-2] == '.')))
            return at;
        at++;
    }
    return NULL;
}

/* Does the word, or do two that are one, end where `end` is? */
static bool hints_follows(const char *code, const char *end, const char *word) {
    size_t length = strlen(word);

    while (end > code && strchr(" \t\r\n", end[-1]) != NULL)
        end--;
    return (size_t)(end - code) >= length &&
           strncmp(end - length, word, length) == 0 &&
           ((size_t)(end - code) == length || !hints_is_word(end[-length - 1]));
}

/* Is what stands there a name that gets a value: of a local, a function, a
 * parameter, an assignment? */
static bool hints_defines(const char *code, const char *at, size_t length) {
    const char *after = hints_skip_blanks(at + length);

    return hints_follows(code, at, "local") ||
           hints_follows(code, at, "function") || *after == ',' ||
           *after == ')' || (*after == '=' && after[1] != '=') ||
           (*after == ':' && strchr(" \t", after[1]) != NULL) ||
           (hints_begins(after, "in") && !hints_is_word(after[2]));
}

/* Does the script, or may it, have something of its own that is called so? */
static bool hints_is_own(const char *code, const char *name) {
    const char *at = code;

    while ((at = hints_name_in(code, at, name)) != NULL) {
        if (hints_defines(code, at, strlen(name)))
            return true;
        at++;
    }
    return false;
}

/* ------------------------------------------------------------------------ */
/* What is nil                                                              */
/* ------------------------------------------------------------------------ */

static bool hints_is_called(const char *after) {
    after = hints_skip_blanks(after);
    return *after != '\0' && strchr("(\"'`{", *after) != NULL;
}

/* Is it indexed with the key, quoted as the message does; NULL: any? Strings
 * are blank in code, and may have it in them. */
static bool hints_is_indexed(const char *after, const char *key) {
    size_t length = key == NULL ? 0 : strcspn(key, "'");

    after = hints_skip_blanks(after);
    if (*after == '[' || key == NULL)
        return *after == '[' || *after == '.';
    if (*after != '.' && *after != ':')
        return false;
    after = hints_skip_blanks(after + 1);
    return strncmp(after, key, length) == 0 && !hints_is_word(after[length]);
}

static const char hints_index[] = "attempt to index nil with ";

static bool hints_is_used(const char *after, const char *message) {
    if (!hints_begins(message, hints_index))
        return hints_is_called(after);
    message += sizeof(hints_index) - 1;
    return hints_is_indexed(after, *message == '\'' ? message + 1 : NULL);
}

static const char *hints_used_in(const char *code, const char *name,
                                 const char *message) {
    const char *at = code;

    while ((at = hints_name_in(code, at, name)) != NULL) {
        if (hints_is_used(at + strlen(name), message))
            return at;
        at++;
    }
    return NULL;
}

static bool hints_set(struct hint *out, const char *text) {
    snprintf(out->text, sizeof(out->text), "%s", text);
    return true;
}

static void hints_point(struct hint *out, const struct texts_line *line,
                        const char *at, size_t length) {
    out->at = (size_t)(at - line->code);
    out->length = length;
}

/* The name up to a dot: what a script may have of its own. */
static bool hints_is_ours(const struct texts_line *line, const char *name) {
    char first[32];

    snprintf(first, sizeof(first), "%.*s", (int)strcspn(name, "."), name);
    return !hints_is_own(line->all, first);
}

static bool hints_by_name(struct hint *out, const char *message,
                          const struct texts_line *line) {
    for (size_t i = 0; i < sizeof(hints_names) / sizeof(*hints_names); i++) {
        const char *name = hints_names[i].name;
        const char *at = hints_used_in(line->code, name, message);

        if (at == NULL || !hints_is_ours(line, name))
            continue;
        hints_point(out, line, at, strlen(name));
        return hints_set(out, hints_names[i].hint);
    }
    return false;
}

/* ------------------------------------------------------------------------ */
/* What libraries have not                                                  */
/* ------------------------------------------------------------------------ */

static size_t hints_word(const char *at) {
    size_t n = 0;

    while (hints_is_word(at[n]))
        n++;
    return n;
}

/* The field of the library, for which there is room in a hint. */
static bool hints_set_missing(struct hint *out, const struct hints_member *is,
                              const char *field, size_t length) {
    int n = (int)length;

    if (length > 64)
        return false;
    if (is->name == NULL)
        snprintf(out->text, sizeof(out->text), "there is no '%s.%.*s' here",
                 is->library, n, field);
    else
        snprintf(out->text, sizeof(out->text),
                 "there is no '%s.%.*s': case matters, %s.%.*s", is->library, n,
                 field, is->library, (int)is->length, is->name);
    return true;
}

/* A member of the library that is called in the line and is not there. */
static bool hints_in_library(struct hint *out, const struct texts_line *line,
                             const char *library) {
    const char *at = line->code;

    while ((at = hints_name_in(line->code, at, library)) != NULL) {
        const char *dot = hints_skip_blanks(at + strlen(library));
        const char *field = hints_skip_blanks(*dot == '.' ? dot + 1 : dot);
        size_t length = hints_word(field);
        struct hints_member is;

        if (*dot == '.' && length > 0 && hints_is_called(field + length) &&
            hints_is_missing(&is, library, field, length)) {
            hints_point(out, line, field, length);
            return hints_set_missing(out, &is, field, length);
        }
        at++;
    }
    return false;
}

static bool hints_by_library(struct hint *out, const struct texts_line *line) {
    for (size_t i = 0; hints_library(i) != NULL; i++)
        if (hints_in_library(out, line, hints_library(i)) &&
            !hints_is_own(line->all, hints_library(i)))
            return true;
    out->length = 0;
    return false;
}

static const char hints_method[] = "attempt to call missing method '";

/* A method of strings, which are functions of their library. */
static bool hints_by_method(struct hint *out, const char *message) {
    const char *name = message + sizeof(hints_method) - 1;
    size_t length = hints_word(name);
    char whole[64];
    struct hints_member is;

    if (strcmp(name + length, "' of string") != 0 ||
        !hints_is_missing(&is, "string", name, length))
        return false;
    snprintf(whole, sizeof(whole), "string.%.*s", (int)length, name);
    for (size_t i = 0; i < sizeof(hints_names) / sizeof(*hints_names); i++)
        if (strcmp(hints_names[i].name, whole) == 0)
            return hints_set(out, hints_names[i].hint);
    return hints_set_missing(out, &is, name, length);
}

/* ------------------------------------------------------------------------ */
/* What can not be changed                                                  */
/* ------------------------------------------------------------------------ */

/* Where the code changes a field of _G, which is read-only as libraries are,
 * for all scripts and modules share it; NULL where it does not. */
static const char *hints_shared(const char *code) {
    const char *at = hints_name_in(code, code, "_G");

    return at != NULL && hints_is_indexed(at + 2, NULL) ? at : NULL;
}

static bool hints_for_shared(struct hint *out, const struct texts_line *line) {
    const char *at = line == NULL ? NULL : hints_shared(line->code);

    if (at == NULL || !hints_is_ours(line, "_G"))
        return false;
    hints_point(out, line, at, 2);
    return hints_set(out,
                     "_G is the same for all scripts and modules, and "
                     "read-only: a plain global (x = 1) is this file's own, "
                     "and what files share is in a module (require)");
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

static bool hints_by_argument(struct hint *out, const char *message) {
    if (!hints_begins(message, "invalid argument ") &&
        !hints_begins(message, "missing argument "))
        return false;
    message = strchr(message, '#');
    if (message == NULL)
        return false; /* a script's own words */
    for (size_t i = 0; i < sizeof(hints_arguments) / sizeof(*hints_arguments);
         i++)
        if (hints_begins(message, hints_arguments[i].message))
            return hints_set(out, hints_arguments[i].hint);
    return false;
}

static bool hints_by_message(struct hint *out, const char *message) {
    for (size_t i = 0; i < sizeof(hints_messages) / sizeof(*hints_messages);
         i++)
        if (hints_begins(message, hints_messages[i].message))
            return hints_set(out, hints_messages[i].hint);
    return false;
}

bool hints_find(struct hint *out, const char *message,
                const struct texts_line *line, lua_State *co) {
    *out = (struct hint){.length = 0};
    if (hints_begins(message, "attempt to yield across metamethod/C-call "))
        return hints_for_yield(out, co);
    if (hints_begins(message, hints_index))
        return line != NULL && hints_by_name(out, message, line);
    if (hints_begins(message, "attempt to call a nil value"))
        return line != NULL && (hints_by_name(out, message, line) ||
                                hints_by_library(out, line));
    if (hints_begins(message, hints_method))
        return hints_by_method(out, message);
    if (hints_begins(message, "attempt to modify a readonly table") &&
        hints_for_shared(out, line))
        return true;
    return hints_by_argument(out, message) ||
           hints_for_require(out, message, line) ||
           hints_by_message(out, message);
}
