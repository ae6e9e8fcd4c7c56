/* SPDX-License-Identifier: MIT */
/*
 * compile.h - `kahu compile`: a script and its modules become a program.
 */
#ifndef KAHU_CLI_COMPILE_H
#define KAHU_CLI_COMPILE_H

/* What to exit with. */
int compile_main(int argc, char **argv);

#endif
