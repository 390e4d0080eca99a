/* SPDX-License-Identifier: MIT */
/*
 * What could stand at the end of a command line: worked out from the tables of commands
 * and flags, without asking anybody. What somebody has to be asked for (jobs, networks,
 * nodes) is named as a kind; cmd_completion.c asks.
 */
#ifndef RNX_COMPLETE_H
#define RNX_COMPLETE_H

#include <stdbool.h>
#include <stdint.h>

#include "rnx.h"

enum complete_kind {
	COMPLETE_NOTHING,  /* anything may stand there, or nothing */
	COMPLETE_WORDS,	   /* what complete_words() says */
	COMPLETE_FILES,	   /* names of files */
	COMPLETE_DIRS,	   /* names of folders */
	COMPLETE_COMMAND,  /* a command line of its own, from word `first` on */
	COMPLETE_JOBS,	   /* ids of jobs in these states */
	COMPLETE_NETWORKS, /* networks, with those that are always there or without */
	COMPLETE_NODES,	   /* of the configuration file */
};

struct complete {
	enum complete_kind kind;
	const struct command *command; /* NULL: none has been named yet */
	const char *group;	       /* "job", "network", or NULL */
	enum flag flag;		       /* whose value it is; FLAG_COUNT: none */
	const char *part;	       /* what is there of it; behind '=' for a value */
	int prefix;		       /* bytes in front of part in the word */
	unsigned int first;	       /* COMPLETE_COMMAND: where it begins */
	uint32_t states;	       /* COMPLETE_JOBS: bit n: state n; 0: all */
	bool builtin;		       /* COMPLETE_NETWORKS: also those */
};

/* words: behind "rnx"; the last one, which may be empty, is the one to complete. */
void complete_find(struct complete *ret, const char *const *words, unsigned int count);

/* Takes a word and what to say of it. */
typedef void (*complete_take)(void *data, const char *word, const char *text);
/* Of COMPLETE_WORDS: those that begin with part. */
void complete_words(const struct complete *complete, complete_take take, void *data);

#endif
