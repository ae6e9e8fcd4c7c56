/* SPDX-License-Identifier: MIT */
/*
 * vm.h - the Luau VM that scripts run in.
 */
#ifndef KAHU_CLI_VM_H
#define KAHU_CLI_VM_H

#include <lua.h>

#include "kahu/kahu.h"
#include "options.h"
#include "source.h"

struct modules;

/* What opening the libraries needs to know. */
struct vm_setup {
    const struct options *options;
    kahu_stepped *stepped; /* whose clock os.clock tells; NULL: the real one */
    struct modules *modules;
    /* Opens more, before all is closed to changes; may be NULL. Raises. */
    void (*open_more)(lua_State *L, void *ud);
    void *ud;
};

/* Opens the libraries in a fresh VM with a scheduler, and closes it to changes
 * (V15). A status of Luau's, with the error on top. */
int vm_open(lua_State *L, struct vm_setup *setup);

/* What malloc gives is held by the VM while Luau, which may raise at any step,
 * works on it. */
struct vm_text {
    struct source source;
    char *bytecode; /* given instead of a source, or made of it */
    size_t size;
};

/* Pushes the userdata that owns the text, which is empty. Raises. */
struct vm_text *vm_text_new(lua_State *L);

/* Pushes a thread whose globals are its own, over those that all scripts have.
 * Raises. */
lua_State *vm_thread_new(lua_State *L);

/* Does an error's message say that memory is out? */
bool vm_is_no_memory(const char *message);

/* Raises the value on top, or what it means: an exception of Luau's own C++
 * arrives under its C++ name, and is always about memory. */
void vm_raise(lua_State *L);

/* The innermost place in co's Luau code, in ar->short_src and ar->currentline;
 * the line is not above 0 when nobody kept it (-g0). */
void vm_where(lua_State *co, lua_Debug *ar);

/* Compiles the source, stripped; an error becomes bytecode that cannot be
 * loaded. From malloc; NULL when memory is out. */
char *vm_bytecode(struct source *source, const struct options *o, size_t *size);

/*
 * Compiles the source, which is freed, and pushes its function on L; its
 * globals are those of co, a fresh thread. Raises what compiling and loading
 * raise.
 */
void vm_compile(lua_State *L, lua_State *co, struct vm_text *text,
                const char *chunkname, const struct options *o);

/* What becomes a script. */
struct vm_script {
    const struct options *options;
    struct source source; /* moved out when loading begins */
    const char *chunkname;
    lua_State *thread; /* set by loading; kept alive by ref */
    int ref;
};

/* Makes a thread with globals of its own, the function of the source and the
 * script's arguments on it. A status of Luau's, with the error on top of L. */
int vm_load(lua_State *L, struct vm_script *script);

#endif
