/* SPDX-License-Identifier: MIT */
#include "atomic.h"

#if KAHU_THREADS

/* One for all files: its address is the OS thread's name. */
_Thread_local char kahu__thread_here;

#endif
