/* SPDX-License-Identifier: MIT */
/*
 * The commands. Each returns the exit code of the program and has said on stderr what
 * went wrong. words: what stands behind the command, NULL terminated; how many there may
 * be is in the table and has been checked.
 */
#ifndef RNX_RNX_H
#define RNX_RNX_H

#include "options.h"

int cmd_run(const struct options *opts, char **words);
int cmd_list(const struct options *opts, char **words);
int cmd_status(const struct options *opts, char **words);
int cmd_log(const struct options *opts, char **words);
int cmd_stop(const struct options *opts, char **words);
int cmd_cancel(const struct options *opts, char **words);
int cmd_delete(const struct options *opts, char **words);
int cmd_delete_all(const struct options *opts, char **words);
int cmd_wait(const struct options *opts, char **words);
int cmd_network_create(const struct options *opts, char **words);
int cmd_network_list(const struct options *opts, char **words);
int cmd_network_remove(const struct options *opts, char **words);
int cmd_nodes(const struct options *opts, char **words);
int cmd_doctor(const struct options *opts, char **words);
int cmd_config_help(const struct options *opts, char **words);
int cmd_completion(const struct options *opts, char **words);
int cmd_help(const struct options *opts, char **words);
int cmd_version(const struct options *opts, char **words);

struct command {
	const char *group; /* "network", or NULL */
	const char *name;
	const char *words; /* what follows, for usage lines; "" for nothing */
	const char *brief;
	uint32_t scope;
	/* Words needed and taken; for run, what follows is the command's own. */
	unsigned int least, most;
	bool verb; /* of a job: it may stand behind "job" */
	int (*run)(const struct options *opts, char **words);
	const char *text; /* what help says, lines of at most 90 */
	const char *tail; /* behind the flags, or NULL */
};

extern const struct command commands[];
extern const unsigned int command_count;

/* The command of a name, in a group or (NULL) in none; NULL when there is none. */
const struct command *command_find(const char *group, const char *name);

/* Help for everything (NULL) or for one command, on stdout. */
int print_help(const struct command *command);
int print_group_help(const char *group);

/*
 * Signals for a job. signals_open() blocks those that are forwarded and returns a
 * descriptor that polls readable when one came, or -errno; those the caller of rnx chose
 * to ignore (nohup) stay ignored. signals_next() returns one that came, or 0.
 */
int signals_open(void);
int signals_next(int fd);
/* Whether those that ask a program to end now end this one, with a word why. */
void signals_leave(bool may_leave);

#endif
