/* SPDX-License-Identifier: MIT */
/*
 * setup.h - `kahu setup`: editors and type checkers learn of kahu.
 */
#ifndef KAHU_CLI_SETUP_H
#define KAHU_CLI_SETUP_H

/* What to exit with. */
int setup_main(int argc, char **argv);

#endif
