/* SPDX-License-Identifier: MIT */
/*
 * navigation.h - the file system as Luau's require library walks it.
 *
 * A place is a path without suffix: "lib/signal" stands for lib/signal.luau,
 * lib/signal/init.luau or the directory lib/signal. Paths stay as the user
 * wrote them, so that messages name files as he does; nothing is absolute
 * unless he was.
 */
#ifndef KAHU_CLI_NAVIGATION_H
#define KAHU_CLI_NAVIGATION_H

#include <Luau/Require.h>

#define NAVIGATION_PATH 4096

struct navigation {
    char place[NAVIGATION_PATH]; /* "" is the current directory */
};

/* Sets all members of config but `load`; ctx begins with a navigation. */
void navigation_configure(luarequire_Configuration *config);

#endif
