/* SPDX-License-Identifier: MIT */
#include "hints_require.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "navigation.h"
#include "texts.h"
#include "tidy.h"

static bool hints_begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static bool hints_ends(const char *text, const char *with) {
    size_t length = strlen(text);
    size_t n = strlen(with);

    return length >= n && strcmp(text + length - n, with) == 0;
}

/* False where it has no room for all of it: half of a path helps nobody. */
__attribute__((format(printf, 2, 3))) static bool
hints_format(struct hint *out, const char *format, ...) {
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(out->text, sizeof(out->text), format, arguments);
    va_end(arguments);
    return n >= 0 && (size_t)n < sizeof(out->text);
}

/* The path between the quotes that `from` is after. */
static bool hints_path(char out[NAVIGATION_PATH], const char *from) {
    const char *end = strstr(from, "\": ");
    size_t length = end == NULL ? 0 : (size_t)(end - from);

    if (length == 0 || length >= NAVIGATION_PATH)
        return false;
    memcpy(out, from, length);
    out[length] = '\0';
    return true;
}

/* The directory that "./" means in the chunk, with a slash behind it. Code and
 * standard input are in the current one; x/init.luau is beside x. */
static bool hints_directory(char out[NAVIGATION_PATH], const char *chunkname) {
    const char *file = *chunkname == '@' ? chunkname + 1 : "";
    const char *name = strrchr(file, '/');
    size_t length;

    name = name == NULL ? file : name + 1;
    length = (size_t)(name - file);
    return snprintf(out, NAVIGATION_PATH, "%.*s%s", (int)length, file,
                    hints_begins(name, "init.lua") ? "../" : "") <
           NAVIGATION_PATH;
}

/* Where the module would be. */
static bool hints_for_missing(struct hint *out, const char *path,
                              const struct texts_line *line) {
    char directory[NAVIGATION_PATH];
    char whole[2 * NAVIGATION_PATH];
    char place[2 * NAVIGATION_PATH];

    if (line == NULL || *path != '.' || !hints_directory(directory, line->name))
        return false;
    snprintf(whole, sizeof(whole), "%s%s", directory, path);
    return tidy_path(place, sizeof(place), whole, true) &&
           hints_format(out, "there is no %s.luau and no %s/init.luau", place,
                        place);
}

/* A path that begins with nothing that a path begins with. */
static bool hints_for_prefix(struct hint *out, const char *path) {
    if (hints_is_word(*path) && !hints_ends(path, ".luau"))
        return hints_format(
            out,
            "paths begin with ./, ../ or @; for a file beside this one: "
            "require(\"./%s\")",
            path);
    return hints_format(out, "paths begin with ./, ../ or @");
}

static bool hints_for_alias(struct hint *out, const char *path) {
    return hints_format(out,
                        "aliases are in .luaurc, beside the file or above it: "
                        "{\"aliases\": {\"%.*s\": \"./path\"}}",
                        (int)strcspn(path + 1, "/"), path + 1);
}

static bool hints_for_path(struct hint *out, const char *path, const char *why,
                           const struct texts_line *line) {
    if (hints_begins(why, "require path must start with a valid prefix"))
        return hints_for_prefix(out, path);
    if (*path == '@' && hints_ends(why, " is not a valid alias"))
        return hints_for_alias(out, path);
    if (!hints_begins(why, "could not resolve child component "))
        return false;
    if (hints_ends(why, " (ambiguous)"))
        return hints_format(out, "more than one file has this name, or a "
                                 "directory is beside the file: of x.luau, "
                                 "x.lua and x/ there can be one");
    if (hints_ends(path, ".luau"))
        return hints_format(out, "a module is named without its suffix: "
                                 "require(\"./name\")");
    return hints_for_missing(out, path, line);
}

bool hints_for_require(struct hint *out, const char *message,
                       const struct texts_line *line) {
    static const char before[] = "error requiring module \"";
    char path[NAVIGATION_PATH];

    if (strcmp(message, "no module present at resolved path") == 0)
        return hints_format(out, "the path leads to a directory, and it has "
                                 "no init.luau");
    if (!hints_begins(message, before))
        return false;
    message += sizeof(before) - 1;
    if (!hints_path(path, message))
        return hints_begins(message, "\": ") &&
               hints_for_path(out, "", message + 3, line);
    return hints_for_path(out, path, message + strlen(path) + 3, line);
}
