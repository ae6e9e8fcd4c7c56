/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* realpath */
#include "navigation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "source.h"

/* ------------------------------------------------------------------------ */
/* Files                                                                    */
/* ------------------------------------------------------------------------ */

static bool place_is_dir(const char *path) {
    struct stat st;

    return stat(*path == '\0' ? "." : path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool place_is_file(const char *path) {
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* out = place + suffix; false when that is too long. */
static bool place_join(char out[NAVIGATION_PATH], const char *place,
                       const char *suffix) {
    if (*place == '\0' && *suffix == '/')
        suffix++;
    return snprintf(out, NAVIGATION_PATH, "%s%s", place, suffix) <
           NAVIGATION_PATH;
}

/* The files that a module at place may be, and how many of them there are;
 * the first is left in out. */
static int place_files(const char *place, char out[NAVIGATION_PATH]) {
    static const char *const suffixes[] = {".luau", ".lua", "/init.luau",
                                           "/init.lua"};
    char path[NAVIGATION_PATH];
    int count = 0;

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (!place_join(path, place, suffixes[i]) || !place_is_file(path))
            continue;
        if (count++ == 0)
            memcpy(out, path, sizeof(path));
    }
    return count;
}

static luarequire_NavigateResult place_look(const char *place) {
    char path[NAVIGATION_PATH];
    int files = place_files(place, path);

    if (files > 1)
        return NAVIGATE_AMBIGUOUS;
    return files == 1 || place_is_dir(place) ? NAVIGATE_SUCCESS
                                             : NAVIGATE_NOT_FOUND;
}

/* ------------------------------------------------------------------------ */
/* Steps                                                                    */
/* ------------------------------------------------------------------------ */

static bool ends_with(const char *s, const char *end) {
    size_t length = strlen(s);
    size_t tail = strlen(end);

    return length >= tail && strcmp(s + length - tail, end) == 0;
}

static void place_cut(char *place, const char *suffix) {
    if (ends_with(place, suffix))
        place[strlen(place) - strlen(suffix)] = '\0';
}

/* "./x" and "x" are the same place. */
static const char *place_plain(const char *path) {
    while (path[0] == '.' && path[1] == '/')
        path += 2 + strspn(path + 2, "/");
    return path;
}

/* A script that came from no file stands in the current directory. */
static luarequire_NavigateResult nav_reset(lua_State *L, void *ctx,
                                           const char *chunkname) {
    struct navigation *n = ctx;
    const char *path = chunkname[0] == '@' ? chunkname + 1 : "script";

    (void)L;
    if (!place_join(n->place, place_plain(path), ""))
        return NAVIGATE_NOT_FOUND;
    place_cut(n->place, ".luau");
    place_cut(n->place, ".lua");
    if (strcmp(n->place, "init") == 0)
        strcpy(n->place, ".");
    else
        place_cut(n->place, "/init");
    return NAVIGATE_SUCCESS;
}

static luarequire_NavigateResult nav_jump(lua_State *L, void *ctx,
                                          const char *path) {
    struct navigation *n = ctx;

    (void)L;
    if (!place_join(n->place, place_plain(path), ""))
        return NAVIGATE_NOT_FOUND;
    while (n->place[0] != '\0' && n->place[1] != '\0' &&
           ends_with(n->place, "/"))
        n->place[strlen(n->place) - 1] = '\0';
    return place_look(n->place);
}

static bool place_is_root(const char *place) {
    char *real = realpath(*place == '\0' ? "." : place, NULL);
    bool root = real == NULL || strcmp(real, "/") == 0;

    free(real);
    return root;
}

/* Above what the user named there are only dots: "" .. "../.." */
static bool place_is_above(const char *place) {
    return *place == '\0' || strcmp(place, ".") == 0 ||
           strcmp(place, "..") == 0 || ends_with(place, "/..");
}

static luarequire_NavigateResult place_climb(struct navigation *n) {
    if (place_is_root(n->place))
        return NAVIGATE_NOT_FOUND;
    if (n->place[0] == '\0' || strcmp(n->place, ".") == 0)
        strcpy(n->place, "..");
    else if (strlen(n->place) + 4 > NAVIGATION_PATH)
        return NAVIGATE_NOT_FOUND;
    else
        strcat(n->place, "/..");
    return NAVIGATE_SUCCESS;
}

static luarequire_NavigateResult nav_to_parent(lua_State *L, void *ctx) {
    struct navigation *n = ctx;
    char *slash;

    (void)L;
    if (place_is_above(n->place))
        return place_climb(n);
    slash = strrchr(n->place, '/');
    if (slash == NULL)
        n->place[0] = '\0';
    else if (slash == n->place) {
        if (slash[1] == '\0')
            return NAVIGATE_NOT_FOUND;
        slash[1] = '\0';
    } else
        *slash = '\0';
    return place_look(n->place);
}

static luarequire_NavigateResult nav_to_child(lua_State *L, void *ctx,
                                              const char *name) {
    struct navigation *n = ctx;
    char place[NAVIGATION_PATH];
    bool plain = *n->place == '\0' || strcmp(n->place, ".") == 0;

    (void)L;
    if (!place_join(place, plain ? "" : n->place,
                    plain || ends_with(n->place, "/") ? "" : "/") ||
        strlen(place) + strlen(name) >= NAVIGATION_PATH)
        return NAVIGATE_NOT_FOUND;
    strcat(place, name);
    memcpy(n->place, place, sizeof(place));
    return place_look(n->place);
}

/* ------------------------------------------------------------------------ */
/* Answers                                                                  */
/* ------------------------------------------------------------------------ */

static luarequire_WriteResult nav_write(const char *text, char *buffer,
                                        size_t size, size_t *size_out) {
    *size_out = strlen(text);
    if (*size_out > size)
        return WRITE_BUFFER_TOO_SMALL;
    memcpy(buffer, text, *size_out);
    return WRITE_SUCCESS;
}

static bool nav_is_allowed(lua_State *L, void *ctx, const char *chunkname) {
    (void)L;
    (void)ctx;
    return chunkname[0] == '@' || strcmp(chunkname, "=stdin") == 0 ||
           strcmp(chunkname, "=-e") == 0;
}

static bool nav_is_module(lua_State *L, void *ctx) {
    const struct navigation *n = ctx;
    char path[NAVIGATION_PATH];

    (void)L;
    return place_files(n->place, path) == 1;
}

static luarequire_WriteResult nav_chunkname(lua_State *L, void *ctx,
                                            char *buffer, size_t size,
                                            size_t *size_out) {
    const struct navigation *n = ctx;
    char name[NAVIGATION_PATH + 1] = "@";

    (void)L;
    if (place_files(n->place, name + 1) != 1)
        return WRITE_FAILURE;
    return nav_write(name, buffer, size, size_out);
}

static luarequire_WriteResult nav_loadname(lua_State *L, void *ctx,
                                           char *buffer, size_t size,
                                           size_t *size_out) {
    const struct navigation *n = ctx;
    char path[NAVIGATION_PATH];

    (void)L;
    if (place_files(n->place, path) != 1)
        return WRITE_FAILURE;
    return nav_write(path, buffer, size, size_out);
}

/* One module by whatever path it was named. */
static luarequire_WriteResult nav_cache_key(lua_State *L, void *ctx,
                                            char *buffer, size_t size,
                                            size_t *size_out) {
    const struct navigation *n = ctx;
    char path[NAVIGATION_PATH];
    luarequire_WriteResult result;
    char *real;

    (void)L;
    if (place_files(n->place, path) != 1)
        return WRITE_FAILURE;
    real = realpath(path, NULL);
    if (real == NULL)
        return WRITE_FAILURE;
    result = nav_write(real, buffer, size, size_out);
    free(real);
    return result;
}

/* ------------------------------------------------------------------------ */
/* Configuration files                                                      */
/* ------------------------------------------------------------------------ */

static bool nav_config_path(const struct navigation *n, const char *name,
                            char out[NAVIGATION_PATH]) {
    return place_join(out, n->place, name) && place_is_file(out);
}

static luarequire_ConfigStatus nav_config_status(lua_State *L, void *ctx) {
    char path[NAVIGATION_PATH];
    bool json = nav_config_path(ctx, "/.luaurc", path);
    bool luau = nav_config_path(ctx, "/.config.luau", path);

    (void)L;
    if (json && luau)
        return CONFIG_AMBIGUOUS;
    if (json)
        return CONFIG_PRESENT_JSON;
    return luau ? CONFIG_PRESENT_LUAU : CONFIG_ABSENT;
}

static luarequire_WriteResult nav_config(lua_State *L, void *ctx, char *buffer,
                                         size_t size, size_t *size_out) {
    luarequire_WriteResult result = WRITE_BUFFER_TOO_SMALL;
    char path[NAVIGATION_PATH];
    struct source source;
    const char *why;

    (void)L;
    if (!nav_config_path(ctx, "/.luaurc", path) &&
        !nav_config_path(ctx, "/.config.luau", path))
        return WRITE_FAILURE;
    if (!source_read(&source, path, &why))
        return WRITE_FAILURE;
    *size_out = source.size;
    if (source.size <= size) {
        memcpy(buffer, source.text, source.size);
        result = WRITE_SUCCESS;
    }
    source_free(&source);
    return result;
}

void navigation_configure(luarequire_Configuration *config) {
    *config = (luarequire_Configuration){
        .is_require_allowed = nav_is_allowed,
        .reset = nav_reset,
        .jump_to_alias = nav_jump,
        .to_parent = nav_to_parent,
        .to_child = nav_to_child,
        .is_module_present = nav_is_module,
        .get_chunkname = nav_chunkname,
        .get_loadname = nav_loadname,
        .get_cache_key = nav_cache_key,
        .get_config_status = nav_config_status,
        .get_config = nav_config,
    };
}
