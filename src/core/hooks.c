/* SPDX-License-Identifier: MIT */
/*
 * hooks.c - the chain of hooks. A hook may add a hook or call the API back, so
 * the chain is walked by index and read anew at every step.
 */
#include "sched.h"

kahu_status kahu_add_hooks(kahu_sched *s, const kahu_hooks *hooks) {
    kahu_hooks copy;
    kahu_hooks *grown;

    if (!kahu__options_read_struct(&copy, sizeof(copy), hooks))
        return KAHU_EINVAL;
    grown = kahu__realloc(&s->alloc, s->hooks, s->nhooks * sizeof(copy),
                          (s->nhooks + 1) * sizeof(copy));
    if (grown == NULL)
        return KAHU_ENOMEM;
    s->hooks = grown;
    s->hooks[s->nhooks++] = copy;
    return KAHU_OK;
}

void kahu__hooks_end(kahu_sched *s, lua_State *co, kahu_outcome outcome,
                     int nresults) {
    for (uint32_t i = 0; i < s->nhooks; i++)
        if (s->hooks[i].on_end != NULL)
            s->hooks[i].on_end(s->hooks[i].ud, co, outcome, nresults);
}

bool kahu__hooks_error(kahu_sched *s, lua_State *co, const char *message,
                       const char *traceback) {
    bool heard = false;

    for (uint32_t i = 0; i < s->nhooks; i++) {
        if (s->hooks[i].on_error == NULL)
            continue;
        heard = true;
        s->hooks[i].on_error(s->hooks[i].ud, co, message, traceback);
    }
    return heard;
}
