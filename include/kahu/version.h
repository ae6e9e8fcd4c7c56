/* SPDX-License-Identifier: MIT */
/*
 * kahu/version.h - the one place the version lives: CMake and the .pc file
 * read these lines.
 */
#ifndef KAHU_VERSION_H
#define KAHU_VERSION_H

/** What breaks those who use it; while it is 0, MINOR does. */
#define KAHU_VERSION_MAJOR 0
/** What is new. */
#define KAHU_VERSION_MINOR 1
/** What is mended. */
#define KAHU_VERSION_PATCH 0

/** Comparable at compile time: `#if KAHU_VERSION_NUMBER >= 200`. */
#define KAHU_VERSION_NUMBER                                                    \
    (KAHU_VERSION_MAJOR * 1000000 + KAHU_VERSION_MINOR * 100 +                 \
     KAHU_VERSION_PATCH)

#endif
