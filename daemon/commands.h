/* SPDX-License-Identifier: MIT */
/* The commands of the program joblet beside serving. Each returns the exit code and has
 * said on stderr what went wrong. argv[0] is the command's own name. */
#ifndef DAEMON_COMMANDS_H
#define DAEMON_COMMANDS_H

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

int cmd_cert(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_hold(int argc, char **argv);

/*
 * For what getopt_long() returns for an option there is not ('?') and for one whose value
 * is missing (':'): says so, and what shows those there are.
 */
int option_wrong(int option, char *const *argv, const char *help);

/* "joblet: …" on stderr. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
