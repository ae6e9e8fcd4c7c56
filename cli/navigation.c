/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* realpath */
#include "navigation.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bundle.h"
#include "source.h"
#include "tidy.h"

/* What realpath() writes has room. */
_Static_assert(NAVIGATION_PATH >= PATH_MAX, "NAVIGATION_PATH is too small");

/* ------------------------------------------------------------------------ */
/* Paths                                                                    */
/* ------------------------------------------------------------------------ */

static bool path_ends(const char *path, const char *end) {
    size_t length = strlen(path);
    size_t tail = strlen(end);

    return length >= tail && strcmp(path + length - tail, end) == 0;
}

static bool path_cut(char *path, const char *end) {
    if (!path_ends(path, end))
        return false;
    path[strlen(path) - strlen(end)] = '\0';
    return true;
}

static bool path_is_dir(const char *path) {
    struct stat st;

    return stat(*path == '\0' ? "." : path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool path_is_file(const char *path) {
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool path_is_root(const char *path) {
    char real[NAVIGATION_PATH];

    return realpath(*path == '\0' ? "." : path, real) == NULL ||
           strcmp(real, "/") == 0;
}

/* ------------------------------------------------------------------------ */
/* Places                                                                   */
/* ------------------------------------------------------------------------ */

/* What a place is a name of. */
struct place {
    char file[NAVIGATION_PATH]; /* the first that was found, if any */
    int beside;                 /* x.luau, x.lua */
    int within;                 /* x/init.luau, x/init.lua */
    bool dir;                   /* x */
    const struct bundle *in;    /* where that is; NULL: on the disk */
};

static bool place_has_file(const struct place *found, const char *path) {
    return found->in == NULL ? path_is_file(path)
                             : bundle_find(found->in, path) != NULL;
}

/* Above what the user named there are only dots: "", "..", "../.." */
static bool place_is_above(const char *place) {
    return *place == '\0' || strcmp(place, ".") == 0 ||
           strcmp(place, "..") == 0 || path_ends(place, "/..");
}

/* out = place + suffix; false when that is too long. */
static bool place_join(char out[NAVIGATION_PATH], const char *place,
                       const char *suffix) {
    if (*place == '\0' && *suffix == '/')
        suffix++;
    return snprintf(out, NAVIGATION_PATH, "%s%s", place, suffix) <
           NAVIGATION_PATH;
}

/* 1 if the file is there. */
static int place_find_file(struct place *found, const char *place,
                           const char *suffix) {
    char path[NAVIGATION_PATH];

    if (!place_join(path, place, suffix) || !place_has_file(found, path))
        return 0;
    if (found->beside + found->within == 0)
        memcpy(found->file, path, sizeof(path));
    return 1;
}

static void place_find_in(const struct bundle *in, struct place *found,
                          const char *place) {
    const char *slash = strrchr(place, '/');
    const char *name = slash == NULL ? place : slash + 1;

    *found = (struct place){.in = in};
    found->dir = in == NULL ? path_is_dir(place) : bundle_has_dir(in, place);
    /* x/init.luau is the module x, and has no second name x/init. */
    if (!place_is_above(place) && strcmp(name, "init") != 0) {
        found->beside += place_find_file(found, place, ".luau");
        found->beside += place_find_file(found, place, ".lua");
    }
    if (found->dir) {
        found->within += place_find_file(found, place, "/init.luau");
        found->within += place_find_file(found, place, "/init.lua");
    }
}

static bool place_is_module(const struct place *found) {
    return found->beside + found->within > 0;
}

static void place_find(const struct navigation *n, struct place *found) {
    if (n->bundle != NULL) {
        place_find_in(n->bundle, found, n->place);
        if (found->dir || place_is_module(found))
            return;
    }
    place_find_in(NULL, found, n->place);
}

static luarequire_NavigateResult place_look(const struct navigation *n) {
    struct place found;

    place_find(n, &found);
    if (found.beside + found.within > 1 || (found.beside > 0 && found.dir))
        return NAVIGATE_AMBIGUOUS;
    return found.dir || place_is_module(&found) ? NAVIGATE_SUCCESS
                                                : NAVIGATE_NOT_FOUND;
}

/* ------------------------------------------------------------------------ */
/* Steps                                                                    */
/* ------------------------------------------------------------------------ */

/* From the path of a file to the module that it is. */
static void nav_cut_suffix(struct navigation *n) {
    if (!path_cut(n->place, ".luau"))
        (void)path_cut(n->place, ".lua");
    if (strcmp(n->place, "init") == 0)
        strcpy(n->place, ".");
    else if (path_cut(n->place, "/init") && n->place[0] == '\0')
        strcpy(n->place, "/");
}

/* A script that came from no file stands in the current directory. That it
 * runs settles which of two files it is. */
static luarequire_NavigateResult nav_reset(lua_State *L, void *ctx,
                                           const char *chunkname) {
    bool is_file = chunkname[0] == '@';
    struct navigation *n = ctx;
    const char *path = is_file ? chunkname + 1 : "script";
    const char *bundled = NULL;
    bool fits;

    (void)L;
    if (n->bundle != NULL)
        bundled = is_file ? bundle_name(n->bundle, chunkname) : path;
    n->bundled = bundled != NULL;
    fits = n->bundled ? place_join(n->place, bundled, "")
                      : tidy_path(n->place, sizeof(n->place), path, true);
    nav_cut_suffix(n);
    return fits ? NAVIGATE_SUCCESS : NAVIGATE_NOT_FOUND;
}

/* Relative aliases are the library's to follow; here only "/..." is left. A
 * bundle has to find it where there is no such directory. */
static luarequire_NavigateResult nav_jump(lua_State *L, void *ctx,
                                          const char *path) {
    struct navigation *n = ctx;

    (void)L;
    if (path[0] != '/' || !tidy_path(n->place, sizeof(n->place), path, false))
        return NAVIGATE_NOT_FOUND;
    nav_cut_suffix(n);
    return place_look(n);
}

static luarequire_NavigateResult nav_climb(struct navigation *n) {
    bool here = n->place[0] == '\0' || strcmp(n->place, ".") == 0;
    char above[NAVIGATION_PATH];

    if (!place_join(above, here ? "" : n->place, "/.."))
        return NAVIGATE_NOT_FOUND;
    /* A bundle's directories are above each other wherever it is run. */
    if ((n->bundle == NULL || !bundle_has_dir(n->bundle, above)) &&
        path_is_root(n->place))
        return NAVIGATE_NOT_FOUND;
    memcpy(n->place, above, sizeof(above));
    return NAVIGATE_SUCCESS;
}

/* On the way up nothing is ambiguous. */
static luarequire_NavigateResult nav_to_parent(lua_State *L, void *ctx) {
    struct navigation *n = ctx;
    char *slash;

    (void)L;
    if (strcmp(n->place, "/") == 0)
        return NAVIGATE_NOT_FOUND;
    if (place_is_above(n->place))
        return nav_climb(n);
    slash = strrchr(n->place, '/');
    if (slash == NULL)
        n->place[0] = '\0';
    else if (slash == n->place)
        slash[1] = '\0';
    else
        *slash = '\0';
    return place_look(n) == NAVIGATE_NOT_FOUND ? NAVIGATE_NOT_FOUND
                                               : NAVIGATE_SUCCESS;
}

static luarequire_NavigateResult nav_to_child(lua_State *L, void *ctx,
                                              const char *name) {
    struct navigation *n = ctx;
    bool here = *n->place == '\0' || strcmp(n->place, ".") == 0;
    const char *slash = here || path_ends(n->place, "/") ? "" : "/";
    char place[NAVIGATION_PATH];

    (void)L;
    if (strcmp(name, ".config") == 0) /* .config.luau is no module */
        return NAVIGATE_NOT_FOUND;
    if (snprintf(place, sizeof(place), "%s%s%s", here ? "" : n->place, slash,
                 name) >= NAVIGATION_PATH)
        return NAVIGATE_NOT_FOUND;
    memcpy(n->place, place, sizeof(place));
    return place_look(n);
}

/* ------------------------------------------------------------------------ */
/* Answers                                                                  */
/* ------------------------------------------------------------------------ */

bool navigation_key(const struct navigation *n, char out[NAVIGATION_PATH]) {
    struct place found;

    place_find(n, &found);
    if (!place_is_module(&found))
        return false;
    if (found.in == NULL)
        return realpath(found.file, out) != NULL;
    /* A file has one unit, whatever its names. Paths on the disk begin with a
     * slash. */
    snprintf(out, NAVIGATION_PATH, "bundle/%u",
             (unsigned)bundle_find(found.in, found.file)->unit);
    return true;
}

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
           strcmp(chunkname, "=-e") == 0 ||
           strncmp(chunkname, "=repl[", 6) == 0;
}

static bool nav_is_module(lua_State *L, void *ctx) {
    const struct navigation *n = ctx;
    struct place found;

    (void)L;
    place_find(n, &found);
    return place_is_module(&found);
}

static luarequire_WriteResult nav_loadname(lua_State *L, void *ctx,
                                           char *buffer, size_t size,
                                           size_t *size_out) {
    const struct navigation *n = ctx;
    struct place found;

    (void)L;
    place_find(n, &found);
    if (!place_is_module(&found))
        return WRITE_FAILURE;
    return nav_write(found.file, buffer, size, size_out);
}

static luarequire_WriteResult nav_cache_key(lua_State *L, void *ctx,
                                            char *buffer, size_t size,
                                            size_t *size_out) {
    char key[NAVIGATION_PATH];

    (void)L;
    if (!navigation_key(ctx, key))
        return WRITE_FAILURE;
    return nav_write(key, buffer, size, size_out);
}

/* ------------------------------------------------------------------------ */
/* Configuration files                                                      */
/* ------------------------------------------------------------------------ */

static bool nav_config_path(const struct navigation *n, const char *name,
                            char out[NAVIGATION_PATH]) {
    if (!place_join(out, n->place, name))
        return false;
    return n->bundled ? bundle_find(n->bundle, out) != NULL : path_is_file(out);
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

static bool nav_config_read(const struct navigation *n, const char *path,
                            struct source *out) {
    struct source_failure failure;

    if (!n->bundled)
        return source_read(out, path, &failure);
    out->text =
        bundle_read(n->bundle, bundle_find(n->bundle, path)->unit, &out->size);
    return out->text != NULL;
}

static luarequire_WriteResult nav_config(lua_State *L, void *ctx, char *buffer,
                                         size_t size, size_t *size_out) {
    luarequire_WriteResult result = WRITE_BUFFER_TOO_SMALL;
    char path[NAVIGATION_PATH];
    struct source source;

    (void)L;
    if (!nav_config_path(ctx, "/.luaurc", path) &&
        !nav_config_path(ctx, "/.config.luau", path))
        return WRITE_FAILURE;
    if (!nav_config_read(ctx, path, &source))
        return WRITE_FAILURE;
    *size_out = source.size;
    if (source.size <= size) {
        memcpy(buffer, source.text, source.size);
        result = WRITE_SUCCESS;
    }
    source_free(&source);
    return result;
}

void navigation_configs(struct navigation *n, const char *chunkname,
                        void (*found)(void *ud, const char *path), void *ud) {
    luarequire_NavigateResult at = nav_reset(NULL, n, chunkname);
    char path[NAVIGATION_PATH];

    while (at == NAVIGATE_SUCCESS) {
        if (nav_config_path(n, "/.luaurc", path))
            found(ud, path);
        if (nav_config_path(n, "/.config.luau", path))
            found(ud, path);
        at = nav_to_parent(NULL, n);
    }
}

void navigation_configure(luarequire_Configuration *config) {
    *config = (luarequire_Configuration){
        .is_require_allowed = nav_is_allowed,
        .reset = nav_reset,
        .jump_to_alias = nav_jump,
        .to_parent = nav_to_parent,
        .to_child = nav_to_child,
        .is_module_present = nav_is_module,
        .get_chunkname = nav_loadname, /* `load` makes its own of it */
        .get_loadname = nav_loadname,
        .get_cache_key = nav_cache_key,
        .get_config_status = nav_config_status,
        .get_config = nav_config,
    };
}
