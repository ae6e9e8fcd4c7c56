/* SPDX-License-Identifier: MIT */
/*
 * async.h - asynchronous C functions with nothing in them but the operation:
 * what is left to measure is the scheduler's.
 */
#ifndef KAHU_BENCH_ASYNC_H
#define KAHU_BENCH_ASYNC_H

#include <lua.h>
#include <stdbool.h>

/* For scripts: an operation that has ended before its thread yields. */
int async_op(lua_State *L);

/* For scripts: one that another OS thread ends. */
int async_remote(lua_State *L);

/* The OS threads that do; the first async_remote() starts four if nobody else
 * did. From then on all of the C library runs with locks, hence not before. */
void async_remote_start(int threads);

/* Waits until one of the operations under way has ended; false when there is
 * none. */
bool async_remote_wait(void);

/* Ends the OS threads, when they have ended all that is under way. Before
 * kahu_free(). */
void async_remote_stop(void);

#endif
