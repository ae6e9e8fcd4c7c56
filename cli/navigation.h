/* SPDX-License-Identifier: MIT */
/*
 * navigation.h - the file system as Luau's require library walks it.
 *
 * A place is a path without suffix: "lib/signal" stands for lib/signal.luau,
 * lib/signal/init.luau or the directory lib/signal; for more than one of these
 * it is ambiguous. Paths stay as the user wrote them but for what leads nowhere
 * (tidy.h), so that messages name files as he does; nothing is absolute unless
 * he was. Luau's own program has the same rules, and scripts go from one to the
 * other.
 *
 * With a bundle, what it has is found before what the disk has, and what it has
 * is never ambiguous with that; configuration files of its modules come from
 * the bundle alone.
 */
#ifndef KAHU_CLI_NAVIGATION_H
#define KAHU_CLI_NAVIGATION_H

#include <Luau/Require.h>
#include <stdbool.h>

#define NAVIGATION_PATH 4096

struct bundle;

struct navigation {
    char place[NAVIGATION_PATH]; /* "" is the current directory */
    const struct bundle *bundle; /* or NULL */
    bool bundled;                /* who requires is in the bundle */
};

/* The one path of the module's file by whatever path it was named. False when
 * there is none. */
bool navigation_key(const struct navigation *n, char out[NAVIGATION_PATH]);

/* Calls found with each configuration file that may concern the chunk. */
void navigation_configs(struct navigation *n, const char *chunkname,
                        void (*found)(void *ud, const char *path), void *ud);

/* Sets all members of config but `load`; ctx begins with a navigation. */
void navigation_configure(luarequire_Configuration *config);

#endif
