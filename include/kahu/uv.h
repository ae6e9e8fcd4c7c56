/* SPDX-License-Identifier: MIT */
/*
 * kahu/uv.h - the libuv driver. The only public header that knows of libuv,
 * and it needs no <uv.h>: the loop is named by libuv's own struct tag.
 */
#ifndef KAHU_UV_H
#define KAHU_UV_H

#include "kahu.h"

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;

/**
 * Makes a driver on a loop the caller owns.
 *
 * It uses one timer and one async handle, unreferenced while nothing is
 * pending, so that uv_run() ends when all is done. Deadlines are rounded up to
 * libuv's milliseconds once, so that nothing fires early. After kahu_free()
 * run the loop once more: its handles close there. Until then the loop must
 * not be closed.
 *
 * @return KAHU_OK, KAHU_EINVAL (an argument is NULL), KAHU_ENOMEM, or
 *         KAHU_EDRIVER  libuv could not make its async handle
 *
 * Owns: the port belongs to the scheduler that takes it; if none does, call
 * its release. Thread: loop. Since 0.1.
 */
KAHU_API KAHU_NODISCARD kahu_status kahu_uv_driver(kahu_driver *out,
                                                   struct uv_loop_s *loop);

#ifdef __cplusplus
}
#endif

#endif /* KAHU_UV_H */
