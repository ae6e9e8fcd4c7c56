/* SPDX-License-Identifier: MIT */
#include "host.h"

#include <luacode.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "kahu/luau.h"

/* ------------------------------------------------------------------------ */
/* The VM and its scheduler                                                 */
/* ------------------------------------------------------------------------ */

struct opening {
    struct host *h;
    lua_CFunction open;
    void *ud;
};

/* What may raise is done inside of lua_cpcall(): an error in no such call ends
 * the process. */
static int open_libraries(lua_State *L) {
    const struct opening *o = lua_tolightuserdata(L, 1);

    luaL_openlibs(L);
    kahu_open_task(L);
    kahu_open_coroutine(L);
    (void)o->open(L);
    luaL_sandbox(L);       /* what is global now can only be read ... */
    luaL_sandboxthread(L); /* ... and scripts have their globals above it */
    o->h->script = lua_newthread(L);
    (void)lua_ref(L, -1); /* the registry keeps it from being collected */
    return 0;
}

/* NULL, or what went wrong. */
static const char *open_all(struct opening *o, const kahu_options *options) {
    struct host *h = o->h;
    const kahu_driver *driver = options->driver;
    kahu_status status = KAHU_ENOMEM;

    h->L = luaL_newstate();
    if (h->L != NULL)
        status = kahu_new(&h->s, h->L, options);
    if (status != KAHU_OK) {
        driver->release(driver->ud); /* no scheduler took it */
        return kahu_status_text(status);
    }
    lua_callbacks(h->L)->userdata = o->ud;
    if (lua_cpcall(h->L, open_libraries, o) != LUA_OK)
        return lua_tostring(h->L, -1);
    return NULL;
}

bool host_open(struct host *h, const kahu_options *options, lua_CFunction open,
               void *ud) {
    struct opening o = {h, open, ud};
    const char *problem;

    *h = (struct host){0};
    problem = open_all(&o, options);
    if (problem == NULL)
        return true;
    fprintf(stderr, "cannot start: %s\n", problem);
    (void)host_close(h);
    return false;
}

void *host_data(lua_State *L) {
    return lua_callbacks(L)->userdata;
}

int host_close(struct host *h) {
    int code = h->s != NULL ? kahu_exit_code(h->s) : EXIT_FAILURE;

    kahu_free(h->s); /* first: it lives in the VM */
    if (h->L != NULL)
        lua_close(h->L);
    return code;
}

/* ------------------------------------------------------------------------ */
/* The script                                                               */
/* ------------------------------------------------------------------------ */

/* All of the file, for free(), or NULL. */
static char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long end = -1;

    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0)
        end = ftell(file);
    if (end >= 0 && fseek(file, 0, SEEK_SET) == 0)
        text = malloc((size_t)end + 1);
    if (text != NULL)
        *size = fread(text, 1, (size_t)end, file);
    fclose(file);
    return text;
}

/* The function of the text is then on co, or a message instead of it. */
static bool load(lua_State *co, const char *path, const char *text,
                 size_t text_size) {
    char name[1024];
    size_t size;
    char *bytecode = luau_compile(text, text_size, NULL, &size);
    int failed = 1;

    snprintf(name, sizeof(name), "@%s", path); /* "@" says: a file's name */
    if (bytecode != NULL)
        failed = luau_load(co, name, bytecode, size, 0);
    free(bytecode);
    return failed == 0;
}

bool host_run(struct host *h, const char *path) {
    size_t size;
    char *text = read_file(path, &size);
    bool loaded;

    if (text == NULL) {
        perror(path);
        kahu_stop(h->s, EXIT_FAILURE);
        return false;
    }
    loaded = load(h->script, path, text, size);
    free(text);
    if (loaded)
        return kahu_spawn(h->s, h->script, NULL, 0) == KAHU_OK;
    fprintf(stderr, "%s\n", lua_tostring(h->script, -1));
    kahu_stop(h->s, EXIT_FAILURE);
    return false;
}
