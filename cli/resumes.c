/* SPDX-License-Identifier: MIT */
#include "resumes.h"

static struct {
    lua_State *threads[RESUMES_MAX - 1]; /* the outermost first */
    size_t depth;                        /* may be more than there is room */
    void (*begin)(void *ud);             /* NULL: nobody watches */
    void (*end)(void *ud);
    void *ud;
} resumes;

static void resumes_begin(lua_State *L) {
    if (resumes.depth < RESUMES_MAX - 1)
        resumes.threads[resumes.depth] = L;
    if (resumes.depth++ == 0 && resumes.begin != NULL)
        resumes.begin(resumes.ud);
}

static void resumes_end(lua_State *L) {
    (void)L;
    if (--resumes.depth == 0 && resumes.end != NULL)
        resumes.end(resumes.ud);
}

void resumes_open(lua_State *L) {
    lua_Callbacks *callbacks = lua_callbacks(L);

    resumes.depth = 0;
    callbacks->preresume = resumes_begin;
    callbacks->postresume = resumes_end;
}

void resumes_watch(void (*begin)(void *ud), void (*end)(void *ud), void *ud) {
    resumes.begin = begin;
    resumes.end = end;
    resumes.ud = ud;
}

/* L is not the innermost of them when the host runs it by a call. */
size_t resumes_list(lua_State *L, lua_State *out[RESUMES_MAX]) {
    size_t i =
        resumes.depth < RESUMES_MAX - 1 ? resumes.depth : RESUMES_MAX - 1;
    size_t n = 0;

    out[n++] = L;
    while (i-- > 0)
        if (resumes.threads[i] != L)
            out[n++] = resumes.threads[i];
    return n;
}
