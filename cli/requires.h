/* SPDX-License-Identifier: MIT */
/*
 * requires.h - the calls of `require` in a text that the compiler has accepted.
 */
#ifndef KAHU_CLI_REQUIRES_H
#define KAHU_CLI_REQUIRES_H

#include <stddef.h>

enum requires_kind {
    REQUIRES_CONSTANT, /* require("./x"), require "./x" */
    REQUIRES_GUARDED,  /* pcall(require, "./x"): may name no module */
    REQUIRES_DYNAMIC   /* anything else: nobody knows before it runs */
};

struct requires_call {
    enum requires_kind kind;
    unsigned line;
    const char *literal; /* as written, quotes included; NULL when dynamic */
    size_t size;
};

/* Calls found with each of them, in their order. */
void requires_scan(const char *text, size_t size,
                   void (*found)(void *ud, const struct requires_call *call),
                   void *ud);

#endif
