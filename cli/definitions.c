/* SPDX-License-Identifier: MIT */
#include "definitions.h"

/* Made of the files at the build, by kahu_embed(). */
extern const char types_task[];
extern const size_t types_task_size;
extern const char types_scheduler[];
extern const size_t types_scheduler_size;
extern const char types_test[];
extern const size_t types_test_size;

const struct definition definitions[] = {
    {"scheduler", types_scheduler, &types_scheduler_size},
    {"task", types_task, &types_task_size},
    {"test", types_test, &types_test_size},
    {NULL, NULL, NULL},
};
