/* SPDX-License-Identifier: MIT */
/*
 * gather.c - a script, the modules it requires, and those that they do.
 *
 * Paths are resolved by the library that resolves them when a script runs, so
 * that a bundle has what its script would find. The files of the bundle are
 * also the list of what is still to be read: each is added when it is first
 * named, and read in its turn.
 */
#define _XOPEN_SOURCE 700 /* realpath */
#include "gather.h"

#include <dirent.h>
#include <luacode.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"
#include "navigation.h"
#include "report.h"
#include "requires.h"
#include "texts.h"
#include "tidy.h"
#include "vm.h"

struct gathering {
    struct navigation navigation; /* first: what the library walks */
    const struct gather *g;
    struct bundler *out;
    struct script *script;
    lua_State *L;
    struct source source;                /* of what is read now */
    char chunkname[NAVIGATION_PATH + 1]; /* its name */
    bool failed;
};

/* ------------------------------------------------------------------------ */
/* Requires                                                                 */
/* ------------------------------------------------------------------------ */

/* luarequire_Configuration.load: whoever asks wants to know the file. */
static int gather_loaded(lua_State *L, void *ctx, const char *path,
                         const char *chunkname, const char *loadname) {
    (void)ctx;
    (void)path;
    (void)chunkname;
    lua_pushstring(L, loadname);
    return 1;
}

static void gather_configure(luarequire_Configuration *config) {
    navigation_configure(config);
    config->load = gather_loaded;
}

/* Pushes the value of a literal, which Luau knows best. Raises. */
static void gather_push_literal(lua_State *L, const struct requires_call *c) {
    const char *text;
    char *bytecode;
    size_t size;
    int status;

    lua_pushliteral(L, "return ");
    lua_pushlstring(L, c->literal, c->size);
    lua_concat(L, 2);
    text = lua_tolstring(L, -1, &size);
    bytecode = luau_compile(text, size, NULL, &size);
    lua_pop(L, 1);
    if (bytecode == NULL)
        luaL_error(L, "not enough memory");
    status = luau_load(L, "=path", bytecode, size, 0);
    free(bytecode);
    if (status != 0)
        lua_error(L);
    lua_call(L, 0, 1);
}

/* Calls the library on L; the answer or its error is on top. A Luau status. */
static int gather_resolve(struct gathering *a, const struct requires_call *c) {
    lua_State *L = a->L;
    const char *path;
    size_t size;

    /* One file may have several names, and each is asked for. */
    luarequire_clearcache(L);
    luarequire_pushproxyrequire(L, gather_configure, a);
    gather_push_literal(L, c);
    path = luaL_checklstring(L, -1, &size);
    if (strlen(path) != size) {
        lua_pushliteral(L, "path contains a zero byte");
        return LUA_ERRRUN;
    }
    lua_pushstring(L, a->chunkname);
    return lua_pcall(L, 2, 1, 0);
}

static void gather_add(struct gathering *a, const char *name) {
    if (!bundler_has_file(a->out, name))
        bundler_add_file(a->out, name, 0);
}

/* The file as messages name it. */
static const char *gather_shown(const struct gathering *a) {
    return a->chunkname + 1;
}

/* The library's error is on top: one that ends the work, or a warning. Raises.
 */
static void gather_unresolved(struct gathering *a,
                              const struct requires_call *c) {
    const char *why = lua_tostring(a->L, -1);

    if (c->kind == REQUIRES_GUARDED) {
        fprintf(stderr, "%s:%u: warning: %s\n", gather_shown(a), c->line, why);
        return;
    }
    lua_pushfstring(a->L, "%s:%d: %s", gather_shown(a), (int)c->line, why);
    message_error(NULL, NULL, lua_tostring(a->L, -1), "");
    a->failed = true;
}

/* What requires_scan() finds. Raises. */
static void gather_call(void *ud, const struct requires_call *c) {
    struct gathering *a = ud;

    if (c->kind == REQUIRES_DYNAMIC) {
        if (a->g->includes[0] != NULL)
            return; /* as this one may be */
        fprintf(stderr,
                "%s:%u: warning: what is required here is known only when it "
                "runs: name it with --include\n",
                gather_shown(a), c->line);
        return;
    }
    if (gather_resolve(a, c) == LUA_OK)
        gather_add(a, lua_tostring(a->L, -1));
    else if (vm_is_no_memory(lua_tostring(a->L, -1)))
        a->out->failed = true;
    else
        gather_unresolved(a, c);
    lua_settop(a->L, 0);
}

/* ------------------------------------------------------------------------ */
/* Sources                                                                  */
/* ------------------------------------------------------------------------ */

/* Says what the compiler found, in the words of a run. Raises. */
static void gather_check(struct gathering *a, const char *bytecode,
                         size_t size) {
    if (luau_load(a->L, a->chunkname, bytecode, size, 0) != 0) {
        message_error(NULL, NULL, lua_tostring(a->L, -1), "");
        a->failed = true;
    }
    lua_settop(a->L, 0);
}

/* A copy for messages about it. */
static void gather_show(const struct gathering *a) {
    struct source copy;

    if (source_clone(&copy, &a->source))
        texts_keep(a->chunkname, &copy);
}

/* Makes a unit of the source, which is still to be scanned. */
static uint32_t gather_compile(struct gathering *a, const char *real) {
    size_t size = 0;
    char *bytecode = vm_bytecode(&a->source, a->g->options, &size);
    uint32_t unit;

    if (bytecode == NULL) {
        a->out->failed = true;
        return 0;
    }
    unit = bundler_add_unit(a->out, real, bytecode, size);
    if (a->g->sources && !a->out->failed)
        bundler_set_source(a->out, unit, &a->source);
    if (!a->out->failed)
        gather_check(a, bytecode, size);
    return unit;
}

/* What Luau calls a.source is in a->chunkname. The unit. */
static uint32_t gather_source(struct gathering *a, const char *real) {
    int64_t known = real == NULL ? -1 : bundler_find_unit(a->out, real);
    uint32_t unit = (uint32_t)known;

    source_strip(&a->source);
    gather_show(a);
    if (known < 0)
        unit = gather_compile(a, real);
    /* By whichever name it is found, what it requires is named from there. */
    if (!a->failed && !a->out->failed)
        requires_scan(a->source.text, a->source.size, gather_call, a);
    source_free(&a->source);
    return unit;
}

static bool gather_is_config(const char *name) {
    const char *slash = strrchr(name, '/');

    name = slash == NULL ? name : slash + 1;
    return strcmp(name, ".luaurc") == 0 || strcmp(name, ".config.luau") == 0;
}

static void gather_config_found(void *ud, const char *path) {
    gather_add(ud, path);
}

static void gather_cannot_read(struct gathering *a, const char *name,
                               const struct source_failure *failure) {
    if (failure->memory)
        a->out->failed = true;
    else
        fprintf(stderr, "kahu: cannot read '%s': %s\n", name, failure->why);
    a->failed = true;
}

/* The source is at hand: the script's. */
static void gather_first(struct gathering *a) {
    struct script *script = a->script;
    char real[NAVIGATION_PATH];
    char name[NAVIGATION_PATH];
    bool is_file = script->chunkname[0] == '@' &&
                   realpath(script->path, real) != NULL &&
                   tidy_path(name, sizeof(name), script->path, true);

    memcpy(a->chunkname, script->chunkname, sizeof(script->chunkname));
    a->source = script->source;
    script->source = (struct source){NULL, 0};
    if (is_file)
        gather_add(a, name);
    (void)gather_source(a, is_file ? real : NULL);
    navigation_configs(&a->navigation, a->chunkname, gather_config_found, a);
}

static void gather_file(struct gathering *a, uint32_t i) {
    const char *name = a->out->files[i].name;
    struct source_failure failure;
    char real[NAVIGATION_PATH];
    uint32_t unit;

    if (!source_read(&a->source, name, &failure)) {
        gather_cannot_read(a, name, &failure);
        return;
    }
    if (gather_is_config(name)) {
        unit = bundler_add_unit(a->out, NULL, a->source.text, a->source.size);
        a->source = (struct source){NULL, 0};
    } else {
        snprintf(a->chunkname, sizeof(a->chunkname), "@%s", name);
        unit = gather_source(a, realpath(name, real));
        navigation_configs(&a->navigation, a->chunkname, gather_config_found,
                           a);
    }
    a->out->files[i].unit = unit;
}

/* ------------------------------------------------------------------------ */
/* --include                                                                */
/* ------------------------------------------------------------------------ */

static bool include_is_source(const char *name) {
    const char *dot = strrchr(name, '.');

    return dot != NULL && dot != name &&
           (strcmp(dot, ".luau") == 0 || strcmp(dot, ".lua") == 0);
}

static int include_filter(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static void include_refuse(struct gathering *a, const char *path,
                           const char *why) {
    fprintf(stderr, "kahu: cannot include '%s': %s\n", path, why);
    a->failed = true;
}

static void include_path(struct gathering *a, const char *path, bool named);

static void include_dir(struct gathering *a, const char *path) {
    const char *prefix = strcmp(path, ".") == 0 ? "" : path;
    const char *slash = *prefix == '\0' || strcmp(path, "/") == 0 ? "" : "/";
    struct dirent **entries;
    char inside[NAVIGATION_PATH];
    int n = scandir(path, &entries, include_filter, alphasort);

    if (n < 0)
        include_refuse(a, path, "it cannot be read");
    for (int i = 0; i < n; i++) {
        if (snprintf(inside, sizeof(inside), "%s%s%s", prefix, slash,
                     entries[i]->d_name) < NAVIGATION_PATH)
            include_path(a, inside, false);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

/* What was named has to be something; in a directory there may be anything,
 * and what a link there leads to may be the directory itself. */
static void include_path(struct gathering *a, const char *path, bool named) {
    struct stat st;

    if ((named ? stat(path, &st) : lstat(path, &st)) != 0)
        include_refuse(a, path, "it is not there");
    else if (S_ISDIR(st.st_mode))
        include_dir(a, path);
    else if (include_is_source(path) && stat(path, &st) == 0 &&
             S_ISREG(st.st_mode))
        gather_add(a, path);
    else if (named)
        include_refuse(a, path, "it is no .luau or .lua file");
}

/* Where the script is absolute, so are its modules. */
static void include_named(struct gathering *a, const char *path) {
    char cwd[NAVIGATION_PATH] = "";
    char named[NAVIGATION_PATH];
    char tidy[NAVIGATION_PATH];
    bool absolute = a->script->path[0] == '/' && path[0] != '/';

    if ((absolute && getcwd(cwd, sizeof(cwd)) == NULL) ||
        snprintf(named, sizeof(named), "%s%s%s", cwd, absolute ? "/" : "",
                 path) >= NAVIGATION_PATH) {
        include_refuse(a, path, "its path is too long");
        return;
    }
    (void)tidy_path(tidy, sizeof(tidy), named, true); /* it never gets longer */
    include_path(a, *tidy == '\0' ? "." : tidy, true);
}

/* ------------------------------------------------------------------------ */
/* All                                                                      */
/* ------------------------------------------------------------------------ */

static int gather_protected(lua_State *L) {
    struct gathering *a = lua_tolightuserdata(L, 1);

    lua_settop(L, 0);
    a->L = L;
    gather_first(a);
    for (char **include = a->g->includes; *include != NULL; include++)
        include_named(a, *include);
    /* The script was the first. */
    for (uint32_t i = a->script->chunkname[0] == '@'; i < a->out->files_count;
         i++)
        gather_file(a, i);
    return 0;
}

static bool gather_with_vm(struct gathering *a, lua_State *L) {
    if (lua_cpcall(L, gather_protected, a) != LUA_OK) {
        if (vm_is_no_memory(lua_tostring(L, -1)))
            a->out->failed = true;
        else
            report_failure("cannot compile", lua_tostring(L, -1));
        a->failed = true;
    }
    if (a->out->failed)
        report_no_memory();
    return !a->failed && !a->out->failed;
}

bool gather_script(const struct gather *g, struct script *script) {
    struct gathering *a = calloc(1, sizeof(*a));
    lua_State *L = luaL_newstate();
    bool done = false;

    if (a == NULL || L == NULL) {
        report_no_memory();
    } else {
        a->g = g;
        a->out = g->out;
        a->script = script;
        done = gather_with_vm(a, L);
        source_free(&a->source);
    }
    source_free(&script->source);
    if (L != NULL)
        lua_close(L);
    free(a);
    return done;
}
