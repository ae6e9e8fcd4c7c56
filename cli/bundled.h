/* SPDX-License-Identifier: MIT */
/*
 * bundled.h - what a program does that has its script inside.
 */
#ifndef KAHU_CLI_BUNDLED_H
#define KAHU_CLI_BUNDLED_H

/* Runs the script of the bundle, which has all arguments for itself. What to
 * exit with. */
int bundled_main(int argc, char **argv);

#endif
