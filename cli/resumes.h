/* SPDX-License-Identifier: MIT */
/*
 * resumes.h - which threads run: the one that does, the one that has resumed
 * it, and so on. The VM itself forgets who resumed a thread.
 */
#ifndef KAHU_CLI_RESUMES_H
#define KAHU_CLI_RESUMES_H

#include <lua.h>
#include <stddef.h>

/* Beyond these the VM takes its C stack for exhausted; what is resumed by the
 * host in between could be more, and is left out. */
#define RESUMES_MAX (LUAI_MAXCCALLS + 1)

/* Takes the VM's resume callbacks; before the scheduler does, which calls those
 * that it finds. One VM of a process. */
void resumes_open(lua_State *L);

/* Who wants to know when the outermost resume begins, and when it is over. */
void resumes_watch(void (*begin)(void *ud), void (*end)(void *ud), void *ud);

/* L, which runs, then all who wait for it inside of a resume, the innermost
 * first; how many. */
size_t resumes_list(lua_State *L, lua_State *out[RESUMES_MAX]);

#endif
