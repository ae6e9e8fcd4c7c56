/* SPDX-License-Identifier: MIT */
#include "micro.h"

void micro_measured(const struct micro *m) {
    m->run(m);
}
