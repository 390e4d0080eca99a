/* SPDX-License-Identifier: MIT */
/*
 * Flags: one table for all commands, one parser for the words before and after the verb.
 * Numbers are checked here; names, paths and core lists are checked by the library when
 * the description of the job is made. Prints nothing.
 */
#ifndef RNX_OPTIONS_H
#define RNX_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum flag {
	FLAG_HELP,
	FLAG_VERSION,
	FLAG_MAX_CPU,
	FLAG_MAX_MEMORY,
	FLAG_MAX_IOBPS,
	FLAG_MAX_PIDS,
	FLAG_CPU_CORES,
	FLAG_TIMEOUT,
	FLAG_ENV,
	FLAG_SECRET_ENV,
	FLAG_WORK_DIR,
	FLAG_HOSTNAME,
	FLAG_NAME,
	FLAG_USER,
	FLAG_NETWORK,
	FLAG_SECCOMP,
	FLAG_INIT,
	FLAG_RM,
	FLAG_EXPLAIN,
	FLAG_QUIET,
	FLAG_COUNT
};

/* Where a flag belongs. */
enum { SCOPE_ANY = 1 << 0, SCOPE_RUN = 1 << 1 };

struct flag_info {
	const char *name; /* without "--" */
	char letter;	  /* 0 when there is no short form */
	uint32_t scope;
	const char *value; /* what stands for the value in help; NULL: a switch */
	const char *help;
	const char *rule; /* "must be …", for errors */
};

extern const struct flag_info flag_table[FLAG_COUNT];

struct env_option {
	const char *text; /* NAME=VALUE, borrowed from argv; holds a '=' */
	bool secret;
};

/* What was given. Of a flag given twice the last one counts; --env adds up. */
struct options {
	uint32_t seen; /* bit n: flag n was given */
	const char
		*given[FLAG_COUNT]; /* last value as written, for messages; else NULL */
	uint32_t cpu_percent;
	uint64_t memory_bytes;
	uint64_t io_bps;
	uint64_t pids;
	uint64_t timeout_usec;
	uint32_t uid, gid;
	int network; /* a JL_NETWORK_ value */
	int seccomp; /* a JL_SECCOMP_ value */
	bool help, version, init, rm, explain, quiet;
	const char *cpu_cores, *work_dir, *hostname, *name; /* borrowed from argv */
	struct env_option *env;
	size_t env_count;
};

#define OPTIONS_ERROR_MAX 1024

static inline bool options_has(const struct options *opts, enum flag flag)
{
	return opts->seen >> flag & 1;
}

/*
 * Parses flags from argv[*index] on, up to the first word that is not a flag, or behind
 * "--". Stops behind --help and --version. Whether a flag fits the command is asked with
 * options_outside(). Returns 0, -EINVAL with one sentence in error, or -ENOMEM.
 */
int options_parse(struct options *opts, int argc, char **argv, int *index,
		  char error[OPTIONS_ERROR_MAX]);
/* First flag that was given and is none of these scopes, or FLAG_COUNT. */
enum flag options_outside(const struct options *opts, uint32_t scope);
/* Releases what the parser allocated. */
void options_done(struct options *opts);

#endif
