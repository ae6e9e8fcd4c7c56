/* SPDX-License-Identifier: MIT */
/*
 * profile_command.h - kahu profile: what can be done with a profile later.
 */
#ifndef KAHU_CLI_PROFILE_COMMAND_H
#define KAHU_CLI_PROFILE_COMMAND_H

/* The command, as main(); argv[0] is its name. */
int profile_command(int argc, char **argv);

#endif
